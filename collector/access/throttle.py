"""How often a wrong password may be given: by account and by address. Pure, except for what it remembers in memory.

Rule 1: whoever guesses is slowed down, longer and longer, but never for ever: a quarter of an hour at most.
Rule 2: nobody can lock somebody else out of where they work: wrong passwords from elsewhere count against the account
        everywhere except at addresses it signed in from lately; those count only their own.
Rule 3: an account that does not exist is counted like one that does.
Rule 4: addresses are kept as keyed digests, in memory, for a day (O21).
"""

import hmac
import secrets
from collections import OrderedDict
from hashlib import sha256
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import Final, NamedTuple

LONGEST: Final = 900.0
"""The most seconds that anybody is kept waiting."""
FORGOTTEN: Final = 86_400.0
"""Seconds after which wrong passwords and known addresses are forgotten."""
_MOST: Final = 20_000
"""How many of each kind are remembered; the oldest are forgotten first."""


class _Wrong(NamedTuple):
    times: int
    until: float
    at: float
    before: float
    """When the wrong password before this one was given."""


class Throttle:
    """Counts wrong passwords. Times are seconds of a clock that does not step."""

    def __init__(self, *, by_account: int, by_address: int, first_seconds: float) -> None:
        self._limits = {"account": by_account, "place": by_account, "address": by_address}
        self._first = first_seconds
        self._wrong: OrderedDict[tuple[str, bytes], _Wrong] = OrderedDict()
        self._known: OrderedDict[bytes, float] = OrderedDict()
        self._key = secrets.token_bytes(32)

    def wait(self, account: str, address: str, now: float) -> float:
        """Seconds until a password of *account* is taken from *address*; 0 for at once."""
        found = (self._wrong.get(key) for key in self._keys(account, address, now))
        return max([0.0, *(wrong.until - now for wrong in found if wrong is not None)])

    def attempt(self, account: str, address: str, now: float) -> float:
        """As `wait`; a password that is taken counts as wrong until `succeeded` says that it was right.

        So passwords that are checked at the same time are counted before the first is known to be wrong.
        """
        wait = self.wait(account, address, now)
        if not wait:
            for key in self._keys(account, address, now):
                self._count(key, now)
        return wait

    def succeeded(self, account: str, address: str, at: float) -> None:
        """The password of the attempt at *at* was right: what was counted against the account is forgotten, and the
        address is one of its own.
        """
        own, by_address = self._keys(account, address, at)
        self._wrong.pop(own, None)
        self._take_back(by_address, at)
        place = self._digest(account, address)
        self._known.pop(place, None)
        self._known[place] = at
        while len(self._known) > _MOST:
            self._known.popitem(last=False)

    def unchecked(self, account: str, address: str, at: float) -> None:
        """The password of the attempt at *at* was not checked: it counts against nobody."""
        for key in self._keys(account, address, at):
            self._take_back(key, at)

    def _count(self, key: tuple[str, bytes], now: float) -> None:
        before = self._wrong.pop(key, None)
        if before is None or now - before.at > FORGOTTEN:
            before = _Wrong(0, 0.0, now, now)
        times = before.times + 1
        over = times - self._limits[key[0]]
        pause = min(LONGEST, self._first * 2.0 ** min(over, 20)) if over >= 0 else 0.0
        self._wrong[key] = _Wrong(times, now + pause, now, before.at)
        while len(self._wrong) > _MOST:
            self._wrong.popitem(last=False)

    def _take_back(self, key: tuple[str, bytes], at: float) -> None:
        """What was counted at *at* was not wrong: the others are forgotten as if it had never been."""
        found = self._wrong.get(key)
        if found is not None and found.times > 1:
            last = found.before if found.at == at else found.at
            self._wrong[key] = _Wrong(found.times - 1, 0.0, last, found.before)
        elif found is not None:
            del self._wrong[key]

    def _keys(self, account: str, address: str, now: float) -> list[tuple[str, bytes]]:
        """What an attempt counts against."""
        place = self._digest(account, address)
        is_known = now - self._known.get(place, -FORGOTTEN) < FORGOTTEN
        own = ("place", place) if is_known else ("account", self._digest(account))
        return [own, ("address", self._digest(address))]

    def _digest(self, *parts: str) -> bytes:
        text = "\0".join(parts).encode("utf-8", "replace")
        return hmac.new(self._key, text, sha256).digest()[:16]


def place_of(address: str) -> str:
    """What counts as one address: for IPv6 the network, because whoever has one has all of its addresses."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, IPv6Address):
        return str(found.ipv4_mapped or IPv6Network((int(found) >> 64 << 64, 64)))
    return str(found)
