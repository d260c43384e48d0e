"""What a request asks for: a router, a region, how far back. Pages and API read it alike.

Rule 1: a refusal names the place and what is expected there; it never quotes what was found.
"""

import re
from typing import Annotated, Final

import msgspec
from starlette.requests import Request

from collector.console.failures import Invalid
from collector.console.reading import LONGEST_WINDOW
from collector.diagnosis.history import DAY
from collector.model import Region, Sealed

SINCE: Final = r"^[1-9][0-9]{0,3}[mhd]$"
BEFORE: Final = r"^[1-9][0-9]{0,17}$"
IDENTIFIER: Final = r"[\x20-\x7e]{4,64}"
_UNLIKE: Final = "identifier: expected 4 to 64 printable characters; region: a region's name or none"
_JSON: Final = "application/json"
_UNITS: Final = {"m": 60_000, "h": 3_600_000, "d": DAY}


class LookupBody(Sealed, frozen=True, forbid_unknown_fields=True):
    """What to look up: a serial number, IMEI or MAC as it is read out. `region` limits it to one."""

    identifier: Annotated[str, msgspec.Meta(min_length=4, max_length=64, pattern=r"^[\x20-\x7e]+$")]
    region: Region | None = None


def region_of(request: Request) -> Region | None:
    """The region that the query names.

    Raises:
        Invalid: there is none of that name.
    """
    text = request.query_params.get("region")
    if text is None:
        return None
    try:
        return Region(text)
    except ValueError:
        raise Invalid(f"region: expected one of {', '.join(Region)}") from None


def window_of(request: Request) -> int:
    """How far back the query asks, in milliseconds; a week when it does not say.

    Raises:
        Invalid: it is no span of time, or one of more than 400 days.
    """
    text = request.query_params.get("since", "7d")
    if not re.fullmatch(SINCE, text) or (window := int(text[:-1]) * _UNITS[text[-1]]) > LONGEST_WINDOW:
        raise Invalid("since: expected a number and m, h or d, at most 400 days, as in 90m, 12h or 7d")
    return window


def before_of(request: Request) -> int | None:
    """The number of the entry that the query goes back from.

    Raises:
        Invalid: it is no number.
    """
    text = request.query_params.get("before")
    if text is not None and not re.fullmatch(BEFORE, text):
        raise Invalid("before: expected the number of an entry")
    return None if text is None else int(text)


def identifier_of(text: str) -> str:
    """What is looked up, without the blanks around it.

    Raises:
        Invalid: it cannot be what somebody reads out from a router.
    """
    identifier = text.strip()
    if not re.fullmatch(IDENTIFIER, identifier):
        raise Invalid(_UNLIKE)
    return identifier


async def lookup_of(request: Request) -> LookupBody:
    """What the body of a request to the API looks up.

    Raises:
        Invalid: it is not such a body.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _JSON:
        raise Invalid("Content-Type: expected application/json")
    try:
        return msgspec.json.decode(await request.body(), type=LookupBody)
    except msgspec.ValidationError:
        raise Invalid(_UNLIKE) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Invalid("body: expected one JSON object in UTF-8") from None
