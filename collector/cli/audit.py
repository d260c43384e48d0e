"""`ueip audit`: verify the logs of who read which router, show them, begin one anew."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import click
import msgspec
import orjson
from rich.table import Table
from rich.text import Text

from collector.access.audit import AuditLog, walk
from collector.access.entry import AuditEntry, NotAReason, checked_reason
from collector.access.nouns import Allowed, Right, may
from collector.access.walk import Walk
from collector.auditing import at_terminal, audit_logs
from collector.cli.common import Duration, config_option, out, say, settings_of, write
from collector.config import Settings
from collector.consent.ledger import Head
from collector.errors import AuditUnavailable
from collector.lookup import rfc3339
from collector.model import Region

CONSOLE: Final = "console"
"""What the log of accounts and sign-ins is called."""
_NAMES: Final = (*(region.value for region in Region), CONSOLE)
_HEAD: Final = re.compile(r"(?P<seq>[1-9][0-9]{0,17}):(?P<hash>[0-9a-f]{64})")
log_option: Final = click.option("--log", "name", type=click.Choice(_NAMES), help="This log only.")
json_option: Final = click.option("--json", "as_document", is_flag=True, help="JSON, for programs.")


@click.group("audit")
def audit_group() -> None:
    """Look at the audit logs: one a region, of who read which router, when and why; one of accounts and sign-ins."""


@audit_group.command("verify")
@config_option
@log_option
@click.option("--head", "kept", metavar="N:HASH", help="Head kept elsewhere that the log must hold; needs --log.")
@json_option
def verify_command(config: Path | None, name: str | None, kept: str | None, *, as_document: bool) -> None:
    """Verify that no entry was changed, removed, inserted or moved, and that none is missing at the end.

    Changes nothing; the collector may be running. Prints the head of every log: kept on another machine, a head shows
    whether the log was rewritten. Exits with 1 if anything is wrong.
    """
    expected = _head(kept, name)
    found = {one: _walked(log, expected) for one, log in _logs(settings_of(config), name).items()}
    if as_document:
        write(orjson.dumps({one: _document(walked) for one, walked in found.items()}).decode() + "\n")
    else:
        for one, walked in found.items():
            _tell(one, walked)
    if any(walked.wrong for walked in found.values()):
        raise SystemExit(1)


@audit_group.command("show")
@config_option
@log_option
@click.option("--who", help="Only what this account did, or this user at a terminal.")
@click.option("--router", "device_ref", metavar="PSEUDONYM", help="Only the router whose pseudonym begins with this.")
@click.option("--since", "window", type=Duration(), help="How far back: 90m, 12h, 7d.")
@json_option
def show_command(
    config: Path | None, name: str | None, who: str | None, device_ref: str | None, window: int | None, **form: bool
) -> None:
    """Show entries, oldest first, log by log. Showing them is an entry too. --json prints one a line."""
    settings = settings_of(config)
    logs, since = _logs(settings, name), 0 if window is None else int(time.time() * 1000) - window
    chosen = {one: _chosen(log, since, who, device_ref) for one, log in logs.items()}
    for one, log in logs.items():
        log.write(_allowed(settings, log), shown={"entries": len(chosen[one])})
    for one, entries in chosen.items():
        if form["as_document"]:
            write("".join(msgspec.json.encode(entry).decode() + "\n" for entry in entries))
        elif entries:
            out().print(_table(one, entries))
        else:
            out().print(f"[bold]{one}[/]: no entries")


@audit_group.command("begin-anew")
@config_option
@click.option("--log", "name", type=click.Choice(_NAMES), required=True, help="Which log.")
@click.option("--reason", required=True, help="Why, for those who will ask; at least ten characters.")
def begin_anew_command(config: Path | None, name: str, reason: str) -> None:
    """Set aside a log that cannot be continued, as it is, and begin a new one whose first entry says why."""
    settings = settings_of(config)
    [log] = _logs(settings, name).values()
    try:
        text = checked_reason(reason)
    except NotAReason as error:
        raise click.BadParameter(str(error), param_hint="--reason") from None
    aside = log.begin_anew(at_terminal(settings), text)
    say(f"{name}: begun anew" + (f"; what was there is in {aside}" if aside else ""))


def _logs(settings: Settings, name: str | None) -> dict[str, AuditLog]:
    named = {CONSOLE if log.region is None else log.region.value: log for log in audit_logs(settings)}
    if name is not None and name not in named:
        raise click.BadParameter(f"{name} is not enabled here", param_hint="--log")
    return {name: named[name]} if name else named


def _head(kept: str | None, name: str | None) -> Head | None:
    if kept is None:
        return None
    match = _HEAD.fullmatch(kept)
    if match is None or name is None:
        raise click.BadParameter("expected N:HASH as `ueip audit verify` prints it, and --log", param_hint="--head")
    return Head(seq=int(match["seq"]), hash=match["hash"])


def _walked(log: AuditLog, expected: Head | None) -> Walk:
    walked, met = walk(log), expected is None
    with _telling(log):
        for entry in walked.entries():
            met = met or (expected is not None and (entry.seq, entry.hash) == (expected.seq, expected.hash))
    if not met and expected is not None:
        walked.miss(expected)
    return walked


def _chosen(log: AuditLog, since: int, who: str | None, device_ref: str | None) -> list[AuditEntry]:
    def is_wanted(entry: AuditEntry) -> bool:
        of_router = device_ref is None or (entry.device_ref or "").startswith(device_ref.lower())
        return entry.at >= since and who in {None, entry.who} and of_router

    with _telling(log):
        return [entry for entry in walk(log).entries() if is_wanted(entry)]


def _allowed(settings: Settings, log: AuditLog) -> Allowed:
    allowed = may(at_terminal(settings), Right.AUDIT, log.region, now=int(time.time() * 1000))
    assert isinstance(allowed, Allowed), "the table grants it to whoever is at the terminal"
    return allowed


@contextmanager
def _telling(log: AuditLog) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise AuditUnavailable(f"{log.folder}: the audit log cannot be read: {error.strerror}") from None


def _document(walked: Walk) -> dict[str, Any]:
    wrong = [{"where": where, "what": what} for where, what in walked.wrong]
    return {"entries": walked.count, "head": f"{walked.head.seq}:{walked.head.hash}", "wrong": wrong}


def _tell(name: str, walked: Walk) -> None:
    if not walked.count and not walked.wrong:
        out().print(f"[bold]{name}[/]: nothing yet")
        return
    state = "[green]in order[/]" if not walked.wrong else f"[red]{len(walked.wrong)} findings[/]"
    out().print(f"[bold]{name}[/] {state}: {walked.count} entries, head {walked.head.seq}:{walked.head.hash}")
    for where, what in walked.wrong:
        out().print(Text(f"  {where}: {what}"))


def _table(name: str, entries: list[AuditEntry]) -> Table:
    table = Table(title=name, title_justify="left")
    for title in ("time, UTC", "who", "role", "what", "router", "why", "outcome", "shown"):
        table.add_column(title, overflow="fold")
    for entry in entries:
        shown = " ".join(f"{key}={value}" for key, value in entry.shown.items())
        table.add_row(
            str(rfc3339(entry.at))[:19].replace("T", " "),
            Text(entry.who),
            entry.role,
            Text(entry.what if entry.whom is None else f"{entry.what} {entry.whom}"),
            (entry.device_ref or "")[:12],
            Text(entry.why or ""),
            entry.outcome,
            shown,
        )
    return table
