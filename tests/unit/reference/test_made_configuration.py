"""The example configuration is complete, and it is what the collector does without one."""

import tomllib
from pathlib import Path

import pytest
from pydantic import BaseModel

from collector.config import Settings, load_settings
from collector.config_clickhouse import ClickHouseSettings
from collector.config_postgres import PostgresSettings
from collector.config_regions import RegionSettings, RegionsSettings
from collector.errors import DataFault
from collector.model import Region
from collector.reference import settings as made
from collector.reference.settings import configuration, kind_of, sections, settings_page
from collector.source_settings import SourceSettings

REGIONS = {
    region.value: RegionSettings(
        store=Path(f"data/{region}.sqlite"), key_files=(Path(f"keys/{region}.key"),), spool=Path(f"spool/{region}"),
        retention_days=180,
    )
    for region in Region
}  # fmt: skip


def models(settings: BaseModel) -> list[tuple[BaseModel, str]]:
    """Every setting below *settings*, with the model it stands in."""
    found: list[tuple[BaseModel, str]] = []
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if name == "postgresql":
            value = PostgresSettings(database="a", user="a")
        if name == "clickhouse":
            value = ClickHouseSettings(database="a", user="a")
        if name == "sources":
            value = SourceSettings(name="a", topic="a/+", format="usp", router_level=2)
        found += models(value) if isinstance(value, BaseModel) else [(settings, name)]
    return found


def test_the_example_is_the_defaults() -> None:
    """Nothing in the file differs from what holds without it."""
    found = Settings.model_validate(tomllib.loads(configuration()))

    assert Settings(regions=RegionsSettings.model_validate(REGIONS)) == found


def test_every_setting_is_in_the_file_and_on_the_page() -> None:
    """A setting that nobody can find might as well not be there."""
    lines, page = configuration().splitlines(), settings_page()
    for model, name in models(Settings(regions=RegionsSettings.model_validate(REGIONS))):
        assert any(line.removeprefix("# ").startswith(f"{name} = ") for line in lines), name
        description = type(model).model_fields[name].description
        assert description, name
        assert f"\n| `{name}` |" in page
        assert f"| {description} |" in page


def test_the_file_loads_once_its_keys_exist(tmp_path: Path) -> None:
    """The example runs as it stands."""
    (tmp_path / "keys").mkdir()
    for number, region in enumerate(Region):
        key = tmp_path / "keys" / f"{region}.key"
        key.write_bytes(bytes([number]) * 32)
        key.chmod(0o600)
    (tmp_path / "collector.toml").write_text(configuration())

    loaded = load_settings(tmp_path / "collector.toml")

    assert tmp_path.resolve() / "data" / "germany.sqlite" == loaded.regions.of(Region.GERMANY).store


def test_no_line_is_too_long_to_read() -> None:
    """Comments are wrapped."""
    assert [] == [line for line in configuration().splitlines() if len(line) > 110]


def test_a_setting_without_default_needs_an_example(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever adds one is told where its example goes."""
    monkeypatch.setattr(made, "EXAMPLES", {"store": "x"})

    with pytest.raises(DataFault, match=r"regions\.hong_kong\.key_files: found no example"):
        configuration()


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ({"type": "integer", "minimum": 1, "maximum": 9}, "integer, 1 to 9"),
        ({"type": "integer", "minimum": 1}, "integer, 1 or more"),
        ({"type": "number", "exclusiveMinimum": 0}, "number, above 0"),
        ({"type": "number", "exclusiveMinimum": 0, "maximum": 9}, "number, above 0, at most 9"),
        ({"type": "boolean"}, "true or false"),
        ({"type": "string", "format": "path"}, "path"),
        ({"type": "string", "minLength": 10}, "text, 10 characters or more"),
        ({"type": "array", "items": {"type": "string", "enum": ["a", "b"]}}, "list of: one of `a`, `b`"),
    ],
)
def test_a_type_is_told_in_words(found: dict[str, object], words: str) -> None:
    """Bounds are told with the type."""
    assert words == kind_of(found)


def test_sections_are_in_the_order_of_the_models() -> None:
    """A person finds the broker first and the log last."""
    names = [section.name for section in sections()]

    assert "broker" == names[0]
    shown = [name for name in names if name.startswith("regions") and not name.endswith(("postgresql", "clickhouse"))]
    assert ["regions", *(f"regions.{region}" for region in Region)] == shown
