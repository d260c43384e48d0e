"""What the collector does is what the notice says: of what is shipped, and of what somebody might change."""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace
from notices import LATER, later, notice
from records import FIRST, HOUR, START
from support import RECEIVED_AT, catalogue, complete_document, kept, message, minimal_document, removals, settings_of

from collector import notice as held
from collector import rules as making
from collector.consent.policies import NEVER, Policies, Policy
from collector.consent.policy_file import load_policies
from collector.derive import DERIVED
from collector.errors import DataFault
from collector.fields.catalogue import Catalogue
from collector.formats.adapters import KINDS
from collector.model import Accepted, ConsentChange, Dropped, Outcome, Region
from collector.pipeline import Rules, process
from collector.pseudonym import Key, Pseudonymiser
from collector.regions import RegionTables, load_region_tables

TABLES = load_region_tables()


def rules_of(policies: Policies, *, now: int, tables: RegionTables = TABLES, **sections: Any) -> Rules:
    """Rules as a collector makes them that is started *now*."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(making, "policies_of", lambda _: policies)
        patch.setattr(making, "region_tables", lambda _: tables)
        keys = {region: Pseudonymiser([Key(region.value.encode().ljust(32))]) for region in Region}
        return making.assemble(settings_of(**sections), keys, now=now)


def moved(country: str, region: Region | None) -> RegionTables:
    """The region tables with a country in another list."""
    lists = TABLES.countries.model_dump()
    home = next(name for name, countries in lists.items() if country in countries)
    lists[home] = tuple(found for found in lists[home] if found != country)
    target = region.value if region else "unmapped"
    lists[target] = (*lists[target], country)
    return TABLES.model_copy(update={"countries": type(TABLES.countries).model_validate(lists)})


def more(**changes: object) -> Catalogue:
    """The catalogue with a field like another one, but for these changes."""
    like = next(field for field in catalogue().field if field.name == "signal_bars")
    return catalogue().model_copy(update={"field": (*catalogue().field, like.model_copy(update=changes))})


def other(name: str, treatment: str) -> Catalogue:
    """The catalogue with a field treated otherwise."""
    fields = (f.model_copy(update={"treatment": treatment}) if f.name == name else f for f in catalogue().field)
    return catalogue().model_copy(update={"field": tuple(fields)})


def new_event() -> Catalogue:
    """The catalogue with a kind of event more."""
    event = catalogue().event[0].model_copy(update={"name": "case_opened"})
    return catalogue().model_copy(update={"event": (*catalogue().event, event)})


# What is shipped


def test_the_newest_version_of_the_notice_names_all_that_is_shipped() -> None:
    """A field, an input, a kind of event, a country or another use without a version that names it fails here.

    The text of the failure says what to add to config/policies.toml.
    """
    assert [] == held.notice_faults(load_policies(), catalogue(), TABLES, NEVER - 1)


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        (
            lambda: more(name="antenna_count"),
            "schemas/fields.toml: found 'antenna_count' (keep), expected only what version",
        ),
        (
            lambda: other("signal_bars", "coarsen"),
            "schemas/fields.toml: found 'signal_bars' (coarsen), expected only what",
        ),
        (new_event, "schemas/fields.toml: found 'case_opened' (event), expected only what version '2020-03-14' of the"),
    ],
    ids=["field", "treatment", "event"],
)
def test_a_catalogue_that_collects_more_needs_a_version_that_says_so(
    changed: Callable[[], Catalogue], fault: str
) -> None:
    """M1: and the fault names what to write."""
    (found,) = held.notice_faults(notice(), changed(), TABLES, START)

    assert found.startswith(fault)
    assert "Publish a major version with reason M1 and adds." in found


@pytest.mark.parametrize(
    ("country", "region", "fault"),
    [
        (
            "AD",
            Region.GERMANY,
            "region tables: found AD in germany, expected nowhere, as version '2020-03-14' of the notice",
        ),
        (
            "RS",
            Region.GERMANY,
            "region tables: found RS in germany, expected hong_kong, as version '2020-03-14' of the",
        ),
    ],
)
def test_a_country_that_gets_another_region_needs_a_version_that_says_so(
    country: str, region: Region, fault: str
) -> None:
    """M3; to refuse a country needs none."""
    (found,) = held.notice_faults(notice(), catalogue(), moved(country, region), START)

    assert found.startswith(fault)
    assert f'countries.germany = ["{country}"]' in found
    assert [] == held.notice_faults(notice(), catalogue(), moved("RS", None), START)


def test_a_purpose_or_recipient_the_notice_does_not_name_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the version in force and in every later one."""
    monkeypatch.setattr(held, "RECIPIENTS", ("Acme Ltd",))
    sold = replace(later(), purposes=("sales",), recipients=("Acme Ltd",))
    found = held.notice_faults(notice(sold), catalogue(), TABLES, START)

    assert ["purpose: found 'remote_fault_diagnosis'", "recipient: found 'Acme Ltd'"] == sorted(
        fault.partition(",")[0] for fault in found
    )


def test_a_collector_that_does_more_than_the_notice_says_does_not_start() -> None:
    """All faults are told at once."""
    with pytest.raises(DataFault) as found:
        rules_of(notice(later(countries={**FIRST.countries, "RS": Region.GERMANY})), now=LATER)
    assert ["region tables: found RS in hong_kong"] == [fault.partition(",")[0] for fault in found.value.faults]


def test_there_is_no_programme_before_its_first_notice() -> None:
    """Nothing may be asked of anybody yet."""
    (found,) = held.notice_faults(notice(), catalogue(), TABLES, FIRST.effective_at - 1)

    assert found.startswith("policies: found no version in force")


# A release that is ahead of its notice


def without(*names: str) -> Policy:
    """The first version, had it not named these."""
    return replace(FIRST, fields={name: what for name, what in FIRST.fields.items() if name not in names})


def test_a_field_is_collected_once_its_notice_is_in_force() -> None:
    """A newer release may run before; what its notice will name is left out until it is started again afterwards."""
    policies = Policies([without("signal_bars"), later()])
    document = minimal_document(signal={"signal_bars": 3, "rsrp_dbm": -90})
    before, after = (kept(document, rules_of(policies, now=now)) for now in (LATER - 1, LATER))

    assert (b'{"signal":{"rsrp_dbm":-90}}', {"unknown": 1}) == (before.body, removals(before))
    assert b"signal_bars" in after.body


def test_a_field_that_a_later_version_no_longer_names_is_not_collected_any_more() -> None:
    """From the start at which that version is known, so that nothing has to happen when it takes effect."""
    fewer = replace(later("v2", "minor"), fields=without("signal_bars").fields)
    record = kept(minimal_document(signal={"signal_bars": 3}), rules_of(Policies([FIRST, fewer]), now=START))

    assert b"signal_bars" not in record.body


@pytest.mark.parametrize("name", sorted(FIRST.fields))
def test_every_name_can_be_left_out_or_is_known_to_be_indispensable(name: str) -> None:
    """The rest of a complete report is kept, or the collector says that it cannot work."""
    policies = Policies([without(name), later(at=RECEIVED_AT + HOUR)])
    if name in held.INDISPENSABLE:
        with pytest.raises(DataFault, match=f"'{name}' .*without which the collector cannot work"):
            rules_of(policies, now=START)
    else:
        # A later version names it, or it would be a fault.
        record = kept(complete_document(), rules_of(policies, now=START))

        assert len(record.body) > 500
        assert f'"{name}"'.encode() not in record.body


@pytest.mark.parametrize("sim", [{}, {"iccid": "8949020000000000000"}], ids=str)
def test_of_what_a_field_is_worked_out_from_one_may_be_left_out(sim: dict[str, str]) -> None:
    """A SIM is known by its IMSI alone then; a router that sends the other, or neither, loses nothing else."""
    rules = rules_of(Policies([without("iccid"), later(at=RECEIVED_AT + HOUR)]), now=START)
    record = kept({**complete_document(), "sim": sim}, rules)

    assert b"sim_ref" not in record.body
    assert b"signal_bars" in record.body


SOURCES = [
    {"name": name.replace("_", "-"), "topic": f"{name}/+/#", "format": name, "router_level": 2}
    for name in sorted(KINDS)
]


@pytest.mark.parametrize("name", ["signal_bars", "iccid", "wifi_driver_error", "lan_wan_subnet_overlap"])
def test_maps_of_other_formats_do_without_what_the_notice_leaves_out(name: str) -> None:
    """A router speaks of it as ever: nothing of it is kept, and all else is."""
    answer = {
        "lte_rsrp": "-90", "signalbar": "3", "sim_iccid": "8949020000000000000", "lan_ipaddr": "192.168.0.1",
        "wan_ipaddr": "100.72.10.4",
    }  # fmt: skip
    policies = Policies([without(name), later(at=RECEIVED_AT + HOUR)])
    sources = [{**source, "country": "DE", "arrival_time": True} for source in SOURCES]
    rules = rules_of(policies, now=START, sources=sources, consent={"mode": "registered"})
    outcome = process(message(answer, topic="goform/ZTE1024300012/status"), rules)

    assert isinstance(outcome, Accepted)
    assert b'"rsrp_dbm":-90' in outcome.record.body
    assert f'"{name}"'.encode() not in outcome.record.body


@pytest.mark.parametrize("name", sorted(DERIVED))
def test_what_is_derived_of_other_formats_has_to_be_named(name: str) -> None:
    """It is worked out at the commit, where nobody knows what the notice leaves out."""
    policies = Policies([without(name), later(at=RECEIVED_AT + HOUR)])

    with pytest.raises(DataFault, match=f"'{name}' .*without which the collector cannot work"):
        rules_of(policies, now=START, sources=[{**SOURCES[0], "country": "DE"}], consent={"mode": "registered"})


# A country that moves


def region_of(outcome: Outcome) -> Region | str:
    """Where a message goes."""
    if isinstance(outcome, Accepted):
        return outcome.record.region
    if isinstance(outcome, ConsentChange):
        return outcome.events[0][0]
    assert isinstance(outcome, Dropped)
    return outcome.reason


@pytest.mark.parametrize("kind", ["report", "consent"])
def test_a_country_is_stored_where_the_version_in_force_at_receipt_says(kind: str) -> None:
    """From its first moment on, without a restart, whether the tables are ahead of the notice or the notice of them."""
    policies = notice(replace(later("v2", "major", "M3"), countries={**FIRST.countries, "RS": Region.GERMANY}))
    act = {"schema_version": 1, "event_id": "e-1", "action": "join", "time": "2025-11-21T13:59:00Z", "country": "RS"}

    def asked(rules: Rules, at: int) -> Region | str:
        document = act if kind == "consent" else minimal_document(country="RS", time=None, uptime_at_send_seconds=9,
                                                                  uptime_at_event_seconds=9)  # fmt: skip
        shown = {"policy_version": "v2"} if at >= LATER else {}
        return region_of(process(message({**document, **shown}, topic=f"ueip/v1/R1/{kind}", received_at=at), rules))

    for tables in (moved("RS", Region.GERMANY), TABLES):
        rules = rules_of(policies, now=START, tables=tables)

        assert [Region.HONG_KONG, Region.GERMANY] == [asked(rules, at) for at in (LATER - 1, LATER)]


def test_a_country_that_the_notice_is_yet_to_name_is_refused_until_it_does() -> None:
    """The tables alone give it no region."""
    policies = notice(later("v2", "minor", countries={**FIRST.countries, "AD": Region.GERMANY}))
    rules = rules_of(policies, now=START, tables=moved("AD", Region.GERMANY))
    document = minimal_document(country="AD", time=None, uptime_at_send_seconds=9, uptime_at_event_seconds=9)
    found = [region_of(process(message(document, received_at=at), rules)) for at in (LATER - HOUR, LATER)]

    assert ["region_unmapped", Region.GERMANY] == found


def test_as_long_as_no_version_moves_a_country_there_is_one_map() -> None:
    """And the message path asks for no other."""
    assert not rules_of(notice(later()), now=START).regions.moves
