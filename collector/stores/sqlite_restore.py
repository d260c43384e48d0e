"""Puts back, word for word, ledger entries that a restored store has lost, and does again what they did (K31)."""

import sqlite3
import time
from collections.abc import Sequence

from collector.consent.chain import followed
from collector.stores.gathering import parted
from collector.stores.plan import ConsentRules, erased_by
from collector.stores.rows import Damaged, ledger_row
from collector.stores.sqlite_many import write
from collector.stores.sqlite_rows import APPEND, erase_router, forget, head_of, numbers_of, write_standings
from collector.stores.sqlite_scrub import note_erasure


def restore(connection: sqlite3.Connection, entries: Sequence[str], rules: ConsentRules) -> int:
    """Append *entries* in one transaction; returns how many records they erased.

    Raises:
        Damaged: they do not continue the ledger; nothing was written.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        found = followed(head_of(connection), entries)
        write(connection, APPEND, list(map(ledger_row, found, entries)))
        last = {standing.device_ref: standing for standing in (entry.standing() for entry in found)}
        ids = numbers_of(connection, list(last))
        ids |= write_standings(connection, list(last.values()), ids)
        now = int(time.time() * 1000)
        erased = sum(erase_router(connection, ids[ref], until, now) for ref, until in erased_by(found, rules))
        forget(connection, [ids[ref] for ref in parted(found)])
        note_erasure(connection, now)
        connection.execute("COMMIT")
    except BaseException as error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        if isinstance(error, ValueError):
            raise Damaged(str(error)) from error
        raise
    return erased
