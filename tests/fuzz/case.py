"""One input of the fuzzer: whom it is for, how it arrives, its bytes. A file of one can be replayed and kept."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

HERE: Final = Path(__file__).resolve().parent
CORPUS: Final = HERE / "corpus"
FOUND: Final = HERE / "found"
"""Inputs that once failed; replayed with every run of the tests."""


class Case(NamedTuple):
    """An input. *about* is what is not in the bytes: the topic, the settings."""

    target: str
    data: bytes
    about: Mapping[str, Any] = {}

    def file(self) -> bytes:
        """The case as a file: a line of JSON, then the bytes."""
        return json.dumps({"target": self.target, **self.about}, sort_keys=True).encode() + b"\n" + self.data

    @classmethod
    def of_file(cls, content: bytes) -> "Case":
        """The case in a file."""
        first, _, data = content.partition(b"\n")
        about = json.loads(first)
        return cls(about.pop("target"), data, about)


class Violation(AssertionError):
    """The code under test did what it must not."""


def require(holds: object, what: str) -> None:
    """Fail with *what* unless it holds."""
    if not holds:
        raise Violation(what)


@cache
def corpus(*folders: str) -> tuple[bytes, ...]:
    """The seeds in these folders of the corpus, in order of their names."""
    files = [file for folder in folders for file in sorted((CORPUS / folder).iterdir())]
    assert files, f"no seeds in {folders}"
    return tuple(file.read_bytes() for file in files)
