"""What happens before a command or a worker begins."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "begin",
    [
        "import gc; gc.disable(); from collector.cli import ueip; ueip.get_command(None, 'find')",
        "import gc; import collector.workers.__main__",
    ],
)
def test_garbage_is_collected_once_all_is_imported(begin: str) -> None:
    """Looking for it waits for the import only: a collector runs for months."""
    subprocess.run([sys.executable, "-c", f"{begin}; assert gc.isenabled()"], check=True)
