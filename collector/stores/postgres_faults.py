"""What PostgreSQL's troubles mean: each has one cause, in the words that operators read.

Rule 1: none of the server's own words are passed on: they may name hosts, users and values.
"""

import os
import ssl
from typing import Final

from asyncpg import InterfaceError, InternalClientError, PostgresError

from collector.errors import Cause, StoreUnavailable
from collector.model import Region
from collector.stores.rows import Damaged

TROUBLES: Final = (PostgresError, InterfaceError, InternalClientError, OSError, EOFError, Damaged)
"""All that talking to a server may raise; `TimeoutError` and errors of TLS are among the `OSError`s."""
_BY_STATE: Final = {
    "53100": Cause.DISK_FULL,
    "53200": Cause.NOT_ANSWERING,
    "25006": Cause.READ_ONLY,
    "55P03": Cause.LOCKED,
    "40P01": Cause.LOCKED,
    "57014": Cause.LOCKED,
    "3D000": Cause.WRONG_STORE,
    "42501": Cause.NO_ACCESS,
    "XX001": Cause.CORRUPT,
    "XX002": Cause.CORRUPT,
}
"""By SQLSTATE (PostgreSQL 15, appendix A)."""
_BY_CLASS: Final = {
    "28": Cause.NO_ACCESS,
    "42": Cause.CORRUPT,  # our statements are right, so a table or a column is missing
    "22": Cause.CORRUPT,
    "23": Cause.CORRUPT,
}


def cause_of(error: BaseException) -> Cause:
    """Why the server refused, or why it could not be asked."""
    if isinstance(error, Damaged):
        return Cause.CORRUPT
    state = getattr(error, "sqlstate", None) or ""
    return _BY_STATE.get(state) or _BY_CLASS.get(state[:2]) or Cause.NOT_ANSWERING


def refused(error: BaseException, region: Region) -> StoreUnavailable:
    """PostgreSQL's trouble as ours."""
    return StoreUnavailable(f"the store of {region} did not answer: {_told(error)}", cause_of(error))


def _told(error: BaseException) -> str:
    """What can be said of an error without naming hosts, users or values."""
    if isinstance(error, Damaged):
        return str(error)
    if isinstance(error, ssl.SSLCertVerificationError):
        return "its certificate was not accepted"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed ({error.reason or 'no reason given'})"
    state = getattr(error, "sqlstate", None)
    name = type(error).__name__
    if state:
        return f"{name} (SQLSTATE {state})"
    # Not its `strerror`: asyncio writes the address into that.
    return f"{name}: {os.strerror(error.errno)}" if isinstance(error, OSError) and error.errno else name
