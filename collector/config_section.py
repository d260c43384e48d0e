"""A section of the configuration: its settings, and what is wrong between them.

Rule 1: a check asks for the settings that it is about. If one of them could not be read, that ends this check only.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

from pydantic import BaseModel, ConfigDict, model_validator

from collector.errors import SeveralFaults

Check = Callable[[], Iterable[str]]


class Unread(Exception):
    """A setting was asked for that could not be read, so what depends on it cannot be judged."""


def told(*checks: Check) -> list[str]:
    """What the checks find. One that asks for something that could not be read finds nothing."""
    faults: list[str] = []
    for check in checks:
        with suppress(Unread):
            faults += [*check()]
    return faults


class Section(BaseModel):
    """A table of the configuration: unknown settings are faults, and so is text or `true` in place of a number.

    A section that was read in part (`config_sound`) raises `Unread` for the rest.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=True)

    def checks(self) -> Iterable[Check]:
        """The checks beyond those of single settings."""
        return ()

    @model_validator(mode="after")
    def _checked(self) -> Self:
        if faults := told(*self.checks()):
            raise SeveralFaults(faults)
        return self

    if not TYPE_CHECKING:  # else every name would pass as a setting

        def __getattr__(self, name: str) -> Any:
            if name in type(self).model_fields:
                raise Unread(name)
            return super().__getattr__(name)
