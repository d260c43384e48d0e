"""Targets that take the files people write, settings and region tables: a fault in one is a `DataFault`, always."""

import random
import tempfile
import tomllib
from functools import cache
from pathlib import Path
from typing import Any, Final

from walk import some_section

from collector.config import Settings, load_settings
from collector.errors import DataFault
from collector.model import Region
from collector.regions import RegionMap, load_region_tables
from collector.rules import consent_rules, gate_rules, policies_of, region_map
from collector.source_settings import SourceSettings

from . import oracle
from .case import Case, require
from .mutate import mutated, mutated_bytes
from .tree import Arr, Node, Obj, node_of, parse, quoted, write

_VALUES: Final = (
    "true", "0", "-1", "1", "0.5", "1e308", "65536", "9223372036854775808", '""', '"x"', '"flag"', '"registered"',
    '"off"', '"erase"', '"keep"', '"germany"', '["germany"]', '["germany", "germany"]', "[]", "[[]]", "{}", '"../x"',
    '"/dev/null"', '"\\u0000"', '"\u00e9"', '"' + "A" * 5000 + '"', "inf", "nan", "1979-05-27", "07:32:00",
    '["DE", "XK", "cn"]', '"keys"', '"broker.example"', '"127.0.0.1"', '["keys/germany.key", "keys/china.key"]',
    '"keys/germany.key"',
)  # fmt: skip


@cache
def _folder() -> Path:
    """A folder with keys, of this process alone."""
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    (folder / "keys").mkdir()
    for number, region in enumerate(Region, start=1):
        key = folder / "keys" / f"{region}.key"
        key.write_bytes(bytes([number]) * 32)
        key.chmod(0o600)
    return folder


def _written(name: str, data: bytes) -> Path:
    path = _folder() / name
    path.write_bytes(data)
    return path


def toml_of(root: Node) -> bytes:
    """A tree as TOML: its tables are written inline, for TOML's values are JSON's but for null."""
    lines = [f"{name} = {_inline(value)}" for name, value in root] if isinstance(root, Obj) else ["x = 1"]
    return "\n".join(lines).encode("utf-8", "surrogatepass")


def _inline(node: Node) -> str:
    if isinstance(node, Obj):
        return "{" + ", ".join(f"{name} = {_inline(value)}" for name, value in node) + "}"
    return "[" + ", ".join(map(_inline, node)) + "]" if isinstance(node, Arr) else str(node)


def _tree(data: bytes) -> Obj | None:
    """The tree of a TOML document, or None if it is none, or holds what JSON cannot say."""
    try:
        made: Obj = node_of(tomllib.loads(data.decode()))
    except (ValueError, TypeError, RecursionError):
        return None
    return made


# --------------------------------------------------------------------------------------------------------- settings


def new_settings(target: str, chance: random.Random, pool: list[Case]) -> Case:
    """Settings with some of them set to anything; or the text of some, changed."""
    old = chance.choice(pool).data
    if chance.random() < 0.3:
        return Case(target, mutated_bytes(old, chance, [other.data for other in pool[:20]]))
    root = _tree(old)
    if root is None:
        return Case(target, mutated_bytes(old, chance))
    for name, field in Settings.model_fields.items():
        model: Any = field.annotation
        if name == "sources":
            if chance.random() < 0.3:
                root.put(name, node_of([some_section(SourceSettings, chance) for _ in range(chance.randrange(3))]))
            continue
        section = root.get(name)
        if not isinstance(section, Obj):
            section = Obj()
            root.put(name, section)
        for setting, value in some_section(model, chance, often=0.1).items():
            section.put(setting, node_of(value))
        if chance.random() < 0.05:
            section.put(chance.choice([*model.model_fields, "x"]), chance.choice(_VALUES))
    if chance.random() < 0.1:
        root = parse(mutated(write(root), chance, [])) or root
    return Case(target, toml_of(root))


def check_settings(case: Case) -> str:
    """Settings that can be used, or all that is wrong with them in sentences."""
    path = _written("collector.toml", case.data)
    try:
        settings = load_settings(path)
        region_map(settings)
    except DataFault as fault:
        require(fault.faults, "a fault without a sentence")
        require(all(text.strip() and "\n" not in text.split(": ", 2)[0] for text in fault.faults), "an empty sentence")
        return "refused"
    try:
        rules = gate_rules(settings, policies_of(settings))
    except DataFault as fault:
        require(all("policy" in text or "policies" in text for text in fault.faults), "another file's fault")
        return "refused"
    require(rules.policies.counts(rules.policies.first.version, rules.policies.first.effective_at), "no notice counts")
    require(consent_rules(settings).mode in {"flag", "registered"}, "a mode that opens the gate")
    require(settings.regions.enabled, "no region")
    stores = [settings.regions.of(region).file.resolve() for region in set(settings.regions.enabled)]
    require(len(set(stores)) == len(stores), "two regions in one store")
    return f"{len(settings.regions.enabled)} regions, {settings.consent.mode}"


# ---------------------------------------------------------------------------------------------------------- regions

_MCCS: Final = (
    "262",
    "208",
    "460",
    "461",
    "454",
    "466",
    "310",
    "340",
    "901",
    "001",
    "999",
    "000",
    "26",
    "",
    "\u0662\u0666\u0662",
)
_COUNTRIES: Final = (
    "DE",
    "FR",
    "GB",
    "GP",
    "CN",
    "HK",
    "MO",
    "TW",
    "US",
    "BR",
    "GI",
    "XK",
    "UK",
    "de",
    "",
    "DEU",
    "\u0130S",
)


def new_tables(target: str, chance: random.Random, pool: list[Case]) -> Case:
    """Tables with countries moved, codes changed, entries of other types; and a country and networks to ask for."""
    old = chance.choice(pool)
    data = old.data
    if chance.random() < 0.2:
        data = mutated_bytes(data, chance)
    elif chance.random() < 0.6 and (root := _tree(data)) is not None:
        for _ in range(chance.choice((1, 1, 2, 4))):
            _move(root, chance)
        data = toml_of(root)
    plmns = [chance.choice(_MCCS) + chance.choice(("01", "001")) for _ in range(chance.choice((0, 1, 1, 2, 3)))]
    return Case(target, data, {"country": chance.choice(_COUNTRIES), "plmns": plmns})


def _move(root: Obj, chance: random.Random) -> None:
    tables = [root.get(name) for name in ("countries", "mcc", "mcc_special")]
    table = chance.choice([table for table in tables if isinstance(table, Obj)] or [root])
    match chance.randrange(5):
        case 0:
            lists = [value for _, value in table if isinstance(value, Arr)]
            if lists and (source := chance.choice(lists)):
                chance.choice(lists).append(source.pop(chance.randrange(len(source))))
        case 1:
            table.put(chance.choice((*_MCCS, "china", "germany", "x")), Arr([quoted(chance.choice(_COUNTRIES))]))
        case 2:
            root.put("blocked", Arr(quoted(chance.choice(_COUNTRIES)) for _ in range(chance.randrange(3))))
        case 3 if table:
            del table[chance.randrange(len(table))]
        case _:
            table.put(chance.choice((*_MCCS, "neutral", "refused", "unmapped")), chance.choice(_VALUES))


def check_regions(case: Case) -> str:
    """Whatever the tables say: no country without an entry has a region, and no setting moves China or Europe (3.4)."""
    try:
        tables = load_region_tables(_written("regions.toml", case.data))
    except DataFault:
        return "refused"
    country, plmns = case.about["country"], tuple(case.about["plmns"])
    regions = RegionMap(tables)
    found = regions.route(country, plmns)
    require(found == RegionMap(tables).route(country, plmns[::-1]), "the order of networks matters")
    require(regions.route(None, plmns) == "region_unknown", "a region for no country")
    if not isinstance(found, Region):
        return str(found)
    require(found == regions.home(country), "a network chose the region")
    require(country in getattr(tables.countries, found.value), "a region for a country of another, or of none")
    require((country == "CN") == (found is Region.CHINA), "China elsewhere, or others in China")
    european = country in oracle.tables()["european"]
    require(not european or found is Region.GERMANY, "Europe elsewhere")
    if plmns:
        require(country not in tables.blocked, "a country that is blocked")
    for plmn in plmns:
        chinese = plmn[:3] in {"460", "461"}
        require(not chinese or found is Region.CHINA, "a Chinese network, elsewhere")
    return f"routed to {found}"
