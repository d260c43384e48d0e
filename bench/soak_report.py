"""The report of a soak: what was run and where, the figures, the curve of the memory, and what is wrong."""

import json
import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from statistics import fmean, median
from typing import TYPE_CHECKING, Any, Final

from machine import machine
from outages import KINDS

if TYPE_CHECKING:
    from soak import Sample, Soak

_BARS: Final = "▁▂▃▄▅▆▇█"
_WIDTH: Final = 72
_LONG_ENOUGH: Final = 600.0
"""Seconds: before, caches still fill, and memory is not judged."""
_GROWTH: Final = 0.10
_ALLOWANCE: Final = 16.0
"""MiB by which the last fifth may lie above the second fifth, beside a tenth: memory is flat, not constant."""


def write_report(folder: Path, when: datetime, soak: "Soak", verdict: dict[str, Any], peak: float) -> list[str]:
    """Write `soak-<date>.md` and `.json`, print the former, and return what is wrong."""
    figures = {**_figures(soak, peak), **verdict}
    faults = _faults(figures)
    document = {
        "when": when.isoformat(timespec="seconds"),
        "command": shlex.join(["python", "bench/soak.py", *sys.argv[1:]]),
        "machine": machine(),
        "plan": asdict(soak.plan),
        "faults": faults,
        "figures": figures,
        "outages": [outage._asdict() for outage in soak.outages.done],
        "samples": [asdict(sample) for sample in soak.samples],
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"soak-{when:%Y-%m-%d-%H%M}"
    path.with_suffix(".json").write_text(json.dumps(document) + "\n")
    text = _page(document, soak.samples)
    path.with_suffix(".md").write_text(text)
    print(text)
    print(f"written: {path}.md and .json")
    return faults


def _figures(soak: "Soak", peak: float) -> dict[str, Any]:
    samples = soak.samples
    rss = [sample.rss_mebibytes for sample in samples]
    fifth = max(1, len(rss) // 5)
    settled = samples[fifth:] or samples
    return {
        "seconds": round(samples[-1].second, 1),
        "behind_seconds": round(soak.publishing_seconds - soak.plan.minutes * 60, 1),
        "outages": len(soak.outages.done),
        "rss_peak_mib": round(peak),
        "rss_second_fifth_mib": round(fmean(rss[fifth : 2 * fifth] or rss), 1),
        "rss_last_fifth_mib": round(fmean(rss[-fifth:]), 1),
        "rss_slope_mib_per_hour": round(3600 * _slope([(s.second, s.rss_mebibytes) for s in settled]), 1),
        "in_flight_most": max(sample.in_flight for sample in samples),
        "spool_most_bytes": max(sample.spool_bytes for sample in samples),
        "not_ready": sorted({f"{part}: {state}" for s in samples for part, state in s.not_ready.items()}),
        "stored_per_second": {
            "healthy": _rates(samples, ""),
            **{f"one region {kind}": _rates(samples, kind) for kind in KINDS},
        },
        "slow_seconds": {kind: _slow(samples, kind, soak.plan.region) for kind in KINDS},
    }


def _slope(points: Sequence[tuple[float, float]]) -> float:
    """Of the line of least squares."""
    mean_x, mean_y = fmean(x for x, _ in points), fmean(y for _, y in points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0


def _rates(samples: "Sequence[Sample]", out: str) -> dict[str, int]:
    """Records stored a second by region, the median of the seconds in which a store was out in this way, or was not."""
    pairs = [(one, other) for one, other in pairwise(samples) if one.out == other.out == out]
    regions = sorted({region for sample in samples for region in sample.stored})
    return {
        region: round(median(_rate(one, other, region) for one, other in pairs)) if pairs else 0 for region in regions
    }


def _slow(samples: "Sequence[Sample]", kind: str, failing: str) -> str:
    """How many of the seconds of such an outage the other regions spent below half of what they store when all is well.

    A commit may fall into the second beside its own, so it is looked at three seconds at a time.
    """
    others = sorted({region for sample in samples for region in sample.stored} - {failing})
    usual = _rates(samples, "")
    pairs = [
        (one, other)
        for one, mid, last, other in zip(samples, samples[1:], samples[2:], samples[3:], strict=False)
        if one.out == mid.out == last.out == other.out == kind
    ]
    slow = sum(any(_rate(one, other, region) < usual[region] / 2 for region in others) for one, other in pairs)
    return f"{slow} of {len(pairs)}"


def _rate(one: "Sample", other: "Sample", region: str) -> float:
    return (other.stored.get(region, 0) - one.stored.get(region, 0)) / max(other.second - one.second, 0.001)


def _faults(figures: dict[str, Any]) -> list[str]:
    """What is wrong with the run, in words."""
    dropped, published, received = figures["dropped"], figures["published"], figures["received"]
    settled = figures["stored"] + sum(dropped.values()) + figures["in_flight"]
    # A commit whose answer was lost is made again and counts as duplicate; so does what the broker delivers again.
    flagless = dropped.get("flag_absent", 0) - (published - figures["must_be_stored"])
    again = dropped.get("duplicate", 0) + flagless
    others = sorted(dropped.keys() - {"flag_absent", "duplicate"})
    checks = {
        f"{figures['lost']} messages lost": figures["lost"],
        f"{figures['unexpected']} records that should not be there": figures["unexpected"],
        f"{figures['duplicated']} records stored twice": figures["duplicated"],
        f"received {received} is not stored + dropped + in flight {settled}": received != settled,
        f"{published} published, {received} received, {again} again or twice": not 0 <= received - published <= again,
        f"{figures['in_flight']} still in flight": figures["in_flight"],
        f"messages dropped for {', '.join(others)}": others,
        "memory is not flat": figures["seconds"] >= _LONG_ENOUGH and _grew(figures),
        "no outage": not figures["outages"],
    }
    return [words for words, wrong in checks.items() if wrong]


def _grew(figures: dict[str, Any]) -> bool:
    return bool(figures["rss_last_fifth_mib"] > figures["rss_second_fifth_mib"] * (1 + _GROWTH) + _ALLOWANCE)


def _page(document: dict[str, Any], samples: "Sequence[Sample]") -> str:
    figures, plan = document["figures"], document["plan"]
    rows = {
        "messages published": figures["published"],
        "received = stored + dropped + in flight": f"{figures['received']} = {figures['stored']} + "
        f"{sum(figures['dropped'].values())} + {figures['in_flight']}",
        "dropped": ", ".join(f"{count} {reason}" for reason, count in figures["dropped"].items()) or 0,
        "lost / stored twice / unexpected": f"{figures['lost']} / {figures['duplicated']} / {figures['unexpected']}",
        "memory, peak": f"{figures['rss_peak_mib']} MiB",
        "memory, second and last fifth": f"{figures['rss_second_fifth_mib']} and {figures['rss_last_fifth_mib']} MiB",
        "memory, slope after the first fifth": f"{figures['rss_slope_mib_per_hour']} MiB an hour",
        "most in flight": figures["in_flight_most"],
        "most in spools": f"{figures['spool_most_bytes'] / (1 << 20):.1f} MiB",
        "publisher behind its schedule": f"{figures['behind_seconds']} s",
        **{
            f"stored a second, {when} (median)": ", ".join(f"{region} {rate}" for region, rate in rates.items())
            for when, rates in figures["stored_per_second"].items()
        },
        **{
            f"seconds in which another region was slow, one region {kind}": seconds
            for kind, seconds in figures["slow_seconds"].items()
        },
        "not ready, at some time": "; ".join(figures["not_ready"]) or "never",
    }
    lines = [
        f"# Soak of {document['when'][:16].replace('T', ' ')} UTC",
        "",
        f"{plan['minutes']:g} minutes, {plan['rate']:g} messages/s, {plan['routers']} routers;",
        f"the store of {plan['region']} out {figures['outages']} times for {plan['outage']:g} s.",
        "",
        f"**{'Wrong: ' + '; '.join(document['faults']) if document['faults'] else 'Nothing is wrong.'}**",
        "",
        "| figure | value |",
        "|---|---|",
        *(f"| {name} | {value} |" for name, value in rows.items()),
        "",
        *_curve("memory, MiB", [sample.rss_mebibytes for sample in samples]),
        *_curve("in flight, messages", [float(sample.in_flight) for sample in samples]),
        *_curve("spools, MiB", [sample.spool_bytes / (1 << 20) for sample in samples]),
        *_curve("store out", [float(bool(sample.out)) for sample in samples]),
        f"Command: `{document['command']}`",
        "",
        *(f"- {name}: {value}" for name, value in document["machine"].items()),
    ]
    return "\n".join(lines) + "\n"


def _curve(name: str, values: Sequence[float]) -> list[str]:
    """A curve as text, each place the highest of its seconds."""
    step = max(1.0, len(values) / _WIDTH)
    places = [values[int(n * step) : int((n + 1) * step)] for n in range(min(_WIDTH, len(values)))]
    highs = [max(place) for place in places if place]
    low, high = min(highs), max(highs)
    span = (high - low) or 1.0
    bars = "".join(_BARS[round((value - low) / span * (len(_BARS) - 1))] for value in highs)
    return ["```", f"{name}: {low:.0f} to {high:.0f}", bars, "```", ""]
