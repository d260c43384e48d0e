"""Settings chosen at random from what the models allow, so that a new setting is walked without anybody adding it.

For every field candidates are made from its type and its bounds, and those that the field itself takes are kept. A
field of which no candidate is valid is an error: give an example of it in `TEXTS`.
"""

import random
from collections.abc import Iterator
from enum import Enum
from itertools import pairwise
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

TEXTS: Final = (
    "UTC", "bulkdata/+", "a", "collector-1",
    "localhost", "127.0.0.1", "::1", "2020-03-14", "2019-01-01", "DE", "FR", "CN", "HK",
    "A ground in a sentence.", "x" * 64, "0" * 64,
)  # fmt: skip
"""Texts that some setting takes."""
_BOUNDS: Final = ("ge", "le", "gt", "lt")
_NUMBERS: Final = (0, 1, 2, 5, 10, 60, 100, 1000, 65_536, 1_048_576)


def some_value(field: FieldInfo, chance: random.Random) -> Any:
    """A value the field takes, as TOML has it; None leaves it out."""
    return chance.choice(values_of(field))


def is_choice(field: FieldInfo) -> bool:
    """Whether a field takes one of a few values: true and false, or words."""
    return any(kind is bool or get_origin(kind) is Literal for kind in kinds(field.annotation))


def some_section(model: type[BaseModel], chance: random.Random, *, often: float = 0.5) -> dict[str, Any]:
    """A table for *model*: each of its settings set, *often*, to something it takes. Tables and paths are left out."""
    section = {}
    for name, field in plain_fields(model):
        if chance.random() < often and (value := some_value(field, chance)) is not None:
            section[name] = value
    return section


def plain_fields(model: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    """The settings of a section that are neither a table nor a path."""
    for name, field in model.model_fields.items():
        if not any(
            kind is Path or (isinstance(kind, type) and issubclass(kind, BaseModel)) for kind in kinds(field.annotation)
        ):
            yield name, field


def kinds(annotation: Any) -> Iterator[Any]:
    """The types that an annotation is made of."""
    yield annotation
    for inner in get_args(annotation):
        yield from kinds(inner)


_known: Final[dict[str, list[Any]]] = {}


def values_of(field: FieldInfo) -> list[Any]:
    """Values that a field takes."""
    form = repr((field.annotation, field.metadata))
    if form not in _known:
        kind: Any = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
        _known[form] = _taken(kind, _candidates(field.annotation, field.metadata))
        assert _known[form], f"no value is known for a setting of the form {form}; add one to {__name__}.TEXTS"
    return _known[form]


def _taken(kind: Any, candidates: list[Any]) -> list[Any]:
    adapter: TypeAdapter[Any] = TypeAdapter(kind)
    return [value for value in candidates if _takes(adapter, value)]


def _takes(adapter: TypeAdapter[Any], value: Any) -> bool:
    try:
        adapter.validate_python(value)
    except ValidationError:
        return False
    return True


def _candidates(annotation: Any, metadata: list[Any]) -> list[Any]:
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _candidates(inner[0], [*inner[1:], *metadata])
    if origin is Literal:
        return list(inner)
    if origin in {Union, UnionType}:
        return [value for one in inner for value in _candidates(one, metadata)]
    if origin is tuple:
        items = _taken(inner[0], _candidates(inner[0], []))
        return [[], *([item] for item in items), items[:2], items[:3], items]
    if origin is dict:
        return [{}, {"a": "b"}]
    if annotation in {int, float}:
        return _numbers(metadata)
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return [member.value for member in annotation]
    simple: dict[Any, list[Any]] = {bool: [True, False], NoneType: [None], str: list(TEXTS)}
    return simple.get(annotation, [])


def _numbers(metadata: list[Any]) -> list[Any]:
    bounds = [value for one in metadata for name in _BOUNDS if (value := getattr(one, name, None)) is not None]
    middle = [(low + high) // 2 for low, high in pairwise(bounds)]
    close = [bound + step for bound in bounds for step in (-1, 0, 1, 0.5)]
    return [*close, *middle, *_NUMBERS]
