"""What a commit makes of parts, by what the store has of their samples; what all stores promise is in the contract."""

from records import START, part, router

from collector.consent.standing import Standing, State
from collector.model import Record
from collector.stores.gathering import Stored, gather
from collector.stores.plan import Insert

SEQ = 7


def admitted(record: Record, seq: int = SEQ) -> Insert:
    """The record, let in by a ledger entry."""
    standing = Standing(
        device_ref=router("a").device_ref,
        key_id="key-1",
        state=State.JOINED,
        seq=seq,
        consent_id="c",
        generation=1,
        effective_at=0,
        policy_version="v",
        storage_regions=("germany",),
    )
    return Insert(record, standing)


def test_what_was_written_and_not_remembered_comes_to_the_same_again() -> None:
    """Records in ClickHouse are written before what is remembered of them: a crash between the two costs no sum."""
    first = gather([admitted(part(3, "a"))], {}, {}, {})
    [begun] = first.inserts
    stored = {begun.record.record_id: Stored(begun.record.body, SEQ)}

    again = gather([admitted(part(3, "a")), admitted(part(2, "b", at=START + 1))], {}, stored, {})

    assert [b'{"wifi":{"wifi_station_count":5}}'] == [one.record.body for one in again.updates.values()]
    assert [] == again.inserts


def test_a_part_behind_an_act_is_told_from_one_whose_record_is_its_own() -> None:
    """Only what is not remembered is lost: a join that goes on forgets nothing."""
    first = gather([admitted(part(3, "a"))], {}, {}, {})
    [begun] = first.inserts
    stored = {begun.record.record_id: Stored(begun.record.body, SEQ)}
    later = admitted(part(2, "b"), SEQ + 1)

    forgotten, remembered = gather([later], {}, stored, {}), gather([later], first.memories, stored, {})

    assert ([later], {}, []) == (forgotten.inserts, forgotten.memories, forgotten.joined)
    assert ([], [later]) == (remembered.inserts, remembered.joined)
    assert b'{"wifi":{"wifi_station_count":5}}' == next(iter(remembered.updates.values())).record.body
