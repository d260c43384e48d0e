"""`ueip diagnose` and `ueip explain-rule`."""

import asyncio
from pathlib import Path
from typing import Any, Final

import click
import msgspec
import orjson
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from collector.access.entry import Shown
from collector.access.nouns import Right
from collector.cli.common import Duration, config_option, out, say, settings_of, write
from collector.cli.reading import Reading, reason_option
from collector.cli.sparks import charts
from collector.diagnosis.document import document
from collector.diagnosis.judging import checked_rules
from collector.diagnosis.likeness import sentence
from collector.diagnosis.nouns import Evidence, Finding, Severity
from collector.diagnosis.rules import Rule
from collector.diagnosis.timeline import Entry, Kind
from collector.examination import Examined, examine
from collector.lookup import is_readable, rfc3339

_MINUTE: Final = 60_000
_COLOURS: Final = {
    Severity.CRITICAL: "bold red",
    Severity.MAJOR: "red",
    Severity.MINOR: "yellow",
    Severity.WARNING: "cyan",
}
_KIND_COLOURS: Final = {Kind.GAP: "dim", Kind.RECORDS: "dim", Kind.EVENT: "yellow", Kind.CHANGE: "cyan"}


@click.command("diagnose")
@click.argument("identifier", metavar="SERIAL|IMEI")
@config_option
@click.option("--since", "window", type=Duration(), default="7d", show_default=True, help="How far back: 90m, 12h, 7d.")
@click.option("--entries", type=click.IntRange(0), default=40, show_default=True, help="Most timeline entries shown.")
@click.option("--json", "as_document", is_flag=True, help="JSON, for programs; see docs/engineer.md.")
@reason_option
def diagnose_command(
    identifier: str, config: Path | None, window: int, entries: int, reason: str | None, *, as_document: bool
) -> None:
    """Say what is wrong with a router, since when, how sure that is, and whether similar routers have it too.

    The router is named by what the customer reads out: serial number, IMEI or MAC. Nothing is done to it. Who looked,
    and why, goes into the audit log first. Exits with 1 when no region served here knows the router.
    """
    settings, identifier = settings_of(config), identifier.strip()
    reading = Reading(settings, Right.DIAGNOSIS, reason, identifier)
    found = asyncio.run(examine(settings, identifier, window=window))
    reading.log((e.found.region, e.found.router.standing.device_ref, _shown(e)) for e in found)
    if as_document:
        documents = [msgspec.to_builtins(_document(examined)) for examined in found]
        write(orjson.dumps(documents, option=orjson.OPT_INDENT_2).decode() + "\n")
    else:
        for examined in found:
            _show(out(), examined, entries)
    if not found:
        say("no region served here knows a router by that; check the digits, or ask where it is served")
        raise SystemExit(1)


def _shown(examined: Examined) -> Shown:
    records, findings = len(examined.history.samples), len(examined.findings)
    return {"records": records, "findings": findings, "since": examined.history.since, "until": examined.history.now}


def _document(examined: Examined) -> Any:
    return document(
        examined.found.region,
        examined.found.router.standing.device_ref,
        examined.history,
        examined.findings,
        examined.timeline,
        readable=is_readable(examined.found.router),
        cut_off=examined.cut_off,
    )


def _show(console: Console, examined: Examined, entries: int) -> None:
    found, history = examined.found, examined.history
    standing = found.router.standing
    console.print(
        f"[bold]router {standing.device_ref.hex()[:12]}…[/] in {found.region}: {standing.state.value} since "
        f"{rfc3339(standing.effective_at)}"
    )
    if not is_readable(found.router):
        console.print("It is not in the programme now; nothing of it may be read.")
        return
    console.print(_covered(examined))
    if not examined.findings:
        console.print("[green]No finding.[/] What was not seen was not judged: see the gaps in the timeline.")
    for finding in examined.findings:
        console.print(_finding(finding))
    if history.samples:
        console.print(charts(history, console.width, plain=not console.encoding.lower().startswith("utf")))
    if entries and examined.timeline:
        console.print(_timeline(examined.timeline, entries))


def _covered(examined: Examined) -> str:
    history = examined.history
    told = f"{len(history.samples)} records from {rfc3339(history.since)} to {rfc3339(history.now)}"
    silent = sum(gap.until - gap.since for gap in history.gaps)
    if silent:
        told += f", without any for {_length(silent)} of it"
    return f"{told}; older ones from that time were left out" if examined.cut_off else told


def _finding(finding: Finding) -> Padding:
    colour = _COLOURS[finding.severity]
    until = "still so" if finding.until is None else f"until {_short(finding.until)}"
    head = Text.assemble((f"{finding.severity.value.upper()} ", colour), (finding.title, "bold"))
    head.append(f"  since {_short(finding.since)}, {until}; confidence {finding.confidence.value}")
    lines: list[RenderableType] = [head, _indented(finding.summary)]
    lines += [_indented(sentence(compared), "cyan") for compared in finding.compared]
    if (cell := finding.on_cell) is not None:
        told = f"same cell: {cell.affected} of {cell.routers} routers lost the network since {_short(cell.since)}"
        lines.append(_indented(told, "cyan"))
    shown = (
        f"{len(finding.evidence)} of {finding.observations}" if finding.observations > len(finding.evidence) else "all"
    )
    lines += [_indented(f"evidence, {shown}:", "dim")]
    lines += [_indented(f"  {_evidence(evidence)}", "dim") for evidence in finding.evidence]
    lines += [_indented(f"next: {step}") for step in finding.next]
    lines.append(_indented(f"rule {finding.rule} version {finding.version}; ueip explain-rule {finding.rule}", "dim"))
    return Padding(Group(*lines), (1, 0, 0, 0), expand=False)


def _indented(text: str, style: str = "") -> Padding:
    return Padding(Text(text, style=style), (0, 0, 0, 2), expand=False)


def _evidence(evidence: Evidence) -> str:
    values = "  ".join(f"{name.rpartition('.')[2]}={value}" for name, value in evidence.values.items())
    return f"{_short(evidence.at)}  record {evidence.record_id.hex()[:8]}  {values}"


def _timeline(entries: list[Entry], most: int) -> Table:
    title = f"timeline, UTC, newest first{f' ({most} of {len(entries)})' if len(entries) > most else ''}"
    table = Table(title=title, title_justify="left", show_header=False, box=None, padding=(0, 1))
    table.add_column("time", no_wrap=True)
    table.add_column("kind", no_wrap=True)
    table.add_column("what", overflow="fold")
    for entry in reversed(entries[-most:]):
        length = "" if entry.until is None else f" for {_length(entry.until - entry.at)}"
        table.add_row(_short(entry.at), entry.kind.value, entry.text + length, style=_KIND_COLOURS.get(entry.kind, ""))
    return table


def _short(moment: int) -> str:
    """A time to the minute."""
    return str(rfc3339(moment))[:16].replace("T", " ")


def _length(milliseconds: int) -> str:
    minutes = round(milliseconds / _MINUTE)
    days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
    parts = [f"{value} {unit}" for value, unit in ((days, "d"), (hours, "h"), (minutes, "min")) if value]
    return " ".join(parts[:2]) or "under a minute"


@click.command("explain-rule")
@click.argument("rule", metavar="RULE", required=False)
@click.option("--json", "as_document", is_flag=True, help="JSON, for programs.")
def explain_rule_command(rule: str | None, *, as_document: bool) -> None:
    """Explain a rule of the diagnosis: what it means, the fields it looks at, its thresholds and their sources.

    Without RULE, list all rules and what the records cannot say. Exits with 1 when there is no such rule.
    """
    rules = checked_rules()
    if rule is not None and rule not in rules.all:
        say(f"no rule {rule!r}; there are: {', '.join(rules.all)}")
        raise SystemExit(1)
    chosen = [rules[rule]] if rule is not None else list(rules.all.values())
    if as_document:
        documents = [entry.model_dump(mode="json") for entry in chosen]
        write(orjson.dumps(documents, option=orjson.OPT_INDENT_2).decode() + "\n")
    elif rule is not None:
        _explain(out(), chosen[0])
    else:
        _list(out(), chosen)


def _explain(console: Console, rule: Rule) -> None:
    console.print(f"[bold]{rule.title}[/]: rule {rule.id}, version {rule.version}, severity {rule.severity}")
    console.print(Text(" ".join(rule.meaning.split())))
    console.print(f"It looks at: {', '.join(rule.fields)}")
    table = Table(title="thresholds", title_justify="left")
    for title in ("name", "value", "source"):
        table.add_column(title, overflow="fold")
    for name, threshold in rule.thresholds.items():
        table.add_row(name, f"{threshold.value:g} {threshold.unit}", Text(threshold.source))
    console.print(table)
    for step in rule.next:
        console.print(Text(f"next: {step}"))
    console.print("A rule does nothing to a router or a person: it only says what is seen.", style="dim")


def _list(console: Console, rules: list[Rule]) -> None:
    table = Table(title="rules", title_justify="left")
    for title in ("rule", "severity", "what it finds"):
        table.add_column(title, overflow="fold")
    for rule in rules:
        table.add_row(rule.id, rule.severity.value, Text(rule.title))
    console.print(table)
    console.print("What the records cannot say:")
    for entry in checked_rules().impossible:
        console.print(_indented(f"{entry.title}: {entry.why}"))
