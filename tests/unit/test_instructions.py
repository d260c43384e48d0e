"""The counts of instructions that are kept in the repository are those of the steps there are."""

import json
import subprocess
import sys
from pathlib import Path

_BENCH = Path(__file__).parents[2] / "bench"


def test_instructions_are_kept_of_every_step_and_of_no_other() -> None:
    command = [sys.executable, str(_BENCH / "instructions.py"), "--steps"]

    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout

    kept = json.loads((_BENCH / "instructions.json").read_text())["instructions"]
    assert said.splitlines() == list(kept)
