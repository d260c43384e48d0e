"""A fault in the catalogue is told in a sentence: file, entry, what was found, what was expected; all at once."""

from pathlib import Path

import pytest
from support import make_rules

from collector.data import data_path
from collector.errors import DataFault
from collector.fields.catalogue import Catalogue, load_catalogue
from collector.fields.compiled import Compiled
from collector.fields.select import Selector

BARS = 'name = "signal_bars"\nrow = "U19"\ngroup = "signal"\ntype = "int"\nmin = 0\nmax = 5\n'
KEPT = f'{BARS}category = "network"\nclass = "none"\ntreatment = "keep"'
TREATMENTS = "'keep', 'coarsen', 'pseudonymise' or 'derive'"
RSRP = 'name = "rsrp_dbm"\nrow = "U19"\n'
COVERAGE = 'values = ["short", "medium", "long"]\n'
SERIAL = 'feeds = ["serial_ref"]'


def written(folder: Path, text: str | bytes) -> Path:
    """A catalogue of this text, in a folder named as the shipped one is."""
    path = folder / "schemas" / "fields.toml"
    path.parent.mkdir()
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def changed(*changes: tuple[str, str]) -> str:
    """The shipped catalogue after these replacements."""
    text = data_path("schemas", "fields.toml").read_text("utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    return text


def faults(folder: Path, *changes: tuple[str, str]) -> tuple[str, ...]:
    """What is told of the shipped catalogue after these replacements."""
    with pytest.raises(DataFault) as caught:
        load_catalogue(written(folder, changed(*changes)))
    return caught.value.faults


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (
            (RSRP, f'{RSRP}colour = "red"\n'),
            "field.entry 'rsrp_dbm'.colour: unknown setting. Check the spelling or remove it.",
        ),
        ((RSRP, 'name = "rsrp_dbm"\n'), "field.entry 'rsrp_dbm'.row: missing. Add it."),
        (('clause = "003 I L9"\nfeeds', "feeds"), "input.entry 'serial'.clause: missing. Add it."),
        (
            (
                KEPT,
                KEPT.replace("keep", "store"),
            ),
            f"field.entry 'signal_bars'.treatment: found 'store', expected {TREATMENTS}",
        ),
        (
            (
                KEPT,
                KEPT.replace("keep", "local_only"),
            ),
            f"field.entry 'signal_bars'.treatment: found 'local_only', expected {TREATMENTS}",
        ),
        (
            ('treatment = "local_only"', 'treatment = "keep"'),
            "refused.entry 'L1'.treatment: found 'keep', expected 'local_only' or 'not_collected'",
        ),
        (
            (BARS, BARS.replace("max = 5\n", "")),
            "field.entry 'signal_bars': found no usable bounds, expected min and max, min <= max, for type int",
        ),
        (
            (BARS, BARS.replace("min = 0", "min = 6")),
            "field.entry 'signal_bars': found no usable bounds, expected min and max, min <= max, for type int",
        ),
        (
            (COVERAGE, ""),
            "field.entry 'wifi_coverage_mode': found no values, expected the list of values of an enum",
        ),
        (
            (COVERAGE, "values = []\n"),
            "field.entry 'wifi_coverage_mode': found no values, expected the list of values of an enum",
        ),
        (
            ('type = "list"\nmax_length = 40', 'type = "list"'),
            "field.entry 'manufacturer': found no max_length, expected one for type list",
        ),
        ((SERIAL, 'feeds = ["nothing"]'), "entry 'serial': feeds: found 'nothing', expected the name of a field"),
        (
            (SERIAL, "feeds = []"),
            "input.entry 'serial'.feeds: found [], expected tuple should have at least 1 item after validation, not 0",
        ),
        (('name = "ecno_db"', 'name = "rscp_dbm"'), "found rscp_dbm more than once, expected every name once"),
        (('name = "imei"', 'name = "serial"'), "found serial more than once, expected every name once"),
        (('name = "imei"', 'name = "device_type"'), "found device_type more than once, expected every name once"),
        (
            ('name = "wifi_short_range"', 'name = "wifi_driver_error"'),
            "found wifi_driver_error more than once, expected every name once",
        ),
        (
            (RSRP, RSRP.replace("rsrp_dbm", "RSRP")),
            "field.entry 'RSRP'.name: found 'RSRP', expected string should match pattern '^[a-z][a-z0-9_]{1,47}$'",
        ),
        (
            (RSRP, RSRP.replace("U19", "X19")),
            "field.entry 'rsrp_dbm'.row: found 'X19', expected string should match pattern '^[UZ][0-9]{2}[a-b]?$'",
        ),
        (("schema_version = 1", "schema_version = 2"), "schema_version: found 2, expected 1"),
        (
            ("schema_version = 1", "schema_version = 1\ncolour = 1"),
            "colour: unknown setting. Check the spelling or remove it.",
        ),
        (
            ('description = "Signal bars that the router shows."', 'description = "Bars"'),
            "field.entry 'signal_bars'.description: found 'Bars', expected string should have at least 8 characters",
        ),
        (
            ('family = "L12"', 'family = "Q1"'),
            "refused.entry 'Q1'.family: found 'Q1', expected string should match pattern '^[LN][0-9]{1,2}$'",
        ),
        (("false_friends = [", "false_freinds = ["), "names.false_friends: missing. Add it."),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_fault_is_told_in_a_sentence(change: tuple[str, str], fault: str, tmp_path: Path) -> None:
    """File, entry by name, what was found and what was expected."""
    assert f"schemas/fields.toml: {fault}" == faults(tmp_path, change)[0]


def test_every_fault_is_told_at_once(tmp_path: Path) -> None:
    """Nobody should have to start four times to find four faults."""
    told = [
        "field.entry 'rsrp_dbm'.colour: unknown setting.",
        "field.entry 'signal_bars': found no usable bounds,",
        "field.entry 'wifi_coverage_mode': found no values,",
        "input.entry 'serial'.feeds: found [],",
    ]
    found = faults(
        tmp_path,
        (RSRP, f'{RSRP}colour = "red"\n'),
        (BARS, BARS.replace("max = 5\n", "")),
        (COVERAGE, ""),
        (SERIAL, "feeds = []"),
    )

    assert len(told) == len(found)
    for sentence, begins in zip(found, told, strict=True):
        assert sentence.startswith(f"schemas/fields.toml: {begins}")


def test_every_fault_between_entries_is_told_at_once(tmp_path: Path) -> None:
    """Names that repeat and feeds that lead nowhere, in one go."""
    (fault,) = faults(
        tmp_path,
        (SERIAL, 'feeds = ["nothing"]'),
        ('feeds = ["mac_ref"]', 'feeds = ["nowhere"]'),
        ('name = "ecno_db"', 'name = "rscp_dbm"'),
        ('name = "wifi_short_range"', 'name = "wifi_driver_error"'),
    )

    for word in ("rscp_dbm, wifi_driver_error", "'serial'", "'nothing'", "'mac'", "'nowhere'"):
        assert word in fault


@pytest.mark.parametrize(
    "text", ["[[field]", "schema_version = = 1", b"\xff\xfe", "schema_version = 1\nschema_version = 1"], ids=ascii
)
def test_a_file_that_is_no_toml_is_told_in_a_sentence(text: str | bytes, tmp_path: Path) -> None:
    """With the file, and where it breaks."""
    with pytest.raises(DataFault, match=r"^schemas/fields\.toml: \S"):
        load_catalogue(written(tmp_path, text))


def test_a_file_that_is_not_there_is_told_in_a_sentence(tmp_path: Path) -> None:
    """With its path."""
    path = tmp_path / "schemas" / "fields.toml"

    with pytest.raises(DataFault) as caught:
        load_catalogue(path)

    assert f"{path}: cannot be read: No such file or directory" == str(caught.value)


def test_a_field_nobody_treats_is_refused(tmp_path: Path) -> None:
    """A field marked as more than kept needs code that treats it; each is named."""
    text = changed(
        (KEPT, KEPT.replace("keep", "coarsen")),
        ('name = "home_mcc"', 'name = "home_network"'),
        ('feeds = ["sim_ref", "home_mcc"]', 'feeds = ["sim_ref", "home_network"]'),
    )  # fmt: skip
    book: Catalogue = load_catalogue(written(tmp_path, text))

    with pytest.raises(DataFault) as caught:
        Selector(Compiled(book))

    where = "found a treatment the code has no function for, expected one in collector/fields/treatments.py."
    assert [
        f"schemas/fields.toml: entry 'home_network': {where} Write it, or mark the field keep.",
        f"schemas/fields.toml: entry 'signal_bars': {where} Write it, or mark the field keep.",
    ] == list(caught.value.faults)


def test_the_shipped_catalogue_has_no_fault() -> None:
    """The control, and all the way to rules."""
    assert load_catalogue() == load_catalogue(data_path("schemas", "fields.toml"))
    assert make_rules()
