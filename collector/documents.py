"""Reads the TOML files that people write into the models that check them."""

import tomllib
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from collector.errors import DataFault
from collector.faults import sentences

M = TypeVar("M", bound=BaseModel)


def load_document(model: type[M], path: Path, *, shown: Path | None = None) -> M:
    """The document at *path*, checked; *shown* is how faults call it.

    Raises:
        DataFault: every fault, each naming file, entry, what was found and what was expected.
    """
    name = shown or path
    document = read_document(path, name)
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise DataFault(sentences(name, error.errors(), document)) from None


def read_document(path: Path, name: Path) -> dict[str, Any]:
    """What stands in the TOML file at *path*; faults call it *name*.

    Raises:
        DataFault: it cannot be read.
    """
    try:
        # Some editors begin a file with a byte order mark.
        return tomllib.loads(path.read_text("utf-8").removeprefix("\ufeff"))
    except UnicodeDecodeError as error:
        raise DataFault([f"{name}: byte {error.start + 1} is not UTF-8. Save the file as UTF-8."]) from None
    except tomllib.TOMLDecodeError as error:
        raise DataFault([f"{name}: {error}"]) from None
    except OSError as error:
        raise DataFault([f"{path}: cannot be read: {error.strerror}"]) from None
