"""`ueip fleet`."""

import asyncio
from pathlib import Path
from typing import Final

import click
import msgspec
import orjson
from rich.console import Console
from rich.text import Text

from collector.cli.common import Duration, config_option, out, say, settings_of, write
from collector.diagnosis.fleet import Alarm
from collector.diagnosis.groups import Kind
from collector.diagnosis.sentences import number
from collector.diagnosis.survey_document import survey_document
from collector.diagnosis.watching import FAULTS
from collector.lookup import rfc3339
from collector.surveying import Surveyed, survey_fleet

_ONE_IN: Final = 1_000_000


@click.command("fleet")
@config_option
@click.option("--since", "window", type=Duration(), default="14d", show_default=True, help="How far back: 12h, 14d.")
@click.option("--json", "as_document", is_flag=True, help="JSON, for programs; see docs/engineer.md.")
def fleet_command(config: Path | None, window: int, *, as_document: bool) -> None:
    """Say which software, models, operators and cells have more faults than others like them, and since when.

    Looks at each region by itself, and at groups of ten routers or more. Reads up to a million records a region, which
    takes a while.
    """
    found = asyncio.run(survey_fleet(settings_of(config), window=window))
    if as_document:
        documents = [msgspec.to_builtins(_document(surveyed)) for surveyed in found]
        write(orjson.dumps(documents, option=orjson.OPT_INDENT_2).decode() + "\n")
        return
    for surveyed in found:
        _show(out(), surveyed)
    if not found:
        say("no region served here has a store yet")


def _document(surveyed: Surveyed) -> object:
    return survey_document(
        surveyed.region,
        surveyed.alarms,
        since=surveyed.since,
        until=surveyed.until,
        routers=surveyed.routers,
        hours=surveyed.hours,
        sampled=surveyed.sampled,
    )


def _show(console: Console, surveyed: Surveyed) -> None:
    sampled = ", a sample of them" if surveyed.sampled else ""
    console.print(
        f"[bold]{surveyed.region}[/]: {surveyed.routers} routers{sampled}, seen for {number(surveyed.hours / 24)} "
        f"router-days since {_short(surveyed.since)}"
    )
    if not surveyed.alarms:
        console.print(f"  [green]Nothing stands out[/] in what is counted: {', '.join(FAULTS)}.")
    for alarm in surveyed.alarms:
        console.print(Text.assemble("  ", (_title(alarm), "bold red")))
        console.print(Text(f"    {_compared(alarm)}"))
        console.print(Text(f"    {_since(alarm)}; by chance: {_chance(alarm.chance)}", style="dim"))


def _title(alarm: Alarm) -> str:
    if alarm.kind is Kind.CELL:
        return f"a cell: {alarm.affected} of {alarm.routers} routers lost the network within an hour"
    who = {
        Kind.SOFTWARE: f"software {alarm.name} of {alarm.model}",
        Kind.OPERATOR: f"operator {alarm.name} with {alarm.model}",
        Kind.MODEL: f"model {alarm.name}",
    }[alarm.kind]
    return f"{who}: {alarm.fault} in {alarm.affected} of {alarm.routers} routers"


def _compared(alarm: Alarm) -> str:
    if alarm.kind is Kind.CELL:
        return f"routers elsewhere have {number(alarm.rate_others)} disconnects a day"
    others = {Kind.SOFTWARE: "of other software", Kind.OPERATOR: "of other operators", Kind.MODEL: "of other models"}
    if not alarm.others_affected:
        return f"{number(alarm.rate)} a day; none of {alarm.others} routers {others[alarm.kind]} had any"
    return (
        f"{number(alarm.rate)} a day, {alarm.others} routers {others[alarm.kind]} {alarm.rate_others:.2g}: "
        f"{number(alarm.ratio)} times as often (99 %: {number(alarm.low)} to {number(alarm.high)})"
    )


def _since(alarm: Alarm) -> str:
    return "for as long as they were seen" if alarm.began is None else f"since {_short(alarm.began)}"


def _chance(chance: float) -> str:
    """As people say it."""
    if chance <= 1 / _ONE_IN:
        return "less than one in a million surveys"
    return f"one in {1 / chance:,.0f} surveys"


def _short(moment: int) -> str:
    return str(rfc3339(moment))[:16].replace("T", " ")
