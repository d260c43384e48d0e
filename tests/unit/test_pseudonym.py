"""Keyed pseudonyms: computed by hand, apart by key and namespace, and silent about their keys."""

import hmac
import secrets
import traceback
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.model import Region
from collector.pseudonym import Key, Pseudonymiser, normal_imei, normal_mac, normal_serial

SECRET = bytes(range(32))
OTHER = bytes(range(1, 33))
TEXT = st.text(max_size=40)


def by_hand(secret: bytes, namespace: str, value: str) -> bytes:
    """The first 128 bits of HMAC-SHA-256 over namespace, zero, value (F5)."""
    return hmac.new(secret, namespace.encode() + b"\0" + value.encode(), sha256).digest()[:16]


# --------------------------------------------------------------------------------------------------- the pseudonym


def test_a_pseudonym_is_the_hmac_of_namespace_and_value() -> None:
    """The construction is fixed: stores outlive releases."""
    expected = "1039dce43dbb1264f3f5247e95393ba1"  # by another program: openssl dgst -sha256 -mac HMAC

    assert (
        expected == Key(SECRET).ref("imei", "49015420323751").hex() == by_hand(SECRET, "imei", "49015420323751").hex()
    )


@given(st.binary(min_size=32, max_size=32), st.sampled_from(["imei", "serial", "mac"]), TEXT)
@settings(max_examples=100)
def test_every_way_to_ask_gives_the_same_pseudonym(secret: bytes, namespace: str, value: str) -> None:
    """Remembered, not remembered, or among all live keys."""
    expected = by_hand(secret, namespace, value)
    names = Pseudonymiser([Key(secret)])

    assert {expected} == {names.ref(namespace, value), names.uncached_ref(namespace, value)}
    assert [expected] == names.all_refs(namespace, value)


def test_any_text_has_a_pseudonym() -> None:
    """Text that is no UTF-8 does not break the step."""
    assert 16 == len(Key(SECRET).ref("ssid", "\ud800"))


@given(TEXT, TEXT)
@settings(max_examples=100)
def test_different_values_have_different_pseudonyms(one: str, other: str) -> None:
    """And equal values equal ones: that is what they are for."""
    key = Key(SECRET)

    assert (one == other) is (key.ref("ssid", one) == key.ref("ssid", other))


def test_namespaces_keep_equal_texts_apart() -> None:
    """A serial and an IMEI of equal text are two things; no text crosses from one namespace into another."""
    names = Pseudonymiser([Key(SECRET)])
    kinds = ["router", "serial", "imei", "mac", "imsi", "iccid", "ssid", "cell", "record", "consent event"]

    assert len(kinds) == len({names.ref(kind, "490154203237518") for kind in kinds})
    assert names.ref("a", "bc") != names.ref("ab", "c")


def test_regions_keep_equal_values_apart() -> None:
    """One key a region: a pseudonym of one says nothing in another."""
    names = {region: Pseudonymiser([Key(secrets.token_bytes(32))]) for region in Region}

    assert len(Region) == len({each.ref("router", "R1") for each in names.values()})
    assert len(Region) == len({each.identity("R1").device_ref for each in names.values()})
    assert len(Region) == len({each.key_id for each in names.values()})


# ----------------------------------------------------------------------------------------------------------- keys


@pytest.mark.parametrize("length", [0, 1, 16, 31, 33, 64])
def test_a_key_has_32_bytes(length: int) -> None:
    """Said with what was found; the bytes are not."""
    with pytest.raises(ValueError, match=f"^found {length} bytes, expected 32$"):
        Key(b"k" * length)


def test_a_region_needs_a_key() -> None:
    """Without one there is nothing to make pseudonyms with."""
    with pytest.raises(ValueError, match="at least one key"):
        Pseudonymiser([])


def test_a_key_is_named_by_an_id_that_does_not_give_it_away() -> None:
    """A hash under a label of its own, cut short, which is not what the key does for values."""
    key = Key(SECRET)

    assert sha256(b"ueip key id\0" + SECRET).hexdigest()[:8] == key.key_id
    assert key.key_id != Key(OTHER).key_id


def test_keys_are_equal_when_their_secrets_are() -> None:
    """So that two regions with one key are found."""
    assert Key(SECRET) == Key(SECRET)
    assert 1 == len({Key(SECRET), Key(SECRET)})
    assert Key(SECRET) != Key(OTHER)
    assert Key(SECRET) != SECRET


def test_a_secret_shows_nowhere() -> None:
    """Not in a repr, not in the text of a refusal, not in a traceback."""
    key = Key(b"canary-canary-canary-canary-1234")
    shown = [repr(key), str(key), f"{[key]}", repr(Pseudonymiser([key])), repr(Pseudonymiser([key]).identity("canary"))]
    try:
        Key(b"canary")
    except ValueError:
        shown.append(traceback.format_exc())

    assert f"<Key {key.key_id} [redacted]>" == repr(key)
    assert not hasattr(key, "__dict__")
    assert [] == [text for text in shown[:-1] if "canary" in text]
    assert "canary" not in shown[-1].splitlines()[-1]


def test_older_keys_find_and_the_first_one_makes() -> None:
    """Rotation: new pseudonyms are of the current key, old records stay findable (D12)."""
    names = Pseudonymiser([Key(OTHER), Key(SECRET)])
    identity = names.identity("R1")

    assert by_hand(OTHER, "router", "R1") == identity.device_ref == names.ref("router", "R1")
    assert (by_hand(SECRET, "router", "R1"),) == identity.older
    assert Key(OTHER).key_id == identity.key_id == names.key_id
    assert [by_hand(OTHER, "mac", "m"), by_hand(SECRET, "mac", "m")] == names.all_refs("mac", "m")


def test_the_lookup_index_knows_a_router_by_all_its_names() -> None:
    """Each kind in its normal form, by the current key, without repetition."""
    names = Pseudonymiser([Key(SECRET)])
    found = names.lookup("490154203237518", "zte 1", "4901542032375199", "D8-0A-E6-01-02-03")

    expected = {
        ("serial", by_hand(SECRET, "serial", "490154203237518")),
        ("imei", by_hand(SECRET, "imei", "49015420323751")),
        ("serial", by_hand(SECRET, "serial", "ZTE1")),
        ("mac", by_hand(SECRET, "mac", "d80ae6010203")),
    }
    assert expected == set(found)
    assert len(expected) == len(found)
    assert (("serial", by_hand(SECRET, "serial", "R1")),) == names.lookup("R1", None, None, None)


# --------------------------------------------------------------------------------------------------- normal forms


@pytest.mark.parametrize(
    "text",
    [
        *("490154203237518", "49-015420-323751-8", "49 015420 323751 8", "4901542032375101", "4901542032375199"),
        "49-015420-323751-01",
    ],
)
def test_imei_and_imeisv_of_a_router_are_one(text: str) -> None:
    """The 14 digits they share, however a person writes them."""
    assert "49015420323751" == normal_imei(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", "0" * 13, "0" * 14, "0" * 17),
        *("49015420323751", "490154203237519", "490154203237510", "49015420323751x", "49015420323751801"),
        *("٤٩٠١٥٤٢٠٣٢٣٧٥١٨", "4901542032375\u00b28", "+490154203237518", "490154203237518\n", "0x9015420323751"),
    ],
    ids=ascii,
)
def test_what_is_no_imei_is_none(text: str) -> None:
    """Wrong length, wrong check digit, or digits of another script."""
    assert normal_imei(text) is None


@given(st.text("0123456789", min_size=14, max_size=14))
@settings(max_examples=100)
def test_one_check_digit_in_ten_is_right(digits: str) -> None:
    """The Luhn check digit of an IMEI (3GPP TS 23.003, annex B)."""
    doubled = [int(d) if i % 2 == 0 else sum(divmod(2 * int(d), 10)) for i, d in enumerate(digits)]
    right = str(-sum(doubled) % 10)

    assert [right] == [check for check in "0123456789" if normal_imei(digits + check) == digits]


@pytest.mark.parametrize(
    "text", ["d8:0a:e6:01:02:03", "D8:0A:E6:01:02:03", "d8-0a-e6-01-02-03", "d80a.e601.0203", "D80AE6010203"]
)
def test_a_mac_address_has_one_form(text: str) -> None:
    """Whatever separates its digits."""
    assert "d80ae6010203" == normal_mac(text)


@pytest.mark.parametrize(
    "text", ["", "d8:0a:e6:01:02", "d8:0a:e6:01:02:03:04", "g8:0a:e6:01:02:03", "d8 0a e6 01 02 03"]
)
def test_what_is_no_mac_address_is_none(text: str) -> None:
    """Twelve hex digits, no more and no less."""
    assert normal_mac(text) is None


@pytest.mark.parametrize("text", ["ZTE1024300012", "zte1024300012", " ZTE 1024 300012\n", "zte\t1024300012"])
def test_a_serial_number_is_as_a_person_might_read_it_out(text: str) -> None:
    """Without blanks, upper case."""
    assert "ZTE1024300012" == normal_serial(text)
