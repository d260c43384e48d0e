"""How a metric is declared, and how its numbers are shown to Prometheus."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric


@dataclass(frozen=True, slots=True)
class Declared:
    """A metric's name, kind, labels and meaning."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()


def counter(declared: Declared, values: Mapping[Any, int]) -> Metric:
    """A counter, with its values by label values."""
    family = CounterMetricFamily(declared.name.removesuffix("_total"), declared.help, labels=declared.labels)
    for labels, value in values.items():
        family.add_metric([str(label) for label in labels], value)
    return family


def gauge(declared: Declared, values: Mapping[Any, float]) -> Metric:
    """A gauge, with its values by label values."""
    family = GaugeMetricFamily(declared.name, declared.help, labels=declared.labels)
    for labels, value in values.items():
        family.add_metric([str(label) for label in labels], float(value))
    return family


def histogram(declared: Declared, buckets: tuple[float, ...], registry: CollectorRegistry) -> Histogram:
    """A histogram, which the Prometheus library keeps itself."""
    return Histogram(declared.name, declared.help, declared.labels, buckets=buckets, registry=registry)
