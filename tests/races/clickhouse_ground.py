"""The ground of races whose records are in ClickHouse and whose ledger is in PostgreSQL."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

from clickhouse import RECORDS, Settling, ask, in_process, tell
from grounds import HERE, InDatabase, Seen, Stepped, StopsInSession, ask_at_begin
from postgresql import DATABASES

from collector.config import Settings
from collector.rules import consent_rules
from collector.stores import Store
from collector.stores.plan import ConsentRules
from collector.stores.postgres import LOOK_BACK


def made(kind: type[Settling], path: Path, rules: ConsentRules, user: str = "germany_writer") -> Settling:
    """A store for *path*, not opened yet."""
    records = RECORDS.settings(path)
    return kind(DATABASES.settings(path, user), records, HERE, rules, dialled=in_process)


class SteppedClickHouse(StopsInSession, Settling):
    """In a database of each."""

    def __init__(self, path: Path, settings: Settings) -> None:
        records = RECORDS.settings(path)
        ledger, rules = DATABASES.settings(path), consent_rules(settings)
        super().__init__(ledger, records, HERE, rules, (), LOOK_BACK, in_process)


class InClickHouse(InDatabase):
    """Traces are looked for in all rows of both; files are the servers' business."""

    def store(self, path: Path, settings: Settings) -> Stepped:
        """As `Ground.store`."""
        return SteppedClickHouse(path, settings)

    def seen(self, path: Path) -> Seen:
        """As `Ground.seen`."""
        return Seen(len(self._rows(path)), super().seen(path).acts)

    def found(self, path: Path, traces: Sequence[bytes]) -> list[bytes]:
        """As `Ground.found`."""
        raw = b"\n".join(
            value if isinstance(value, bytes) else str(value).encode() for row in self._rows(path) for value in row
        )
        return [trace for trace in traces if trace in raw or super(InClickHouse, self).found(path, [trace])]

    def content(self, path: Path) -> tuple[set[bytes], list[str]]:
        """As `Ground.content`."""
        _, entries = super().content(path)
        return {row[1] for row in self._rows(path)}, entries

    def _rows(self, path: Path) -> list[tuple[Any, ...]]:
        return ask(f"SELECT * FROM {RECORDS.at(path)}.record FINAL")

    async def commanded(self, path: Path, settings: Settings, asks: Callable[[], None]) -> Store:
        """As `Ground.commanded`."""
        store = made(Settling, path, consent_rules(settings), "germany_rights")
        await store.open()
        ask_at_begin(store, asks)
        return store

    @asynccontextmanager
    async def troubled(self, store: Any, path: Path, table: str | None) -> AsyncIterator[None]:
        """As `Ground.troubled`."""
        async with AsyncExitStack() as stack:
            if table != "record":
                await stack.enter_async_context(super().troubled(store, path, table))
                yield
                return
            name = RECORDS.at(path)
            tell(f"RENAME TABLE {name}.record TO {name}.lost")
            stack.callback(tell, f"RENAME TABLE {name}.lost TO {name}.record")
            yield


IN_CLICKHOUSE: Final = InClickHouse()
