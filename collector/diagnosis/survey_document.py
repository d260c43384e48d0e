"""A survey of a fleet as JSON: what `ueip fleet --json` prints. Its shape is stable, by the rules of `document`."""

from collections.abc import Sequence
from typing import Any, Final, Literal

import msgspec
from msgspec.structs import asdict

from collector.derive import text_of
from collector.diagnosis.fleet import Alarm, StandsOut
from collector.model import Region, Sealed

SHAPE: Final = 1


class StretchDocument(Sealed, frozen=True):
    """A day or an hour that begins at `time`; rates are for each router and day, null for fewer than ten routers."""

    time: str
    rate: float | None
    rate_others: float | None


class AlarmDocument(StandsOut, frozen=True):
    """A group that has a fault more often than its like.

    Rates are for each router and day seen; `low` and `high` are the 99 % interval of `ratio`; `chance` is how likely
    the whole survey would raise such an alarm by chance. `began` is null if it was so from the beginning. A cell has no
    name: `affected` of its `routers` lost the network within the hour from `began` on. `course` has the rates day by
    day, or hour by hour over less than three days; a cell has none.
    """

    began: str | None
    course: list[StretchDocument]


class SurveyDocument(Sealed, frozen=True):
    """What stands out in the fleet of one region. `sampled` says whether there were more routers than were read."""

    shape: Literal[1]
    region: Region
    since: str
    until: str
    routers: int
    router_hours: float
    sampled: bool
    alarms: list[AlarmDocument]


def survey_document(
    region: Region, alarms: Sequence[Alarm], *, since: int, until: int, routers: int, hours: float, sampled: bool
) -> SurveyDocument:
    """The document of a survey."""
    return SurveyDocument(
        shape=SHAPE,
        region=region,
        since=text_of(since),
        until=text_of(until),
        routers=routers,
        router_hours=round(hours, 1),
        sampled=sampled,
        alarms=[_alarm(alarm) for alarm in alarms],
    )


def _alarm(alarm: Alarm) -> AlarmDocument:
    course = [StretchDocument(text_of(one.at), one.rate, one.rate_others) for one in alarm.course]
    began = None if alarm.began is None else text_of(alarm.began)
    return AlarmDocument(**{**asdict(alarm), "began": began, "course": course})


def survey_schema() -> dict[str, Any]:
    """The JSON Schema of what is printed: a list, one document for each region."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "What `ueip fleet --json` prints, one document a region",
        **msgspec.json.schema(list[SurveyDocument]),
    }
