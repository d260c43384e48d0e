"""What a worker tells its supervisor: its numbers and the state of its parts at one moment. Nothing of any router."""

from collections.abc import Iterable, Mapping

import msgspec
from prometheus_client.core import Metric


class Count(msgspec.Struct, frozen=True, array_like=True):
    """A sample of a metric."""

    name: str
    labels: tuple[tuple[str, str], ...]
    value: float


class Family(msgspec.Struct, frozen=True, array_like=True):
    """A metric with its samples."""

    name: str
    kind: str
    help: str
    counts: tuple[Count, ...]

    def metric(self) -> Metric:
        """The same as the Prometheus library has it."""
        made = Metric(self.name, self.help, self.kind)
        for count in self.counts:
            made.add_sample(count.name, dict(count.labels), count.value)
        return made


class Status(msgspec.Struct, frozen=True):
    """The state of a worker."""

    parts: dict[str, str]
    families: tuple[Family, ...]
    has_left: bool = False

    def total(self, name: str) -> float:
        """The sum of a metric's samples."""
        return sum(count.value for family in self.families for count in family.counts if count.name == name)


def status(parts: Mapping[str, str], metrics: Iterable[Metric], *, has_left: bool = False) -> Status:
    """The state of this worker now."""
    return Status(dict(parts), tuple(map(_family, metrics)), has_left)


def _family(metric: Metric) -> Family:
    counts = (Count(s.name, tuple(sorted(s.labels.items())), s.value) for s in metric.samples)
    return Family(metric.name, metric.type, metric.documentation, tuple(counts))
