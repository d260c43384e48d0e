"""Configurations of the test that walks the settings: round by round, each value of each choice, the rest at random."""

import json
import random
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel
from walk import is_choice, plain_fields, some_value, values_of

from collector.cli.setup import make_installation
from collector.config import Settings, load_settings
from collector.formats.adapters import KINDS
from collector.model import Region
from collector.source_settings import WITH_FLAG, SourceSettings

ROUNDS: Final = 12
_HERE: Final[dict[str, dict[str, Any]]] = {
    "broker": {"host": "127.0.0.1", "port": 9},
    "http": {"host": "127.0.0.1", "port": 0},
    "console": {"host": "127.0.0.1", "port": 0},
    "spool": {"after_seconds": 60},
}
"""What must fit the machine: port 9 answers nobody, and no broker would send again what comes while a store is slow."""


def section(model: type[BaseModel], number: int, chance: random.Random) -> dict[str, Any]:
    """Settings of one table: choices in turn, half of the others at random."""
    made = {}
    for place, (name, field) in enumerate(plain_fields(model)):
        values = values_of(field)
        value = values[(number + place) % len(values)] if is_choice(field) else some_value(field, chance)
        if value is not None and (is_choice(field) or chance.random() < 0.5):
            made[name] = value
    return made


def configuration(number: int, folder: Path) -> dict[str, Any]:
    """The settings of a round, completed where one needs another."""
    chance = random.Random(number)
    made: dict[str, Any] = {}
    for name, field in Settings.model_fields.items():
        model: Any = field.annotation
        if isinstance(model, type) and issubclass(model, BaseModel):
            made[name] = section(model, number, chance) | _HERE.get(name, {})
    made["regions"] |= {
        str(region): {
            "store": f"data/{region}.sqlite",
            "key_files": [f"keys/{region}.key"],
            "retention_days": 3650 if number % 2 else 366,
        }
        for region in Region
    }
    made["regions"].pop("blocked", None) if number % 2 else None
    if made["consent"]["on_exit"] == "keep":
        made["consent"]["keep_reason"] = "A ground in a sentence."
    token = folder / "token"
    token.write_text("t" * 40)
    token.chmod(0o600)
    made["api"] |= {"host": "127.0.0.1", "port": 0, "token_file": str(token)}
    made["sources"] = sources(number, chance, made["consent"]["mode"])
    return made


def sources(number: int, chance: random.Random, mode: str) -> list[dict[str, Any]]:
    """A source of each format in turn, as far as this mode allows one."""
    formats = [name for name in KINDS if mode == "registered" or name in WITH_FLAG]
    if not formats:
        return []
    kind = formats[number // 2 % len(formats)]
    asked = {"format": kind, "flag": "message" if kind in WITH_FLAG and (mode == "flag" or number % 3) else "ledger"}
    own = {
        "name": "other",
        "topic": "other/+/#",
        "router_from": "topic",
        "router_level": 2,
        "country": "DE",
        "time_zone": "UTC",
    }
    return [section(SourceSettings, number, chance) | own | asked]


def loaded(number: int, folder: Path) -> tuple[Path, Settings]:
    """The file of a round, and what it says."""
    make_installation(folder)
    path = folder / "collector.toml"
    path.write_text(toml(configuration(number, folder)))
    return path, load_settings(path)


def toml(document: dict[str, Any]) -> str:
    """Inline tables throughout; JSON and TOML write the rest alike."""
    return "\n".join(f"{name} = {_inline(value)}" for name, value in document.items())


def _inline(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} = {_inline(item)}" for name, item in value.items()) + "}"
    return "[" + ", ".join(map(_inline, value)) + "]" if isinstance(value, list) else json.dumps(value)
