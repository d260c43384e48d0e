"""What a format other than our own says, before its names are understood: the common ground of all adapters.

Rule 1: an adapter takes a payload apart and understands nothing of it; what a name means is data
        (`schemas/formats/*.toml`), so a firmware's new spelling needs no change of code.
Rule 2: an adapter never raises: what it cannot read is a `DropReason`.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from collector.model import DropReason, Flag, Sealed


class Reading(Sealed, frozen=True, gc=False):
    """One sample of one router.

    `values` are names and scalars (text, number, bool, None) in the order they came, structures flattened with dots; a
    name that came twice makes the message malformed before it gets here. A structure that no map has use for may stay
    whole. `time` is what the router says, in milliseconds since 1970, None where it says nothing or has no clock. `key`
    tells this sample from all others of the router, where the format has such an id. `flag` is what the one declared
    place of the flag says. `endpoint` is the router as the payload names it. `partial` is true of one value of many
    that make a sample together, `late` of a sample that was held back before it was sent: when it arrived says nothing
    of when it was measured.
    """

    values: tuple[tuple[str, Any], ...]
    time: int | None = None
    key: str | None = None
    flag: Flag = Flag.NONE
    country: str | None = None
    endpoint: str | None = None
    partial: bool = False
    late: bool = False


class Options(Sealed, frozen=True):
    """What a source says about its payloads.

    `zone` is that of local times without one; `flagged` whether the flag stands in the message; `counters` whether
    collectd sends counters; `names` what names of a bulk data profile stand for; `named` whether the router is to be
    found in the payload; `max_depth` bounds nesting.
    `spells_the_flag` says whether a name is some spelling of the flag, of whatever format (catalogue 1.7.2).
    """

    zone: ZoneInfo
    flagged: bool
    counters: bool
    names: Mapping[str, str]
    named: bool
    max_depth: int
    spells_the_flag: Callable[[str], bool]


class Adapter(Protocol):
    """Takes the payloads of one format apart."""

    def read(self, payload: bytes, levels: tuple[str, ...]) -> tuple[Reading, ...] | DropReason:
        """The samples in *payload*, most often one; *levels* are the topic's levels below the filter's fixed ones.

        An empty tuple stands for a message that is in order and says nothing of the router (a heartbeat, a greeting).
        """
        ...
