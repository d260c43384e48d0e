from collections.abc import Callable, Sequence
from typing import Any

from collector.native.shape import Shape

class Plain:
    others: list[tuple[Shape, bytes, bytes, int, bool]] | None
    removed: tuple[Any, ...]
    @property
    def flagged(self) -> bool: ...
    @property
    def time(self) -> int: ...
    @property
    def said(self) -> tuple[str | None, ...]: ...
    @property
    def events(self) -> list[tuple[int, str | None]]: ...
    @property
    def beside(self) -> list[tuple[Shape, list[bytes], list[tuple[bytes, bytes, int, bool]]]]: ...

class Reader:
    def __init__(
        self,
        shape: Shape,
        slots: int,
        told: Sequence[int],
        network: int,
        left_out: Callable[[Plain], tuple[Any, ...] | None] = ...,
    ) -> None: ...
    def read(self, payload: bytes) -> Plain | None: ...
