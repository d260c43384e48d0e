"""Files that are there whole or not at all, whatever ends the process or the machine.

Rule 1: content is on the disk before it gets its name, and the name is on the disk before anybody is told.
Rule 2: a write that fails leaves nothing behind, and leaves what was there as it was.
"""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path


def replace_file(path: Path, content: Iterable[bytes]) -> None:
    """Put a file of mode 0600 in the place of what is there; readers see either the old one or the new one.

    Raises:
        OSError: it could not be done; the old one stands.
    """
    make_file(path, content).replace(path)
    sync_folder(path.parent)


def new_file(path: Path, content: Iterable[bytes]) -> bool:
    """Write a file of mode 0600 if there is none of its name yet. Returns whether there was none.

    Raises:
        OSError: it could not be done.
    """
    made = make_file(path, content)
    try:
        os.link(made, path)
    except FileExistsError:
        return False
    finally:
        made.unlink(missing_ok=True)
    sync_folder(path.parent)
    return True


def make_file(path: Path, content: Iterable[bytes]) -> Path:
    """Write what is to stand at *path* under another name beside it, and sync it. Returns that name.

    Raises:
        OSError: it could not be done.
    """
    made = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        with os.fdopen(os.open(made, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "wb") as file:
            file.writelines(content)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        with suppress(OSError):
            made.unlink(missing_ok=True)
        raise
    return made


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable.

    Raises:
        OSError: it could not be done.
    """
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
