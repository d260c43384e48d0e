"""A short run of the fuzzer with every run of the tests, and what it has found before. Many inputs: `make fuzz`."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from collector.formats.adapters import KINDS

from .case import CORPUS, FOUND, Case, corpus, require
from .on_sources import FORMATS
from .play import Failure, failure, kept, minimised, plan, play
from .run import fuzz
from .targets import TARGETS

SEED = int(os.environ.get("FUZZ_SEED", "1"))
INPUTS = 20_000


@pytest.mark.parametrize("name", TARGETS)
def test_a_short_run_finds_nothing(name: str) -> None:
    """Some twenty thousand inputs between all targets; every input one outcome, no exception escapes."""
    for target, number, inputs in plan(INPUTS):
        if target == name:
            found = play(SEED, name, number, inputs)

            assert [] == [(failed.how, failed.case.data) for failed in found.failures]
            assert inputs == found.inputs[name] == found.outcomes.total()


@pytest.mark.parametrize("file", sorted(FOUND.glob("*.case")), ids=lambda file: file.stem)
def test_what_was_found_before_is_not_found_again(file: Path) -> None:
    """Every input that ever failed is kept."""
    how = failure(Case.of_file(file.read_bytes()))

    assert not isinstance(how, Failure), how.how


@pytest.mark.parametrize("name", TARGETS)
def test_every_seed_passes(name: str) -> None:
    """The corpus by itself, with nothing changed."""
    assert [] == [how for case in TARGETS[name].seeds() if isinstance(how := failure(case), Failure)]


def test_the_seeds_reach_what_matters() -> None:
    """An accepted report of every region, both acts of consent, a report on each way of reading it."""
    labels = {failure(case) for name in ("process", "report") for case in TARGETS[name].seeds()}
    told = {str(label).partition(" |")[0] for label in labels}

    assert {"accepted germany", "accepted china", "accepted hong_kong", "consent join", "consent exit"} <= told
    assert {"quickly: yes", "quickly: no", "slowly: malformed"} <= told


def test_every_format_is_a_target_and_its_seeds_lead_to_records() -> None:
    """A new one without a line is a fault of this package."""
    assert set(KINDS) == set(FORMATS) <= set(TARGETS)
    for name in FORMATS:
        labels = {str(failure(case)) for case in TARGETS[name].seeds()}
        assert [label for label in labels if "accepted" in label], name


def test_the_corpus_is_small_and_every_folder_of_it_is_used() -> None:
    """It is read by people too."""
    used = {folder for target in TARGETS.values() for folder in target.folders}

    assert {folder.name for folder in CORPUS.iterdir()} == used
    assert sum(len(seed) for folder in used for seed in corpus(folder)) < 100_000


def test_a_seed_gives_the_same_inputs_on_any_number_of_processes() -> None:
    """So a failure can be found again."""
    one, two = (fuzz(7, 1500, processes, ["json", "packets", "plan"]) for processes in (1, 2))

    assert (one.inputs, one.outcomes) == (two.inputs, two.outcomes)


def test_a_file_of_a_case_is_that_case(tmp_path: Path) -> None:
    """Whatever its bytes are."""
    case = Case("process", b"\x00\n\xff{}\n", {"topic": "ueip/v1/\u00e9/report", "retained": True})

    assert case == Case.of_file(kept(case, tmp_path).read_bytes())


def test_a_failing_input_is_made_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not matter for the failure is left out."""

    def check(case: Case) -> str:
        require(b'"signal_bars":3' not in case.data, "found it")
        return "fine"

    monkeypatch.setitem(TARGETS, "json", replace(TARGETS["json"], check=check))
    data = b'{"a":[1,2,{"b":"c"}],"signal":{"rat":"lte","signal_bars":3},"d":null}'
    found = failure(Case("json", data))
    assert isinstance(found, Failure)

    assert b'"signal_bars":3' == minimised(found).data
