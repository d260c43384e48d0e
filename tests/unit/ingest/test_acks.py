"""Acknowledgements go out in order of receipt, once, and on the connection the message came on."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule, run_state_machine_as_test
from records import Receipt

from collector.acks import NO_TOKEN, AckRing, Countdown, Token, complete_all


class Clock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def ring_of(count: int) -> tuple[AckRing, list[Token], list[list[int]]]:
    """A ring with tokens 1 to *count*, and the list its releases go to."""
    released: list[list[int]] = []
    ring = AckRing(released.append)
    return ring, [ring.token(packet_id) for packet_id in range(1, count + 1)], released


def flat(released: list[list[int]]) -> list[int]:
    """The packet ids in order of release."""
    return [packet_id for some in released for packet_id in some]


@given(st.integers(1, 30).flatmap(lambda count: st.permutations(range(count))))
def test_release_is_in_order_of_receipt_whatever_the_order_of_completion(order: list[int]) -> None:
    """After each completion exactly the settled prefix is out (MQTT 5, 4.6.0-2)."""
    _, tokens, released = ring_of(len(order))
    done = set[int]()
    for position in order:
        tokens[position].complete()
        done.add(position)
        prefix = next((n for n in range(len(order)) if n not in done), len(order))
        assert list(range(1, prefix + 1)) == flat(released)

    assert list(range(1, len(order) + 1)) == flat(released)


def test_a_gap_holds_back_what_follows_it() -> None:
    """And its closing releases all of it in one go."""
    ring, tokens, released = ring_of(4)
    tokens[1].complete()
    tokens[2].complete()
    before = list(released)
    tokens[0].complete()

    assert [] == before
    assert [[1, 2, 3]] == released
    assert 1 == ring.open_count


def test_a_token_completes_once() -> None:
    """A second time changes nothing, before its release or after."""
    _, tokens, released = ring_of(2)
    tokens[1].complete()
    tokens[1].complete()
    tokens[0].complete()
    tokens[0].complete()
    complete_all(tokens)

    assert [[1, 2]] == released


def test_a_packet_id_may_come_again_after_its_release() -> None:
    """The broker reuses them; each token is of its own message."""
    ring, tokens, released = ring_of(1)
    tokens[0].complete()
    again = ring.token(1)
    tokens[0].complete()
    before = list(released)
    again.complete()

    assert [[1]] == before
    assert [[1], [1]] == released


def test_releases_are_collected_while_held() -> None:
    """One read of the socket may settle many messages; one write answers them all."""
    ring, tokens, released = ring_of(3)
    ring.hold()
    for token in tokens:
        token.complete()
    during = list(released)
    ring.let_go()
    ring.let_go()

    assert [] == during
    assert [[1, 2, 3]] == released


def test_letting_go_of_nothing_releases_nothing() -> None:
    """No empty write."""
    ring, _, released = ring_of(1)
    ring.hold()
    ring.let_go()

    assert [] == released


def test_a_closed_ring_releases_nothing_any_more() -> None:
    """The connection is gone; the broker sends those messages again."""
    ring, tokens, released = ring_of(3)
    ring.close()
    for token in tokens:
        token.complete()
    ring.hold()
    ring.let_go()
    complete_all([ring.token(9)])

    assert [] == released


def test_many_are_settled_with_one_release_a_connection() -> None:
    """A commit may hold messages of the connection before and of this one."""
    old, old_tokens, old_released = ring_of(3)
    _, new_tokens, new_released = ring_of(4)
    receipt = Receipt()
    old.close()
    complete_all([*old_tokens, new_tokens[2], NO_TOKEN, receipt, new_tokens[0], new_tokens[1]])

    assert [] == old_released
    assert [[1, 2, 3]] == new_released
    assert 1 == receipt.completed


def test_a_message_without_a_packet_id_needs_no_acknowledgement() -> None:
    """QoS 0: its token can be completed by anybody, any number of times."""
    NO_TOKEN.complete()
    NO_TOKEN.complete()
    complete_all([NO_TOKEN, NO_TOKEN])


@pytest.mark.parametrize("parts", [1, 2, 3])
def test_a_countdown_completes_with_its_last_part(parts: int) -> None:
    """A message that goes to several ledgers is acknowledged when all of them have it, and once."""
    receipt = Receipt()
    countdown = Countdown(receipt, parts)
    after = []
    for _ in range(parts + 1):
        countdown.complete()
        after.append(receipt.completed)

    assert [0] * (parts - 1) + [1, 1] == after


def test_the_age_is_that_of_the_oldest_message() -> None:
    """Not acknowledged yet; 0 when there is none."""
    clock = Clock()
    ring = AckRing(lambda _: None, clock)
    ages = [ring.oldest_seconds()]
    first = ring.token(1)
    clock.now += 5
    second = ring.token(2)
    second.complete()
    clock.now += 2
    ages.append(ring.oldest_seconds())
    first.complete()
    ages.append(ring.oldest_seconds())

    assert [0.0, 7.0, 0.0] == ages


@dataclass
class Wire:
    """A connection as the broker sees it: what it sent unacknowledged, and what was acknowledged, in order."""

    sent: list[int] = field(default_factory=list)
    acknowledged: list[int] = field(default_factory=list)
    gone: bool = False


class Reconnects(RuleBasedStateMachine):
    """Messages, settlements in any order, and connections that come and go."""

    tokens: Bundle[tuple[int, Token]] = Bundle("tokens")

    def __init__(self) -> None:
        super().__init__()
        self.wires: list[Wire] = []
        self.rings: list[AckRing] = []
        self.settled: list[set[int]] = []
        self.next_id = 0
        self.held = False
        self.connect()

    def connect(self) -> None:
        wire = Wire()

        def release(packet_ids: list[int]) -> None:
            assert packet_ids
            assert not wire.gone, "an acknowledgement on a connection that is gone"
            wire.acknowledged += packet_ids

        self.wires.append(wire)
        self.rings.append(AckRing(release))
        self.settled.append(set())
        self.held = False

    @rule(target=tokens)
    def message(self) -> tuple[int, Token]:
        """The broker sends one; ids run anew on every connection, so they meet those of old ones."""
        wire = self.wires[-1]
        packet_id = len(wire.sent) + 1
        wire.sent.append(packet_id)
        return len(self.wires) - 1, self.rings[-1].token(packet_id)

    @rule(one=consumes(tokens))
    def settle(self, one: tuple[int, Token]) -> None:
        """A message is settled, whenever it came."""
        connection, token = one
        self.settled[connection].add(token.packet_id)
        token.complete()
        token.complete()

    @rule(some=st.lists(consumes(tokens), max_size=5))
    def commit(self, some: list[tuple[int, Token]]) -> None:
        """Several are settled by one commit, old and new together."""
        for connection, token in some:
            self.settled[connection].add(token.packet_id)
        complete_all(token for _, token in some)

    @rule()
    def hold(self) -> None:
        """A read of the socket begins."""
        self.rings[-1].hold()
        self.held = True

    @rule()
    def let_go(self) -> None:
        """It ends."""
        self.rings[-1].let_go()
        self.held = False

    @rule()
    def reconnect(self) -> None:
        """The connection is lost and another one made."""
        self.rings[-1].close()
        self.wires[-1].gone = True
        self.connect()

    @invariant()
    def acknowledged_is_the_settled_prefix(self) -> None:
        """On this connection, and never more than was settled on any."""
        for wire, settled in zip(self.wires, self.settled, strict=True):
            assert wire.sent[: len(wire.acknowledged)] == wire.acknowledged
            assert set(wire.acknowledged) <= settled
        if not self.held:
            wire, settled = self.wires[-1], self.settled[-1]
            open_ = [packet_id for packet_id in wire.sent if packet_id not in settled]
            prefix = wire.sent.index(open_[0]) if open_ else len(wire.sent)
            assert wire.sent[:prefix] == wire.acknowledged
            assert len(wire.sent) - len(wire.acknowledged) == self.rings[-1].open_count


def test_a_token_of_an_old_connection_releases_nothing_on_a_new_one() -> None:
    """However messages, settlements and reconnects are interleaved."""
    run_state_machine_as_test(
        Reconnects, settings=hypothesis_settings(max_examples=100, stateful_step_count=40, deadline=None)
    )


# What is left with the broker


def test_what_is_left_is_passed_over_and_never_acknowledged() -> None:
    """What comes after it goes out in order of receipt, as MQTT wants it (5, 4.6.0-2)."""
    ring, tokens, released = ring_of(5)
    for position in (1, 2, 4):
        tokens[position].complete()
    assert tokens[0].leave()
    first = flat(released)
    assert tokens[3].leave()
    tokens[0].complete()
    tokens[3].complete()

    assert ([2, 3], [2, 3, 5]) == (first, flat(released))
    assert (2, 0) == (ring.left, ring.open_count)


def test_a_ring_is_empty_once_all_is_acknowledged_and_not_while_something_is_left() -> None:
    """A collector that is drained takes nothing along: what was left with the broker nobody would ask for again."""
    ring, (first, second), _ = ring_of(2)
    seen = [ring.is_empty]
    first.complete()
    second.complete()
    seen.append(ring.is_empty)
    ring.token(3).leave()

    assert [False, True, False] == [*seen, ring.is_empty]


def test_leaving_alone_releases_nothing() -> None:
    """No empty write."""
    ring, tokens, released = ring_of(2)
    tokens[0].leave()
    tokens[1].leave()
    tokens[1].leave()

    assert [] == released
    assert 2 == ring.left


def test_a_message_that_is_acknowledged_cannot_be_left() -> None:
    """It would be counted as coming again, and does not."""
    ring, tokens, released = ring_of(1)
    tokens[0].complete()
    tokens[0].leave()

    assert ([[1]], 0) == (released, ring.left)


def test_nobody_sends_a_message_of_qos_0_again() -> None:
    """So it cannot be left."""
    assert not NO_TOKEN.leave()


def test_a_part_that_cannot_be_settled_leaves_the_whole_message() -> None:
    """The other parts are settled all the same, and settle nothing more."""
    ring, tokens, released = ring_of(2)
    parts = Countdown(Countdown(tokens[0], 2), 2)
    parts.complete()
    assert parts.leave()
    parts.complete()
    tokens[1].complete()

    assert ([[2]], 1) == (released, ring.left)


def test_what_is_left_on_a_connection_that_is_gone_matters_to_nobody() -> None:
    """The broker sends it again anyway."""
    ring, tokens, released = ring_of(1)
    ring.close()

    assert tokens[0].leave()
    assert [] == released


@given(
    st.lists(st.booleans(), min_size=1, max_size=25).flatmap(
        lambda left: st.tuples(st.just(left), st.permutations(range(len(left))))
    )
)
def test_in_any_order_what_is_settled_goes_out_in_order_and_what_is_left_never(
    given_: tuple[list[bool], list[int]],
) -> None:
    """After each step: the settled ones of the prefix that is settled or left."""
    left, order = given_
    ring, tokens, released = ring_of(len(order))
    done = set[int]()
    for position in order:
        if left[position]:
            tokens[position].leave()
        else:
            tokens[position].complete()
        done.add(position)
        prefix = next((n for n in range(len(order)) if n not in done), len(order))
        assert [n + 1 for n in range(prefix) if not left[n]] == flat(released)

    assert sum(left) == ring.left


# A broker that uses a packet id while it is in use (2.2.1 forbids it)


def test_what_comes_under_the_packet_id_of_a_message_that_was_left_is_not_acknowledged() -> None:
    """The broker would forget the one that was left: it looks for the first of that id."""
    ring, tokens, released = ring_of(2)
    tokens[0].leave()
    again, other = ring.token(1), ring.token(3)
    for token in (tokens[1], again, other):
        token.complete()

    assert [2, 3] == flat(released)
    assert (2, 1, 0) == (ring.left, ring.withheld, ring.open_count)


def test_nor_is_what_came_under_it_before_it_was_left() -> None:
    """In order of receipt it cannot have been acknowledged yet."""
    ring, tokens, released = ring_of(2)
    again = ring.token(1)
    again.complete()
    tokens[1].complete()
    tokens[0].leave()

    assert [2] == flat(released)
    assert (2, 1) == (ring.left, ring.withheld)


@given(st.lists(st.tuples(st.sampled_from(["send", "complete", "leave"]), st.integers(0, 30)), max_size=60))
def test_a_broker_that_looks_for_the_first_of_an_id_never_forgets_what_was_left(steps: list[tuple[str, int]]) -> None:
    """Ids count up to five and begin anew, whatever is under way."""
    under_way: list[tuple[int, Token]] = []
    wrong: list[int] = []

    def release(packet_ids: list[int]) -> None:
        for packet_id in packet_ids:
            found = next(place for place, (sent, _) in enumerate(under_way) if sent == packet_id)
            if id(under_way.pop(found)[1]) in left:
                wrong.append(packet_id)

    left = set[int]()
    ring, open_, sent = AckRing(release), list[Token](), 0
    for step, which in steps:
        if step == "send":
            sent += 1
            token = ring.token(sent % 5 + 1)
            under_way.append((sent % 5 + 1, token))
            open_.append(token)
        elif open_:
            token = open_.pop(which % len(open_))
            if step == "leave":
                left.add(id(token))
                token.leave()
            else:
                token.complete()

    complete_all(open_)
    assert [] == wrong
    assert ring.left == len(under_way)
