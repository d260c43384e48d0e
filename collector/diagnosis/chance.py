"""What chance alone would do: tails, corrections for many questions, changes of a rate. Pure arithmetic."""

from collections.abc import Mapping, Sequence
from math import ceil, erfc, exp, lgamma, log, sqrt
from typing import Final

_LEAST_GAIN: Final = 12.0
"""How much log-likelihood a change of rate has to gain: by chance, about one series in ten thousand gains it."""


def above(z: float) -> float:
    """The chance of a standard normal value above *z*."""
    return 0.5 * erfc(z / sqrt(2))


def holm(chances: Sequence[float]) -> list[float]:
    """The chances, corrected for their number (Holm 1979), in the order given."""
    order = sorted(range(len(chances)), key=chances.__getitem__)
    corrected = [1.0] * len(chances)
    highest = 0.0
    for place, number in enumerate(order):
        highest = max(highest, min(1.0, (len(chances) - place) * chances[number]))
        corrected[number] = highest
    return corrected


def change_of_rate(order: Sequence[int], hours: Mapping[int, float], affected: Mapping[int, int]) -> int | None:
    """The hour from which a rise of the rate best explains what was seen; None if no rise explains it well."""
    all_hours, all_affected = sum(hours.values()), sum(affected.get(hour, 0) for hour in order)
    best, gained, before_hours, before = None, _LEAST_GAIN, 0.0, 0
    for hour in order:
        after_hours, after = all_hours - before_hours, all_affected - before
        if before_hours > 0 and after_hours > 0 and after / after_hours > before / before_hours:
            gain = _likelihood(before, before_hours) + _likelihood(after, after_hours)
            gain -= _likelihood(all_affected, all_hours)
            if gain > gained:
                best, gained = hour, gain
        before_hours += hours[hour]
        before += affected.get(hour, 0)
    return best


def _likelihood(count: int, hours: float) -> float:
    """The log-likelihood of the best-fitting Poisson rate, without the terms that are the same for all."""
    return count * log(count / hours) if count else 0.0


def poisson_above(count: int, expected: float) -> float:
    """The chance of *count* or more where *expected* are expected."""
    terms = (exp(n * log(expected) - expected - lgamma(n + 1)) for n in range(count, count + ceil(expected) + 60))
    return min(1.0, sum(terms))
