"""Passwords, throttle and sessions, each by itself."""

import asyncio
from collections.abc import Callable

import pytest
from argon2 import PasswordHasher, Type, extract_parameters
from hypothesis import given
from hypothesis import strategies as st

from collector.access.nouns import Purpose, Role, Session, Viewer
from collector.access.passwords import AT_ONCE, MOST_WAITING, Passwords, TooBusy, faults_of
from collector.access.sessions import MOST_OF_ONE, Sessions
from collector.access.throttle import FORGOTTEN, LONGEST, Throttle, place_of
from collector.model import Region

CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
ADA = Viewer(name="ada", role=Role.ENGINEER, regions=frozenset({Region.GERMANY}))
BOB = Viewer(name="bob", role=Role.AUDITOR, regions=frozenset())
GOOD = "correct horse battery"


# Passwords


def test_hashes_are_argon2id_with_the_parameters_of_the_rfc() -> None:
    """RFC 9106, section 4, the second recommended option."""
    found = extract_parameters(Passwords().hash(GOOD))

    assert (Type.ID, 3, 65_536, 4, 32, 16) == (
        found.type,
        found.time_cost,
        found.memory_cost,
        found.parallelism,
        found.hash_len,
        found.salt_len,
    )


async def test_the_right_password_fits_and_no_other() -> None:
    passwords = Passwords(CHEAP)
    hashed = passwords.hash(GOOD)

    assert await passwords.fits(GOOD, hashed)
    assert not await passwords.fits(GOOD + " ", hashed)
    assert not await passwords.fits("", hashed)
    assert not await passwords.fits(GOOD, "no hash at all")
    assert hashed != passwords.hash(GOOD)


async def test_nobody_has_no_password_and_it_takes_the_same_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an account a hash is checked all the same: what is counted is the work, not the time."""
    passwords, checked = Passwords(CHEAP), list[str]()
    verify = PasswordHasher.verify

    def counting(self: PasswordHasher, hashed: str, password: str) -> bool:
        checked.append(hashed)
        return verify(self, hashed, password)

    monkeypatch.setattr(PasswordHasher, "verify", counting)

    assert not await passwords.fits(GOOD, None)
    assert not await passwords.fits(GOOD, passwords.hash("another one of them"))
    assert 2 == len(checked)
    assert extract_parameters(checked[0]) == extract_parameters(checked[1])


async def test_a_password_is_the_same_however_it_is_composed() -> None:
    passwords = Passwords(CHEAP)

    assert await passwords.fits("cafe\N{COMBINING ACUTE ACCENT} au lait", passwords.hash("café au lait"))


async def test_more_than_a_few_wait_for_nobody() -> None:
    """Memory is bounded: who comes when twenty wait already is sent away."""
    passwords = Passwords(CHEAP)
    hashed = passwords.hash(GOOD)

    answers = await asyncio.gather(*(passwords.fits(GOOD, hashed) for _ in range(60)), return_exceptions=True)

    assert MOST_WAITING == answers.count(True)
    assert 60 - MOST_WAITING == sum(isinstance(answer, TooBusy) for answer in answers)
    assert AT_ONCE < MOST_WAITING
    assert await passwords.fits(GOOD, hashed)


@pytest.mark.parametrize(
    ("password", "fault"),
    [
        ("fourteen chars", "found 14 characters, expected 15 to 256"),
        ("x" * 257, "found 257 characters"),
        ("aaaaaaaabbbbbbbb", "fewer than 5 different"),
        ("ada.lovelace123", "little more than the account's name"),
        ("password1234567", "little more than the account's name"),
    ],
)
def test_what_is_guessed_first_is_no_password(password: str, fault: str) -> None:
    assert fault in str(faults_of(password, "ada.lovelace", 15))


@pytest.mark.parametrize("password", [GOOD, "正确的马电池订书钉一二三四五六", "                 a b c d e f"])
def test_anything_long_is_a_password(password: str) -> None:
    assert None is faults_of(password, "ada", 15)


# Throttle


def throttle() -> Throttle:
    return Throttle(by_account=3, by_address=6, first_seconds=10)


def wrong(counted: Throttle, account: str, address: str, now: float, times: int) -> None:
    for _ in range(times):
        counted.attempt(account, address, now)


def test_a_few_wrong_passwords_are_taken_and_then_one_waits_longer_and_longer() -> None:
    counted, now, waits = throttle(), 1000.0, list[float]()
    wrong(counted, "ada", "a", now, 2)
    assert 0 == counted.wait("ada", "a", now)

    for _ in range(9):
        counted.attempt("ada", "a", now)
        waits.append(counted.wait("ada", "a", now))
        now += waits[-1]

    assert [10, 20, 40, 80, 160, 320, 640, LONGEST, LONGEST] == waits


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xyz"), st.floats(0, 2000)), max_size=120))
def test_nobody_waits_longer_than_a_quarter_of_an_hour(tries: list[tuple[str, str, float]]) -> None:
    """Whatever anybody did before."""
    counted, now = throttle(), 0.0
    for account, address, pause in tries:
        counted.attempt(account, address, now)
        now += pause

    assert all(counted.wait(account, address, now + LONGEST) == 0 for account in "ab" for address in "xyz")


def test_guessing_from_many_addresses_slows_all_of_them_down() -> None:
    counted = throttle()
    for number in range(3):
        counted.attempt("ada", f"bot{number}", 1000)

    assert 0 < counted.wait("ada", "another bot", 1000)
    assert 0 == counted.wait("bob", "another bot", 1000)


def test_who_guesses_elsewhere_locks_nobody_out_of_where_they_work() -> None:
    """And can not find out that it is so; nor does a wrong one there open it for the others."""
    counted = throttle()
    counted.attempt("ada", "desk", 0)
    counted.succeeded("ada", "desk", 0)
    for number in range(50):
        wrong(counted, "ada", f"bot{number}", 1000, 2)

    assert 0 < counted.wait("ada", "bot99", 1000)
    assert 0 == counted.wait("ada", "desk", 1000)
    wrong(counted, "ada", "desk", 1000, 3)
    assert 0 < counted.wait("ada", "desk", 1000)
    assert 0 == counted.wait("ada", "desk", 1000 + LONGEST)


def test_guessing_many_accounts_from_one_address_is_slowed_down() -> None:
    counted = throttle()
    for number in range(6):
        counted.attempt(f"account{number}", "bot", 1000)

    assert 0 < counted.wait("ada", "bot", 1000)
    assert 0 == counted.wait("ada", "desk", 1000)


def test_an_account_that_does_not_exist_waits_like_one_that_does() -> None:
    """The throttle is not told which do."""
    counted = throttle()
    for account in ("ada", "no-such-account"):
        wrong(counted, account, f"at {account}", 1000, 3)

    assert counted.wait("ada", "x", 1000) == counted.wait("no-such-account", "x", 1000) > 0


def test_the_right_password_forgives_and_is_not_counted_against_its_address() -> None:
    counted = throttle()
    for _ in range(5):
        wrong(counted, "ada", "desk", 1000, 1)
        assert 0 == counted.attempt("ada", "desk", 1000)
        counted.succeeded("ada", "desk", 1000)
    for number in range(20):
        assert 0 == counted.attempt(f"colleague{number}", "office", 1000)
        counted.succeeded(f"colleague{number}", "office", 1000)

    assert 0 == counted.wait("ada", "desk", 1000)
    assert 0 == counted.wait("anybody", "office", 1000)


def test_who_signs_in_keeps_no_wrong_ones_of_others_in_mind() -> None:
    """Those of an office where somebody signs in every day are forgotten after a day too."""
    counted = throttle()
    for number in range(5):
        counted.attempt(f"colleague{number}", "office", 0)
    for day in (0.4, 0.8, 1.2, 1.6, 2.0):
        assert 0 == counted.attempt("ada", "office", day * FORGOTTEN)
        counted.succeeded("ada", "office", day * FORGOTTEN)

    assert 0 == counted.attempt("bob", "office", 2.1 * FORGOTTEN)
    assert 0 == counted.wait("ada", "office", 2.1 * FORGOTTEN)


def test_a_password_that_was_not_looked_at_counts_against_nobody() -> None:
    counted = throttle()
    wrong(counted, "ada", "desk", 1000, 2)
    for now in range(1001, 1050):
        assert 0 == counted.attempt("ada", "desk", now)
        counted.unchecked("ada", "desk", now)

    wrong(counted, "ada", "desk", 1050, 1)
    assert 10 == counted.wait("ada", "desk", 1050)


def test_passwords_that_are_checked_at_once_are_all_counted() -> None:
    """A hundred sent together are not a hundred guesses."""
    counted = throttle()

    assert 3 == [counted.attempt("ada", "bot", 1000) for _ in range(100)].count(0)


def test_wrong_ones_of_yesterday_are_forgotten() -> None:
    counted = throttle()
    wrong(counted, "ada", "a", 0, 2)
    wrong(counted, "ada", "a", FORGOTTEN + 1, 2)

    assert 0 == counted.wait("ada", "a", FORGOTTEN + 1)


def test_memory_is_bounded() -> None:
    counted = throttle()
    for number in range(30_000):
        counted.attempt(f"{number}", f"{number}", 0)
        counted.succeeded(f"{number}", f"{number}", 0)
        counted.attempt(f"x{number}", f"x{number}", 0)

    assert len(counted._wrong) <= 20_000
    assert len(counted._known) <= 20_000


def test_no_address_is_kept_as_it_is() -> None:
    """O21: what is remembered is keyed digests."""
    counted = throttle()
    counted.attempt("ada.lovelace", "192.0.2.77", 0)  # a short name is in some digests, as \xad and an a
    counted.succeeded("ada.lovelace", "192.0.2.77", 0)

    assert "192.0.2.77" not in repr(vars(counted))
    assert "ada.lovelace" not in repr(vars(counted))


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("testclient", "testclient"),
        ("", ""),
    ],
)
def test_who_has_a_network_has_one_place(address: str, place: str) -> None:
    assert place == place_of(address)


# Sessions


class Hands:
    """A clock in milliseconds that the test moves."""

    def __init__(self) -> None:
        self.now = 1_800_000_000_000

    def __call__(self) -> int:
        return self.now


def sessions(clock: Hands, is_current: Callable[[Session], bool] = lambda _: True) -> Sessions:
    return Sessions(idle=600, longest=3600, clock=clock, is_current=is_current)


def test_a_session_is_found_by_the_id_that_was_told_once() -> None:
    held, clock = sessions(hands := Hands()), hands
    shown, session = held.begin(ADA, "stamp")
    other, _ = held.begin(BOB)

    clock.now += 1000
    found = held.find(shown)

    assert found is not None
    assert (ADA, "stamp", session.csrf, clock.now) == (found.viewer, found.stamp, found.csrf, found.seen_at)
    assert len(shown) == 43 != len(session.digest)
    assert shown != other
    assert shown not in repr(held._held)
    assert (None, None, None) == (held.find(""), held.find(session.digest), held.find(shown[:-1]))


def test_a_session_that_nobody_uses_ends_and_one_that_is_used_ends_later() -> None:
    clock = Hands()
    held = sessions(clock)
    idle, _ = held.begin(ADA)
    used, _ = held.begin(ADA)
    for _ in range(12):
        clock.now += 299_000
        assert held.find(used)
    assert None is held.find(idle)

    clock.now += 13_000

    assert None is held.find(used)
    assert {} == held._held


def test_a_clock_that_is_set_back_lengthens_no_session() -> None:
    clock = Hands()
    held = sessions(clock)
    shown, _ = held.begin(ADA)
    clock.now -= 900
    assert held.find(shown)

    clock.now -= 3_600_000

    assert None is held.find(shown)


def test_a_session_ends_when_what_it_rests_on_does() -> None:
    ended = set[str]()
    held = sessions(Hands(), lambda session: session.viewer.name not in ended)
    ada, _ = held.begin(ADA)
    bob, _ = held.begin(BOB)
    ended.add("ada")

    assert (None, BOB) == (held.find(ada), getattr(held.find(bob), "viewer", None))
    ended.clear()
    assert None is held.find(ada)


def test_a_session_that_is_ended_is_over_and_gets_no_reason() -> None:
    held = sessions(Hands())
    shown, session = held.begin(ADA)
    purpose = Purpose(text="INC-1", ticket=True, given_at=0, until=1)
    held.give(session, purpose)
    assert purpose == getattr(held.find(shown), "purpose", None)

    held.end(session)
    held.give(session, purpose)

    assert None is held.find(shown)


def test_the_oldest_session_of_an_account_ends_when_there_are_too_many() -> None:
    held = sessions(Hands())
    first, _ = held.begin(ADA)
    bob, _ = held.begin(BOB)
    others = [held.begin(ADA)[0] for _ in range(MOST_OF_ONE)]

    assert None is held.find(first)
    assert all(map(held.find, [bob, *others]))
