"""What ClickHouse's troubles mean: each has one cause, in the words that operators read.

Rule 1: none of the server's own words are passed on: they may name hosts, users and values.
"""

from typing import Final

from clickhouse_connect.driver.exceptions import Error

from collector.errors import Cause, StoreUnavailable
from collector.model import Region
from collector.stores.rows import Damaged

_BY_CODE: Final = {
    243: Cause.DISK_FULL,  # NOT_ENOUGH_SPACE
    164: Cause.READ_ONLY,  # READONLY
    242: Cause.READ_ONLY,  # TABLE_IS_READ_ONLY: a replica that lost its keeper
    192: Cause.NO_ACCESS,  # UNKNOWN_USER
    193: Cause.NO_ACCESS,  # WRONG_PASSWORD
    194: Cause.NO_ACCESS,  # REQUIRED_PASSWORD
    497: Cause.NO_ACCESS,  # ACCESS_DENIED
    516: Cause.NO_ACCESS,  # AUTHENTICATION_FAILED
    81: Cause.WRONG_STORE,  # UNKNOWN_DATABASE
    60: Cause.CORRUPT,  # UNKNOWN_TABLE: it was there when the store was opened
    16: Cause.CORRUPT,  # NO_SUCH_COLUMN_IN_TABLE
    47: Cause.CORRUPT,  # UNKNOWN_IDENTIFIER
    40: Cause.CORRUPT,  # CHECKSUM_DOESNT_MATCH
    246: Cause.CORRUPT,  # CORRUPTED_DATA
    271: Cause.CORRUPT,  # CANNOT_DECOMPRESS
}
"""By the server's error code (system.errors)."""


def cause_of(error: BaseException) -> Cause:
    """Why the server refused, or why it could not be asked."""
    if isinstance(error, Damaged):
        return Cause.CORRUPT
    return _BY_CODE.get(_code(error) or 0, Cause.NOT_ANSWERING)


def refused(error: BaseException, region: Region) -> StoreUnavailable:
    """ClickHouse's trouble as ours."""
    return StoreUnavailable(f"the records of {region} did not answer: {_told(error)}", cause_of(error))


def _told(error: BaseException) -> str:
    """What can be said of an error without naming hosts, users or values."""
    if isinstance(error, Damaged):
        return str(error)
    if (code := _code(error)) is not None:
        return f"ClickHouse's error {code}"
    return type(error.__cause__ or error).__name__


def _code(error: BaseException) -> int | None:
    return error.code if isinstance(error, Error) else None
