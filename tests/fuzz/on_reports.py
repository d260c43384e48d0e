"""Targets that compare: the quick way to read a report with the slow one, and `ueip explain` with what happens."""

import json
from functools import cache
from typing import Any

import msgspec

from collector.explain import explain
from collector.fields.catalogue import Catalogue, load_catalogue
from collector.fields.clean import Notes, Tally
from collector.formats.report import ReportDecoder
from collector.model import Accepted, ConsentChange, ConsentRefused, Dropped, DropReason, Flag, Message, Report
from collector.pipeline import judge, process

from .case import Case, require
from .messages import VARIANTS, both, message_of
from .words import ROUTER


class _Watched(ReportDecoder):
    """A decoder that knows whether it had to be thorough."""

    def __init__(self, other: ReportDecoder) -> None:
        vars(self).update(vars(other))
        self.asked = False

    def decode_slowly(self, message: Message, router: str, notes: Notes) -> Report | DropReason:
        """As its parent."""
        self.asked = True
        return super().decode_slowly(message, router, notes)


def check_report(case: Case) -> str:
    """The quick ways to read a report end like the slow one: the same report, the same removals, the same outcome.

    One shortcut gives another reason: what cannot hold a flag is dropped for that, whatever else is wrong with it.
    """
    message, variant = message_of(case), VARIANTS[case.about["rules"]]
    rules = both(case.about["rules"])[0]
    decoder = _Watched(rules.reports)
    quick, slow = decoder.decode(message, ROUTER), rules.reports.decode_slowly(message, ROUTER, Tally())
    way = "slowly" if decoder.asked else "quickly"
    if len(message.payload) > variant.most_bytes:
        require(quick == DropReason.OVERSIZE, "read what is too large")
        return "oversize"
    if quick == DropReason.FLAG_ABSENT:
        absent = slow == DropReason.MALFORMED or (isinstance(slow, Report) and slow.flag is Flag.ABSENT)
        require(absent, "did not see the flag")
        return "no flag in it"
    require(same(quick, slow), "the ways to read a report differ")
    if isinstance(quick, DropReason) or isinstance(slow, DropReason):
        return f"{way}: {quick}"
    require(judge(quick, message, rules) == judge(slow, message, rules), "the ways to read a report end differently")
    return f"{way}: {quick.flag.value}{', something removed' if quick.removed else ''}"


def same(one: Report | DropReason, other: Report | DropReason) -> bool:
    """Whether two reports say the same; the trees are of different types, so they are compared as written."""
    if not isinstance(one, Report) or not isinstance(other, Report):
        return one == other
    fields = [name for name in Report.__struct_fields__ if name != "content"]
    plain = all(getattr(one, name) == getattr(other, name) for name in fields)
    return plain and _told(one.content) == _told(other.content)


def _told(tree: Any) -> str:
    """What a tree says; the flag is compared as such, for only one of the ways writes it into the tree."""
    said = msgspec.to_builtins(tree)
    said.pop("ueip", None)
    return json.dumps(said, sort_keys=True)  # which tells 1 from 1.0 and from true


@cache
def _catalogue() -> Catalogue:
    return load_catalogue()


def check_explain(case: Case) -> str:
    """What `ueip explain` says is what `process` does."""
    message, rules = message_of(case), both(case.about["rules"])[0]
    told, outcome = explain(message, rules, _catalogue()), process(message, rules)
    expected = {
        Accepted: "stored",
        Dropped: f"dropped: {getattr(outcome, 'reason', '')}",
        ConsentChange: "consent event: ",
        ConsentRefused: f"refused: {getattr(outcome, 'reason', '')}",
    }[type(outcome)]
    require(told.outcome.startswith(expected), "explain says something else than what happens")
    require((told.stored is not None) == isinstance(outcome, Accepted), "explain shows a body that is not stored")
    return told.outcome
