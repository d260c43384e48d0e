"""What stands beside a value in its sample: what the conditions of alias maps are about."""

from typing import Any, Final

from collector.formats.aliases import Alias
from collector.formats.conditions import When
from collector.formats.paths import Instance, target_of

_LONGEST: Final = 1024
"""Characters of a value that conditions look at: thousands of names may each be checked against the same value."""


class Beside:
    """The values of one sample that conditions are about, by general name and instance.

    *prefixes* are those that senders may leave out, in references too.
    """

    def __init__(self, values: dict[tuple[str, Instance], Any], prefixes: tuple[str, ...]) -> None:
        self._values = {place: _shortened(value) for place, value in values.items()}
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


def _shortened(value: Any) -> Any:
    shown = str(value) if isinstance(value, list | dict) else value
    return shown[:_LONGEST] if isinstance(shown, str) else shown
