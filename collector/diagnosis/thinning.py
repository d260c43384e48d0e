"""Fewer points for long lines, so that what stands out still does. Pure."""

from collections.abc import Sequence

Values = list[list[float | None]]


def thinned(axis: Sequence[int], lines: Sequence[Sequence[float | None]], most: int) -> tuple[list[int], Values]:
    """At most *most* (even) moments of *axis*, and the values of each line there.

    Each of most/2 stretches of equal length keeps its first and last moment. There, every line has its lowest and its
    highest value in the stretch, in the order in which they came, or None if it has no value in the stretch.
    """
    if len(axis) <= most:
        return list(axis), [list(line) for line in lines]
    stretches = _stretches(axis, most // 2)
    moments = [at for begin, end in stretches for at in dict.fromkeys((axis[begin], axis[end - 1]))]
    return moments, [
        [value for begin, end in stretches for value in _extremes(line[begin:end])[: 1 if end - begin == 1 else 2]]
        for line in lines
    ]


def _stretches(axis: Sequence[int], number: int) -> list[tuple[int, int]]:
    """Where each stretch that has moments begins and ends, as positions."""
    first, span = axis[0], axis[-1] - axis[0] + 1
    found: list[tuple[int, int]] = []
    place = -1
    for position, at in enumerate(axis):
        if (this := (at - first) * number // span) != place:
            found.append((position, position + 1))
            place = this
        else:
            found[-1] = found[-1][0], position + 1
    return found


def _extremes(values: Sequence[float | None]) -> tuple[float | None, float | None]:
    known = [(value, position) for position, value in enumerate(values) if value is not None]
    if not known:
        return None, None
    low, high = min(known), max(known)
    return (low[0], high[0]) if low[1] <= high[1] else (high[0], low[0])
