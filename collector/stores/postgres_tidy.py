"""Removes the bytes of erased rows from a database's files too (O28): the tables they were in are written anew.

PostgreSQL only marks a deleted row; its bytes stay in the file, also after a plain VACUUM, and in the write-ahead log
until that is cut off. Copies of that log, in archives and standbys, are up to the server's operator.

Rule 1: what is erased while this is under way is done the next time: it is noted apart from what is done now.
Rule 2: the note of what is done now is removed only at the end, so that what breaks off is done again.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from collector.config_postgres import PostgresSettings
from collector.errors import StoreUnavailable
from collector.model import Region
from collector.stores.postgres_notes import Erased, note, noted, noted_erased
from collector.stores.postgres_rows import BEGIN
from collector.stores.postgres_schema import check_kind
from collector.stores.postgres_session import Session
from collector.stores.rows import ERASED

_ALWAYS: Final = ("ueip.lookup", "ueip.memory")
"""Tables that every erasure may have left something in."""
_THERE: Final = "SELECT to_regclass($1) IS NOT NULL"
_REMOVE: Final = "DELETE FROM ueip.note WHERE name = $1"
TIDYING: Final = "tidying"
"""The note of the tables that are being written anew."""
Beside = Callable[[Session, frozenset[str]], Awaitable[list[str]]]
"""Writes anew those of these tables that are not in this database; which those were."""


async def tidy(settings: PostgresSettings, region: Region, admin: str, beside: Beside | None = None) -> list[str]:
    """Write anew the tables that erasures have left bytes in, signed in as *admin*; which those were.

    Commits to such a table wait meanwhile, their messages in the spool. *beside* has its turn first.

    Raises:
        StoreUnavailable: the server did not answer, or does not let *admin* do this.
        StoreUnusable: it is no store of the region.
    """
    session = await Session.connect(settings, region, user=admin, patient=True)
    try:
        async with session.turn():
            await check_kind(session, region)
            begun = await _begin(session)
            if begun is None:
                return []
            done = [] if beside is None else await beside(session, begun.tables)
            done += await _write_anew(session, begun.tables)
            await _end(session, begun)
        await _cut_log(session)
        return done
    finally:
        await session.close()


async def _begin(session: Session) -> Erased | None:
    """What is to be done now, noted apart; None if nothing was erased."""
    await session.run(BEGIN)
    erased = await noted_erased(session)
    if erased is not None:
        broken_off = (await noted(session, TIDYING) or "").split()
        erased = erased._replace(tables=erased.tables.union(broken_off))
        await note(session, TIDYING, " ".join(sorted(erased.tables)))
        await note(session, ERASED, erased._replace(tables=frozenset()).text())
    await session.run("COMMIT")
    return erased


async def _write_anew(session: Session, erased_from: frozenset[str]) -> list[str]:
    tables = [*_ALWAYS, *sorted(erased_from)]
    # A month may have been dropped as a whole since.
    there = [table for table in tables if (await session.row(_THERE, table))[0]]
    for table in there:
        await session.run(f"VACUUM (FULL) {table}")
    return there


async def _end(session: Session, begun: Erased) -> None:
    """Remove the note of what was done; what was erased meanwhile is younger than all of that."""
    await session.run(BEGIN)
    erased = await noted_erased(session)
    await session.do(_REMOVE, TIDYING)
    if erased is None or erased == begun._replace(tables=frozenset()):
        await session.do(_REMOVE, ERASED)
    else:
        await note(session, ERASED, erased._replace(oldest=begun.newest).text())
    await session.run("COMMIT")


async def _cut_log(session: Session) -> None:
    """Cut off the write-ahead log, as far as this role may; a checkpoint comes by itself soon enough."""
    with suppress(StoreUnavailable):
        async with session.turn():
            await session.rows("SELECT pg_switch_wal()")
            await session.run("CHECKPOINT")
