"""Endpoint ids of USP (TR-369, R-ARC.2a): which router one names."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.formats.endpoint import router_of, serial_of
from collector.formats.report import ROUTER


@pytest.mark.parametrize(
    ("endpoint", "router"),
    [
        ("os::00256D-0123456789", "0123456789"),
        ("os::012345-OBUSPA0001", "OBUSPA0001"),
        ("os::00256D-SN-1.a_B", "SN-1.a_B"),
        ("os::00256D-SN%2D1", "SN-1"),
        ("ops::00256D-STB-0123456789", "0123456789"),
        ("ops::00256D-STB%2D7-SN%2D9", "SN-9"),
        ("ops::C0B101-ZXHN%20H199A-ZTEYH86LCN00001", "ZTEYH86LCN00001"),
        ("imei::990000862471854", "990000862471854"),
        ("imei-esn::990000862471854-8042", "990000862471854"),
        ("uuid::f81d4fae-7dec-11d0-a765-00a0c91e6bf6", "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"),
        ("self::my-Agent", "my-Agent"),
        ("self:abc:my-Agent", "abc-my-Agent"),
        ("user::box", "box"),
        ("proto::my-Agent", "my-Agent"),
        ("fqdn::www.example.org", "www.example.org"),
        ("oui:00256D:my-unique-bbf-id-42", "00256D-my-unique-bbf-id-42"),
        ("cid:3AA3F8:my-unique-usp-id-42", "3AA3F8-my-unique-usp-id-42"),
        ("pen:3561:my-unique-bbf-id-42", "3561-my-unique-bbf-id-42"),
        ("urn:bbf:usp:id:os::00256D-0123456789", "0123456789"),
        ("ZTE1024300012", "ZTE1024300012"),
        ("C0B101-MF935TEST000001", "C0B101-MF935TEST000001"),
        ("reply-to=usp%2Fagent%2Fos::00256D-0123456789", "0123456789"),
        ("reply-to=usp%2Fagent%2FC0B101-MF935TEST000001", "MF935TEST000001"),
        ("reply-to=usp%2Fagent%2FOBUSPA0001", "OBUSPA0001"),
    ],
)
def test_a_router_is_named_by(endpoint: str, router: str) -> None:
    """The serial number where the scheme has one; of others the instance, with the authority it is unique within."""
    assert router == router_of(endpoint)


@pytest.mark.parametrize(
    "endpoint",
    [
        "", "os::", "os::00256D-", "os::00256D-S%2FN", "os::00256D-Fräulein", "os::00256D-a b", "self:::x", "a/b",
        "proto::aa:bb:cc", "uuid::" + "a" * 65, "reply-to=", "reply-to=usp%2Fagent%2F", "reply-to=reply-to=x",
        "reply-to=a%2Freply-to=b", "+", "#",
    ],
)  # fmt: skip
def test_what_cannot_be_a_router_names_none(endpoint: str) -> None:
    """A name must be one that topics of our own format could have."""
    assert router_of(endpoint) is None


def test_two_makers_instances_are_two_routers() -> None:
    """An instance is unique within its authority only."""
    assert router_of("oui:00256D:42") != router_of("oui:AABBCC:42")


@pytest.mark.parametrize(
    ("endpoint", "serial"),
    [
        ("os::00256D-X1", "X1"),
        ("os::X1", None),
        ("ops::00256D-X1", None),
        ("imei::990000862471854", None),
        ("X1", None),
    ],
)
def test_a_serial_number_stands_in_two_schemes(endpoint: str, serial: str | None) -> None:
    """And only behind an OUI."""
    assert serial == serial_of(endpoint)


@given(st.text(max_size=80) | st.from_regex(r"(os|ops|self|oui):[A-F0-9]{0,6}:[A-Za-z0-9%-]{0,40}", fullmatch=True))
def test_whatever_is_asked_a_router_comes_out_or_none(named: str) -> None:
    """Nothing else, and nothing raises."""
    router = router_of(named)

    assert router is None or ROUTER.fullmatch(router)


def test_a_name_as_long_as_a_message_is_not_remembered() -> None:
    """A record may name its sender in a mebibyte; thousands of them are no router's, and take no room."""
    tracemalloc.start()
    for number in range(20):
        assert router_of(f"os::00256D-{'A' * 1_000_000}{number}") is None
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert held < 1_000_000
