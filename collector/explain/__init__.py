"""What would happen to a message, key by key. Stores nothing; names go to the user's own terminal only.

There is no ledger and no registry here: where one of them has the last word, the explanation says so.
"""

import os
from collections.abc import Mapping
from typing import Final

import orjson
from msgspec.structs import replace

from collector.config import Settings
from collector.consent.joining import flag_join_refusal, version_of
from collector.explain import foreign, own
from collector.explain.drops import Seen, what_act_lacks, what_was_found
from collector.explain.malformed import why_malformed
from collector.explain.nouns import Explanation, Finding, Told, whys
from collector.fields.catalogue import Catalogue, load_catalogue
from collector.fields.names import RefusedNames
from collector.formats.sources import Source
from collector.model import (
    Accepted,
    Action,
    ConsentChange,
    ConsentRefused,
    Dropped,
    DropReason,
    Message,
    Outcome,
    Record,
    Region,
)
from collector.pipeline import Rules, process
from collector.pseudonym import Key, Pseudonymiser
from collector.registry import Everywhere, Registry
from collector.rules import assemble

__all__ = ["Explanation", "Finding", "Told", "explain", "rules_for_explaining"]

_WHOLE: Final = {DropReason.MALFORMED, DropReason.OVERSIZE, DropReason.INTERNAL_ERROR}
"""Reasons to drop a message before any sample is read from it."""
_REGISTRY: Final = "The registry has the last word on the country."
_LEDGER: Final = "The ledger decides last: it has to hold a join."
_FLAGGED: Final = (
    "The flag is true, the country has a region, and nothing speaks against either. The ledger decides last."
)


def rules_for_explaining(settings: Settings) -> Rules:
    """Rules with keys made for the occasion: explaining needs no secret, and its pseudonyms mean nothing."""
    return assemble(settings, {region: Pseudonymiser([Key(os.urandom(32))]) for region in settings.regions.enabled})


class _Says(Registry):
    """A registry that lists every router under one country."""

    def __init__(self, country: str | None, pseudonyms: Mapping[Region, Pseudonymiser]) -> None:
        super().__init__(pseudonyms, required=False)
        self._said = country

    def country_of(self, router: Everywhere, said: str | None) -> str | DropReason | None:
        """The country, unless the message names another."""
        del router
        return DropReason.REGION_CONFLICT if self._said and said not in {None, self._said} else self._said or said


def explain(
    message: Message, rules: Rules, catalogue: Catalogue | None = None, *, country: str | None = None
) -> Explanation:
    """Run *message* through `process`, as a router's first one, and say what becomes of each key.

    *country* stands for what the registry would say of the router.
    """
    catalogue = catalogue or load_catalogue()
    word = "" if rules.registry is None and country is None else _REGISTRY
    rules = replace(rules, registry=_Says(country, rules.pseudonyms)) if word else rules
    source = rules.sources.of(message.topic)
    outcome = process(message, rules)
    if source is None or (isinstance(outcome, Dropped) and outcome.reason is DropReason.RETAINED):
        return _own(message, outcome, rules, catalogue, word)
    return _foreign(message, source, outcome, rules, catalogue, word)


def _foreign(
    message: Message, source: Source, outcome: Outcome, rules: Rules, catalogue: Catalogue, word: str
) -> Explanation:
    if isinstance(outcome, Dropped) and outcome.reason in _WHOLE:
        why = outcome.reason.meaning
        if outcome.reason is DropReason.MALFORMED:
            why = why_malformed(message.payload, rules.reports.max_depth, source.format)
        return Explanation(f"dropped: {outcome.reason}", why, None)
    told = tuple(foreign.reports(source, message, rules, catalogue))
    speaking = [one for one in told if one.outcome != f"dropped: {DropReason.NOTHING_SAID}"] or list(told[:1])
    if len(speaking) > 1:
        each = ", ".join(one.outcome for one in speaking)
        return Explanation("several reports", f"One by one: {each}. {whys(_LEDGER, word)}", None, reports=told)
    if not speaking:
        reason = outcome.reason if isinstance(outcome, Dropped) else DropReason.NOTHING_SAID
        return Explanation(f"dropped: {reason}", reason.meaning, None)
    [one] = speaking
    why = whys(one.reason, _LEDGER, word) if one.stored is not None else one.reason
    several = told if len(told) > 1 else ()
    return Explanation(one.outcome, why, one.region, one.findings, one.stored, several)


def _own(message: Message, outcome: Outcome, rules: Rules, catalogue: Catalogue, word: str) -> Explanation:
    if isinstance(outcome, ConsentChange):
        return _consent(outcome, rules, word)
    stored = orjson.loads(outcome.record.body) if isinstance(outcome, Accepted) else None
    findings = tuple(own.findings(message, rules, catalogue, stored))
    if isinstance(outcome, Accepted):
        why = whys(_FLAGGED, word, _notice(outcome.record, rules))
        return Explanation("stored", why, outcome.record.region, findings, stored)
    assert isinstance(outcome, Dropped | ConsentRefused)
    reason, seen = outcome.reason, Seen(message, rules, RefusedNames(catalogue))
    why = whys(reason.meaning, what_was_found(reason, seen))
    if reason is DropReason.MALFORMED:
        why = what_act_lacks(seen) if seen.document else why_malformed(message.payload, rules.reports.max_depth)
    if isinstance(outcome, ConsentRefused):
        return Explanation(f"refused: {reason}", why, None)
    more = "It also counts as an exit of this router." if outcome.exits else ""
    return Explanation(f"dropped: {reason}", whys(why, more), None, findings)


def _consent(outcome: ConsentChange, rules: Rules, word: str) -> Explanation:
    regions = ", ".join(region for region, _ in outcome.events)
    event = outcome.events[0][1]
    under = f", under version {version_of(event, rules.gate.policies)} of the notice"
    if event.action is not Action.JOIN:
        under = word = ""
    return Explanation(f"consent event: {event.action}", whys(f"Goes to the ledger of {regions}{under}.", word), None)


def _notice(record: Record, rules: Rules) -> str:
    """Under which version of the notice it would be kept."""
    policies, declared = rules.gate.policies, record.policy_version
    held = [p.version for p in policies.versions if policies.admits(p.version, declared, record.received_at)]
    joined = f"It is kept under a consent to version {' or '.join(held)} of the notice."
    if rules.gate.mode == "registered":
        return f"{joined} A join event has to come first."
    refused = flag_join_refusal(record, policies)
    if refused is None:
        return f"{joined} A router nobody knows yet joins by it, under version {version_of(record, policies)}."
    return f"{joined} A router nobody knows yet does not join by it ({refused}); it needs a join event."
