"""When a store is away, and what proves that it is back."""

import pytest

from collector.errors import Cause, StoreUnavailable
from collector.metrics import Metrics
from collector.model import Region
from collector.stores.health import Health
from collector.stores.rows import Damaged

HERE = Region.GERMANY
PATIENCE = 1.0


class Clock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """The test's own time."""
    return Clock()


@pytest.fixture
def health(clock: Clock) -> Health:
    """Of a store that was opened and took a commit."""
    made = Health(HERE, Metrics((HERE,)), PATIENCE, clock)
    made.opened()
    made.answers()
    return made


def test_a_store_is_overdue_once_the_patience_has_ended_however_often_it_is_asked(health: Health, clock: Clock) -> None:
    """Counted from the first question that it left open: one that refuses is as silent as one that hangs."""
    seen = []
    for _ in range(4):
        health.asks()
        health.refuses(StoreUnavailable("told to", Cause.LOCKED))
        seen.append(health.is_overdue())
        clock.now += PATIENCE / 2 - 0.1

    assert [False, False, False, True] == seen


def test_a_question_that_was_answered_begins_no_silence(health: Health, clock: Clock) -> None:
    """Else a fleet that sleeps would have its stores away."""
    health.asks()
    health.answers()
    clock.now += 10 * PATIENCE
    slept = health.is_overdue()
    health.asks()

    assert (False, False) == (slept, health.is_overdue())


@pytest.mark.parametrize("idle", [True, False])
def test_that_a_store_can_be_read_does_not_bring_it_back(health: Health, clock: Clock, idle: bool) -> None:
    """Its disk may be full: only a commit shows that it takes one."""
    health.asks()
    health.goes_away()
    health.reads(idle=idle)
    read = (health.is_away, health.is_up)
    health.answers()

    assert ((True, False), (False, True)) == (read, (health.is_away, health.is_up))


def test_that_a_store_which_refuses_can_be_read_does_not_keep_it_from_being_away(health: Health, clock: Clock) -> None:
    """What waits to be written waits for a commit, not for an answer to another question."""
    health.asks()
    health.refuses(StoreUnavailable("told to", Cause.DISK_FULL))
    clock.now += PATIENCE + 0.1
    health.reads(idle=False)

    assert health.is_overdue()


def test_a_store_that_can_be_read_while_something_waits_has_answered(health: Health, clock: Clock) -> None:
    """As long as it refused nothing."""
    health.asks()
    clock.now += PATIENCE + 0.1
    before = health.is_overdue()
    health.reads(idle=False)

    assert (True, False) == (before, health.is_overdue())


@pytest.mark.parametrize(
    ("cause", "stays_open", "doubted"),
    [(Cause.LOCKED, True, False), (Cause.NOT_ANSWERING, False, False), (Cause.CORRUPT, False, True)],
)
def test_what_a_refusal_says_of_connection_and_ledger(
    health: Health, cause: Cause, stays_open: bool, doubted: bool
) -> None:
    """Nothing of a region whose ledger may be wrong is kept anywhere (K17), until it was looked at anew."""
    health.refuses(StoreUnavailable("told to", cause))
    refused = (health.is_open, health.is_doubted)
    health.refuses(StoreUnavailable("told to", Cause.LOCKED))
    again = health.is_doubted
    health.opened()

    assert ((stays_open, doubted), doubted) == (refused, again)
    assert (True, False) == (health.is_open, health.is_doubted)


def test_what_is_damaged_is_no_outage_whoever_reads_it() -> None:
    """A note of the store that its reader cannot make out, for one."""
    metrics = Metrics((HERE,))
    Health(HERE, metrics, PATIENCE).refuses(Damaged("a note of the store cannot be read"))

    assert Cause.CORRUPT is metrics.store_state(HERE)
