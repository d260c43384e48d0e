"""Which region a router's message belongs to: the cases R01 to R28 of the region rules, and the tables behind them."""

import re
from functools import lru_cache
from itertools import product
from pathlib import Path

import pycountry
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import body_of, event, make_rules, minimal_document, reason_of

from collector.data import data_path
from collector.errors import DataFault
from collector.model import DropReason, Region
from collector.regions import NO_COUNTRY, RegionMap, RegionTables, load_region_tables

EU = "AT BE BG HR CY CZ DE DK EE ES FI FR GR HU IE IT LT LU LV MT NL PL PT RO SE SI SK".split()
EU_TERRITORIES = "AX GF GP MQ RE YT MF".split()
EEA_ONLY = "IS LI NO".split()
MICRO_STATES = "GI IM JE GG AD MC SM VA SJ FO GL".split()
GERMANY = {*EU, *EU_TERRITORIES, *EEA_ONLY, "GB", "CH"}
ISO = {country.alpha_2 for country in pycountry.countries}
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
NOT_ISO = {"".join(pair) for pair in product(LETTERS, repeat=2)} - ISO
ALL_MCCS = [f"{number:03}" for number in range(1000)]


@lru_cache(1)
def tables() -> RegionTables:
    """The shipped tables."""
    return load_region_tables()


@lru_cache(1)
def regions() -> RegionMap:
    """The map they make."""
    return RegionMap(tables())


def blocking(*countries: str) -> RegionMap:
    """The same map with these countries blocked."""
    return RegionMap(tables().model_copy(update={"blocked": countries}))


def route(country: str | None, *plmns: str) -> str:
    return regions().route(country, plmns).value


# -------------------------------------------------------------------------------------------------- by country alone


def test_r01_china_is_stored_in_china() -> None:
    """003 VI L72."""
    assert "china" == route("CN")


@pytest.mark.parametrize("country", sorted(GERMANY))
def test_r02_to_r06_the_eu_and_what_goes_with_it_is_stored_in_germany(country: str) -> None:
    """Members, territories with a code of their own, the EEA, GB and CH."""
    assert "germany" == route(country)


@pytest.mark.parametrize("country", MICRO_STATES)
def test_r07_micro_states_wait_for_a_decision(country: str) -> None:
    """Never Hong Kong by default, in no network."""
    assert {"region_unmapped"} == {
        route(country),
        route(country, "26201"),
        route(country, "46001"),
        route(country, "90101"),
    }


@pytest.mark.parametrize("country", MICRO_STATES)
def test_r07_the_only_region_an_operator_can_give_them_is_germany(country: str, tmp_path: Path) -> None:
    """Moved to germany they are served there; moved to hong_kong the tables are refused."""
    to_germany = load_region_tables(written(tmp_path, moved(country, "germany")))

    assert Region.GERMANY is RegionMap(to_germany).route(country, ())
    with pytest.raises(DataFault, match=f"found {country} in hong_kong, expected none that"):
        load_region_tables(written(tmp_path, moved(country, "hong_kong")))


@pytest.mark.parametrize("country", ["HK", "MO", "TW", "US", "JP", "BR", "ZA", "RU", "AU", "TR", "PM", "AW", "BL"])
def test_r08_to_r11_everybody_else_is_stored_in_hong_kong(country: str) -> None:
    """Hong Kong itself, Macao, Taiwan and the rest of the world."""
    assert "hong_kong" == route(country)


@pytest.mark.parametrize("country", ["RU", "DE", "CN", "HK", "MC"])
def test_r12_a_blocked_country_is_refused(country: str) -> None:
    """Whatever its region would be, and whatever network it is on."""
    found = blocking(country)

    assert DropReason.REGION_BLOCKED is found.route(country, ())
    assert DropReason.REGION_BLOCKED is found.route(country, ("26201",))


def test_r12_nothing_is_blocked_unless_somebody_says_so() -> None:
    """The shipped list is empty."""
    assert () == tables().blocked


def test_r12_settings_block_beside_the_tables() -> None:
    """An operator needs no tables of their own to block a country."""
    rules = make_rules(regions={"blocked": ["US"]})

    assert "region_blocked" == reason_of(minimal_document(country="US"), rules)
    assert "region_blocked" == reason_of(minimal_document(country="DE", network={"plmn": "310260"}), rules)
    assert "accepted" == reason_of(minimal_document(country="JP"), rules)


@pytest.mark.parametrize(
    "country",
    [
        *(
            None,
            "",
            " ",
            "D",
            "de",
            "De",
            "DEU",
            "276",
            "27",
            "Germany",
            "DE ",
            " DE",
            "D E",
            "DE\n",
            "D\u00cb",
            "\uff24\uff25",
        ),
        *("UK", "EL", "EU", "XX", "ZZ", "AA", "QM", "QZ", "XK", "AN", "CS", "SU", "YU", "DD", "TP", "BU", "ZR", "FX"),
        *("EZ", "UN", "AC", "CP", "DG", "EA", "IC", "TA", "OO", "XA", "NT", "JN"),
    ],
    ids=ascii,
)
def test_r13_what_is_no_assigned_code_is_unknown(country: str | None) -> None:
    """No default, no guess, no alias; withdrawn and reserved codes too."""
    assert {"region_unknown"} == {route(country), route(country, "26201"), route(country, "46001")}


def test_r14_a_serving_network_does_not_stand_in_for_a_country() -> None:
    """It shows where the router is, not where it belongs."""
    assert "region_unknown" == route(None, "26201")


# -------------------------------------------------------------------------------------------- with a serving network


@pytest.mark.parametrize("mcc", ["460", "461"])
@pytest.mark.parametrize("country", ["DE", "FR", "AX", "NO", "GB", "CH", "HK", "MO", "TW", "US"])
def test_r15_and_r17_a_foreign_router_in_a_chinese_network_is_refused(country: str, mcc: str) -> None:
    """Generated in China, consented for elsewhere: no one store satisfies both."""
    assert "region_conflict" == route(country, f"{mcc}01")


@pytest.mark.parametrize(
    "plmn", ["26201", "20801", "24405", "27401", "22801", "23430", "34001", "64700", "26601", "21210"]
)
def test_r16_a_chinese_router_in_a_european_network_is_refused(plmn: str) -> None:
    """The mirror case, with the territories that claim Germany."""
    assert "region_conflict" == route("CN", plmn)


def test_r17_a_chinese_router_in_hong_kong_is_refused() -> None:
    """The common commuter case."""
    assert "region_conflict" == route("CN", "45400")


@pytest.mark.parametrize("plmn", ["20801", "23201", "24201", "27401", "23430", "22801", "64700", "21303", "26601"])
def test_r18_a_european_router_in_a_european_network_stays_in_germany(plmn: str) -> None:
    """Roaming within one region is nothing special."""
    assert "germany" == route("DE", plmn)


@pytest.mark.parametrize(
    ("country", "plmn", "region"),
    [
        ("DE", "310260", "germany"),
        ("DE", "45400", "germany"),
        ("DE", "45500", "germany"),
        ("DE", "46601", "germany"),
        ("CN", "52001", "china"),
        ("CN", "310260", "china"),
        ("CN", "45500", "china"),
        ("CN", "46601", "china"),
        ("US", "45400", "hong_kong"),
        ("HK", "45500", "hong_kong"),
        ("US", "44010", "hong_kong"),
    ],
)
def test_r19_a_network_that_claims_no_region_changes_nothing(country: str, plmn: str, region: str) -> None:
    """The home region stays."""
    assert region == route(country, plmn)


def test_r19_a_blocked_serving_country_refuses() -> None:
    """A German router in a country nobody has cleared."""
    found = blocking("RU")

    assert DropReason.REGION_BLOCKED is found.route("DE", ("25001",))
    assert Region.GERMANY is found.route("DE", ("20801",))


@pytest.mark.parametrize("country", ["US", "HK", "MO", "TW", "JP", "RU", "PM"])
@pytest.mark.parametrize("plmn", ["26201", "22801", "23430", "27401", "34001", "26601", "28801"])
def test_r20_a_router_of_the_rest_of_the_world_in_a_european_network_is_refused(country: str, plmn: str) -> None:
    """Generated in the EU area, consented for Hong Kong."""
    assert "region_conflict" == route(country, plmn)


@pytest.mark.parametrize(
    ("country", "plmn", "expected"),
    [
        ("DE", "23201", "germany"),
        ("FR", "22801", "germany"),
        ("ES", "21303", "germany"),
        ("US", "302720", "hong_kong"),
        ("HK", "46000", "region_conflict"),
        ("CN", "45400", "region_conflict"),
        ("RU", "24405", "region_conflict"),
    ],
)
def test_r21_spill_across_a_border_goes_by_the_pair(country: str, plmn: str, expected: str) -> None:
    """Inside one region nothing happens; no location is stored to tell spill from travel."""
    assert expected == route(country, plmn)


def test_r24_the_country_of_a_sim_is_no_evidence() -> None:
    """A foreign SIM in a router at home is a normal product."""
    for imsi in ("310260123456789", "460001234567890"):
        document = minimal_document(country="DE", sim={"imsi": imsi}, network={"plmn": "26201"})

        assert imsi[:3] == body_of(document)["sim"]["home_mcc"]


def test_r25_the_shared_international_code_says_nothing() -> None:
    """901: at sea, in the air, by satellite."""
    for country, region in (("DE", "germany"), ("CN", "china"), ("US", "hong_kong")):
        assert region == route(country, "90118")


@pytest.mark.parametrize("mcc", ["000", "001", "003", "123", "200", "203", "799", "800", "900", "902", "991", "999"])
def test_r25_test_private_and_unassigned_codes_are_refused(mcc: str) -> None:
    """No country stands behind them."""
    assert {"region_unknown"} == {route(country, f"{mcc}01") for country in ("DE", "CN", "HK", "US")}


def test_r25_a_special_code_stays_special_whatever_the_table_says() -> None:
    """A table that gives a test network to a country does not open it."""
    found = RegionMap(tables().model_copy(update={"mcc": {**tables().mcc, "999": ("DE",), "901": ("CN",)}}))

    assert DropReason.REGION_UNKNOWN is found.route("DE", ("99901",))
    assert Region.GERMANY is found.route("DE", ("90101",))


def test_r26_no_other_field_is_evidence() -> None:
    """Address, regulatory country, language: none of them chooses or refuses."""
    document = minimal_document(
        country="DE", network={"wan_ipv4": "202.96.128.86"}, wifi={"wifi_regulatory_country": "CN"}, language="zh"
    )

    assert "accepted" == reason_of(document)


def test_r28_a_region_without_a_store_here_is_refused() -> None:
    """No default store exists."""
    rules = make_rules([Region.HONG_KONG])

    assert "region_not_here" == reason_of(minimal_document(country="DE"), rules)
    assert "region_not_here" == reason_of(minimal_document(country="CN"), rules)
    assert "accepted" == reason_of(minimal_document(country="HK"), rules)


@pytest.mark.parametrize(
    ("country", "plmn", "expected"),
    [
        ("GP", "34001", "germany"),
        ("MQ", "34001", "germany"),
        ("GF", "34001", "germany"),
        ("BL", "34001", "hong_kong"),
        ("PM", "34001", "region_conflict"),
        ("RE", "64710", "germany"),
        ("YT", "64710", "germany"),
        ("FR", "20801", "germany"),
        ("LI", "22801", "germany"),
        ("AX", "24414", "germany"),
        ("IS", "27401", "germany"),
        ("PR", "310260", "hong_kong"),
        ("GU", "310260", "hong_kong"),
        ("CW", "36268", "hong_kong"),
        ("CC", "50501", "hong_kong"),
        ("NR", "54201", "hong_kong"),
        ("PS", "42505", "hong_kong"),
        ("NL", "36268", "germany"),
    ],
)
def test_a_shared_code_is_home_to_each_of_its_countries(country: str, plmn: str, expected: str) -> None:
    """At home on a shared code a router is not roaming, whoever else uses the code."""
    assert expected == route(country, plmn)


@pytest.mark.parametrize(
    ("plmns", "expected"),
    [
        (("26201", "20801"), "germany"),
        (("26201", "46001"), "region_conflict"),
        (("26201", "99901"), "region_unknown"),
        (("90101", "26201"), "germany"),
        (("46001", "99901"), "region_conflict"),
    ],
)
def test_every_network_named_may_refuse(plmns: tuple[str, ...], expected: str) -> None:
    """One that speaks against the region is enough (K23)."""
    assert expected == route("DE", *plmns) == route("DE", *reversed(plmns))


def test_a_snapshot_taken_across_a_border_refuses_the_message() -> None:
    """R15 holds for what an event remembers."""
    snapshot = {"network": {"plmn": "46001"}}

    assert "region_conflict" == reason_of(minimal_document(events=[event(disconnect_snapshot=snapshot)]))


# -------------------------------------------------------------------------------------------------------- the tables


def test_every_iso_country_stands_in_exactly_one_list() -> None:
    """All 249, and no code that is not one."""
    countries = tables().countries
    listed = [*countries.germany, *countries.china, *countries.hong_kong, *countries.unmapped]

    assert 249 == len(ISO)
    assert sorted(ISO) == sorted(listed)


def test_the_lists_are_those_of_the_rules() -> None:
    """Germany, China and the undecided are as the rules name them; the rest is Hong Kong's."""
    countries = tables().countries

    assert GERMANY == set(countries.germany)
    assert ("CN",) == countries.china
    assert set(MICRO_STATES) == set(countries.unmapped)
    assert set() == {*GERMANY, *MICRO_STATES, "CN"} & set(countries.hong_kong)


def test_every_region_and_member_state_has_a_network_code() -> None:
    """A claim cannot be made by a country the code table forgets."""
    users = {country for countries in tables().mcc.values() for country in countries}

    assert {*EU, *EEA_ONLY, "GB", "CH", "CN", "HK", "MO", "TW"} <= users
    assert {"460", "461"} == {mcc for mcc, countries in tables().mcc.items() if "CN" in countries}
    assert {"454"} == {mcc for mcc, countries in tables().mcc.items() if "HK" in countries}


def test_network_codes_name_countries_that_exist() -> None:
    """All but Kosovo, which has a network code and no ISO code."""
    users = {country for countries in tables().mcc.values() for country in countries}

    assert {"XK"} == users - ISO


def test_special_codes_are_nobodys() -> None:
    """A code is either a country's or special."""
    special = tables().mcc_special

    assert {"901"} == set(special.neutral)
    assert {"001", "999"} <= set(special.refused)
    assert set() == tables().mcc.keys() & {*special.neutral, *special.refused}


# -------------------------------------------------------------------------------------------------------- invariants


def test_no_network_gives_an_unknown_country_a_region() -> None:
    """Invariant 2: all two-letter codes that are not assigned, on all codes there are."""
    found = {regions().route(country, (f"{mcc}01",)) for country in NOT_ISO for mcc in (*tables().mcc, "901", "999")}

    assert {DropReason.REGION_UNKNOWN} == found


def test_all_countries_on_all_network_codes_keep_the_invariants() -> None:
    """Invariants 1 and 3: the country's own region or a refusal; and what China, the EU and Hong Kong claim, holds."""
    broken = []
    for country in sorted(ISO):
        home = regions().home(country)
        for mcc in ALL_MCCS:
            found = regions().route(country, (f"{mcc}01",))
            if not _holds(country, mcc, home, found):
                broken.append((country, mcc, found))

    assert [] == broken


def _holds(country: str, mcc: str, home: Region | DropReason, found: Region | DropReason) -> bool:
    if isinstance(found, DropReason):
        return not isinstance(home, DropReason) or found is home
    serving = set(tables().mcc.get(mcc, ()))
    own = country in serving
    return (
        found is home
        and (found is Region.CHINA) is (country == "CN")
        and (found is Region.GERMANY) is (country in GERMANY)
        and (mcc == "901" or bool(serving))
        and ("CN" not in serving or country == "CN")
        and (own or not serving & {*GERMANY, *MICRO_STATES} or found is Region.GERMANY)
        and ("HK" not in serving or country != "CN")
    )


@given(st.sampled_from(sorted(ISO)), st.lists(st.sampled_from(ALL_MCCS), max_size=4))
@settings(max_examples=200)
def test_a_further_network_can_only_refuse(country: str, mccs: list[str]) -> None:
    """What is refused on one network is refused on it and others."""
    plmns = [f"{mcc}01" for mcc in mccs]
    single = [regions().route(country, (plmn,)) for plmn in plmns]
    found = regions().route(country, tuple(plmns))

    allowed: list[Region | DropReason] = [answer for answer in single if isinstance(answer, DropReason)]
    assert found in (allowed or [regions().home(country)])


@given(st.sets(st.sampled_from(sorted(ISO)), max_size=20), st.sampled_from(sorted(ISO)), st.sampled_from(ALL_MCCS))
@settings(max_examples=200)
def test_blocking_can_only_refuse(blocked: set[str], country: str, mcc: str) -> None:
    """No list of blocked countries lets anything through that was refused before."""
    before, after = regions().route(country, (f"{mcc}01",)), blocking(*blocked).route(country, (f"{mcc}01",))

    assert isinstance(after, DropReason) or after is before


# ------------------------------------------------------------------------------------------------- faults in the tables


def shipped() -> str:
    return data_path("config", "regions.toml").read_text("utf-8")


def moved(country: str, to: str) -> str:
    """The shipped tables with *country* in another list."""
    lists, codes = shipped().split("[mcc]")
    taken = re.sub(f'"{country}",?', "", lists, count=1)
    return taken.replace(f"{to} = [\n", f'{to} = [\n    "{country}",\n', 1) + "[mcc]" + codes


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "regions.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def faults(folder: Path, *changes: tuple[str, str]) -> list[str]:
    """The faults of the shipped tables after these replacements, without the path before them."""
    text = shipped()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    path = written(folder, text)
    with pytest.raises(DataFault) as caught:
        load_region_tables(path)
    assert all(fault.startswith(f"{path}: ") for fault in caught.value.faults)
    return [fault.removeprefix(f"{path}: ") for fault in caught.value.faults]


A_COUNTRY = "expected string should match pattern '^[A-Z]{2}$'"
A_CODE = "expected string should match pattern '^[0-9]{3}$'"
NO_USERS = "which countries use, expected codes of no country"
CHINA, GERMAN, REST = 'china = ["CN"]', '"AT", "BE", ', '"AE", "AF", '


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ([(CHINA, "china = []")], 'countries: found china = [], expected ["CN"] and nothing else'),
        (
            [(CHINA, "china = []"), (REST, f'"CN", {REST}')],
            'countries: found china = [], expected ["CN"] and nothing else',
        ),
        (
            [(CHINA, 'china = ["CN", "HK"]'), ('"GY", "HK",', '"GY",')],
            "countries: found china = ['CN', 'HK'], expected [\"CN\"] and nothing else",
        ),
        ([(REST, f'"CN", {REST}')], "countries: found CN more than once, expected every country once"),
        ([(GERMAN, f'"AT", {GERMAN}')], "countries: found AT more than once, expected every country once"),
        ([("blocked = []", 'blocked = ["ru"]')], f"blocked.entry 1: found 'ru', {A_COUNTRY}"),
        ([(REST, '"ARE", "AF", ')], f"countries.hong_kong.entry 1: found 'ARE', {A_COUNTRY}"),
        ([('"202" = ["GR"]', '"202" = ["gr"]')], f"mcc.202.entry 1: found 'gr', {A_COUNTRY}"),
        ([('"202" = ["GR"]', '"2O2" = ["GR"]')], f"mcc.2O2.[key]: found '2O2', {A_CODE}"),
        ([('"202" = ["GR"]', '"202" = "GR"')], "mcc.202: found 'GR', expected a list"),
        ([('neutral = ["901"]', 'neutral = ["91"]')], f"mcc_special.neutral.entry 1: found '91', {A_CODE}"),
        ([('"460" = ["CN"]', '"460" = ["HK"]')], "mcc.460: found ['HK'], expected [\"CN\"]"),
        ([('"461" = ["CN"]', '"461" = ["CN", "HK"]')], "mcc.461: found ['CN', 'HK'], expected [\"CN\"]"),
        ([('"454" = ["HK"]\n', "")], 'mcc.454: found [], expected ["HK"]'),
        ([('neutral = ["901"]', 'neutral = ["460"]')], f"mcc_special: found 460, {NO_USERS}"),
        ([('refused = ["001"', 'refused = ["262"')], f"mcc_special: found 262, {NO_USERS}"),
        ([(CHINA, "")], "countries.china: missing. Add it."),
        ([("blocked = []", "blcoked = []")], "blcoked: unknown setting. Check the spelling or remove it."),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_fault_in_the_tables_is_told_in_a_sentence(
    changes: list[tuple[str, str]], fault: str, tmp_path: Path
) -> None:
    """File, entry, what was found and what was expected."""
    assert [fault] == faults(tmp_path, *changes)


@pytest.mark.parametrize("country", sorted({*EU, *EU_TERRITORIES, *EEA_ONLY, "GB", "CH"}))
def test_no_table_moves_a_european_country_to_hong_kong(country: str, tmp_path: Path) -> None:
    """What the notice fixes is not a setting (invariant 3)."""
    path = written(tmp_path, moved(country, "hong_kong"))

    with pytest.raises(DataFault) as caught:
        load_region_tables(path)

    sentence = f"countries: found {country} in hong_kong, expected none that the notice stores elsewhere"
    assert f"{path}: {sentence}" == str(caught.value)


@pytest.mark.parametrize("country", ["HK", "MO", "TW"])
def test_no_table_moves_chinese_territories_to_germany(country: str, tmp_path: Path) -> None:
    """Nor is the other direction a setting."""
    (fault,) = faults(tmp_path, (f'"{country}",', ""), (GERMAN, f'"{country}", {GERMAN}'))

    assert f"countries: found {country} in germany, expected none that the notice stores elsewhere" == fault


@pytest.mark.parametrize("region", ["germany", "hong_kong", "unmapped"])
@pytest.mark.parametrize("country", "AA EL EU QM QZ UK XA XK XX XZ YU ZZ".split())
def test_no_table_gives_what_is_no_country_a_region(country: str, region: str, tmp_path: Path) -> None:
    """R13 is no setting either (invariant 2)."""
    (fault,) = faults(tmp_path, (f"{region} = [\n", f'{region} = [\n    "{country}",\n'))

    assert f"countries: found {country}, expected codes that ISO 3166-1 gives to a country (R13)." == fault


def test_what_iso_gives_no_country_is_known_to_be_none() -> None:
    """Of the codes that no table may have, none is a country's."""
    assert not NO_COUNTRY & ISO


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    """Nobody should have to start three times to find three faults."""
    found = faults(tmp_path, ("blocked = []", 'blocked = ["ru", 5]\nmode = "x"'), ('"202" = ["GR"]', '"202" = ["gr"]'))

    assert 4 == len(found)


@pytest.mark.parametrize(
    "text", ["blocked = = 1", "[countries", b"\xff\xfe", '[mcc]\n"202" = []\n"202" = []'], ids=ascii
)
def test_a_file_that_is_no_toml_is_told_in_a_sentence(text: str | bytes, tmp_path: Path) -> None:
    """With the path, and where the file breaks."""
    path = written(tmp_path, text)

    with pytest.raises(DataFault) as caught:
        load_region_tables(path)

    assert str(caught.value).startswith(f"{path}: ")


def test_a_file_that_is_not_there_is_told_in_a_sentence(tmp_path: Path) -> None:
    """With the path."""
    with pytest.raises(DataFault, match="No such file"):
        load_region_tables(tmp_path / "none.toml")
