"""A store that is not where it was: reported, and never silently made anew (K17).

A region that has been served has a witness, which is kept apart from the store. If that is there and the store is not,
its disk is not mounted or its files are lost. A new store in its place would be hidden by the disk when that is back.
"""

from pathlib import Path

from collector.errors import Cause, StoreUnusable
from collector.stores.sqlite_faults import not_opened


def check_there(store: Path, witness: Path | None) -> None:
    """Refuse to begin a store where there was one; *witness* is the file that tells, None to begin one all the same.

    Raises:
        StoreUnusable: there was one, and it is gone; says where.
        StoreUnavailable: its place cannot be looked at.
    """
    try:
        if witness is None or store.exists() or not witness.exists():
            return
        what = "store" if store.parent.exists() else "folder"
    except OSError as error:
        raise not_opened(error, store) from error
    raise StoreUnusable(
        f"{store}: found no {what}, and the witness {witness} tells of a store there. Nothing was made in its place. "
        f"{Cause.MISSING.advice}",
        Cause.MISSING,
    )


def is_there(store: Path, witness: Path) -> bool:
    """Whether there is a store to look into; False in a region that has not been served yet.

    Raises:
        StoreUnavailable: as `check_there`.
    """
    check_there(store, witness)
    try:
        return store.exists()
    except OSError as error:
        raise not_opened(error, store) from error
