"""Keeps a survey of each region's fleet, made anew at intervals in a process of its own."""

import asyncio
import signal
import sys
import time
from collections.abc import Callable
from typing import Final

import msgspec

from collector.config import Settings
from collector.console.surveyor import FAILED
from collector.console.views import FleetView, SurveyFailure, SurveyFault
from collector.derive import text_of
from collector.diagnosis.history import DAY
from collector.diagnosis.survey_document import SurveyDocument
from collector.log import LOG
from collector.model import Region, Sealed

EVERY_SECONDS: Final = 900.0
"""From the end of one survey of a region to the next. Each looks at two weeks, so this is often enough."""
AGAIN_SECONDS: Final = 60.0
"""After a survey that failed."""
LONGEST_SECONDS: Final = 1800.0
WINDOW: Final = 14 * DAY
COMMAND: Final = (sys.executable, "-m", "collector.console.surveyor")
_decoder: Final[msgspec.json.Decoder[SurveyDocument | None]] = msgspec.json.Decoder(SurveyDocument | None)


class _Made(Sealed, frozen=True):
    """A survey that was made; None where there is no store yet."""

    at: int
    survey: SurveyDocument | None


class SurveyFailed(Exception):
    """The process that surveys gave no answer; `failure` says why."""

    def __init__(self, fault: SurveyFault, detail: str = "") -> None:
        super().__init__(fault.value)
        self.failure = SurveyFailure(fault, detail)


class FleetKeeper:
    """The surveys of all regions served here."""

    def __init__(self, settings: Settings, *, clock: Callable[[], int] | None = None) -> None:
        self._settings = settings
        self._clock = clock or (lambda: int(time.time() * 1000))
        self._made: dict[Region, _Made] = {}
        self._failed: dict[Region, SurveyFailure] = {}

    def view(self, region: Region, now: int) -> FleetView:
        """What is known of the fleet of a region."""
        made = self._made.get(region)
        return FleetView(
            region=region,
            state="failed" if region in self._failed else "ready" if made else "making",
            made_at=text_of(made.at) if made else None,
            age_seconds=max(0, (now - made.at) // 1000) if made else None,
            survey=made.survey if made else None,
            failure=self._failed.get(region),
        )

    async def run(self) -> None:
        """Survey, one region after the other, until cancelled."""
        due = dict.fromkeys(self._settings.regions.enabled, 0.0)
        while True:
            region = min(due, key=lambda one: due[one])
            await asyncio.sleep(max(0.0, due[region] - time.monotonic()))
            due[region] = time.monotonic() + (EVERY_SECONDS if await self._renew(region) else AGAIN_SECONDS)

    async def _renew(self, region: Region) -> bool:
        try:
            async with asyncio.timeout(LONGEST_SECONDS):
                survey = await survey_apart(self._settings, region)
        except SurveyFailed as error:
            return self._note(region, error.failure)
        except TimeoutError:
            return self._note(region, SurveyFailure(SurveyFault.TOO_LONG))
        self._made[region] = _Made(self._clock(), survey)
        self._failed.pop(region, None)
        return True

    def _note(self, region: Region, failure: SurveyFailure) -> bool:
        LOG.warning("survey_failed", region=region, fault=failure.fault, detail=failure.detail or None)
        self._failed[region] = failure
        return False


async def survey_apart(settings: Settings, region: Region) -> SurveyDocument | None:
    """The survey of a region, made by a process of its own, which ends with this call.

    Raises:
        SurveyFailed: it gave no answer.
    """
    process = await _started(region)
    try:
        told, _ = await process.communicate(settings.model_dump_json().encode())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise _why(process.returncode, told)
    try:
        return _decoder.decode(told)
    except msgspec.DecodeError:
        raise SurveyFailed(SurveyFault.CRASHED, "no answer") from None


async def _started(region: Region) -> asyncio.subprocess.Process:
    pipe, nothing = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    try:
        return await asyncio.create_subprocess_exec(
            *COMMAND, region.value, str(WINDOW), stdin=pipe, stdout=pipe, stderr=nothing
        )
    except OSError as error:
        raise SurveyFailed(SurveyFault.NOT_STARTED, error.strerror or type(error).__name__) from None


def _why(code: int, told: bytes) -> SurveyFailed:
    """What became of the process, by its exit code and, if it could still give one, its own account."""
    if code < 0:
        known = -code in set(signal.Signals)  # real-time signals have no names
        return SurveyFailed(SurveyFault.ENDED, signal.Signals(-code).name if known else f"signal {-code}")
    try:
        failure = msgspec.json.decode(told, type=SurveyFailure) if code == FAILED else None
    except msgspec.DecodeError:
        failure = None
    return SurveyFailed(failure.fault, failure.detail) if failure else SurveyFailed(SurveyFault.CRASHED, f"exit {code}")
