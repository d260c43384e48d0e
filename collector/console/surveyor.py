"""A process of its own that surveys one region's fleet: `python -m collector.console.surveyor REGION MILLISECONDS`.

Rule 1: a survey computes for minutes; in the console's own process everybody would wait for it.
Rule 2: the settings come on standard input, as JSON; the answer goes to standard output. Nothing is in the arguments
        that others on the machine may not see.
"""

import asyncio
import os
import signal
import sys
from contextlib import suppress

import msgspec

from collector.config import Settings
from collector.diagnosis.document import SurveyDocument, survey_document
from collector.errors import CollectorError
from collector.model import Region
from collector.surveying import survey_region

FAILED = 3
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
    settings = Settings.model_validate_json(sys.stdin.buffer.read())
    try:
        found = asyncio.run(surveyed(settings, Region(sys.argv[1]), int(sys.argv[2])))
    except CollectorError:
        sys.exit(FAILED)
    sys.stdout.buffer.write(msgspec.json.encode(found))


if __name__ == "__main__":
    main()
