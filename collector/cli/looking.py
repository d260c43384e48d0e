"""`ueip find`: looks a router up, and shows what it sent."""

import asyncio
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import orjson
from rich.table import Table

from collector.access.nouns import Right
from collector.cli.common import Number, config_option, out, say, settings_of, write
from collector.cli.reading import Reading, reason_option
from collector.consent.standing import State
from collector.lookup import Found, as_json, find, is_readable, latest, rfc3339
from collector.stores import StoredRecord


@click.command("find")
@click.argument("identifier", metavar="SERIAL|IMEI")
@config_option
@click.option("--hours", type=Number(0), help="How many hours back to look; all records if absent.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=40, show_default=True, help="Most records to show.")
@click.option("--json", "as_document", is_flag=True, help="JSON with whole records, for programs.")
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
