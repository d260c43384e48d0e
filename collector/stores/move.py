"""Moves what a region's store holds into another store of the same region, whatever their engines (decision 0024).

Rule 1: nothing is copied before both are marked; the source is retired before the target is released (`move_marks`).
Rule 2: the ledger goes first, word for word and by its chain; of routers that have left according to it, nothing else.
Rule 3: nobody takes the target for a store before all of it is there, counted, and has the digest of what was read.
"""

from collections.abc import Callable
from typing import Final

from collector.consent.ledger import Head
from collector.errors import StoreUnusable
from collector.stores.ends import End, Kept, Page, Progress, Row, Sums, Table, progress_note
from collector.stores.links import end_of
from collector.stores.move_faults import at_end, not_the_same
from collector.stores.move_marks import Marks
from collector.stores.rows import decode_entry
from collector.stores.staying import OUT
from collector.stores.witnessing import NOTE

_ENTRIES: Final = 1000
_TIMES: Final = "times"
_RECEIVED_AT: Final = Table.RECORDS.columns.index("received_at")
_AS_THEY_ARE: Final = (NOTE, "registry")
"""Notes that mean the same in every store: that it has a witness, and the version of its registry."""
Report = Callable[[str, int], None]
"""Told of each step: which table, and how many of its rows have been dealt with by now."""


class Move:
    """A move of what *source* holds to *target*, both open."""

    def __init__(self, source: End, target: End, left: tuple[str, ...], report: Report = lambda *_: None) -> None:
        """*left* are the states in which nothing of a router stays."""
        self.source, self.target = source, target
        self._marks = Marks(source, target)
        self._left = left
        self._report = report
        self._kept = Kept(0, left)

    async def newest(self) -> int:
        """When the source last received anything, a record or an act; 0 if it never did."""
        async with at_end("source"):
            last = await self.source.entries((await self.source.head()).seq - 1, 1)
            return max(await self.source.newest(), *(decode_entry(text).received_at for text in last), 0)

    async def oldest(self) -> int | None:
        """When the first records in the source's order were received, at the earliest; None if there are none."""
        after: Row = ()
        while True:
            async with at_end("source"):
                page = await self.source.read(Table.RECORDS, after, Kept(0, self._left))
            if page is None:
                return None
            if page.rows:
                return min(int(row[_RECEIVED_AT]) for row in page.rows)
            after = page.last

    async def begin(self, until: int) -> bool:
        """Mark both stores, or find the marks of a move that broke off; *until*, as in `Kept`, counts for a new one.

        Returns:
            Whether anything is left to be copied.

        Raises:
            StoreUnusable: the target holds something else, or one of them takes part in another move; says which.
        """
        source = await self._marks.begin(until)
        self._kept = Kept(source.until, self._left)
        return source.way == OUT

    async def totals(self) -> dict[str, int]:
        """How many entries and rows there are in the source; not all of them need go over."""
        async with at_end("source"):
            numbers = {table.value: await self.source.number(table, None) for table in Table}
            return {"ledger": (await self.source.head()).seq, **numbers}

    async def copy(self) -> None:
        """Copy what is not there yet: the ledger, then the tables."""
        await self._ledger()
        for table in Table:
            await self._table(table)

    async def _ledger(self) -> None:
        async with at_end("target"):
            head = await self.target.head()
        await self._check_same_ledger(head)
        while True:
            async with at_end("source"):
                texts = await self.source.entries(head.seq, _ENTRIES)
            if not texts:
                return
            async with at_end("target"):
                head = await self.target.append(texts)
            self._report("ledger", head.seq)

    async def _check_same_ledger(self, head: Head) -> None:
        """Refuse a target that has begun to hold another ledger than the source's."""
        if not head.seq:
            return
        async with at_end("source"):
            found = await self.source.entries(head.seq - 1, 1)
        if not found or end_of(found[0]) != head:
            raise StoreUnusable(
                f"{self.target.place}: found another ledger at entry {head.seq}, expected that of {self.source.place}. "
                f"Name another store, or make this one anew"
            )

    async def _table(self, table: Table) -> None:
        progress = await self._progress(table)
        while True:
            self._report(table, progress.rows)
            async with at_end("source"):
                page = await self._read(table, progress.after)
            if page is None:
                return
            async with at_end("target"):
                rows = await self.target.fitting(table, page.rows, progress)
                now = progress.on(page, rows)
                await self.target.write(table, rows, progress, now)
            progress = now

    async def _read(self, table: Table, after: Row) -> Page | None:
        """The next pages of the source, as many as the target takes at once."""
        page = await self.source.read(table, after, self._kept)
        while page is not None and len(page.rows) < self.target.at_once:
            more = await self.source.read(table, page.last, self._kept)
            if more is None:
                break
            page = Page([*page.rows, *more.rows], more.last)
        return page

    async def _progress(self, table: Table) -> Progress:
        async with at_end("target"):
            return Progress.noted(await self.target.noted(progress_note(table)))

    async def settle(self) -> None:
        """Carry over the store's notes about itself, and have the target do what its engine requires."""
        for name in (*_AS_THEY_ARE, _TIMES):
            async with at_end("source"):
                value = await self.source.noted(name)
            if value is not None:
                await self._note(name, await self._times(value) if name == _TIMES else value)
        async with at_end("target"):
            await self.target.settle()

    async def _note(self, name: str, value: str | None) -> None:
        async with at_end("target"):
            there = await self.target.noted(name)
            if there != value:
                await self.target.note(name, value, instead_of=there)

    async def _times(self, value: str) -> str:
        """The note of up to which entry and record times were found wrong; the target numbers its records anew."""
        seq, _, number = value.partition(":")
        async with at_end("source"):
            last = await self.source.number_before(int(number), self._kept)
        async with at_end("target"):
            return f"{seq}:{0 if last is None else await self.target.number_of(last)}"

    async def verify(self) -> None:
        """Read the whole target, and count the source: number and digest of each table must be those that were copied.

        Rows that the target had no room for count in the source alone.

        Raises:
            StoreUnusable: they are not; says for which table.
        """
        async with at_end("source"):
            end = await self.source.head()
        async with at_end("target"):
            if await self.target.head() != end:
                raise StoreUnusable(f"{self.target.place}: found a ledger that does not end at entry {end.seq}")
        for table in Table:
            copied = await self._progress(table)
            async with at_end("source"):
                number = await self.source.number(table, self._kept)
            found = await self._sums(table)
            if number != copied.rows or found != copied.sums:
                raise not_the_same(self.target, table, copied, number, found)

    async def _sums(self, table: Table) -> Sums:
        sums, after = Sums(), ()
        while True:
            self._report(f"{table}, checked", sums.number)
            async with at_end("target"):
                page = await self.target.read(table, after, None)
            if page is None:
                return sums
            sums, after = sums.with_(page.rows), page.last

    async def end(self) -> int:
        """Retire the source, then release the target.

        Returns:
            How many records the target had no room for (`End.fitting`).

        Raises:
            StoreUnusable: the move was given up meanwhile, by somebody else.
        """
        target = await self._marks.retire()
        left = (await self._progress(Table.RECORDS)).left
        for table in reversed(Table):
            await self._note(progress_note(table), None)
        await self._marks.release(target)
        return left
