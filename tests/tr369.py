"""What tests of bulk data and USP share: adapters, readings, USP records, and what a message becomes in the end."""

import json
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec
from aliasing import COMPILED
from support import make_rules

from collector.fields.clean import Cleaner, Tally
from collector.fields.names import RefusedNames
from collector.formats.adapters import make_sources
from collector.formats.aliases import load_aliases
from collector.formats.bulk_data import BulkData
from collector.formats.reading import Options, Reading
from collector.formats.sources import Sources
from collector.formats.translate import Translated, Translator
from collector.formats.usp import Usp
from collector.formats.usp_messages import message_class
from collector.model import Accepted, Message, Outcome
from collector.pipeline import Rules, process
from collector.source_settings import SourceSettings

CLEANER: Final = Cleaner(COMPILED, RefusedNames(COMPILED.catalogue))
TRANSLATOR: Final = Translator(load_aliases("tr369"), COMPILED, CLEANER)
COLLECTED: Final = 1_795_280_611
"""2026-11-21T17:03:31Z, in seconds: when samples of tests are from, unless they say otherwise."""
RECEIVED: Final = COLLECTED * 1000 + 2_000
BULK: Final = {"name": "bulk", "topic": "bulkdata/+", "format": "bulk_data", "router_level": 2, "country": "DE"}
USP: Final = {"name": "usp", "topic": "usp/controller/#", "format": "usp", "router_from": "payload", "country": "DE"}


def options(names: dict[str, str] | None = None, max_depth: int = 16, *, named: bool = False) -> Options:
    """Options of a source."""
    return Options(
        zone=ZoneInfo("Asia/Shanghai"),
        flagged=False,
        counters=False,
        names=names or {},
        named=named,
        max_depth=max_depth,
        spells_the_flag=lambda _: False,
    )


def readings(payload: Any, **more: Any) -> tuple[Reading, ...]:
    """The samples in a bulk data report that is in order; what is no bytes is written as JSON."""
    found = BulkData(options(**more)).read(payload if isinstance(payload, bytes) else json.dumps(payload).encode(), ())
    assert isinstance(found, tuple)
    return found


def translated(parameters: dict[str, Any], tally: Tally | None = None, time: int | None = RECEIVED) -> Translated:
    """What parameters become."""
    return TRANSLATOR.translate(Reading(values=tuple(parameters.items()), time=time), tally or Tally())


def said(parameters: dict[str, Any]) -> dict[str, Any]:
    """What parameters become, as `group.name` to value; without the time and events."""
    told: dict[str, Any] = msgspec.to_builtins(translated(parameters).tree)
    return {
        f"{group}.{name}": value
        for group, members in told.items()
        if isinstance(members, dict)
        for name, value in members.items()
    }


# --------------------------------------------------------------------------------------------------------------- USP


def notify(message_id: str = "Event-2026-11-21T17:03:31Z-1", **kinds: Any) -> bytes:
    """A USP message that notifies of something."""
    notification = {"subscription_id": "s", **kinds}
    return bytes(
        message_class("Msg")(
            header={"msg_id": message_id, "msg_type": 3}, body={"request": {"notify": notification}}
        ).SerializeToString()
    )


def event(name: str, path: str = "Device.", **params: str) -> dict[str, Any]:
    """An event notification."""
    pairs = [{"key": key, "value": value} for key, value in params.items()]
    return {"event": {"obj_path": path, "event_name": name, "params": pairs}}


def record(payload: bytes | None = None, sender: str = "os::00256D-ZTE1024300012", **more: Any) -> bytes:
    """A USP record of *sender* with a message in it."""
    content = {} if payload is None else {"no_session_context": {"payload": payload}}
    fields = {"version": "1.4", "to_id": "self::controller", "from_id": sender, **content, **more}
    return bytes(message_class("Record")(**fields).SerializeToString())


def usp_readings(payload: bytes, **more: Any) -> Any:
    """The samples in a record, or why there are none."""
    return Usp(options(**more)).read(payload, ())


# ---------------------------------------------------------------------------------------------------- whole messages


def sources(**more: Any) -> Sources:
    """Sources of one section of settings."""
    return make_sources([SourceSettings.model_validate(more)], COMPILED, CLEANER, 16)


def rules_of(*sections: dict[str, Any]) -> Rules:
    """Rules with these sources, in the mode they need."""
    return make_rules(consent={"mode": "registered"}, sources=list(sections))


def outcome(payload: bytes, topic: str, rules: Rules, received_at: int = RECEIVED) -> Outcome:
    """What becomes of a message."""
    return process(Message(topic, payload, retained=False, received_at=received_at), rules)


def body(found: Outcome) -> dict[str, Any]:
    """The body of the one record that a message became."""
    assert isinstance(found, Accepted)
    made: dict[str, Any] = json.loads(found.record.body)
    return made
