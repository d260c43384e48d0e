"""Surveys beforehand: made by a process of its own, shown with their age, and told when they fail."""

import asyncio
import re
import subprocess
import sys
from collections.abc import Iterator

import msgspec
import pytest
from consoles import HERE, House
from records import until

from collector.console import fleet, surveyor
from collector.console.fleet import FleetKeeper, SurveyFailed, survey_apart
from collector.console.views import SurveyFailure, SurveyFault
from collector.diagnosis.survey_document import SurveyDocument
from collector.errors import Cause
from collector.model import Region

NOW = 1_800_000_000_000
NO_DISK = SurveyFailed(SurveyFault.STORE, "disk full")


async def test_a_survey_is_made_by_a_process_of_its_own(a_house: House) -> None:
    """What it answers is the document of `ueip fleet --json`."""
    made = await survey_apart(a_house.settings, HERE)

    assert isinstance(made, SurveyDocument)
    assert (made.region, made.routers, made.alarms) == (HERE, len(a_house.serials[HERE]), [])


async def test_a_region_without_a_store_has_no_survey(a_house: House) -> None:
    """Which is no failure."""
    assert await survey_apart(a_house.settings, Region.CHINA) is None


async def test_a_store_that_cannot_be_read_is_a_failed_survey(a_house: House) -> None:
    """And not an empty fleet."""
    germany = a_house.settings.regions.germany
    assert germany is not None
    broken = germany.model_copy(update={"store": germany.key_files[0]})
    regions = a_house.settings.regions.model_copy(update={"germany": broken})

    with pytest.raises(SurveyFailed) as failed:
        await survey_apart(a_house.settings.model_copy(update={"regions": regions}), HERE)
    assert failed.value.failure == SurveyFailure(SurveyFault.STORE, Cause.CORRUPT.value)


@pytest.mark.parametrize(
    ("program", "failure"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", SurveyFailure(SurveyFault.ENDED, "SIGKILL")),
        ("import os; os.kill(os.getpid(), 40)", SurveyFailure(SurveyFault.ENDED, "signal 40")),
        ("import sys; sys.exit(7)", SurveyFailure(SurveyFault.CRASHED, "exit 7")),
        ("import sys; sys.exit(3)", SurveyFailure(SurveyFault.CRASHED, "exit 3")),
        ("print('what?')", SurveyFailure(SurveyFault.CRASHED, "no answer")),
    ],
)
async def test_a_process_that_ends_badly_is_a_failed_survey_that_says_how(
    a_house: House, monkeypatch: pytest.MonkeyPatch, program: str, failure: SurveyFailure
) -> None:
    """Killed when memory ran out, for one."""
    monkeypatch.setattr(fleet, "COMMAND", (sys.executable, "-c", program))

    with pytest.raises(SurveyFailed) as failed:
        await survey_apart(a_house.settings, HERE)
    assert failed.value.failure == failure


async def test_a_process_that_cannot_be_started_is_a_failed_survey(
    a_house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the system's word for it."""
    monkeypatch.setattr(fleet, "COMMAND", ("/nowhere/python",))

    with pytest.raises(SurveyFailed) as failed:
        await survey_apart(a_house.settings, HERE)
    assert failed.value.failure == SurveyFailure(SurveyFault.NOT_STARTED, "No such file or directory")


def test_a_fault_of_ours_is_told_by_its_kind_and_place_alone(a_house: House) -> None:
    """Its text may quote what is stored."""
    program = [sys.executable, str(surveyor.__file__), "china", "no number"]
    ended = subprocess.run(program, input=a_house.settings.model_dump_json().encode(), capture_output=True, check=False)
    failure = msgspec.json.decode(ended.stdout, type=SurveyFailure)

    assert ended.returncode == surveyor.FAILED
    assert failure.fault is SurveyFault.CRASHED
    assert re.fullmatch(r"ValueError at surveyor\.py:\d+", failure.detail)


async def test_a_survey_that_takes_too_long_is_ended_and_told(
    a_house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """In the log as well, with its region."""
    monkeypatch.setattr(fleet, "COMMAND", (sys.executable, "-c", "import time; time.sleep(600)"))
    monkeypatch.setattr(fleet, "LONGEST_SECONDS", 0.2)
    keeper = FleetKeeper(a_house.settings, clock=lambda: NOW)
    running = asyncio.create_task(keeper.run())
    await until(lambda: keeper.view(HERE, NOW).state == "failed")
    running.cancel()
    told = [record for record in caplog.records if record.msg == "survey_failed"]

    assert keeper.view(HERE, NOW).failure == SurveyFailure(SurveyFault.TOO_LONG)
    assert {"fault": "too_long", "region": HERE, "detail": None} in [vars(record)["facts"] for record in told]


async def test_the_last_survey_stays_when_a_later_one_fails(a_house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its age, and the word that it failed."""
    answers: Iterator[SurveyDocument | Exception] = iter(
        [SurveyDocument(1, HERE, "", "", 5, 1.0, sampled=False, alarms=[]), NO_DISK]
    )

    async def answer(*_: object) -> SurveyDocument:
        found = next(answers, NO_DISK)
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr(fleet, "survey_apart", answer)
    monkeypatch.setattr(fleet, "EVERY_SECONDS", 0.0)
    enabled = a_house.settings.regions.model_copy(update={"enabled": (HERE,)})
    keeper = FleetKeeper(a_house.settings.model_copy(update={"regions": enabled}), clock=lambda: NOW)
    before = keeper.view(HERE, NOW)
    running = asyncio.create_task(keeper.run())
    await until(lambda: keeper.view(HERE, NOW).state == "failed")
    running.cancel()
    after = keeper.view(HERE, NOW + 65_000)

    assert (before.state, before.survey, before.age_seconds) == ("making", None, None)
    assert (after.state, after.age_seconds) == ("failed", 65)
    assert after.failure == NO_DISK.failure
    assert after.survey is not None
    assert after.survey.routers == 5
