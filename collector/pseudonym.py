"""Keyed pseudonyms (F5, D12): the first 128 bits of HMAC-SHA-256 over a namespace and a normalised value.

Rule 1: one key a region; a pseudonym of one region says nothing in another.
Rule 2: there is no way back from a pseudonym; engineers type an identifier and look forward (F7).
Rule 3: the first key of a region makes pseudonyms, the others only find what was stored under them.
"""

import hmac
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final

from collector.model import Identity

KEY_BYTES: Final = 32
REF_BYTES: Final = 16
_BLOCK_BYTES: Final = 64
_IPAD: Final = bytes(byte ^ 0x36 for byte in range(256))
_OPAD: Final = bytes(byte ^ 0x5C for byte in range(256))
_MAC: Final = re.compile("[0-9a-f]{12}")
_VALUES: Final = bytes.maketrans(b"0123456789", bytes(range(10)))
_DOUBLED: Final = bytes.maketrans(b"0123456789", bytes((0, 2, 4, 6, 8, 1, 3, 5, 7, 9)))
"""Twice a digit, and the digits of that added up."""
_CACHED: Final = 8_192
"""Pseudonyms remembered a region, so that a router's identifiers are not hashed anew for every message."""


class Key:
    """A secret of 32 bytes with a public id; the secret never shows in a repr."""

    __slots__ = ("_secret", "key_id", "ref_of")

    def __init__(self, secret: bytes) -> None:
        if len(secret) != KEY_BYTES:
            raise ValueError(f"found {len(secret)} bytes, expected {KEY_BYTES}")
        self._secret = secret
        padded = secret.ljust(_BLOCK_BYTES, b"\0")
        self.ref_of = _hasher(sha256(padded.translate(_IPAD)), sha256(padded.translate(_OPAD)))
        """The pseudonym of what `named` makes of a namespace and a value."""
        self.key_id = sha256(b"ueip key id\0" + secret).hexdigest()[:8]

    def __repr__(self) -> str:
        return f"<Key {self.key_id} [redacted]>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Key) and hmac.compare_digest(self._secret, other._secret)

    def __hash__(self) -> int:
        return hash(self.key_id)

    def ref(self, namespace: str, value: str) -> bytes:
        """The pseudonym of *value*, 16 bytes; namespaces keep a serial and an IMEI of equal text apart."""
        return self.ref_of(f"{namespace}\0{value}".encode("utf-8", "surrogatepass"))  # as `named`, without the call

    def derived(self, purpose: str, salt: bytes) -> bytes:
        """A key of 32 bytes for another purpose, which says nothing of this one: HKDF-SHA-256 (RFC 5869)."""
        extracted = hmac.digest(salt, self._secret, "sha256")
        # 2.3, for one block: T(1) = HMAC(PRK, info | 0x01).
        return hmac.digest(extracted, purpose.encode() + b"\x01", "sha256")


def _hasher(inner: Any, outer: Any) -> Callable[[bytes], bytes]:
    """HMAC with both keyed states made beforehand (RFC 2104, 4), cut to the length of a pseudonym.

    It takes half the time of the `hmac` module and, with texts this short, does not release the interpreter.
    """
    begun, ending, cut = inner.copy, outer.copy, slice(REF_BYTES)

    def ref_of(text: bytes) -> bytes:
        within = begun()
        within.update(text)
        whole = ending()
        whole.update(within.digest())
        ref: bytes = whole.digest()[cut]
        return ref

    return ref_of


def named(namespace: str, value: str) -> bytes:
    """The bytes whose hash is the pseudonym of a value in a namespace."""
    return f"{namespace}\0{value}".encode("utf-8", "surrogatepass")


class Pseudonymiser:
    """The pseudonyms of one region."""

    def __init__(self, keys: Sequence[Key]) -> None:
        if not keys:
            raise ValueError("a region needs at least one key")
        self._current, *self._older = keys
        self.key_id = self._current.key_id
        self.ref = self._current.ref
        self.ref_of = self._current.ref_of
        self.text = lru_cache(_CACHED)(self._text)
        self.identity = lru_cache(_CACHED)(self.identity_anew)
        self.lookup = lru_cache(_CACHED)(self.lookup_anew)

    def identity_anew(self, router: str) -> Identity:
        """A router as this region knows it; unlike `identity` it remembers nothing."""
        return Identity(self._current.ref("router", router), self.key_id, self.older_refs("router", router))

    def _text(self, namespace: str, value: str) -> str:
        """As `ref`, in the hex that bodies have."""
        return self._current.ref(namespace, value).hex()

    def lookup_anew(
        self, router: str, serial: str | None, imei: str | None, mac: str | None
    ) -> tuple[tuple[str, bytes], ...]:
        """The entries of the lookup index for a router and what it says of itself: kind and pseudonym.

        The one of the MAC address is the last. Unlike `lookup` it remembers nothing.
        """
        names = {("serial", normal_serial(router)): None, ("imei", normal_imei(router)): None}
        if serial and serial != router:
            names["serial", normal_serial(serial)] = None
        if imei and imei != router:
            names["imei", normal_imei(imei)] = None
        ref = self._current.ref
        found = tuple([(kind, ref(kind, value)) for kind, value in names if value])
        return found + self.lookup_of_mac(mac) if mac else found

    def lookup_of_mac(self, mac: str) -> tuple[tuple[str, bytes], ...]:
        """The entry of a MAC address alone, none if *mac* is not one."""
        return (("mac", self._current.ref("mac", value)),) if (value := normal_mac(mac)) else ()

    def uncached_ref(self, namespace: str, value: str) -> bytes:
        """As `ref`, for values that never come twice, such as message ids."""
        return self._current.ref(namespace, value)

    @property
    def has_older(self) -> bool:
        """Whether there are older live keys."""
        return bool(self._older)

    def older_refs(self, namespace: str, value: str) -> tuple[bytes, ...]:
        """The pseudonyms of *value* by the older live keys; none when there is one key."""
        return tuple(key.ref(namespace, value) for key in self._older) if self._older else ()

    def older_refs_of(self, named: bytes) -> tuple[bytes, ...]:
        """The same for what `named` made of a namespace and a value."""
        return tuple(key.ref_of(named) for key in self._older)

    def all_refs(self, namespace: str, value: str) -> list[bytes]:
        """The pseudonyms of *value* by every live key, the current one first, for looking up old records."""
        return [key.ref(namespace, value) for key in (self._current, *self._older)]


def refs_of(identifier: str, pseudonyms: Pseudonymiser) -> list[tuple[str, bytes]]:
    """The pseudonyms, by every live key, of everything that *identifier* may be."""
    kinds = {
        "router": identifier,
        "serial": normal_serial(identifier),
        "imei": normal_imei(identifier),
        "mac": normal_mac(identifier),
    }
    return [(kind, ref) for kind, value in kinds.items() if value for ref in pseudonyms.all_refs(kind, value)]


def normal_imei(text: str) -> str | None:
    """The 14 digits that IMEI and IMEISV of a router share, or None if *text* is neither (3GPP TS 23.003, 6.2)."""
    digits = text.replace("-", "").replace(" ", "")
    if not (digits.isascii() and digits.isdigit()):
        return None
    if len(digits) == 16:  # noqa: PLR2004 - IMEISV: TAC and serial, two digits of software version
        return digits[:14]
    return digits[:14] if len(digits) == 15 and _luhn(digits) else None  # noqa: PLR2004 - IMEI


def normal_mac(text: str) -> str | None:
    """A MAC address as 12 lower-case hex digits, whatever separates them, or None."""
    digits = text.replace(":", "").replace("-", "").replace(".", "").lower()
    return digits if _MAC.fullmatch(digits) else None


def normal_serial(text: str) -> str:
    """A serial number as a person might read it out: without blanks, upper case."""
    return "".join(text.split()).upper()


def _luhn(digits: str) -> bool:
    """Whether an odd number of digits ends with its check digit (3GPP TS 23.003, annex B)."""
    text = digits.encode()
    return (sum(text[::2].translate(_VALUES)) + sum(text[1::2].translate(_DOUBLED))) % 10 == 0
