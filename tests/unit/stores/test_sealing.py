"""What is sealed for the spool opens under a live key, as what it was, and not otherwise."""

from itertools import pairwise

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from collector.model import Region
from collector.pseudonym import Key
from collector.stores.sealing import Sealer, Unreadable

OLD, NEW, OTHER = Key(b"o" * 32), Key(b"n" * 32), Key(b"x" * 32)
HERE = Region.GERMANY
TAG, CONTENT = b"t" * 16, b"canary of a record"


@given(st.binary(max_size=4000), st.binary(min_size=16, max_size=16), st.integers(0, 9))
def test_what_is_sealed_can_be_opened(content: bytes, tag: bytes, kind: int) -> None:
    """All of it, whatever it is."""
    sealer = Sealer([NEW], HERE)

    assert content == sealer.open(kind, tag, sealer.seal(kind, tag, content))


def test_nothing_of_the_content_shows() -> None:
    """Nor does it look the same twice."""
    sealer = Sealer([NEW], HERE)
    sealed = [sealer.seal(0, TAG, CONTENT) for _ in range(2)]

    assert sealed[0] != sealed[1]
    assert not any(CONTENT[n : n + 4] in one for one in sealed for n in range(len(CONTENT) - 4))


def test_a_new_process_uses_another_key() -> None:
    """So that random nonces do not add up over the years."""
    first, second = Sealer([NEW], HERE), Sealer([NEW], HERE)

    assert first.seal(0, TAG, CONTENT)[:21] != second.seal(0, TAG, CONTENT)[:21]
    assert CONTENT == second.open(0, TAG, first.seal(0, TAG, CONTENT))


def test_a_salt_serves_only_so_many_entries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer than random nonces allow (NIST SP 800-38D, 8.3); then another follows."""
    monkeypatch.setattr("collector.stores.sealing._SEALS", 3)
    sealer = Sealer([NEW], HERE)
    salts = [sealer.seal(0, TAG, CONTENT)[:21] for _ in range(9)]

    assert [True, True, False, True, True, False, True, True] == [a == b for a, b in pairwise(salts)]


def test_an_older_live_key_still_opens() -> None:
    """Keys rotate while records wait (D12); one that is gone opens nothing."""
    sealed = Sealer([OLD], HERE).seal(0, TAG, CONTENT)

    assert CONTENT == Sealer([NEW, OLD], HERE).open(0, TAG, sealed)
    with pytest.raises(Unreadable):
        Sealer([NEW], HERE).open(0, TAG, sealed)


@pytest.mark.parametrize("place", [0, 2, 10, 22, 40, -1])
def test_what_was_changed_does_not_open(place: int) -> None:
    """A single bit anywhere is enough."""
    sealer = Sealer([NEW], HERE)
    damaged = bytearray(sealer.seal(0, TAG, CONTENT))
    damaged[place] ^= 1
    with pytest.raises(Unreadable):
        sealer.open(0, TAG, bytes(damaged))


@pytest.mark.parametrize("length", [0, 1, 20, 21, 30, 33, 40])
def test_what_was_cut_off_does_not_open(length: int) -> None:
    """As the last page of a torn file would be."""
    sealer = Sealer([NEW], HERE)
    with pytest.raises(Unreadable):
        sealer.open(0, TAG, sealer.seal(0, TAG, CONTENT)[:length])


def test_it_opens_only_as_what_it_was() -> None:
    """Nobody who can write to the file makes one router's record another's, an act a record, or moves it (R27)."""
    sealer = Sealer([NEW], HERE)
    sealed = sealer.seal(0, TAG, CONTENT)
    for opener, kind, tag in [(sealer, 1, TAG), (sealer, 0, b"u" * 16), (Sealer([NEW], Region.CHINA), 0, TAG)]:
        with pytest.raises(Unreadable):
            opener.open(kind, tag, sealed)


def test_tags_find_what_was_spooled_under_any_live_key() -> None:
    """And are neither the pseudonym nor the same under two keys."""
    ref = b"r" * 16
    tags = Sealer([NEW, OLD], HERE).tags([ref])

    assert [Sealer([NEW], HERE).tag(ref), Sealer([OLD], HERE).tag(ref)] == tags
    assert 3 == len({*tags, ref})


def test_keys_are_derived_as_the_rfc_says() -> None:
    """HKDF-SHA-256 (RFC 5869), by another implementation."""
    made = HKDF(hashes.SHA256(), length=32, salt=b"salt", info=b"ueip spool germany").derive(b"n" * 32)

    assert made == NEW.derived("ueip spool germany", b"salt")
    assert made != OTHER.derived("ueip spool germany", b"salt")
