"""A section of the configuration: its settings, and what is wrong between them.

Rule 1: a check asks for the settings that it is about. One of them that could not be read ends this check and no other.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

from pydantic import BaseModel, ConfigDict, model_validator

from collector.errors import SeveralFaults

Check = Callable[[], Iterable[str]]


class Unread(Exception):
    """A setting was asked for that could not be read: what depends on it cannot be judged."""


def told(*checks: Check) -> list[str]:
    """What checks find. One that asks for what could not be read says nothing."""
    faults: list[str] = []
    for check in checks:
        with suppress(Unread):
            faults += [*check()]
    return faults


class Section(BaseModel):
    """A table of the configuration: unknown settings are faults, and so is a text for a number, or true for one.

    One that was read in part (`config_sound`) raises `Unread` for the rest.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=True)

    def checks(self) -> Iterable[Check]:
        """What to look at beyond the single settings."""
        return ()

    @model_validator(mode="after")
    def _checked(self) -> Self:
        if faults := told(*self.checks()):
            raise SeveralFaults(faults)
        return self

    if not TYPE_CHECKING:  # else every name would be one of a section

        def __getattr__(self, name: str) -> Any:
            if name in type(self).model_fields:
                raise Unread(name)
            return super().__getattr__(name)
