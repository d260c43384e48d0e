"""What stands beside a value in its sample: what the conditions of alias maps are about."""

from typing import Any

from collector.formats.aliases import Alias
from collector.formats.conditions import When
from collector.formats.paths import Instance, target_of


class Beside:
    """The values of one sample that conditions are about, by general name and instance.

    *prefixes* are those that senders may leave away, in references too.
    """

    def __init__(self, values: dict[tuple[str, Instance], Any], prefixes: tuple[str, ...]) -> None:
        self._values = values
        self._prefixes = prefixes

    def holds(self, alias: Alias, instance: Instance) -> bool:
        """Whether all conditions of an entry hold for a name with these instance numbers."""
        return all(when.holds(self._value(when, instance)) for when in alias.conditions)

    def _value(self, when: When, instance: Instance) -> Any:
        for reference, below in zip(when.via, (*when.via[1:], when.name), strict=False):
            target = target_of(self._at(reference, instance), self._prefixes, below)
            if target is None:
                return None
            instance = target
        return self._at(when.name, instance)

    def _at(self, name: str, instance: Instance) -> Any:
        return self._values.get((name, instance[: name.count("{i}")]))
