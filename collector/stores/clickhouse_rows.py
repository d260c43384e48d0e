"""How a record is laid out in a row of ClickHouse."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from collector.stores.clickhouse_schema import COLUMNS
from collector.stores.plan import Insert

_BODY: Final = list(COLUMNS).index("body")
_VERSION: Final = list(COLUMNS).index("version")


def record_row(number: int, insert: Insert) -> tuple[Any, ...]:
    """A record in the order of `COLUMNS`."""
    record, standing = insert.record, insert.standing
    return (
        standing.device_ref,
        record.record_id,
        -record.received_at,
        number,
        record.event_time,
        record.received_at,
        standing.seq,
        standing.policy_version,
        record.source_adapter,
        msgspec.json.encode(dict(record.stripped)).decode() if record.stripped else "",
        record.body.decode(),
    )


def with_body(row: Sequence[Any], version: int, body: bytes) -> tuple[Any, ...]:
    """A row with another body, which replaces the one of the same id."""
    made = list(row)
    made[_VERSION], made[_BODY] = version, body.decode()
    return tuple(made)


def told_row(row: Sequence[Any], key_id: str, consents: Mapping[int, str]) -> tuple[Any, ...]:
    """A row in the order of `StoredRecord`."""
    device_ref, record_id, _, _, event_time, received_at, consent_seq, *rest = row
    return (record_id, device_ref, key_id, event_time, received_at, consents[consent_seq], consent_seq, *rest)
