"""What a person does about a ledger that its witness does not know: put back what it has lost, or accept it as it is.

Rule 1: repairing is exact: the same entries under the same numbers and hashes, up to the very head that was kept.
Rule 2: accepting is a loss that somebody answers for with a reason. It never opens the gate for a router that is known
        to have left: whatever the witness still tells of that goes into the ledger first.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Final, NamedTuple

import msgspec

from collector.consent.acts import LEFT
from collector.consent.ledger import Head, LedgerEntry
from collector.consent.standing import State
from collector.errors import Cause, StoreUnusable
from collector.model import Action, Channel, ConsentEvent, Identity, Sealed
from collector.stores import Store
from collector.stores.guard import holds, mismatch
from collector.stores.links import end_of
from collector.stores.witness import Kept, Witness, WitnessFault
from collector.stores.witnessing import NOTE

_AT_A_TIME: Final = 1000
_ACTION: Final = {State.VOID: Action.VOID, State.CLOSED: Action.CANCEL}
"""The act that leads back to a state; for all others it is an exit."""


class Repaired(Sealed, frozen=True):
    """What was done: entries put back or written, records erased by them."""

    entries: int
    erased: int


def witness_faults(witness: Witness) -> tuple[list[str], tuple[Head, ...]]:
    """What is wrong with a witness, and the heads that its ledger must hold."""
    try:
        kept, broken = witness.read(), witness.breaks_off()
    except FileNotFoundError:
        return [f"{witness.path}: found no witness"], ()
    except (OSError, WitnessFault) as error:
        return [f"{witness.path}: cannot be read: {error}"], ()
    faults = [] if broken is None else [f"{witness.path}: breaks off after entry {broken}"]
    return faults, (kept.after, kept.head) if kept else ()


async def repair(store: Store, witness: Witness) -> Repaired:
    """Put back what *store*, open and without its guard, has lost compared with *witness*.

    Raises:
        StoreUnusable: the witness does not reach back to the store's end, or tells of another ledger; says which.
    """
    head, kept = await store.head(), _kept(witness)
    if await mismatch(store, head, kept) is None:
        return Repaired(entries=0, erased=0)
    await _check_older(store, kept, witness)
    restored = erased = 0
    for entries in _by_thousands(witness.entries(head.seq)):
        erased += await store.restore(entries)
        restored += len(entries)
    if not await holds(store, kept.head):
        raise StoreUnusable(f"{witness.path}: breaks off before its last entry, {kept.head.seq}", Cause.BAD_WITNESS)
    return Repaired(entries=restored, erased=erased)


def _kept(witness: Witness) -> Kept:
    try:
        kept = witness.read()
    except (OSError, WitnessFault) as error:
        raise StoreUnusable(f"{witness.path}: cannot be read: {error}", Cause.BAD_WITNESS) from error
    if kept is None:
        raise StoreUnusable(f"{witness.path}: found no witness to repair the ledger from", Cause.NO_WITNESS)
    return kept


async def _check_older(store: Store, kept: Kept, witness: Witness) -> None:
    """Refuse a store whose ledger is not an earlier state of the one that the witness tells of."""
    head = await store.head()
    if head.seq < kept.after.seq:
        raise StoreUnusable(
            f"{witness.path}: begins after entry {kept.after.seq}, and the ledger ends at entry {head.seq}: what is "
            f"between them is lost. Restore a newer backup, or see docs/operating.md, Restore.",
            Cause.ROLLED_BACK,
        )
    if head.seq == kept.after.seq:
        known: Head | None = kept.after
    else:
        known = next(map(end_of, witness.entries(head.seq - 1)), None)
    if head.seq and known != head:
        raise StoreUnusable(
            f"{witness.path}: tells of another ledger: entry {head.seq} differs. Restore a backup of this one, or see "
            f"docs/operating.md, Restore.",
            Cause.ROLLED_BACK,
        )


async def accept(store: Store, witness: Witness, *, reason: str, now: int) -> Repaired:
    """Take the ledger of *store*, open and without its guard, for the right one from here on.

    The witness is begun anew from it; the old one is kept beside it under another name, as evidence. Times left in the
    store by a clock that was ahead no longer count against the clock.
    """
    acts = [act for lost in await _lost(store, witness) for act in await _again(store, lost, now)]
    erased = 0
    for start in range(0, len(acts), _AT_A_TIME):
        erased += (await store.commit(acts[start : start + _AT_A_TIME])).erased
    witness.begin_anew(reason)
    after = 0
    while entries := await store.entries(after, _AT_A_TIME):
        after = witness.append(entries).seq
    await store.note(NOTE, "1")
    await store.accept_times()
    return Repaired(entries=len(acts), erased=erased)


class _Lost(NamedTuple):
    """What the ledger lacks of one router: the last such entry, and whether the router left by any of them."""

    last: LedgerEntry
    has_left: bool


async def _lost(store: Store, witness: Witness) -> list[_Lost]:
    """What is lost of each router that the witness has entries of that the ledger lacks."""
    found: dict[str, _Lost] = {}
    for texts in _by_thousands(_readable(witness)):
        first = end_of(texts[0]).seq
        mine = set(await store.entries(first - 1, len(texts)))
        for text in texts:
            if text not in mine:
                entry = msgspec.json.decode(text, type=LedgerEntry)
                before = found.get(entry.device_ref)
                has_left = (entry.beneath or entry.state) in LEFT or (before is not None and before.has_left)
                found[entry.device_ref] = _Lost(entry, has_left)
    return list(found.values())


def _readable(witness: Witness) -> Iterator[str]:
    """What can still be read of it; nothing if it is lost."""
    try:
        yield from witness.entries()
    except OSError:
        return


async def _again(store: Store, lost: _Lost, now: int) -> list[ConsentEvent]:
    """The acts that bring a router back to where the lost entries left it: holds first, as they keep what others erase.

    A join is not repeated: it has to come from the owner. A router that has left and joined again since is where it was
    before both, without the records from before.
    """
    entry, has_left = lost
    identity = Identity(bytes.fromhex(entry.device_ref), entry.key_id)
    event = ConsentEvent(action=Action.EXIT, channel=Channel.SYSTEM, identity=identity, received_at=now)
    again = [msgspec.structs.replace(event, action=Action.HOLD, reference=reference) for reference in entry.holds]
    own = entry.beneath or entry.state
    restrict = msgspec.structs.replace(event, action=Action.RESTRICT)
    erases = own in {State.JOINED, State.RESTRICTED} and (has_left or entry.erased_until > 0)
    known = (erases or own is State.RESTRICTED) and bool(await store.find([("router", identity.device_ref)]))
    if erases and known:
        again.append(msgspec.structs.replace(event, action=Action.ERASE))
    if own is State.EXITED_RESTRICTED or (own is State.RESTRICTED and not known):
        # A router that is unknown has nothing to restrict yet, and must not join by its flag.
        again += [event, restrict]
    elif own is State.RESTRICTED:
        again.append(restrict)
    elif own is not State.JOINED:
        again.append(msgspec.structs.replace(event, action=_ACTION.get(own, Action.EXIT)))
    return again


def _by_thousands(texts: Iterator[str]) -> Iterator[list[str]]:
    while some := list(islice(texts, _AT_A_TIME)):
        yield some
