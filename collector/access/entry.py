"""What an audit log holds, and what may be said in it.

Rule 1: no payload: who, when, which pseudonym, why, and how much of what was shown. Numbers, times, codes; no value of
        a record, no identifier.
Rule 2: the reason, which people type, is the only free text in it, so its form leaves no room for what a customer
        reads out.
"""

import re
from enum import StrEnum
from hashlib import sha256
from typing import Final
from unicodedata import normalize

import msgspec
import orjson

from collector.consent.ledger import Head
from collector.model import Sealed

Shown = dict[str, int]
"""How much was shown: counts, and times in milliseconds. Only numbers, so that no payload can be among them."""
GENESIS: Final = Head()
"""What the first entry of a log follows."""


class Event(StrEnum):
    """What happened, other than the rights that were asked for (`Right`)."""

    BEGUN = "begun"
    """The log begins; with `accepted` as the outcome it follows one that was set aside."""
    SIGNED_IN = "signed_in"
    SIGN_IN_REFUSED = "sign_in_refused"
    SIGNED_OUT = "signed_out"
    PURPOSE_GIVEN = "purpose_given"
    ACCOUNT_ADDED = "account_added"
    ACCOUNT_REMOVED = "account_removed"
    ACCOUNT_CHANGED = "account_changed"


class AuditEntry(Sealed, frozen=True):
    """One line. Times are in milliseconds; `what` is a `Right` or an `Event`; `outcome` is `shown`, `done` or why not.

    `who` is the account, `source` what authenticated it, `whom` the account that it did something to; `region` is None
    in the log of accounts.
    """

    seq: int
    at: int
    who: str
    role: str
    source: str
    what: str
    outcome: str
    region: str | None = None
    device_ref: str | None = None
    why: str | None = None
    whom: str | None = None
    shown: Shown = msgspec.field(default_factory=dict)
    prev_hash: str = GENESIS.hash
    hash: str = ""


def line_of(entry: AuditEntry) -> tuple[bytes, Head]:
    """The line of *entry* with its hash, and the head of a log that ends with it."""
    document = {name: getattr(entry, name) for name in entry.__struct_fields__ if name != "hash"}
    digest = sha256(orjson.dumps(document, option=orjson.OPT_SORT_KEYS)).hexdigest()
    return msgspec.json.encode(msgspec.structs.replace(entry, hash=digest)) + b"\n", Head(seq=entry.seq, hash=digest)


class NotAReason(ValueError):
    """What was given cannot be written down as a reason; says what is expected."""


_TICKET: Final = re.compile(r"[A-Za-z]{1,10}[-#/ ]?[0-9]{1,8}|#?[0-9]{1,6}")
"""No more digits than tickets have, and fewer than serial numbers have."""
_LEAST, _MOST = 10, 200
_LOOKS_LIKE_IDENTIFIER: Final = (
    (re.compile(r"(?:[0-9A-Fa-f]{2}[:-]){3}|(?:[0-9A-Fa-f]{4}[.:-]){2}"), "an address"),
    (re.compile(r"\d(?:[\W_]{0,3}\d){6}"), "a number of seven digits or more"),
    (re.compile(r"\S@\S"), "an e-mail address"),
    # Not \b: between Chinese characters there is none.
    (re.compile(r"(?<![A-Za-z0-9])(?=[A-Za-z]*[0-9])(?=[0-9]*[A-Za-z])[A-Za-z0-9]{10}"), "a serial number"),
)


def is_ticket(text: str) -> bool:
    """Whether *text* is the number of a ticket, such as `INC-4711`, `CS0012345` or `#881`."""
    return _TICKET.fullmatch(text) is not None


def checked_reason(text: str, identifiers: tuple[str, ...] = ()) -> str:
    """A reason or the number of a ticket, in the form to be written down; *identifiers* must not occur in it.

    Raises:
        NotAReason: it is too short, too long or not printable, or says who rather than why.
    """
    given = " ".join(text.split())
    # A Chinese keyboard may type the digits of a serial number as full-width characters.
    meant = normalize("NFKC", given)
    if any(_plain(one) in _plain(meant) for one in identifiers if _plain(one)):
        raise NotAReason("found what the router is looked up by; expected why, not who")
    if is_ticket(meant):
        return meant
    if not _LEAST <= len(given) <= _MOST or not given.isprintable():
        raise NotAReason(
            f"expected the number of a ticket, such as INC-4711, or {_LEAST} to {_MOST} characters that say why"
        )
    for pattern, what in _LOOKS_LIKE_IDENTIFIER:
        if pattern.search(meant):
            raise NotAReason(f"found {what}; expected why, not who: the log holds no identifiers")
    return given


def _plain(text: str) -> str:
    """Only the letters and digits, so that separators hide nothing."""
    return "".join(c for c in normalize("NFKC", text).casefold() if c.isalnum())
