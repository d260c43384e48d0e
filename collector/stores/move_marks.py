"""The marks that a move leaves in its two stores: they say which of the two takes anything, if either does.

Rule 1: the source is marked before anything is copied. From then on it takes nothing, not even acts of consent, until
        the move has ended or was given up: no router can leave behind the move's back.
Rule 2: the source is retired before the target is released: at no moment do two stores take acts of one region.
"""

import secrets

from collector.errors import StoreUnusable
from collector.stores.ends import End
from collector.stores.move_faults import at_end, other_move
from collector.stores.staying import GONE, IN, MOVE, OUT, Mark


class Marks:
    """The marks of *source* and *target*."""

    def __init__(self, source: End, target: End) -> None:
        self._source = source
        self._target = target

    async def begin(self, until: int) -> Mark:
        """Mark both stores, or find the marks of a move that broke off; the source's mark. *until* as in `Mark`.

        Raises:
            StoreUnusable: the target holds something else, or one of them takes part in another move; says which.
        """
        source, target = await self._found()
        if source is None:
            return await self._begun(target, until)
        if target is None or (target.way, target.move) != (IN, source.move):
            raise StoreUnusable(*other_move(self._source, source))
        return source

    async def _found(self) -> tuple[Mark | None, Mark | None]:
        async with at_end("source"):
            source = Mark.noted(await self._source.noted(MOVE))
        async with at_end("target"):
            return source, Mark.noted(await self._target.noted(MOVE))

    async def _begun(self, target: Mark | None, until: int) -> Mark:
        async with at_end("target"):
            empty, stays = await self._target.is_empty(), target is None or target.way == IN
            if not (empty and stays):
                raise StoreUnusable(
                    f"{self._target.place}: found a store that holds something already, expected an empty one, or one "
                    f"that this move has begun to fill. Name another one, or make this one anew"
                )
            if target is None:
                target = Mark(IN, secrets.token_hex(8), until)
                await self._target.note(MOVE, target.text(), instead_of=None)
        await self._check_two(target)
        made = target._replace(way=OUT)
        async with at_end("source"):
            await self._source.note(MOVE, made.text(), instead_of=None)
        return made

    async def _check_two(self, mark: Mark) -> None:
        """Refuse a target that is the source itself: two names may be of the same server."""
        async with at_end("source"):
            found = await self._source.noted(MOVE)
        if found != mark.text():
            return
        async with at_end("target"):
            await self._target.note(MOVE, None, instead_of=found)
            raise StoreUnusable(
                f"{self._target.place}: found the very store that is to be moved, expected another one. Name where it "
                f"is to be moved to"
            )

    async def retire(self) -> Mark | None:
        """Have the source never take anything again; the target's mark, None if it was released before.

        Raises:
            StoreUnusable: the move was given up meanwhile, by somebody else.
        """
        source, target = await self._found()
        if source is None or (target is not None and (IN, source.move) != (target.way, target.move)):
            raise StoreUnusable(
                f"{self._source.place}: found no mark of this move, expected one: it was given up meanwhile"
            )
        if source.way == OUT:
            async with at_end("source"):
                await self._source.note(MOVE, source._replace(way=GONE).text(), instead_of=source.text())
        return target

    async def release(self, mark: Mark | None) -> None:
        """Let the target be a store from here on: take its *mark* away."""
        if mark is not None:
            async with at_end("target"):
                await self._target.note(MOVE, None, instead_of=mark.text())


async def give_up(source: End) -> None:
    """Let the source take acts and records again; the target still counts as no store.

    Raises:
        StoreUnusable: no move out of it is under way.
    """
    async with at_end("source"):
        mark = Mark.noted(await source.noted(MOVE))
        if mark is None or mark.way != OUT:
            found = "none" if mark is None else "one that has ended" if mark.way == GONE else "one into this store"
            raise StoreUnusable(f"{source.place}: found {found}, expected a move that is under way")
        await source.note(MOVE, None, instead_of=mark.text())
