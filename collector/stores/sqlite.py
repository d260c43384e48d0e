"""A region's store in one SQLite file (WAL, synchronous=FULL): the writing half, over `sqlite_file`."""

import sqlite3
import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from collector.consent.standing import Standing
from collector.model import ConsentEvent, DropReason, Entry, Record, Region
from collector.stores import CHANGES_AT_ONCE, Change
from collector.stores.deciding import make_plan
from collector.stores.gathering import parted
from collector.stores.known import check_known, referred_to
from collector.stores.plan import Committed, ConsentRules, Plan, refs_of, removed_from
from collector.stores.retention import Purged
from collector.stores.rows import decode_entry, ledger_row
from collector.stores.sqlite_file import StoreFile
from collector.stores.sqlite_gathering import gathered
from collector.stores.sqlite_known import KnownRouters
from collector.stores.sqlite_many import write
from collector.stores.sqlite_once import first_of, spent_ids, stored_at_another_time, stored_ids
from collector.stores.sqlite_restore import restore
from collector.stores.sqlite_retention import Sweep
from collector.stores.sqlite_rows import (
    APPEND,
    among,
    bury,
    erase_router,
    forget,
    insert_records,
    inserted,
    look,
    newest_of,
    write_standings,
)
from collector.stores.sqlite_schema import check_taking
from collector.stores.sqlite_scrub import Scrubber, note_erasure

T = TypeVar("T")


class SQLiteStore(StoreFile):
    """One region in one file, mode 0600. See `Store` for what is promised."""

    def __init__(
        self,
        path: Path,
        region: Region,
        rules: ConsentRules,
        key_ids: Collection[str] = (),
        witness: Path | None = None,
        look_back: int = 0,
    ) -> None:
        """As `StoreFile`; *rules* say how the ledger is kept, *look_back* is as for `Scrubber`."""
        super().__init__(path, region, key_ids, rules.policies.ends, witness, rules.retention)
        self._rules = rules
        self._known = KnownRouters()
        self._scrubber = Scrubber(look_back)
        self._sweep = Sweep(rules.retention)

    async def commit(self, entries: Sequence[Entry]) -> Committed:
        """As `Store.commit`."""
        return await self._do(self._commit, entries)

    async def changes(self, after: int, most: int = CHANGES_AT_ONCE) -> list[Change]:
        """As `Store.changes`."""
        return await self._do(self._changes, after, most)

    async def restore(self, entries: Sequence[str]) -> int:
        """As `Store.restore`."""
        return await self._do(self._restore, entries)

    async def purge(self) -> Purged:
        """As `Store.purge`."""
        return await self._do(lambda: self._sweep.step(self._db, str(self.path), self._wrong_records))

    def _open(self) -> None:
        super()._open()
        self._known.forget()
        self._scrubber.opened()

    def _changes(self, after: int, most: int) -> list[Change]:
        """What others wrote; as this is called about once a second, it also checks that the file is still the same."""
        check_taking(self._db, str(self.path))
        self._file.check_same()
        self._file.check_writable()
        self._head()
        rows = self._all("SELECT entry FROM ledger WHERE seq > ? ORDER BY seq LIMIT ?", after, most)
        self._scrubber.look(self._db)
        return [Change.by(decode_entry(row[0])) for row in rows]

    def _commit(self, entries: Sequence[Entry]) -> Committed:
        db = self._db
        db.execute("BEGIN IMMEDIATE")
        try:
            seen, refs = look(db), refs_of(entries)
            ids, standings = self._standings(refs, seen.version)
            records = [entry for entry in entries if isinstance(entry, Record)]
            acts = [] if len(records) == len(entries) else [e for e in entries if not isinstance(e, Record)]
            plan = make_plan(
                entries,
                region=self.region,
                rules=self._rules,
                head=self._ends_at(seen.head),
                standings=standings,
                seen_events=self._seen_events(acts),
                spent_ids=spent_ids(db, records, ids, seen),
                # Only an act among the entries may spend what is stored.
                stored_ids=stored_ids(db, records, ids, seen) if acts else (),
                listed=among(db, "registry", list(refs), "device_ref") if self._rules.listed_only else None,
                newest=newest_of(db, self._wrong_times) if acts else 0,
            )
            committed = self._write(plan, ids, seen.last, stored_at_another_time(db, records, ids, seen))
            db.execute("COMMIT")
        except BaseException:
            self._known.forget()
            self._scrubber.failed()
            with suppress(sqlite3.Error):
                db.execute("ROLLBACK")
            raise
        self._end = plan.head.seq
        if plan.erase:
            self._scrubber.scrub(db)
        self._file.check_same()
        return committed

    def _restore(self, entries: Sequence[str]) -> int:
        self._known.forget()
        check_taking(self._db, str(self.path))
        erased = restore(self._db, entries, self._rules)
        self._scrubber.scrub(self._db)
        return erased

    def _standings(self, refs: set[bytes], version: int) -> tuple[dict[bytes, int], dict[bytes, Standing]]:
        """The routers' numbers, and what the ledger says of them in this transaction: the answer that decides (K15)."""
        if not self._known.is_of(version):
            check_taking(self._db, str(self.path))
            # Somebody else may have a newer key: to this collector his routers would all be new ones.
            check_known(self._db.execute(referred_to("router")).fetchall(), self._key_ids, (), str(self.path))
        found = self._known.read(self._db, refs)
        return {ref: row.id for ref, row in found}, {ref: row.standing for ref, row in found}

    def _seen_events(self, acts: Sequence[ConsentEvent]) -> set[bytes]:
        refs = [ref for act in acts if act.event_ref for ref in (act.event_ref, *act.older_event_refs)]
        found = (
            self._db.execute("SELECT event_ref FROM ledger WHERE event_ref = ?", (ref,)).fetchone() for ref in refs
        )
        return {row[0] for row in found if row}

    def _write(self, plan: Plan, ids: dict[bytes, int], last: int, stored_so: set[bytes]) -> Committed:
        """Carry out the plan. *last* is the number of the last record before it; *stored_so* is as for `first_of`."""
        changed = self._append(plan, ids)
        now = int(time.time() * 1000)
        erased = sum(erase_router(self._db, ids[ref], until, now) for ref, until in plan.erase if ref in ids)
        acts = parted(plan.appends)
        forget(self._db, [ids[ref] for ref in acts])
        bury(self._db, plan.bury, now)
        if plan.erase:
            note_erasure(self._db, now)
            last = look(self._db).last  # the number of an erased record may be given again
        made = gathered(self._db, plan.inserts, ids, acts)
        new = plan.inserts = made.inserts
        stored = insert_records(self._db, first_of(new, stored_so), ids)
        if stored < len(new):
            plan.dropped[DropReason.DUPLICATE] += len(new) - stored
            new = plan.inserts = inserted(self._db, new, after=last)
        self._known.make_findable(self._db, new)
        told = [*plan.unchanged, *changed]
        stored, removed = stored + len(made.joined), removed_from([*new, *made.joined])
        return Committed(stored, plan.dropped, plan.results, erased, told, removed, plan.decided, plan.numbers)

    def _append(self, plan: Plan, ids: dict[bytes, int]) -> list[Standing]:
        """Write the plan's ledger entries and what they say of their routers."""
        if not plan.appends:
            return []
        write(self._db, APPEND, plan.appends, ledger_row)
        changed = {s.device_ref: s for s in (entry.standing() for entry in plan.appends)}
        ids |= write_standings(self._db, list(changed.values()), ids)
        for ref, standing in changed.items():
            self._known.wrote(ids[ref], standing)
        return list(changed.values())
