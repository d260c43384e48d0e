"""Conditions of alias maps: what else a sample has to say for an entry to be used, or for an event to count."""

from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

Spelling = Annotated[str, StringConstraints(min_length=1, max_length=256)]
Raw = str | int | float | bool
Values = Annotated[tuple[Raw, ...], Field(min_length=1)]
Words = Annotated[tuple[Annotated[str, StringConstraints(to_lower=True, min_length=2)], ...], Field(min_length=1)]
Place = Annotated[str, StringConstraints(pattern=r"^[a-z]+\.[a-z0-9_]+$")]
"""Group and name of a field."""


class When(BaseModel):
    """A condition on another value of the same sample, met in any of the ways it names. `{i}` is the entry's instance.

    A value that is absent meets `absent`, `not` and `lacks`, and nothing else.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Spelling
    is_: Annotated[Values | None, Field(alias="is")] = None
    has: Words | None = None
    """The value contains one of these, regardless of case."""
    between: tuple[float, float] | None = None
    """It is a number from the first to the second."""
    absent: bool = False
    """It is not there."""
    not_: Annotated[Values | None, Field(alias="not")] = None
    lacks: Words | None = None
    """It contains none of these."""
    via: tuple[Spelling, ...] = ()
    """References to follow from the entry's object to that of `name`: parameters that each name the next object."""

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        asks = any(way is not None for way in (self.is_, self.has, self.between)) or self.absent
        denies = [way for way in (self.not_, self.lacks) if way is not None]
        if asks + len(denies) != 1:
            raise ValueError("when: found none or too many, expected is, has, between or absent, or one of not, lacks")
        return self

    def holds(self, value: Any) -> bool:
        """Whether the condition holds for *value*, which is None for a name that did not come."""
        if self.not_ is not None:
            return value is None or not any(same(value, raw) for raw in self.not_)
        if self.lacks is not None:
            return value is None or not _holds_word(value, self.lacks)
        return self.absent if value is None else self._met(value)

    def _met(self, value: Any) -> bool:
        if any(same(value, raw) for raw in self.is_ or ()) or _holds_word(value, self.has or ()):
            return True
        return self.between is not None and _within(value, *self.between)


class Unless(BaseModel):
    """A field of the same sample, and the values of it that rule an event out."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    field: Place
    is_: Annotated[Values, Field(alias="is")]


def same(value: Any, raw: Raw) -> bool:
    """Whether a value is *raw*, written as a number or as text; true is not 1."""
    if isinstance(value, bool) or isinstance(raw, bool):
        return value is raw or (isinstance(value, str) and value.strip().lower() == str(raw).lower())
    if isinstance(value, str) and isinstance(raw, int | float):
        return value.strip() == str(raw)
    return bool(value == raw) or (isinstance(raw, str) and str(value).strip() == raw)


def _holds_word(value: Any, words: tuple[str, ...]) -> bool:
    return any(word in str(value).lower() for word in words)


def _within(value: Any, low: float, high: float) -> bool:
    try:
        return low <= float(value) <= high
    except (TypeError, ValueError, OverflowError):
        return False
