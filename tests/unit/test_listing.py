"""The packed listing: what a dict would say, no more and no less."""

from hypothesis import given
from hypothesis import strategies as st

from collector.listing import Listing, last_of

ALIKE = st.sampled_from([bytes(14) + b"DE", bytes(12) + b"DE" + bytes(2), bytes(16), b"DE" * 8, b"DEFR" * 4])
REFS = ALIKE | st.binary(min_size=16, max_size=16) | st.binary(min_size=14, max_size=14).map(lambda rest: b"DE" + rest)
COUNTRIES = st.sampled_from(["DE", "FR", "\0\0"])


def listed(listing: Listing, refs: set[bytes]) -> dict[bytes, str]:
    """What a listing says of these routers."""
    return {ref: country for ref in refs if (country := listing.country(ref)) is not None}


@given(st.lists(st.dictionaries(REFS, st.none() | COUNTRIES)))
def test_it_says_what_a_dict_would_say_after_any_changes(changes: list[dict[bytes, str | None]]) -> None:
    """However alike the pseudonyms are; and a listing stays as it was when the next one is made of it."""
    found, plain = [Listing()], [dict[bytes, str]()]
    for change in changes:
        found.append(found[-1].changed(change))
        after = plain[-1] | change
        plain.append({ref: country for ref, country in after.items() if country is not None})

    refs = {ref for change in changes for ref in change}
    assert plain == [listed(listing, refs) for listing in found]
    assert [*map(len, plain)] == [*map(len, found)]


@given(st.dictionaries(REFS, COUNTRIES), st.integers(1, 4))
def test_pages_cut_anywhere_make_the_same(countries: dict[bytes, str], most: int) -> None:
    """Also within a group."""
    ordered = sorted(countries)
    cut = [ordered[place : place + most] for place in range(0, len(ordered), most)]
    pages = []
    for refs in cut:
        groups = dict.fromkeys([ref[:2] for ref in refs], b"")
        for ref in refs:
            groups[ref[:2]] += ref[2:] + countries[ref].encode()
        pages.append(list(groups.items()))

    assert countries == listed(Listing.of(pages), set(countries))
    assert [refs[-1] for refs in cut] == [last_of(page) for page in pages]


def test_what_lies_across_two_routers_is_neither() -> None:
    """They lie side by side in one row of bytes."""
    found = Listing().changed({bytes(16): "DE", b"\0\0" + b"r" * 14: "FR"})

    assert found.country(b"\0\0" + bytes(12) + b"DE") is None
    assert found.country(b"\0\0" + b"DE" + b"r" * 12) is None


def test_what_is_no_country_takes_the_place_of_one() -> None:
    """Of any other length, it would hide the routers behind it; and it is a word that routes nothing."""
    first, second = bytes(16), bytes(15) + b"z"

    for country in ("", "D", "DEU", "\N{SNOWMAN}\N{SNOWMAN}", "€"):
        found = Listing().changed({first: country}).changed({second: "FR"})
        assert ("??", "FR") == (found.country(first), found.country(second))
