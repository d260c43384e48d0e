"""The parts of `docs/firmware.md` that are made: tables of fields, the examples, and what becomes of one of them."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from collector.config import Settings
from collector.consent.policies import Policies
from collector.consent.policy_file import shipped_policies
from collector.errors import DataFault
from collector.fields.catalogue import GROUPS, Catalogue
from collector.formats.report import milliseconds
from collector.model import Accepted, Message, Region
from collector.pipeline import Rules, process
from collector.pseudonym import KEY_BYTES, Key, Pseudonymiser
from collector.reference.fields import wire_tables
from collector.reference.markdown import block, code, codes, table
from collector.rules import assemble

Document = dict[str, Any]

EXAMPLES: Final = ("minimal", "periodic", "disconnect", "no-clock", "consent-join", "consent-exit")
"""The files of `docs/examples/`, without their suffix."""
TREATED: Final = "periodic"
"""The example whose stored values the page shows."""
ROUTER: Final = "290A1B2C3D4E"
_TRAVEL: Final = 2000
"""Milliseconds between measurement and receipt of the example."""


def firmware_parts(catalogue: Catalogue, folder: Path) -> dict[str, str]:
    """What stands between the markers of the page; *folder* is that of the examples."""
    examples = {f"example-{name}": block("json", example(folder, name)) for name in EXAMPLES}
    document = json.loads(example(folder, TREATED))
    return {
        "fields": wire_tables(catalogue),
        "notice": _texts_table(shipped_policies()),
        **examples,
        "stored": _stored_table(document, stored_body(document, catalogue), catalogue),
    }


def _texts_table(policies: Policies) -> str:
    """Every text of the notice as a join event names it, the newest version first."""
    rows = (
        (code(policy.version), policy.change, _moment(policy.effective_at), code(language), code(digest))
        for policy in reversed(policies.versions)
        for language, digest in policy.texts.items()
    )
    return table(("`policy_version`", "change", "in force from", "`language`", "`policy_digest`"), rows)


def _moment(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def example(folder: Path, name: str) -> str:
    """The text of an example.

    Raises:
        DataFault: there is no such file.
    """
    path = folder / f"{name}.json"
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise DataFault([f"{path}: cannot be read: {error.strerror}"]) from None


def stored_body(document: Document, catalogue: Catalogue) -> Document:
    """The record's body of an example, received a moment after it was measured.

    Raises:
        DataFault: the collector does not keep the example.
    """
    received_at = milliseconds(datetime.fromisoformat(document["time"])) + _TRAVEL
    message = Message(
        f"ueip/v1/{ROUTER}/report", json.dumps(document).encode(), retained=False, received_at=received_at
    )
    outcome = process(message, example_rules(catalogue))
    if not isinstance(outcome, Accepted) or outcome.record.stripped:
        raise DataFault(
            [f"docs/examples/{TREATED}.json: found a message that is not kept whole, expected one that is."]
        )
    body: Document = json.loads(outcome.record.body)
    return body


def example_rules(catalogue: Catalogue) -> Rules:
    """Rules by default settings, with keys of zeros: the same page every time, and no pseudonym of any real region."""
    sections = {
        region.value: {"store": region.value, "key_files": [region.value], "retention_days": 365} for region in Region
    }
    settings = Settings.model_validate({"regions": sections})
    return assemble(settings, {region: Pseudonymiser([Key(bytes(KEY_BYTES))]) for region in Region}, catalogue)


def _stored_table(document: Document, body: Document, catalogue: Catalogue) -> str:
    rows = [row for group in GROUPS if group in document for row in _changes(group, document, body, catalogue)]
    return table(("sent", "stored"), rows)


def _changes(group: str, document: Document, body: Document, catalogue: Catalogue) -> Iterator[tuple[str, str]]:
    """The keys of a group that are not stored as sent, then the fields that were worked out from those that are."""
    sent, stored = document[group], body.get(group, {})
    feeds = {entry.name: entry.feeds for entry in catalogue.input}
    told: set[str] = set()
    for name, value in sent.items():
        if stored.get(name) == value:
            continue
        made = [fed for fed in feeds.get(name, (name,)) if fed in stored and fed not in told]
        told.update(made)
        fate = ", ".join(_shown(group, fed, stored[fed]) for fed in made)
        yield _shown(group, name, value), fate or _elsewhere(feeds.get(name, ()), catalogue)
    for name in sorted(set(stored) - set(sent) - told):
        yield "(worked out)", _shown(group, name, stored[name])


def _elsewhere(fed: tuple[str, ...], catalogue: Catalogue) -> str:
    """What became of an input that gave no field of its own to the record's body."""
    if fed and all(catalogue.fields[name].place != "body" for name in fed):
        return "a pseudonym in the lookup index, nothing in the record"
    return f"nothing; used for {codes(fed)}" if fed else "nothing"


def _shown(group: str, name: str, value: Any) -> str:
    return code(f"{group}.{name} = {json.dumps(value, ensure_ascii=False)}")
