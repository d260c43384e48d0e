"""Records without what happened before their router joined (D8)."""

from datetime import datetime
from typing import Any

import msgspec
import orjson

from collector.model import Record


def without_events_before(record: Record, effective_at: int) -> Record:
    """The record without the events that happened before the join (D8); a message may list events older than itself."""
    body: dict[str, Any] = orjson.loads(record.body)
    kept = [event for event in body.get("events", ()) if _milliseconds(event["time"]) >= effective_at // 1000 * 1000]
    body.pop("events", None)
    if kept:
        body["events"] = kept
    return msgspec.structs.replace(record, body=orjson.dumps(body), oldest=effective_at)


def _milliseconds(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) * 1000
