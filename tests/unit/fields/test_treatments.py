"""What becomes of each value on its way into the record, treatment by treatment."""

import hmac
import json
import secrets
from hashlib import sha256
from ipaddress import IPv4Address, IPv4Interface
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from msgspec import UNSET
from support import Document, body_of, clean_documents, event, kept, make_rules, minimal_document, removals

from collector.fields.addresses import overlap, wan_class
from collector.fields.treatments import AS_SENT, TREATED, Surroundings
from collector.model import Region
from collector.pipeline import Rules

MIB = 1 << 20
SECRETS = {region: secrets.token_bytes(32) for region in Region}
RULES = make_rules(keys={region: [secret] for region, secret in SECRETS.items()})
IMSI, ICCID = "262011234567890", "8949020000012345678"


def ref(namespace: str, value: str, region: Region = Region.GERMANY) -> str:
    """A pseudonym, by hand."""
    return hmac.new(SECRETS[region], f"{namespace}\0{value}".encode(), sha256).hexdigest()[:32]


def group_of(name: str, content: Document, rules: Rules = RULES) -> Document:
    """A group of the body of a report that has this group only."""
    found: Document = body_of(minimal_document(**{name: content}), rules)[name]
    return found


# --------------------------------------------------------------------------------------------------------- the SIM


def test_a_sim_is_known_by_its_imsi() -> None:
    """With the country of its home network, which is no secret."""
    assert {"sim_ref": ref("imsi", IMSI), "home_mcc": "262"} == group_of("sim", {"imsi": IMSI})


def test_a_sim_without_imsi_is_known_by_its_iccid() -> None:
    """And then its home network is not."""
    assert {"sim_ref": ref("iccid", ICCID)} == group_of("sim", {"iccid": ICCID})


def test_a_sim_is_never_known_by_both() -> None:
    """Two pseudonyms of one SIM would link what was apart (U08)."""
    found = group_of("sim", {"imsi": IMSI, "iccid": ICCID})

    assert {"sim_ref": ref("imsi", IMSI), "home_mcc": "262"} == found
    assert ref("iccid", ICCID) not in kept(minimal_document(sim={"imsi": IMSI, "iccid": ICCID}), RULES).body.decode()


def test_an_imsi_that_is_none_leaves_the_iccid() -> None:
    """A field that is dropped is absent."""
    assert {"sim_ref": ref("iccid", ICCID)} == group_of("sim", {"imsi": "none", "iccid": ICCID})


def test_no_sim_leaves_no_trace() -> None:
    """Nothing is made up."""
    assert {} == group_of("sim", {})
    assert "sim" not in body_of(minimal_document(), RULES)


# ------------------------------------------------------------------------------------------------------- the network


@pytest.mark.parametrize(
    ("plmn", "name"),
    [("26201", "Telekom Deutschland"), ("310260", "T-Mobile US"), ("26299", "other"), ("00100", "other")],
)
def test_a_carrier_is_looked_up_and_never_taken_from_the_router(plmn: str, name: str) -> None:
    """The name on a SIM is free text (Z12)."""
    document = minimal_document(country="DE", network={"plmn": plmn, "carrier_name": "Call +49 151 1234567"})
    if plmn == "00100":  # a test network is refused, so its name is never looked up
        assert name == RULES.products.carriers.get(plmn, "other")
    else:
        found = body_of(document, RULES)["network"]
        assert (plmn, name) == (found["plmn"], found["carrier_name"])


def test_a_network_that_is_not_named_has_no_carrier() -> None:
    """Absent, not other."""
    assert {"rat": "ethernet"} == group_of("network", {"rat": "ethernet"})


ADDRESSES: list[tuple[str | None, str | None, str | None]] = [
    ("8.8.8.8", None, "public_v4"),
    ("93.184.216.34/29", None, "public_v4"),
    ("10.0.0.1", None, "private_v4"),
    ("172.16.0.1", None, "private_v4"),
    ("172.31.255.254", None, "private_v4"),
    ("172.32.0.1", None, "public_v4"),
    ("192.168.255.255", None, "private_v4"),
    ("100.64.0.0", None, "cgnat_v4"),
    ("100.127.255.255", None, "cgnat_v4"),
    ("100.63.255.255", None, "public_v4"),
    ("100.128.0.0", None, "public_v4"),
    ("0.0.0.0", None, "none"),
    ("0.0.0.0/0", None, "none"),
    ("0.0.0.0/8", None, "none"),
    ("127.0.0.1", None, "none"),
    ("169.254.1.1", None, "none"),
    ("169.254.1.1/16", None, "none"),
    ("224.0.0.1", None, "none"),
    (None, "2a02:3030::1", "gua_v6"),
    (None, "2a02:3030::1/64", "gua_v6"),
    (None, "2400:3200::1", "gua_v6"),
    (None, "2001:db8::1", "gua_v6"),
    (None, "2001:0:4136::1", "gua_v6"),
    (None, "fd12:3456::1", "ula_v6"),
    (None, "fc00::1", "ula_v6"),
    (None, "fe80::1", "none"),
    (None, "::", "none"),
    (None, "::1", "none"),
    (None, "ff02::1", "none"),
    (None, "::ffff:192.168.1.5", "private_v4"),
    (None, "::ffff:6448:e09", "cgnat_v4"),
    (None, "::FFFF:8.8.8.8", "public_v4"),
    (None, "::ffff:0.0.0.0", "none"),
    ("100.72.14.9", "::ffff:100.72.14.9", "cgnat_v4"),
    (None, "::5", "none"),
    (None, "fec0::1", "none"),
    (None, "64:ff9b::808:808", "none"),
    ("8.8.8.8", "2a02:3030::1", "dual"),
    ("100.64.0.1", "2a02:3030::1", "dual"),
    ("10.0.0.1", "2a02:3030::1", "dual"),
    ("8.8.8.8", "fd00::1", "public_v4"),
    ("8.8.8.8", "fe80::1", "public_v4"),
    ("100.64.0.1", "::", "cgnat_v4"),
    ("0.0.0.0", "2a02:3030::1", "gua_v6"),
    ("169.254.0.1", "fd00::1", "ula_v6"),
    ("0.0.0.0", "::", "none"),
    (None, None, None),
]


@pytest.mark.parametrize(("ipv4", "ipv6", "expected"), ADDRESSES)
def test_of_wan_addresses_only_the_class_is_kept(ipv4: str | None, ipv6: str | None, expected: str | None) -> None:
    """What a diagnosis needs is the kind of NAT (U11); an address that is none yet is the class none."""
    sent = {name: value for name, value in (("wan_ipv4", ipv4), ("wan_ipv6", ipv6)) if value is not None}
    body = kept(minimal_document(network=sent), RULES).body.decode()

    assert expected == json.loads(body)["network"].get("wan_ip_class")
    for address in sent.values():
        assert f'"{address}' not in body


@pytest.mark.parametrize("ipv6", ["::::", "1:2", "1:2:3:4:5:6:7:8:9", "2a02::1/129a", "....", "1::2::3"])
def test_what_is_no_address_has_no_class(ipv6: str) -> None:
    """Nor does it break the step."""
    assert "wan_ip_class" not in group_of("network", {"wan_ipv6": ipv6})


def test_a_class_that_the_router_worked_out_is_taken() -> None:
    """One of the words, whatever the addresses beside it say; anything else is dropped and worked out here."""
    addresses = {"wan_ipv4": "8.8.8.8"}

    assert "none" == group_of("network", {**addresses, "wan_ip_class": "none"})["wan_ip_class"]
    assert "public_v4" == group_of("network", {**addresses, "wan_ip_class": "8.8.8.8"})["wan_ip_class"]


@given(st.ip_addresses(v=4) | st.ip_addresses(v=6))
@settings(max_examples=200)
def test_every_address_has_a_class(address: Any) -> None:
    """One of the words, whatever the address."""
    found = wan_class(str(address), None) if address.version == 4 else wan_class(None, str(address))

    assert found in {"public_v4", "private_v4", "cgnat_v4", "gua_v6", "ula_v6", "none"}


@pytest.mark.parametrize(
    ("lan", "wan", "expected"),
    [
        ("192.168.0.1/24", "192.168.0.17/24", True),
        ("192.168.0.1/24", "192.168.1.17/24", False),
        ("192.168.0.1/16", "192.168.1.17/24", True),
        ("192.168.0.1/24", "192.168.0.17", True),
        ("192.168.0.1", "192.168.0.17", False),
        ("192.168.0.1", "192.168.0.0", False),
        ("192.168.0.1", "192.168.0.1", True),
        ("10.0.0.1/8", "10.200.0.1", True),
        ("192.168.0.1/24", "8.8.8.8", False),
        ("192.168.0.1/0", "8.8.8.8", True),
    ],
)
def test_lan_and_wan_that_overlap_are_a_fault(lan: str, wan: str, expected: bool) -> None:
    """The one thing the LAN side's address can reveal is kept (U13)."""
    found = group_of("network", {"lan_ipv4": lan, "wan_ipv4": wan})

    assert expected is found["lan_wan_subnet_overlap"] is overlap(lan, wan)
    assert {"wan_ip_class", "lan_wan_subnet_overlap"} == found.keys()


LENGTHS = st.integers(0, 32)
INTERFACES = st.builds(lambda number, length: f"{IPv4Address(number)}/{length}", st.integers(0, 2**32 - 1), LENGTHS)


@given(INTERFACES, INTERFACES | st.just(""), LENGTHS)
@settings(max_examples=300)
def test_networks_overlap_as_the_standard_library_has_it(lan: str, other: str, length: int) -> None:
    """Also those that are close to each other: the same address with another length."""
    wan = other or f"{lan.partition('/')[0]}/{length}"

    assert overlap(lan, wan) is IPv4Interface(lan).network.overlaps(IPv4Interface(wan).network)


def test_an_overlap_needs_both_sides() -> None:
    """One address overlaps with nothing; what the router worked out itself is taken."""
    assert "lan_wan_subnet_overlap" not in group_of("network", {"lan_ipv4": "10.0.0.1/8"})
    assert "lan_wan_subnet_overlap" not in group_of("network", {"wan_ipv4": "10.0.0.1/8"})
    sent = {"lan_ipv4": "10.0.0.1/8", "wan_ipv4": "8.8.8.8", "lan_wan_subnet_overlap": True}
    assert group_of("network", sent)["lan_wan_subnet_overlap"] is True


# ------------------------------------------------------------------------------------------------------------ Wi-Fi


def test_equal_network_names_have_equal_pseudonyms() -> None:
    """What they are for: change, and equality of the bands (U12)."""
    same, other = group_of("wifi", {"ssid_2g": "Haus", "ssid_5g": "Haus"}), group_of("wifi", {"ssid_5g": "haus"})

    assert ref("ssid", "Haus") == same["ssid_2g_ref"] == same["ssid_5g_ref"]
    assert ref("ssid", "haus") == other["ssid_5g_ref"]
    assert {"ssid_5g_ref", "ssid_is_default"} == other.keys()


@pytest.mark.parametrize("name", ["x" * 32, "\u00e4" * 16, "\u5bb6" * 10 + "ab", "\U0001f3e0" * 8])
def test_a_network_name_has_32_octets_at_most(name: str) -> None:
    """Octets, not characters (IEEE 802.11)."""
    assert ref("ssid", name) == group_of("wifi", {"ssid_2g": name})["ssid_2g_ref"]
    for longer in (f"{name}x", f"x{name}"):
        assert {} == group_of("wifi", {"ssid_2g": longer})


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ({"ssid_2g": "ZTE_1A2B3C"}, True),
        ({"ssid_2g": "ZTE_1A2B3C", "ssid_5g": "ZTE_1A2B3C_5G"}, True),
        ({"ssid_2g": "ZTE_1A2B3C", "ssid_5g": "Familie Huber"}, False),
        ({"ssid_5g": "ZTE_1A2B3C of Huber"}, False),
        ({"ssid_5g": "xZTE_1A2B3C"}, False),
        ({"ssid_5g": "ZTE_1A2B3C\n"}, False),
        ({}, None),
        ({"ssid_2g": "Familie Huber", "ssid_is_default": True}, True),
    ],
    ids=str,
)
def test_factory_names_are_told_from_chosen_ones(names: Document, expected: bool | None) -> None:
    """Every name has to be a factory name, and the whole of it."""
    assert expected is group_of("wifi", names).get("ssid_is_default")


AGGREGATES = {
    "wifi_station_rssi_dbm_min": -80,
    "wifi_station_rssi_dbm_median": -60.5,
    "wifi_association_failures_total": 4,
}


@pytest.mark.parametrize(
    ("count", "shown"), [(None, False), (0, False), (1, False), (2, False), (3, True), (255, True)]
)
def test_aggregates_over_few_stations_are_suppressed(count: int | None, shown: bool) -> None:
    """Below three they would describe a person's device (U33); without a count nobody can tell."""
    counted = {} if count is None else {"wifi_station_count": count}
    sent = {**counted, **AGGREGATES}

    assert (sent if shown else counted) == group_of("wifi", sent)


def test_a_count_that_is_none_suppresses() -> None:
    """And the counts of the bands do not replace it."""
    sent = {"wifi_station_count": "9", "wifi_station_count_2g": 9, "wifi_station_count_5g": 9, **AGGREGATES}

    assert {"wifi_station_count_2g": 9, "wifi_station_count_5g": 9} == group_of("wifi", sent)


# ------------------------------------------------------------------------------------------------- volumes and times


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, 0),
        (1, MIB),
        (MIB - 1, MIB),
        (MIB, MIB),
        (MIB + 1, 2 * MIB),
        (81_234_567_890, 77_472 * MIB),
        (2**53 - 1, 2**53),
    ],
)
def test_volumes_are_rounded_up_to_a_mebibyte(value: int, expected: int) -> None:
    """Fine-grained volume shows presence at home (U21)."""
    sent = {"wan_rx_bytes_month": value, "wan_tx_bytes_month": value}

    assert {"wan_rx_bytes_month": expected, "wan_tx_bytes_month": expected} == group_of("usage", sent)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-11-21T16:55:00Z", "2026-11-21T16:55:00Z"),
        ("2026-11-21T16:55:59Z", "2026-11-21T16:55:00Z"),
        ("2026-11-21T16:55:59.999999Z", "2026-11-21T16:55:00Z"),
        ("2026-11-22T00:25:59+05:30", "2026-11-21T18:55:00Z"),
        ("2026-12-31T23:59:59-01:00", "2027-01-01T00:59:00Z"),
        ("2015-01-01T00:00:01Z", "2015-01-01T00:00:00Z"),
        ("2014-12-31T23:59:59Z", None),
        ("2099-12-31T23:59:59Z", "2099-12-31T23:59:00Z"),
        ("2100-01-01T00:00:00Z", None),
        ("1970-01-01T00:00:01Z", None),
        ("0001-01-01T00:00:01Z", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("9999-12-31T23:59:59-14:00", None),
    ],
)
def test_session_times_are_kept_to_the_minute(value: str, expected: str | None) -> None:
    """RFC 3339 UTC; seconds would show a pattern of life (U46, U47). A clock that was not set says no time."""
    sent = {"acs_session_start_time": value, "acs_session_end_time": value}
    found = group_of("session", sent)

    assert ({} if expected is None else dict.fromkeys(sent, expected)) == found


# ---------------------------------------------------------------------------------------------------- closed lists


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("ZTE", "ZTE"),
        ("TP-Link", "TP-Link"),
        ("zte", "other"),
        ("ZTE ", "other"),
        ("Familie Huber", "other"),
        ("other", "other"),
        ("+49 151 1234567", "other"),
    ],
)
def test_a_maker_that_is_not_listed_is_other(sent: str, expected: str) -> None:
    """A name a person can edit may hold anything (F3)."""
    assert {"manufacturer": expected} == group_of("router", {"manufacturer": sent})


@pytest.mark.parametrize(("sent", "expected"), [("MC888", "MC888"), ("Router of Anna", "other"), ("mc888", "other")])
def test_a_model_that_is_not_listed_is_other(sent: str, expected: str) -> None:
    """As makers are."""
    assert {"model_name": expected} == group_of("router", {"model_name": sent})


@pytest.mark.parametrize(
    ("domain", "expected"),
    [
        ("lan", True),
        ("LAN", True),
        ("lan.", True),
        ("home.arpa", True),
        ("zte.home", True),
        ("huber.example", False),
        ("lan.huber.example", False),
        ("xlan", False),
    ],
)
def test_of_a_domain_only_is_kept_whether_it_is_a_factory_name(domain: str, expected: bool) -> None:
    """It could be a household's name, or a site visited (U41, C24)."""
    body = kept(minimal_document(settings={"lan_domain": domain}), RULES).body.decode()

    assert {"lan_domain_is_default": expected} == json.loads(body)["settings"]
    assert f'"{domain}"' not in body


@pytest.mark.parametrize("domain", ["lan", "huber.example"])
@pytest.mark.parametrize("said", [True, False])
def test_what_the_router_says_of_its_domain_is_taken(said: bool, domain: str) -> None:
    """It knows its factory settings better than a list does."""
    sent = {"lan_domain": domain, "lan_domain_is_default": said}

    assert {"lan_domain_is_default": said} == group_of("settings", sent)


# -------------------------------------------------------------------------------------------------------- the cell


def events(*found: Document, **more: Any) -> list[Document]:
    """The events of the body of a report that lists these."""
    kept_events: list[Document] = body_of(minimal_document(events=[*found], **more), RULES)["events"]
    return kept_events


def test_a_cell_is_known_by_network_and_number() -> None:
    """A cell number alone is not unique; the pseudonym is of both (U15)."""
    (found,) = events(event(cell_id=27_447_297), network={"plmn": "26201"})

    assert ref("cell", "26201-27447297") == found["cell_ref"]
    assert "27447297" not in json.dumps(found)


def test_the_network_of_the_fault_counts_before_that_of_the_message() -> None:
    """The router may be elsewhere by now."""
    at_the_time = event(cell_id=5, disconnect_snapshot={"network": {"plmn": "26202"}})
    without_network = event(cell_id=5, disconnect_snapshot={"network": {"rat": "lte"}})
    first, second, third = events(at_the_time, without_network, event(cell_id=5), network={"plmn": "26201"})

    assert ref("cell", "26202-5") == first["cell_ref"]
    assert ref("cell", "26201-5") == second["cell_ref"] == third["cell_ref"]


def test_a_cell_without_a_network_leaves_no_trace() -> None:
    """28 bits by themselves are soon guessed."""
    (found,) = events(event(cell_id=27_447_297))

    assert {"event", "time"} == found.keys()


def test_a_cell_is_on_events_only() -> None:
    """On a periodic sample, or in a snapshot, it is an unknown key (D14)."""
    snapshot = {"network": {"plmn": "26201", "cell_id": 5}, "cell_id": 5}
    document = minimal_document(network={"plmn": "26201", "cell_id": 5}, events=[event(disconnect_snapshot=snapshot)])
    record = kept({**document, "cell_id": 5}, RULES)

    assert {"unknown": 4} == removals(record)
    assert b"cell" not in record.body


# ------------------------------------------------------------------------------------------------ snapshots, the rest


def test_a_snapshot_is_treated_as_the_groups_of_a_message_are() -> None:
    """Same catalogue, same rules (U56)."""
    groups = {
        "network": {"plmn": "26201", "wan_ipv4": "10.0.0.1", "lan_ipv4": "10.0.0.2/8"},
        "signal": {"rsrp_dbm": -120},
        "wifi": {"ssid_2g": "Haus", "wifi_station_count": 1, "wifi_station_rssi_dbm_min": -50},
        "power": {"battery_percent": 3},
        "usage": {"wan_rx_bytes_month": 1},
    }
    (found,) = events(event(disconnect_snapshot=groups))

    expected = body_of(minimal_document(**groups), RULES)
    assert expected == found["disconnect_snapshot"]
    assert {"wan_rx_bytes_month": MIB} == found["disconnect_snapshot"]["usage"]


def test_a_snapshot_has_no_other_groups() -> None:
    """Who the router and the SIM are, and its settings, are no data of the moment."""
    snapshot = {name: {"uptime_seconds": 1} for name in ("router", "sim", "session", "settings", "events")}
    record = kept(minimal_document(events=[event(disconnect_snapshot=snapshot)]), RULES)

    assert {"unknown": 5} == removals(record)
    assert {} == json.loads(record.body)["events"][0]["disconnect_snapshot"]


def test_pseudonyms_in_a_record_are_those_of_its_region() -> None:
    """The same SIM, network name and cell are strangers in another region."""
    refs = {}
    for country, region in (("DE", Region.GERMANY), ("CN", Region.CHINA), ("HK", Region.HONG_KONG)):
        document = minimal_document(country=country, sim={"imsi": IMSI}, wifi={"ssid_2g": "Haus"})
        body = body_of(document, RULES)
        refs[region] = (body["sim"]["sim_ref"], body["wifi"]["ssid_2g_ref"])
        assert (ref("imsi", IMSI, region), ref("ssid", "Haus", region)) == refs[region]

    assert len(Region) == len(set(refs.values()))


def test_identifiers_of_the_router_go_to_the_lookup_index_and_not_into_the_body() -> None:
    """Serial, IMEI and MAC are for finding (F7)."""
    named = {"serial": "ZTE1024300012", "imei": "490154203237518", "mac": "d8:0a:e6:01:02:03"}
    record = kept(minimal_document(router=named), RULES)

    assert {} == json.loads(record.body)["router"]
    assert {
        ("serial", ref("serial", "ZTE1024300012")),
        ("imei", ref("imei", "49015420323751")),
        ("mac", ref("mac", "d80ae6010203")),
    } == {(kind, found.hex()) for kind, found in record.lookup}


def test_no_treatment_is_named_twice() -> None:
    """A field is treated here or was treated before it arrived."""
    assert set() == TREATED.keys() & AS_SENT


# ------------------------------------------------------------------------------------------------ what they look at


class Watched:
    """A group, or what is around it, that notes what is looked at."""

    def __init__(self, inside: Any) -> None:
        self.inside, self.seen = inside, set[str]()

    def __getattr__(self, name: str) -> Any:
        self.seen.add(name)
        return getattr(self.inside, name)


@given(clean_documents())
@settings(max_examples=200)
def test_a_treatment_looks_at_nothing_but_what_it_says(document: Document) -> None:
    """What it makes is remembered by that (0041): what it did not say would be somebody else's."""
    tree = RULES.reports.valid(json.dumps(document, ensure_ascii=False).encode())
    assume(tree is not None)  # it is None with escapes
    for name, treatment in TREATED.items():
        place = RULES.reports.compiled.catalogue.fields[name].group
        groups = (tree.events or []) if place == "event" else filter(None, [getattr(tree, place)])
        for group in groups:
            if all(getattr(group, read) is UNSET for read in treatment.reads):
                continue
            watched = Watched(group)
            around = Watched(Surroundings(RULES.pseudonyms[Region.GERMANY], RULES.products, "26201"))
            treatment.treat(watched, around)  # type: ignore[arg-type]

            assert watched.seen <= {*treatment.reads, *treatment.beside}, name
            assert ("plmn" in around.seen) <= treatment.in_network, name


@pytest.mark.parametrize("name", [name for name, treatment in TREATED.items() if treatment.multiple_of])
@pytest.mark.parametrize("value", [0, 1, MIB - 1, MIB, MIB + 1, 10**12])
def test_what_is_rounded_up_is_a_multiple(name: str, value: int) -> None:
    """Of what the treatment says."""
    step = TREATED[name].multiple_of

    assert -(-value // step) * step == group_of("usage", {name: value})[name]
