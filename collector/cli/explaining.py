"""`ueip explain`: what would become of a message, key by key."""

import re
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import orjson
from rich.table import Table
from rich.text import Text

from collector.cli.common import CANDIDATES, Country, config_option, out, say, settings_of, write
from collector.config import Settings
from collector.explain import Explanation, Told, explain, rules_for_explaining
from collector.formats.report import ROUTER
from collector.model import DropReason, Message, Region
from collector.reference.reasons import ADVICE, NOTHING

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

    FILE holds the payload's bytes as they were sent. If its format is not ours, --topic and the sources in
    the configuration say which it is. Exits with 1 when nothing of the message would be kept.
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
    """What the author of a dropped message should do; empty if there is nothing to do."""
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
        console.print("Nothing of it is kept. If it were let in, this would happen to its keys:")
    table = Table()
    for title in ("key", "what happens", "as what, or why", "clause"):
        table.add_column(title, overflow="fold")
    for f in found.findings:
        table.add_row(_plain(f.path), f.verdict, _plain(f.as_what), f.clause, style=_COLOURS.get(f.verdict, "cyan"))
    console.print(table)
