"""`docs/reference/settings.md` and `config/collector.toml`, made from the models of the settings.

All that is read here is the JSON Schema that pydantic makes of a model, so a new setting needs no line in this module
unless it has no default.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from textwrap import wrap
from typing import Any, Final

from collector.config import Settings
from collector.errors import DataFault
from collector.reference.markdown import code, codes, page, table

EXAMPLES: Final[dict[str, Any]] = {
    "store": "data/{region}.sqlite",
    "key_files": ["keys/{region}.key"],
    "retention_days": 180,
    "spool": "spool/{region}",
    "name": "bulk-data",
    "topic": "bulkdata/+",
    "format": "bulk_data",
    "database": "ueip_{region}",
    "user": "ueip_collector",
}
"""Values in the example for settings without a default; `{region}` is the region in the section's name."""
_WIDTH: Final = 100
_INTRODUCTION: Final = """\
# The configuration of the collector: every setting, at its default. Paths are relative to this file.
# A line that is left out keeps its default. Check with: ueip check-config
#
# In the repository this file is made by `make docs` from the models in collector/config*.py."""


@dataclass(frozen=True)
class Section:
    """A table of the file: its name and what the model says of it."""

    name: str
    model: str
    meaning: str
    settings: dict[str, dict[str, Any]]
    required: frozenset[str]
    many: bool = False
    """Whether there may be several of it, such as `[[sources]]`."""
    commented: bool = False
    """Whether there is none by default: the file then has one example, in comments."""

    @property
    def heading(self) -> str:
        """The first line of the table in the file."""
        return f"[[{self.name}]]" if self.many else f"[{self.name}]"


def settings_page() -> str:
    """The reference of settings; sections of one model share a table."""
    shared: dict[str, list[Section]] = {}
    for section in sections():
        shared.setdefault(section.model, []).append(section)
    parts = [part for alike in shared.values() for part in _section_parts(alike)]
    return page(
        "Settings",
        "`collector/config*.py` and `collector/source_settings.py`",
        "One TOML file, `collector.toml`; `config/collector.toml` has every setting at its default. Paths are relative "
        "to the file. An unknown setting is a fault; all faults are reported together, at the start.",
        *parts,
    )


def configuration() -> str:
    """The example configuration, complete and commented."""
    shown: dict[str, Section] = {}
    for section in sections():
        shown.setdefault(section.model if section.commented else section.name, section)
    return "\n".join([_INTRODUCTION, *(line for section in shown.values() for line in _toml(section))]) + "\n"


def sections() -> list[Section]:
    """The sections of a configuration, in the order of the models."""
    schema = Settings.model_json_schema()
    return list(_walk("", "Settings", schema, schema["$defs"]))


def _walk(name: str, model: str, found: dict[str, Any], defs: dict[str, Any]) -> Iterator[Section]:
    plain: dict[str, dict[str, Any]] = {}
    below: list[tuple[str, str]] = []
    for key, value in found["properties"].items():
        merged, target = _resolved(value, defs)
        if "properties" in merged or "properties" in merged.get("items", {}):
            below.append((f"{name}.{key}" if name else key, target or value["items"]["$ref"].rpartition("/")[2]))
        else:
            plain[key] = merged
    if plain:
        meaning = " ".join(found.get("description", "").split())
        yield Section(name, model, meaning, plain, frozenset(found.get("required", ())))
    for path, target in below:
        own = found["properties"][path.rpartition(".")[2]]
        many, commented = own.get("type") == "array", "commented" in own
        within = _walk(path, target, defs[target], defs)
        yield from (
            replace(section, many=many or section.many, commented=commented or section.commented) for section in within
        )


def _resolved(found: dict[str, Any], defs: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """A property without references and without null, and the name of the model it refers to, if any."""
    branches = [branch for branch in found.get("anyOf", ()) if branch.get("type") != "null"]
    merged = {**(branches[0] if branches else {}), **{k: v for k, v in found.items() if k != "anyOf"}}
    target = merged.pop("$ref", "").rpartition("/")[2]
    if target:
        merged = {**defs[target], **merged}
    if "items" in merged:
        merged["items"] = _resolved(merged["items"], defs)[0]
    return merged, target


def _section_parts(alike: list[Section]) -> list[str]:
    first = alike[0]
    heading = "## " + ", ".join(code(section.heading) for section in alike)
    rows = (
        (code(key), kind_of(found), _default(first, key, found), found.get("description", ""))
        for key, found in first.settings.items()
    )
    return [heading, first.meaning, table(("setting", "type", "default", "meaning"), rows)]


def _default(section: Section, key: str, found: dict[str, Any]) -> str:
    if key in section.required:
        return "none, must be set"
    value = found.get("default")
    return "not set" if value is None else code(toml(value))


def kind_of(found: dict[str, Any]) -> str:
    """The type of a setting in words, bounds included."""
    if "enum" in found:
        return "one of " + codes(found["enum"])
    if found.get("type") == "array":
        return f"list of: {kind_of(found['items'])}"
    words = {"string": "text", "integer": "integer", "number": "number", "boolean": "true or false"}
    words["object"] = "table of texts"
    name = "path" if found.get("format") == "path" else words[found["type"]]
    return name + _range(found)


def _range(found: dict[str, Any]) -> str:
    low, high, above = found.get("minimum"), found.get("maximum"), found.get("exclusiveMinimum")
    if low is not None and high is not None:
        return f", {low} to {high}"
    if low is not None:
        return f", {low} or more"
    if above is not None:
        return f", above {above}" + (f", at most {high}" if high is not None else "")
    if "minLength" in found:
        return f", {found['minLength']} characters or more"
    return f", of the form `{found['pattern']}`" if "pattern" in found else ""


def _toml(section: Section) -> list[str]:
    lines = ["", "", *_comment(section.meaning), section.heading]
    for key, found in section.settings.items():
        lines += ["", *_comment(f"{found.get('description', '')} Type: {kind_of(found)}.")]
        lines.append(_assignment(section, key, found))
    # There is none of these by default: an example in comments.
    if not section.many and not section.commented:
        return lines
    return [line if not line or line.startswith("# ") else f"# {line}" for line in lines]


def _comment(text: str) -> list[str]:
    plain = text.replace("`", "")
    return [f"# {line}" for line in wrap(plain, _WIDTH - 2, break_on_hyphens=False, break_long_words=False)]


def _assignment(section: Section, key: str, found: dict[str, Any]) -> str:
    if key in section.required or key in EXAMPLES:
        return f"{key} = {toml(_example(section, key))}"
    if found.get("default") is None:
        return f'# {key} = ""'
    return f"{key} = {toml(found['default'])}"


def _example(section: Section, key: str) -> Any:
    if key not in EXAMPLES:
        raise DataFault(
            [f"collector/reference/settings.py: {section.name}.{key}: found no example, expected one in EXAMPLES."]
        )
    region = section.name.removeprefix("regions.").partition(".")[0]
    text = json.dumps(EXAMPLES[key]).replace("{region}", region)
    return json.loads(text)


def toml(value: Any) -> str:
    """A value as TOML; JSON writes text, numbers, booleans and lists of them the same way."""
    return json.dumps(value, ensure_ascii=False)
