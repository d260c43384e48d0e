"""Why a connection to the broker is not read."""

from enum import Enum, auto


class Hold(Enum):
    """Why a link is held."""

    MEMORY = auto()
    """What was received takes as much memory as it may; a new connection would bring it a second time (D22)."""
    CONSENT = auto()
    """The consent topic has not been read to its end (K05)."""
    CLOCK = auto()
    """The collector's own clock is behind: what was received now would be dated wrongly (K38)."""
    END = auto()
    """The collector is about to stop."""
