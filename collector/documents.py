"""Reads the TOML files that people write into the models that check them."""

import tomllib
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from collector.errors import DataFault

M = TypeVar("M", bound=BaseModel)


def load_document(model: type[M], path: Path, *, shown: Path | None = None) -> M:
    """The document at *path*, checked; *shown* is how faults call it.

    Raises:
        DataFault: every fault, each naming file, entry, what was found and what was expected.
    """
    name = shown or path
    document: dict[str, Any] = {}
    try:
        document = tomllib.loads(path.read_text("utf-8"))
        return model.model_validate(document)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataFault([f"{name}: {error}"]) from None
    except OSError as error:
        raise DataFault([f"{path}: cannot be read: {error.strerror}"]) from None
    except ValidationError as error:
        raise DataFault.of(name, error, document) from None
