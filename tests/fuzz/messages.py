"""Messages as inputs: how they are made, and the settings they are processed under."""

import copy
import random
from functools import cache
from typing import Any, Final, NamedTuple

import msgspec
from support import make_rules

from collector.consent.standing import ClosedRouters, State
from collector.model import Message, Region
from collector.pipeline import Rules

from .case import Case, corpus
from .mutate import mutated
from .words import NOW, ROUTER

RECEIVED_AT: Final = int(NOW.timestamp() * 1000)
_KEYS: Final = {region: [bytes([n]) * 32, bytes([n + 100]) * 32] for n, region in enumerate(Region, start=1)}
_ODD_TOPICS: Final = (
    "ueip/v1/{}/Report", "ueip/v2/{}/report", "ueip/v1/{}", "ueip/v1//report", "/ueip/v1/{}/report",
    "ueip/v1/{}/report/", "$SYS/{}", "ueip/v1/{}\n/report", "ueip/v1/\u00e9{}/report",
    "ueip/v1/" + "{}" * 9 + "/consent", "", "x" * 65_535,
)  # fmt: skip


class Variant(NamedTuple):
    """Settings to process under, and what the oracle has to know of them."""

    sections: dict[str, Any]
    served: tuple[Region, ...] = tuple(Region)
    older_keys: bool = False
    closed: bool = False

    def rules(self) -> Rules:
        """Rules, always with the same keys."""
        keys = {region: _KEYS[region][: 1 + self.older_keys] for region in self.served}
        made = make_rules(self.served, keys=keys, **copy.deepcopy(self.sections))
        return msgspec.structs.replace(made, closed={r: _closed(made, r) for r in self.served}) if self.closed else made

    @property
    def blocked(self) -> frozenset[str]:
        """The countries refused."""
        return frozenset(self.sections.get("regions", {}).get("blocked", ()))

    @property
    def most_depth(self) -> int:
        """How deep a message may nest."""
        return int(self.sections.get("limits", {}).get("max_depth", 16))

    @property
    def most_bytes(self) -> int:
        """How large a message may be."""
        return int(self.sections.get("limits", {}).get("max_message_bytes", 65_536))


VARIANTS: Final = (
    Variant({}),
    Variant({"consent": {"mode": "registered"}}, served=(Region.GERMANY,)),
    Variant({"regions": {"blocked": ["FR", "HK"]}}, older_keys=True),
    Variant({"limits": {"max_message_bytes": 1024, "max_depth": 6, "max_age_hours": 0.5, "max_ahead_seconds": 0}}),
    Variant({}, older_keys=True, closed=True),
)
"""The usual settings, and those that `process` can tell apart."""


def _closed(rules: Rules, region: Region) -> ClosedRouters:
    """What is remembered of the seeds' router: that it left, or worse, in another way in each region."""
    state = {Region.GERMANY: State.EXITED, Region.CHINA: State.VOID, Region.HONG_KONG: State.RESTRICTED}[region]
    known = ClosedRouters()
    known.learn({rules.pseudonyms[region].identity(ROUTER).device_ref: state})
    return known


@cache
def both(variant: int) -> tuple[Rules, Rules]:
    """Rules of a variant twice, with caches of their own: what one answers must not hang on what it saw before."""
    return VARIANTS[variant].rules(), VARIANTS[variant].rules()


def message_of(case: Case) -> Message:
    """The message of a case."""
    about = case.about
    return Message(about["topic"], case.data, about["retained"], RECEIVED_AT, about["replayed"])


def new_message(target: str, chance: random.Random, pool: list[Case]) -> Case:
    """A message changed from one of *pool*, mostly on the topic of its kind."""
    old = chance.choice(pool)
    kind = old.about["topic"].rpartition("/")[2]
    about = _about(kind if kind in {"report", "consent"} else "report")
    if chance.random() < 0.03:
        about["topic"] = chance.choice(_ODD_TOPICS).replace("{}", ROUTER)
    if chance.random() < 0.03:
        about["retained"], about["replayed"] = True, chance.random() < 0.5
    if chance.random() < 0.4:
        about["rules"] = chance.randrange(len(VARIANTS))
    gently = target == "report" and chance.random() < 0.6
    return Case(target, mutated(old.data, chance, [other.data for other in pool[:40]], gently=gently), about)


def _about(kind: str) -> dict[str, Any]:
    return {"topic": f"ueip/v1/{ROUTER}/{kind}", "retained": False, "replayed": False, "rules": 0}


def seeds(target: str, *folders: str) -> list[Case]:
    """The corpus as messages."""
    return [Case(target, data, _about(folder)) for folder in folders for data in corpus(folder)]
