"""What the code of a rule is given, and helpers that rules share."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise, takewhile
from statistics import median
from typing import Any, Final, NamedTuple, TypeVar

from collector.diagnosis.history import HOUR, Event, History, Sample
from collector.diagnosis.nouns import Found, Severity
from collector.diagnosis.rules import Rule
from collector.diagnosis.sentences import Listed, Said, Value, Word, say
from collector.diagnosis.spells import Mark, Spell, burst, share_spell

T = TypeVar("T")
NOT_TOLD: Final = Word("absent", "not told")
_SPARE: Final = 1.25
"""A rule's time is long enough for this many times the samples it needs, since some are lost."""
_SHOWN: Final = 5
"""Most records shown as evidence of one finding; their number in all is shown beside them."""


class Case(NamedTuple):
    """One rule and the history of one router to judge by it."""

    history: History
    rule: Rule
    causes: dict[int, str]
    """What a refusal by the network is about, by its cause number."""


Judge = Callable[[Case], Found | None]


def mostly(case: Case, marks: Sequence[Mark[Sample]], hours: str = "hours") -> Spell[Sample] | None:
    """The latest spell in which the rule's share of the samples counted, over its hours.

    For a router that reports seldom, over as long as it takes to report as many samples as the rule needs.
    """
    least = case.rule["samples"]
    steps = [later.at - earlier.at for earlier, later in pairwise(marks) if later.at > earlier.at]
    span = max(case.rule[hours] * HOUR, _SPARE * least * median(steps) if steps else 0)
    return share_spell(marks, share=case.rule["share"], span=round(span), least=least)


def at_least(case: Case, events: Sequence[Event], count: str = "count", hours: str = "hours") -> Spell[Event] | None:
    """The latest spell in which the rule's count of events came together within its hours."""
    return much(case, [Mark(event.at, 1.0, event) for event in events], count, hours)


def much(case: Case, marks: Sequence[Mark[T]], weight: str, hours: str = "hours") -> Spell[T] | None:
    """The latest spell in which marks of the rule's weight in all came together within its hours."""
    span, history = round(case.rule[hours] * HOUR), case.history
    return burst(marks, weight=case.rule[weight], span=span, end=history.now, silence=history.silence)


def found_samples(
    case: Case,
    spell: Spell[Sample],
    said: Said,
    *names: str,
    needed: str = "samples",
    severity: Severity | None = None,
) -> Found:
    """A spell of samples as what a rule found; *names* are the fields its evidence shows, as group.name."""
    return Found(
        since=spell.since,
        until=spell.until,
        said=said,
        observations=len(spell.marks),
        needed=case.rule[needed],
        evidence=tuple(mark.what.evidence(*names) for mark in telling(spell.marks)),
        severity=severity,
    )


def found_events(case: Case, spell: Spell[Event], said: Said, *names: str, needed: str = "count") -> Found:
    """A spell of events as what a rule found; *names* are the members of events its evidence shows."""
    cells = Counter(mark.what.details["cell_ref"] for mark in spell.marks if "cell_ref" in mark.what.details)
    return Found(
        since=spell.since,
        until=spell.until,
        said=said,
        observations=len(spell.marks),
        needed=case.rule[needed],
        evidence=tuple(mark.what.evidence(*names) for mark in telling(spell.marks)),
        cell=cells.most_common(1)[0][0] if cells else None,
    )


def standing(
    case: Case, judged: Iterable[tuple[Sample, bool]], said: Callable[[Sample], Said], *names: str
) -> Found | None:
    """What holds in all of the newest samples, such as a setting; None while these are fewer than the rule needs."""
    run = trailing(judged)
    if len(run) < case.rule["samples"]:
        return None
    return found_samples(case, lasting(run), said(run[-1]), *names)


def trailing(judged: Iterable[tuple[Sample, bool]]) -> list[Sample]:
    """The unbroken run of newest samples for which it holds, oldest first."""
    run = [sample for sample, _ in takewhile(lambda found: found[1], reversed(list(judged)))]
    return run[::-1]


def lasting(run: Sequence[Sample]) -> Spell[Sample]:
    """Samples as a spell that still lasts."""
    return Spell([Mark(sample.at, 1.0, sample) for sample in run], len(run), lasts=True)


def telling(marks: Sequence[T]) -> Sequence[T]:
    """The first, the last, and some in between."""
    if len(marks) <= _SHOWN:
        return marks
    step = (len(marks) - 1) / (_SHOWN - 1)
    return [marks[round(number * step)] for number in range(_SHOWN)]


def counted(what: Iterable[Word | str]) -> Listed:
    """How often each occurs, the most frequent first."""
    return Listed("comma", [say("part.counted", what=one, n=count) for one, count in Counter(what).most_common()])


def codes_told(codes: Iterable[Any], absent: Word = NOT_TOLD) -> Listed | Word:
    """How often each code occurs; None is a code that was not given, and *absent* the word for that."""
    told = Counter(absent if code is None else str(code) for code in codes)
    items: list[Value] = [say("part.counted_code", code=code, n=count) for code, count in told.most_common()]
    return Listed("comma", items) if items else absent


def per_day(spell: Spell[Event], now: int) -> float:
    """Events a day, over the length of the spell but at least one day."""
    length = (now if spell.until is None else spell.until) - spell.since
    return len(spell.marks) / max(1.0, length / (24 * HOUR))
