"""A process of its own that surveys one region's fleet: `python -m collector.console.surveyor REGION MILLISECONDS`.

Rule 1: a survey computes for minutes; in the console's own process everybody would wait for it.
Rule 2: the settings come on standard input, as JSON; the answer, or why there is none, goes to standard output.
        Nothing is in the arguments that others on the machine may not see.
"""

import asyncio
import os
import signal
import sys
from contextlib import suppress
from typing import NoReturn

import msgspec

from collector.config import Settings
from collector.console.views import SurveyFailure, SurveyFault
from collector.diagnosis.survey_document import SurveyDocument, survey_document
from collector.errors import CollectorError, StoreUnavailable, where
from collector.model import Region
from collector.surveying import survey_region

FAILED = 3
"""The exit code when standard output has a `SurveyFailure`."""
_KINDER = 10


async def surveyed(settings: Settings, region: Region, window: int) -> SurveyDocument | None:
    """What stands out in the fleet of a region."""
    found = await survey_region(settings, region, window=window)
    if found is None:
        return None
    return survey_document(
        region,
        found.alarms,
        since=found.since,
        until=found.until,
        routers=found.routers,
        hours=found.hours,
        sampled=found.sampled,
    )


def main() -> None:
    """Survey what the arguments name."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the console, which ends this process
    with suppress(OSError):
        os.nice(_KINDER)
    try:
        settings = Settings.model_validate_json(sys.stdin.buffer.read())
        found = asyncio.run(surveyed(settings, Region(sys.argv[1]), int(sys.argv[2])))
    except StoreUnavailable as error:
        _fail(SurveyFault.STORE, error.cause.value)
    except CollectorError as error:
        _fail(SurveyFault.INSTALLATION, type(error).__name__)
    except Exception as error:  # noqa: BLE001 - nobody else is there to say what it was
        _fail(SurveyFault.CRASHED, f"{type(error).__name__} at {where(error)}")
    sys.stdout.buffer.write(msgspec.json.encode(found))


def _fail(fault: SurveyFault, detail: str) -> NoReturn:
    """Say why there is no survey: of an error its kind and place, for its text may quote what is stored."""
    sys.stdout.buffer.write(msgspec.json.encode(SurveyFailure(fault, detail)))
    sys.stdout.buffer.flush()
    sys.exit(FAILED)


if __name__ == "__main__":
    main()
