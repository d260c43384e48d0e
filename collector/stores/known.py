"""What a store's standings refer to, so that this collector must know it: keys, and versions of the notice."""

from collections.abc import Collection, Iterable

from collector.errors import Cause, StoreUnusable


def referred_to(table: str) -> str:
    """The statement that gives what `check_known` takes, of the routers in *table*.

    The index by key leads from each key and version to the next: as a store is opened for every command, not all its
    routers are looked at.
    """
    return f"""
        WITH RECURSIVE
            key (named) AS (
                SELECT min(key_id) FROM {table}
                UNION ALL SELECT (SELECT min(key_id) FROM {table} WHERE key_id > named) FROM key
                WHERE named IS NOT NULL),
            consent (its_key, version) AS (
                SELECT named, (SELECT min(policy_version) FROM {table} WHERE key_id = named AND state = 'joined')
                FROM key WHERE named IS NOT NULL
                UNION ALL SELECT its_key, (SELECT min(policy_version) FROM {table}
                    WHERE key_id = its_key AND state = 'joined' AND policy_version > version)
                FROM consent WHERE version IS NOT NULL)
        SELECT its_key, version FROM consent"""  # noqa: S608 - a name of ours


def check_known(
    found: Iterable[tuple[str, str | None]], key_ids: Collection[str], versions: Collection[str], place: str
) -> None:
    """Refuse a store with routers of a lost key, or with consents to a version of the notice that is not here.

    Under a new key nobody would know who left (D12). A consent to an unknown version cannot be judged: it would admit
    nothing, and what is dropped does not come back, so the region waits until the version is put back (002 L136).

    *found* are the keys of the store's routers, each with the version of a consent that stands, or None. *key_ids* and
    *versions* are those known here; an empty one is not checked.

    Raises:
        StoreUnusable: it names the key or the version.
    """
    found = [*found]
    if key_ids and (lost := sorted({key_id for key_id, _ in found}.difference(key_ids))):
        raise StoreUnusable(
            f"{place}: holds routers of key {', '.join(lost)}, which is not among the region's key_files. "
            f"Put that key back, after the current one: without it, routers that left would be let in again.",
            Cause.LOST_KEY,
        )
    if versions and (lost := sorted({version for _, version in found if version}.difference(versions))):
        raise StoreUnusable(
            f"{place}: holds consents to version {', '.join(lost)} of the notice, which policies.toml does not have. "
            f"Put that version back, with its text: a published version is never taken out.",
            Cause.LOST_VERSION,
        )
