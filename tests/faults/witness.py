"""Cross-examines the ledger about one router: rules 1 to 3 of `judge`."""

from collections import Counter
from collections.abc import Iterator

from collector.consent.ledger import TIE, LedgerEntry
from collector.model import Action, Channel

from .oracle import EXITS, Act, Kind, Oracle


def ledger_faults(
    oracle: Oracle, serial: str, entries: list[LedgerEntry], refs: dict[str, str], *, registered: bool
) -> Iterator[str]:
    """What does not fit. *refs* gives the pseudonym of each event's id."""
    acts = oracle.of(serial)
    by_ref = {refs[act.id]: act for act in acts if act.kind in {Kind.JOIN, Kind.EXIT}}
    yield from _unexplained(oracle, acts, entries, by_ref, registered=registered)
    yield from _missing(oracle, acts, entries, refs)
    yield from _left_but_joined(oracle, acts, entries, by_ref)


def _unexplained(
    oracle: Oracle, acts: list[Act], entries: list[LedgerEntry], by_ref: dict[str, Act], *, registered: bool
) -> Iterator[str]:
    """Entries that nobody's act explains."""
    for entry in entries:
        if entry.channel not in {Channel.TELEMETRY_FLAG, Channel.RIGHTS_DESK}:
            act = by_ref.get(entry.event_ref or "")
            if act is None or act.kind.value != entry.action or entry.received_at < act.began:
                yield f"entry {entry.seq} ({entry.action}) has an event id that was not sent, or not yet"
        elif entry.action is Action.JOIN and (registered or _opener(oracle, acts, entry) is None):
            yield f"entry {entry.seq}: a join by flag at {entry.effective_at}, when no report that could was sent"
    yield from _too_many(acts, entries)
    yield from _commands(acts, entries)


def _too_many(acts: list[Act], entries: list[LedgerEntry]) -> Iterator[str]:
    """Acts that count more than once."""
    refusing = [act for act in acts if act.kind is Kind.REFUSING]
    by_flag = [entry for entry in entries if entry.channel is Channel.TELEMETRY_FLAG]
    exits = [entry for entry in by_flag if entry.action is Action.EXIT]
    if len(exits) > len(refusing):
        yield f"{len(exits)} exits by report, but {len(refusing)} refusing reports"
    for entry, act in zip(exits, refusing, strict=False):
        if entry.received_at < act.began:
            yield f"entry {entry.seq}: an exit by report before there was one"
    if len(by_flag) - len(exits) > 1:
        yield f"{len(by_flag) - len(exits)} joins by flag"
    for ref, times in Counter(entry.event_ref for entry in entries if entry.event_ref).items():
        if times > 1:
            yield f"event {ref} counted {times} times"


def _commands(acts: list[Act], entries: list[LedgerEntry]) -> Iterator[str]:
    """Commands without their entry, or entries without their command."""
    commands = [act for act in acts if act.kind is Kind.COMMAND]
    found = sum(entry.channel is Channel.RIGHTS_DESK for entry in entries)
    if not sum(bool(act.done) for act in commands) <= found <= sum(act.attempts for act in commands):
        yield f"{found} exits by command, but {[(act.done, act.attempts) for act in commands]} (ended, attempts)"


def _opener(oracle: Oracle, acts: list[Act], entry: LedgerEntry) -> Act | None:
    """The flagged report that opened the entry; none sent later than the first certain one may have."""
    for act in acts:
        if act.kind is Kind.FLAGGED:
            if act.time == entry.effective_at:
                return act
            if oracle.certain(act):
                return None
    return None


def _missing(oracle: Oracle, acts: list[Act], entries: list[LedgerEntry], refs: dict[str, str]) -> Iterator[str]:
    """Certain events that the ledger does not hold."""
    held = {entry.event_ref for entry in entries}
    exits = [entry.effective_at for entry in entries if entry.action is Action.EXIT]
    for act in acts:
        if act.kind not in {Kind.JOIN, Kind.EXIT} or not oracle.certain(act) or refs[act.id] in held:
            continue
        if act.kind is Kind.EXIT:
            yield f"exit {act.number} is not in the ledger"
        elif not any(when > act.time - TIE for when in exits):
            yield f"join {act.number} at {act.time} is not in the ledger, and no exit since"


def _left_but_joined(
    oracle: Oracle, acts: list[Act], entries: list[LedgerEntry], by_ref: dict[str, Act]
) -> Iterator[str]:
    """A router that ends as joined, though a certain exit came after what joined it."""
    run: list[LedgerEntry] = []
    for entry in entries:
        run = [*run, entry] if entry.action is Action.JOIN else []
    if not run:
        return
    opener = by_ref.get(run[0].event_ref or "") or _opener(oracle, acts, run[0])
    if opener is None:
        return  # said already
    for act in acts:
        if act.kind in EXITS and act.number > opener.number and oracle.certain(act):
            yield (
                f"joined by act {opener.number} ({opener.kind.value}), though it left by act {act.number} "
                f"({act.kind.value})"
            )
