"""How ledger entries, standings and records lie in the rows of any store that speaks SQL."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from hashlib import sha256
from sys import intern
from typing import Any, Final

import msgspec

from collector.consent.ledger import LedgerEntry
from collector.consent.standing import Standing, State
from collector.model import Record
from collector.stores import StoredRecord

ROUTER_COLUMNS: Final = (
    "device_ref, key_id, state, seq, consent_id, generation, effective_at, policy_version, storage_regions, attested, "
    "holds, beneath, erased_until"
)


ERASED: Final = "erased"
"""Name of the note on erasures whose bytes may still be in the store's files; it begins with the oldest one's time."""

PURGING: Final = "purging"
"""Name of the note on acts whose records are still being erased: how many, and the time of the oldest."""


class Damaged(Exception):
    """Rows that no collector wrote: the store is not as the collector left it."""


@contextmanager
def of_a_note() -> Iterator[None]:
    """Turn the errors of reading a note into ours.

    Raises:
        Damaged: no collector wrote the note.
    """
    try:
        yield
    except (ValueError, TypeError, IndexError, msgspec.DecodeError):
        raise Damaged("a note of the store cannot be read") from None


def tombstone(record_id: bytes) -> bytes:
    """What is kept of an erased record: enough to recognise its id when it comes again, but not the id itself."""
    return sha256(b"tombstone" + record_id).digest()[:16]


Key = tuple[int, int, bytes]
"""Number of the router, time, id of the record: what makes a record unique in a store (0032)."""


def keys_of(records: Iterable[Record], ids: Mapping[bytes, int], *, older: bool = False) -> Iterator[Key]:
    """The keys under which records may be stored: of their router by any of its pseudonyms, at any time they may have.

    *ids* are the numbers of the routers; *older* asks instead for the ids that the records would have under older keys.
    """
    for record in records:
        identity = record.identity
        for record_id in record.older_ids if older else (record.record_id,):
            for ref in (identity.device_ref, *identity.older):
                if ref in ids:
                    for time in (record.event_time, *(record.floating or ())):
                        yield ids[ref], time, record_id


def ledger_row(entry: LedgerEntry, text: str | None = None) -> tuple[Any, ...]:
    """An entry in the order of the columns of `ledger`; *text* is its text as it was written before, if it was."""
    event_ref = bytes.fromhex(entry.event_ref) if entry.event_ref else None
    text = text or msgspec.json.encode(entry).decode()
    return entry.seq, bytes.fromhex(entry.device_ref), event_ref, entry.hash, text


_ENTRY: Final = msgspec.json.Decoder(LedgerEntry)
_STANDING_TYPES: Final = (bytes, str, str, int, str, int, int, str, str, int, str)


def decode_entry(text: Any) -> LedgerEntry:
    """The entry in the column `entry`.

    Raises:
        Damaged: no collector wrote it.
    """
    try:
        entry = _ENTRY.decode(text)
        bytes.fromhex(entry.device_ref)
    except (msgspec.DecodeError, TypeError, ValueError):
        raise Damaged("an entry of the ledger cannot be read") from None
    return entry


def standing_of(row: Any) -> Standing:
    """The standing in the first columns of a row of `router`.

    Raises:
        Damaged: no collector wrote it; the gate must not guess what it was.
    """
    state, beneath = _STATES.get(row[2]), _STATES.get(row[11])
    is_typed = tuple(map(type, row[:11])) == _STANDING_TYPES and type(row[12]) is int
    if state is None or not is_typed or (beneath is None and row[11] is not None):
        raise Damaged("what is noted of a router's standing cannot be read")
    # By position: the columns are in the order of the fields. Values that many routers share are one object.
    return Standing(
        row[0], intern(row[1]), state, row[3], row[4], row[5], row[6], intern(row[7]),
        _listed(row[8]) if row[8] else (),
        bool(row[9]),
        tuple(row[10].split(",")) if row[10] else (),
        beneath,
        row[12],
    )  # fmt: skip


CLOSED: Final = "SELECT device_ref, state FROM {} WHERE state <> 'joined' ORDER BY seq DESC LIMIT {}"


def closed_of(rows: Sequence[Any]) -> dict[bytes, State]:
    """The states that rows of `CLOSED` have, the latest being the last.

    Raises:
        Damaged: no collector wrote one of them.
    """
    states = {}
    for ref, word in reversed(rows):
        state = _STATES.get(word)
        if state is None or type(ref) is not bytes:
            raise Damaged("what is noted of a router's standing cannot be read")
        states[ref] = state
    return states


_STRIPPED: Final = msgspec.json.Decoder(dict[str, int])
_STATES: Final = {state.value: state for state in State}


@lru_cache(256)
def _listed(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))


def router_row(standing: Standing) -> tuple[Any, ...]:
    """A router's standing, in the order of `ROUTER_COLUMNS`."""
    return (
        standing.device_ref,
        standing.key_id,
        standing.state.value,
        standing.seq,
        standing.consent_id,
        standing.generation,
        standing.effective_at,
        standing.policy_version,
        ",".join(standing.storage_regions),
        standing.attested,
        ",".join(standing.holds),
        standing.beneath.value if standing.beneath else None,
        standing.erased_until,
    )


def stored_record(row: Any) -> StoredRecord:
    """The record in a row of the columns of `StoredRecord`, in their order; `stripped` and `body` as texts.

    Raises:
        Damaged: no collector wrote it.
    """
    try:
        stripped, body = _STRIPPED.decode(row[9]) if row[9] else {}, row[10].encode()
    except (msgspec.DecodeError, UnicodeDecodeError, TypeError, AttributeError):
        raise Damaged("a record cannot be read") from None
    return StoredRecord(
        record_id=row[0],
        device_ref=row[1],
        key_id=row[2],
        event_time=row[3],
        received_at=row[4],
        consent_id=row[5],
        consent_seq=row[6],
        policy_version=row[7],
        source_adapter=row[8],
        stripped=stripped,
        body=body,
    )


def on_cell_text(cell_ref: str) -> str:
    """The text found in the body of every record with an event on this cell: bodies are compact JSON."""
    return f'"cell_ref":"{cell_ref}"'
