"""What a store's standings refer to and this collector must know: keys, and versions of the notice."""

import sqlite3
from collections.abc import Collection

from collector.errors import Cause, StoreUnusable


def check_known(connection: sqlite3.Connection, key_ids: Collection[str], versions: Collection[str], path: str) -> None:
    """Refuse a store with routers of a lost key, or with consents to a version of the notice that is not here.

    A new key would not know who left (D12). A consent to an unknown version cannot be judged: it would admit nothing,
    and what is dropped does not come back, so the region waits until the version is put back (002 L136).

    Raises:
        StoreUnusable: naming key or version; *key_ids* and *versions* are those known here, none for no check.
    """
    sql = "SELECT DISTINCT key_id, iif(state = 'joined', policy_version, NULL) FROM router"
    found = connection.execute(sql).fetchall()
    if key_ids and (lost := sorted({row[0] for row in found}.difference(key_ids))):
        raise StoreUnusable(
            f"{path}: holds routers of key {', '.join(lost)}, which is not among the region's key_files. "
            f"Put that key back, after the current one: without it, who left would be let in again.",
            Cause.LOST_KEY,
        )
    if versions and (lost := sorted({row[1] for row in found if row[1] is not None}.difference(versions))):
        raise StoreUnusable(
            f"{path}: holds consents to version {', '.join(lost)} of the notice, which policies.toml does not have. "
            f"Put that version back, with its text: a published version is never taken out.",
            Cause.LOST_VERSION,
        )
