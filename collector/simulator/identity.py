"""Identifiers that look real and belong to nobody.

IMEIs begin with type codes published as examples and carry a valid check digit; MACs have the "locally
administered" bit, which no maker may sell.
"""

from dataclasses import dataclass
from random import Random

from collector.simulator.world import Place

_TEST_TACS = ("00440245", "35693803", "35209900")
_SERIAL_LETTERS = "ABCDEFGHJKLMNPRSTUVWXY"  # I, O, Q and Z are left out of printed serials: they read as digits


@dataclass(frozen=True, slots=True)
class Identity:
    """What names one router and its SIM."""

    serial: str
    imei: str
    mac: str
    plmn: str
    """The network that issued the SIM, which is also the one it serves at home."""
    imsi: str
    iccid: str

    @classmethod
    def draw(cls, rng: Random, place: Place) -> "Identity":
        """Return a new identity for a router bought in *place*."""
        plmn = rng.choice(place.plmns)
        return cls(
            serial=_serial(rng),
            imei=with_check_digit(rng.choice(_TEST_TACS) + _digits(rng, 6)),
            mac=_mac(rng),
            plmn=plmn,
            imsi=plmn + _digits(rng, 15 - len(plmn)),
            iccid=with_check_digit("89" + _digits(rng, 16)),
        )


def with_check_digit(body: str) -> str:
    """
    Return *body* with its Luhn check digit appended.

    >>> with_check_digit("35693803564380")
    '356938035643809'
    """
    total = 0
    for position, digit in enumerate(reversed(body)):
        doubled = int(digit) * (2 if position % 2 == 0 else 1)
        total += doubled - 9 if doubled > 9 else doubled
    return body + str(-total % 10)


def _serial(rng: Random) -> str:
    plant = rng.choice(_SERIAL_LETTERS) + rng.choice(_SERIAL_LETTERS)
    made = rng.choice("012345") + rng.choice("ABCDEFGHJKLM")  # year and month of making
    return f"ZTE{plant}{made}{_digits(rng, 6)}"


def _mac(rng: Random) -> str:
    octets = [0x02, *(rng.randrange(256) for _ in range(5))]
    return ":".join(f"{octet:02X}" for octet in octets)


def _digits(rng: Random, count: int) -> str:
    return f"{rng.randrange(10**count):0{count}d}"
