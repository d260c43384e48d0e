"""`ueip find` and `ueip explain`."""

import asyncio
import re
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import orjson
from rich.table import Table
from rich.text import Text

from collector.access.nouns import Right
from collector.cli.common import CANDIDATES, Country, Number, config_option, out, say, settings_of, write
from collector.cli.reading import Reading, reason_option
from collector.config import Settings
from collector.consent.standing import State
from collector.explain import Explanation, Told, explain, rules_for_explaining
from collector.formats.report import ROUTER
from collector.lookup import Found, as_json, find, is_readable, latest, rfc3339
from collector.model import DropReason, Message, Region
from collector.reference.reasons import ADVICE, NOTHING
from collector.stores import StoredRecord


@click.command("find")
@click.argument("identifier", metavar="SERIAL|IMEI")
@config_option
@click.option("--hours", type=Number(0), help="Only records of the last so many hours.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=40, show_default=True, help="Most records shown.")
@click.option("--json", "as_document", is_flag=True, help="JSON, records whole, for programs.")
@reason_option
def find_command(
    identifier: str, config: Path | None, hours: float | None, limit: int, reason: str | None, *, as_document: bool
) -> None:
    """Find a router by what the customer reads out: its serial number, IMEI or MAC; show what it sent.

    Who looked, and why, goes into the audit log first. Exits with 1 when no region served here knows the router.
    """
    since = 0 if hours is None else int(max(0.0, time.time() - hours * 3600) * 1000)
    settings, identifier = settings_of(config), identifier.strip()
    reading = Reading(settings, Right.RECORDS, reason, identifier)
    found = asyncio.run(find(settings, identifier, since=since, limit=limit))
    reading.log((f.region, f.router.standing.device_ref, {"records": _shown_of(f)}) for f in found)
    if as_document:
        write(orjson.dumps([as_json(f) for f in found], option=orjson.OPT_INDENT_2).decode() + "\n")
    else:
        for router in found:
            _show(router)
    if not found:
        say("no region served here knows a router by that; check the digits, or ask where it is served")
        raise SystemExit(1)


def _shown_of(found: Found) -> int:
    return len(found.records) if is_readable(found.router) else 0


def _show(found: Found) -> None:
    standing, console = found.router.standing, out()
    state = "joined, outdated by the notice," if standing.state is State.OUTDATED else standing.state.value
    console.print(
        f"[bold]router {standing.device_ref.hex()[:12]}…[/] in {found.region}: {state} since "
        f"{rfc3339(standing.effective_at)}, {found.router.records} record{'' if found.router.records == 1 else 's'}"
    )
    if not is_readable(found.router):
        console.print("It is not in the programme now; nothing of it may be read.")
        return
    if not found.records:
        console.print("No record of it in that time.")
        return
    if state := latest(found.records):
        console.print(_state_table(state))
    else:
        console.print("Its records hold no measurement, only what the timeline says.")
    console.print(_timeline(found.records))


def _state_table(state: dict[str, dict[str, Any]]) -> Table:
    table = Table(title="latest state", title_justify="left", show_header=False)
    table.add_column("group", style="dim")
    table.add_column("fields", overflow="fold")
    for group, fields in state.items():
        table.add_row(group, "  ".join(f"{name}={_short(value)}" for name, value in fields.items()))
    return table


_WIDE = 120
_ALWAYS = 5
"""Columns that fit a narrow terminal; time and events are never cut for the others."""
_COLUMNS = (
    ("RAT", "network", "rat"),
    ("state", "network", "wan_connection_state"),
    ("RSRP dBm", "signal", "rsrp_dbm"),
    ("SINR dB", "signal", "sinr_db"),
    ("battery %", "power", "battery_percent"),
    ("stations", "wifi", "wifi_station_count"),
    ("uptime s", "router", "uptime_seconds"),
    ("firmware", "router", "software_version"),
)


def _timeline(records: list[StoredRecord]) -> Table:
    table = Table(title="timeline, newest first", title_justify="left")
    columns = _COLUMNS if out().width >= _WIDE else _COLUMNS[:_ALWAYS]
    table.add_column("time, UTC", no_wrap=True, min_width=_TIME_WIDTH)
    for title, _, _ in columns:
        table.add_column(title, justify="right")
    table.add_column("events", style="yellow", overflow="fold")
    for record in records:
        body = orjson.loads(record.body)
        cells = [_short(body.get(group, {}).get(name)) for _, group, name in columns]
        table.add_row(_short_time(record.event_time), *cells, "; ".join(map(_event, body.get("events", ()))))
    return table


_TIME_WIDTH = 16


def _short_time(milliseconds: int) -> str:
    """A time to the minute, for a narrow column."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M")


def _event(event: dict[str, Any]) -> str:
    details = [str(event[name]) for name in ("disconnect_cause", "reboot_reason", "fault_code") if name in event]
    return " ".join([event["event"], *details])


def _short(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = str(value)
    return f"{text[:8]}…" if len(text) == 32 else text  # noqa: PLR2004 - a pseudonym


_TIMES = ("%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d")


@click.command("explain")
@click.argument("file", type=click.File("rb"))
@click.option("--topic", help="Topic it would come on; made from the message itself when not given.")
@click.option("--country", type=Country(), metavar="CC", help="Country the registry would give its router, as in DE.")
@click.option("--at", type=click.DateTime(_TIMES), help="Receipt time, UTC; now when not given.")
@click.option("--retained", is_flag=True, help="As if it had the retain flag.")
@click.option("--json", "as_document", is_flag=True, help="JSON, for programs.")
@config_option
def explain_command(
    file: Any,
    topic: str | None,
    country: str | None,
    at: datetime | None,
    config: Path | None,
    *,
    retained: bool,
    as_document: bool,
) -> None:
    """Say what would happen to the message in FILE (- for standard input), field by field. Stores nothing.

    FILE holds the payload's bytes as they were sent. Of another format than ours, --topic and the sources of the
    configuration say which. Exits with 1 when nothing of the message would be kept.
    """
    payload = file.read()
    received_at = int((at.replace(tzinfo=UTC).timestamp() if at else time.time()) * 1000)
    message = Message(_topic_of(payload) if topic is None else topic, payload, retained, received_at)
    settings = _settings(config)
    found = explain(message, rules_for_explaining(settings), country=country)
    if as_document:
        write(orjson.dumps(_document(found), option=orjson.OPT_INDENT_2).decode() + "\n")
    else:
        _print(found)
        if found.outcome == f"dropped: {DropReason.UNKNOWN_TOPIC}" and not found.reports:
            known = ", ".join(["ueip/v1/ROUTER/report", "ueip/v1/ROUTER/consent", *(s.topic for s in settings.sources)])
            say(f"topics known here: {known}")
    kept = (found.outcome, *(one.outcome for one in found.reports))
    raise SystemExit(0 if any(outcome.startswith(("stored", "consent")) for outcome in kept) else 1)


def _settings(config: Path | None) -> Settings:
    """The settings given or found; the shipped defaults otherwise: explaining needs no keys and no stores."""
    if config is not None or any(path.is_file() for path in CANDIDATES):
        return settings_of(config)
    sections = {str(region): {"store": "unused", "key_files": ["unused"], "retention_days": 365} for region in Region}
    return Settings.model_validate({"regions": sections})


def _topic_of(payload: bytes) -> str:
    """The topic that a message's own serial or IMEI gives; a placeholder for one that names none."""
    try:
        document = orjson.loads(payload)
    except orjson.JSONDecodeError:
        document = None
    document = document if isinstance(document, dict) else {}
    router = document.get("router")
    names = [router.get("serial"), router.get("imei")] if isinstance(router, dict) else []
    usable = [name for name in names if isinstance(name, str) and ROUTER.fullmatch(name)]
    kind = "consent" if {"event_id", "action"} <= document.keys() else "report"
    return f"ueip/v1/{usable[0] if usable else 'ROUTER'}/{kind}"


def _document(found: Explanation) -> dict[str, Any]:
    made = _told_as_document(found)
    return made | {"reports": [_told_as_document(one) for one in found.reports]} if found.reports else made


def _told_as_document(found: Explanation | Told) -> dict[str, Any]:
    keys = [{"path": f.path, "verdict": f.verdict, "as": f.as_what, "clause": f.clause} for f in found.findings]
    return {
        "outcome": found.outcome,
        "reason": found.reason,
        "advice": _advice(found.outcome),
        "region": found.region,
        "keys": keys,
        "stored_body": found.stored,
    }


def _advice(outcome: str) -> str:
    """What the author of the message does about its being dropped; empty where nothing is to be done."""
    dropped, _, reason = outcome.partition(": ")
    said = ADVICE[DropReason(reason)].firmware if dropped in {"dropped", "refused"} else ""
    return "" if said == NOTHING else _LINK.sub(r"\1", said)


_LINK = re.compile(r"\[[^]]*\]\(\.\./([^)]*)\)")


def _plain(text: str) -> Text:
    """Text from a message: neither markup nor control characters of it reach the terminal."""
    return Text("".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text))


_COLOURS = {"kept": "green", "removed": "red", "envelope": "dim", "unset": "dim", "unused": "dim"}


def _print(found: Explanation) -> None:
    if not found.reports:
        _print_one(found)
        return
    out().print(f"[bold]{found.outcome}[/]\n{found.reason}")
    for number, one in enumerate(found.reports, start=1):
        out().print(f"\nreport {number} of {len(found.reports)}: ", end="")
        _print_one(one)


def _print_one(found: Explanation | Told) -> None:
    console = out()
    where = f" in {found.region}" if found.region else ""
    console.print(f"[bold]{found.outcome}[/]{where}")
    console.print(_plain(found.reason))
    if advice := _advice(found.outcome):
        console.print(_plain(f"What to do: {advice}"))
    if not found.findings:
        return
    if found.stored is None:
        console.print("Nothing of it is kept. If it were let in, this would become of its keys:")
    table = Table()
    for title in ("key", "what happens", "as what, or why", "clause"):
        table.add_column(title, overflow="fold")
    for f in found.findings:
        table.add_row(_plain(f.path), f.verdict, _plain(f.as_what), f.clause, style=_COLOURS.get(f.verdict, "cyan"))
    console.print(table)
