"""Names of routers are written once, however many ways a router names itself."""

from pathlib import Path

from records import act, record, router

from collector.model import Action, Region
from collector.stores.plan import ConsentRules
from collector.stores.sqlite import SQLiteStore

SERIAL = (("serial", b"s" * 16),)
WITH_MAC = (*SERIAL, ("mac", b"m" * 16))


async def test_names_are_written_once_whichever_of_them_a_report_has(tmp_path: Path) -> None:
    """A MAC address is in one kind of report and not in another: neither is news the second time."""
    store, said = SQLiteStore(tmp_path / "s.sqlite", Region.GERMANY, ConsentRules()), list[str]()
    await store.open()
    store._db.set_trace_callback(said.append)
    for number, names in enumerate([SERIAL, WITH_MAC] * 5):
        await store.commit([record(number=number, lookup=names)])
    found = await store.find([("mac", b"m" * 16)])
    await store.close()

    assert [router("a").device_ref] == [one.standing.device_ref for one in found]
    assert 3 == sum("INTO lookup" in statement for statement in said)


async def test_names_are_written_again_under_a_new_consent(tmp_path: Path) -> None:
    """An erasure took them away, and is an entry of the ledger."""
    store = SQLiteStore(tmp_path / "s.sqlite", Region.GERMANY, ConsentRules())
    await store.open()
    await store.commit([record(number=1, lookup=SERIAL)])
    await store.commit([act(Action.ERASE, at=record().received_at + 1)])
    await store.commit([record(number=2, lookup=SERIAL, at=record().received_at + 2)])
    found = await store.find([("serial", b"s" * 16)])
    await store.close()

    assert 1 == len(found)
