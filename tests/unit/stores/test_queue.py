"""What waits in memory: the order it goes in, and what is known to be there."""

from hypothesis import given, settings
from hypothesis import strategies as st
from records import leave, record, router

from collector.acks import NO_TOKEN
from collector.stores.queue import Item, Queue

NAMES = "abc"


@st.composite
def changes(draw: st.DrawFn) -> list[tuple[str, str, int]]:
    """What is done with a queue, with whom, and with how many."""
    kinds = st.sampled_from(["add", "add", "add", "leave", "take", "put back", "remove", "ask"])
    return draw(st.lists(st.tuples(kinds, st.sampled_from(NAMES), st.integers(1, 4)), min_size=10, max_size=40))


@settings(max_examples=50)
@given(changes())
def test_a_queue_knows_of_whom_something_waits_whatever_was_asked_before(steps: list[tuple[str, str, int]]) -> None:
    """It counts late; the answer is that of looking through."""
    queue, taken = Queue(), list[Item]()
    for number, (kind, name, many) in enumerate(steps):
        ref = router(name).device_ref
        match kind:
            case "add":
                queue.add(Item(record(name, number=number), NO_TOKEN, 0))
            case "leave":
                queue.add(Item(leave(name), NO_TOKEN, 0))
            case "take":
                taken = queue.take(many).left()[1]
            case "put back":
                queue.put_back([], taken)
                taken = []
            case "remove":
                queue.remove([item for item in queue.queued if item.entry.identity.device_ref == ref][:many])
            case _:
                waits = {item.entry.identity.device_ref for item in queue.queued}
                assert [ref in waits for ref in map(_ref, NAMES)] == [queue.has(ref) for ref in map(_ref, NAMES)]

    waits = {item.entry.identity.device_ref for item in queue.queued}
    assert [ref in waits for ref in map(_ref, NAMES)] == [queue.has(ref) for ref in map(_ref, NAMES)]


def test_what_waits_of_a_router_goes_before_its_exit_and_in_its_order() -> None:
    """And what waits of others stays where it is."""
    queue = Queue()
    mine, others = [Item(record("a", number=n), NO_TOKEN, 0) for n in (1, 2)], Item(record("b"), NO_TOKEN, 0)
    left = Item(leave("a"), NO_TOKEN, 0)
    for item in (mine[0], others, mine[1], left):
        queue.add(item)

    batch = queue.take(10)

    assert [*mine, left, others] == batch.items
    assert batch.urgent == len(mine) + 1


def test_what_is_taken_out_is_what_was_there_of_it_and_nothing_else() -> None:
    """Whoever takes it out settles what he gets: the other's message would be acknowledged with it."""
    queue = Queue()
    gone, stays, elsewhere = (Item(record(name), NO_TOKEN, 0) for name in NAMES)
    queue.add(gone)
    queue.add(stays)
    counted = queue.has(_ref("a"))

    assert [gone] == queue.remove([gone, elsewhere])
    assert [stays] == list(queue.queued)
    assert (True, False, True) == (counted, queue.has(_ref("a")), queue.has(_ref("b")))


def _ref(name: str) -> bytes:
    return router(name).device_ref
