"""Takes the bytes of erased rows out of a database's files too (O28): the tables they lay in are written anew.

PostgreSQL only marks a deleted row; its bytes stay in the file, also after a plain VACUUM, and in the write-ahead log
until that is cut off. What the server's operator keeps of that log, archives and standbys, is beyond this.
"""

from contextlib import suppress
from typing import Final

from collector.config_postgres import PostgresSettings
from collector.errors import StoreUnavailable
from collector.model import Region
from collector.stores.postgres_reading import check_kind
from collector.stores.postgres_rows import Erased, noted
from collector.stores.postgres_session import Session
from collector.stores.rows import ERASED

_ALWAYS: Final = ("ueip.lookup", "ueip.memory")
"""Tables that every erasure may have left something in."""
_THERE: Final = "SELECT to_regclass($1) IS NOT NULL"


async def tidy(settings: PostgresSettings, region: Region, admin: str) -> list[str]:
    """Write anew what erasures have left bytes in, signed in as *admin*; which tables that were.

    Commits into such a table wait meanwhile, and their messages in the spool.

    Raises:
        StoreUnavailable: the server did not answer, or *admin* may not.
        StoreUnusable: it is no store of the region.
    """
    session = await Session.connect(settings, region, user=admin, patient=True)
    try:
        async with session.turn():
            await check_kind(session, region)
            text = await noted(session, ERASED)
            if text is None:
                return []
            tables = [*_ALWAYS, *sorted(Erased.noted(text).tables)]
            # A month may have been dropped as a whole since.
            done = [table for table in tables if (await session.row(_THERE, table))[0]]
            for table in done:
                await session.run(f"VACUUM (FULL) {table}")
            # Unless somebody erased meanwhile: that is another note.
            await session.do("DELETE FROM ueip.note WHERE name = $1 AND value = $2", ERASED, text)
        await _cut_log(session)
        return done
    finally:
        await session.close()


async def _cut_log(session: Session) -> None:
    """Let go of the write-ahead log, as far as *admin* may ask for that; a checkpoint comes by itself soon enough."""
    with suppress(StoreUnavailable):
        async with session.turn():
            await session.rows("SELECT pg_switch_wal()")
            await session.run("CHECKPOINT")
