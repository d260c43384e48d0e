"""Surveys beforehand: made by a process of its own, shown with their age, and told when they fail."""

import asyncio
from collections.abc import Iterator

import pytest
from consoles import HERE, House
from records import until

from collector.console import fleet
from collector.console.fleet import FleetKeeper, SurveyFailed, survey_apart
from collector.diagnosis.document import SurveyDocument
from collector.model import Region

NOW = 1_800_000_000_000


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

    with pytest.raises(SurveyFailed):
        await survey_apart(a_house.settings.model_copy(update={"regions": regions}), HERE)


async def test_the_last_survey_stays_when_a_later_one_fails(a_house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its age, and the word that it failed."""
    answers: Iterator[SurveyDocument | Exception] = iter(
        [SurveyDocument(1, HERE, "", "", 5, 1.0, sampled=False, alarms=[]), SurveyFailed()]
    )

    async def answer(*_: object) -> SurveyDocument:
        found = next(answers, SurveyFailed())
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
    assert after.survey is not None
    assert after.survey.routers == 5
