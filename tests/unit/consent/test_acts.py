"""What each act does: the state it leads to, what lies over it, and what it erases."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from notices import notice
from records import HOUR, START, act, join, record

from collector.consent.acts import ERASING, EVERYTHING, OPENING, erases_until, hides
from collector.consent.entries import entry_of, join_by_flag
from collector.consent.ledger import Head, LedgerEntry, Result, result_of
from collector.consent.standing import Standing, State
from collector.model import Action, ConsentEvent, Region

NOTICE = notice()
CASE, OTHER = "CASE-1", "CASE-2"


class Router:
    """One router's standing, act by act."""

    def __init__(self) -> None:
        self.entries: list[LedgerEntry] = [join_by_flag(record(), Head(), NOTICE)]

    @property
    def standing(self) -> Standing:
        """What the ledger says now."""
        return self.entries[-1].standing()

    def does(self, action: Action, reference: str | None = None, *, at: int | None = None) -> Result:
        """An act, an hour after the one before."""
        last = self.entries[-1]
        when = last.received_at + HOUR if at is None else at
        event: ConsentEvent = msgspec.structs.replace(act(action, at=when), reference=reference)
        result = result_of(event, self.standing, ())
        if result is Result.RECORDED:
            head = Head(seq=last.seq, hash=last.hash)
            self.entries.append(entry_of(event, self.standing, head, region=Region.GERMANY, policies=NOTICE))
        return result

    def erased(self, *, erase_on_exit: bool = True) -> int | None:
        """What the last act erases."""
        return erases_until(self.entries[-1].action, self.standing, erase_on_exit=erase_on_exit)


@pytest.fixture
def router() -> Router:
    """A router that has joined."""
    return Router()


# Erasure on request (K29)


def test_an_erasure_leaves_the_consent_as_it_is(router: Router) -> None:
    """State, consent, and since when it holds; what was received until then is erased, what comes later is not."""
    before = router.standing
    router.does(Action.ERASE)
    now = router.standing

    assert (before.state, before.consent_id, before.effective_at, before.generation) == (
        now.state, now.consent_id, now.effective_at, now.generation,
    )  # fmt: skip
    assert START + HOUR == now.erased_until == router.erased()
    assert router.entries[-1].seq == now.seq


def test_a_later_act_does_not_forget_what_was_erased(router: Router) -> None:
    """A message from before it may still be on its way."""
    router.does(Action.ERASE)
    until = router.standing.erased_until
    for action in (Action.RESTRICT, Action.UNRESTRICT, Action.EXIT, Action.JOIN):
        assert Result.RECORDED is router.does(action)
        assert until == router.standing.erased_until


def test_a_clock_that_stepped_back_takes_nothing_back(router: Router) -> None:
    """A second erasure at an earlier time erases no less than the first."""
    router.does(Action.ERASE, at=START + 2 * HOUR)
    router.does(Action.ERASE, at=START + HOUR)

    assert START + 2 * HOUR == router.standing.erased_until == router.erased()


@pytest.mark.parametrize("action", [Action.EXIT, Action.VOID, Action.RESTRICT])
def test_what_was_kept_can_be_erased(router: Router, action: Action) -> None:
    """Whatever the state; it stays what it is."""
    router.does(action)
    state = router.standing.state

    assert Result.RECORDED is router.does(Action.ERASE)
    assert state is router.standing.state
    assert router.standing.erased_until == router.erased(erase_on_exit=False)


@pytest.mark.parametrize("action", [Action.EXIT, Action.VOID, Action.UNBIND, Action.CANCEL])
def test_only_an_exit_leaves_what_is_to_be_kept(router: Router, action: Action) -> None:
    """With `on_exit = "keep"`; what is void, unbound or cancelled goes whatever is set (4.4, K33)."""
    router.does(action)

    assert EVERYTHING == router.erased()
    assert (None if action is Action.EXIT else EVERYTHING) == router.erased(erase_on_exit=False)


def test_what_is_no_exit_erases_nothing(router: Router) -> None:
    """A restriction keeps the records, unreadable (O47), and a join that is said again is no new beginning."""
    for action in (Action.JOIN, Action.RESTRICT, Action.UNRESTRICT, Action.HOLD):
        assert Result.RECORDED is router.does(action, CASE)
        assert router.erased() is None


# Legal holds (K36)


def test_a_hold_closes_the_gate_and_its_end_opens_it(router: Router) -> None:
    """Restricted meanwhile; what is measured before the end is from before the consent goes on."""
    router.does(Action.HOLD, CASE)
    held = router.standing
    router.does(Action.RELEASE, CASE)

    assert (State.RESTRICTED, (CASE,), State.JOINED) == (held.state, held.holds, held.beneath)
    assert (State.JOINED, (), None) == (router.standing.state, router.standing.holds, router.standing.beneath)
    assert router.entries[-1].received_at == router.standing.effective_at
    assert router.erased() is None


@pytest.mark.parametrize("action", sorted(ERASING))
def test_an_exit_during_a_hold_closes_at_once_and_erases_at_its_end(router: Router, action: Action) -> None:
    """The erasure is suspended, not forgotten; the release says so again by what it erases."""
    router.does(Action.HOLD, CASE)
    router.does(action)
    during, state = router.erased(), router.standing.state
    router.does(Action.RELEASE, CASE)

    assert during is None
    assert state is router.standing.state is not State.JOINED
    assert EVERYTHING == router.erased()


def test_an_erasure_during_a_hold_waits_for_its_end(router: Router) -> None:
    """And then reaches as far as it was asked for."""
    router.does(Action.HOLD, CASE)
    router.does(Action.ERASE)
    during, asked = router.erased(), router.entries[-1].received_at
    router.does(Action.RELEASE, CASE)

    assert during is None
    assert (State.JOINED, asked) == (router.standing.state, router.erased())


def test_what_is_kept_after_an_exit_stays_kept_after_a_hold(router: Router) -> None:
    """With `on_exit = "keep"`; what was void goes all the same."""
    router.does(Action.EXIT)
    router.does(Action.HOLD, CASE)
    router.does(Action.RELEASE, CASE)
    kept = router.erased(erase_on_exit=False)
    router.does(Action.HOLD, CASE)
    router.does(Action.VOID)
    router.does(Action.RELEASE, CASE)

    assert kept is None
    assert EVERYTHING == router.erased(erase_on_exit=False)


def test_a_hold_and_its_end_date_no_exit_anew(router: Router) -> None:
    """They end nothing: a join that was made between the exit and the hold, and comes after both, counts (K36)."""
    router.does(Action.EXIT)
    left = router.standing.effective_at
    router.does(Action.HOLD, CASE)
    held = router.standing.effective_at
    router.does(Action.RELEASE, CASE)
    made = join(at=held + 9 * HOUR, client_time=left + 1000)

    assert (State.EXITED, left, left) == (router.standing.state, held, router.standing.effective_at)
    assert Result.RECORDED is result_of(made, router.standing, ())


def test_a_hold_of_a_clock_that_is_behind_does_not_take_the_ledgers_time_back(router: Router) -> None:
    """What closes next is dated by it, so that nothing is let in that was measured or clicked before (K38)."""
    router.does(Action.EXIT)
    hold = msgspec.structs.replace(act(Action.HOLD, at=START), reference=CASE)
    newest = router.standing.effective_at + HOUR
    entry = entry_of(hold, router.standing, Head(), region=Region.GERMANY, policies=NOTICE, newest=newest)

    assert newest == entry.newest


def test_the_last_of_several_holds_ends_it(router: Router) -> None:
    """Each by its own reference; one that is not known releases nothing."""
    router.does(Action.HOLD, CASE)
    router.does(Action.HOLD, OTHER)
    results = [router.does(Action.HOLD, CASE), router.does(Action.RELEASE, "CASE-3"), router.does(Action.RELEASE, CASE)]
    between = router.standing
    router.does(Action.RELEASE, OTHER)

    assert [Result.WITHOUT_EFFECT, Result.WITHOUT_EFFECT, Result.RECORDED] == results
    assert (State.RESTRICTED, (OTHER,)) == (between.state, between.holds)
    assert (State.JOINED, ()) == (router.standing.state, router.standing.holds)


def test_no_click_of_the_owner_lifts_a_hold(router: Router) -> None:
    """Neither of one who has joined nor of one who has left meanwhile."""
    router.does(Action.HOLD, CASE)
    first = router.does(Action.JOIN)
    router.does(Action.EXIT)
    second = router.does(Action.JOIN)

    assert (Result.WITHOUT_EFFECT, Result.WITHOUT_EFFECT) == (first, second)


def test_a_restriction_stands_after_a_hold(router: Router) -> None:
    """Whether it came before or meanwhile; one that ended meanwhile does not."""
    router.does(Action.RESTRICT)
    router.does(Action.HOLD, CASE)
    router.does(Action.RELEASE, CASE)
    after = router.standing.state
    router.does(Action.HOLD, CASE)
    router.does(Action.UNRESTRICT)
    during = router.standing.state
    router.does(Action.RELEASE, CASE)

    assert (State.RESTRICTED, State.RESTRICTED, State.JOINED) == (after, during, router.standing.state)


# Restrictions


def test_an_exit_and_a_join_do_not_lift_a_restriction(router: Router) -> None:
    """A switch that is turned off and on again does not undo what the rights desk was asked for (O47)."""
    router.does(Action.RESTRICT)
    left = router.does(Action.EXIT)
    erased = router.erased()
    joined = router.does(Action.JOIN)
    under = router.standing.state
    router.does(Action.UNRESTRICT)
    lifted = router.standing.state

    assert (Result.RECORDED, EVERYTHING, Result.WITHOUT_EFFECT) == (left, erased, joined)
    assert (State.EXITED_RESTRICTED, State.EXITED) == (under, lifted)
    assert Result.RECORDED is router.does(Action.JOIN)
    assert State.JOINED is router.standing.state


def test_a_join_from_before_the_end_of_a_restriction_does_not_count(router: Router) -> None:
    """Though it arrives after: the exit it would lift is dated by that end."""
    router.does(Action.RESTRICT)
    router.does(Action.EXIT)
    router.does(Action.UNRESTRICT)
    lifted = router.standing.effective_at
    late, new = (join(at=lifted + HOUR, client_time=lifted + after) for after in (-1, HOUR))

    assert router.entries[-1].received_at == lifted
    assert [Result.STALE, Result.RECORDED] == [result_of(one, router.standing, ()) for one in (late, new)]


def test_who_has_left_can_ask_for_a_restriction(router: Router) -> None:
    """Any state leads to it (4.4), save those after which the next consent is another generation's."""
    router.does(Action.EXIT)
    results = [router.does(action) for action in (Action.RESTRICT, Action.RESTRICT, Action.JOIN, Action.EXIT)]

    assert [Result.RECORDED, Result.WITHOUT_EFFECT, Result.WITHOUT_EFFECT, Result.RECORDED] == results
    assert State.EXITED_RESTRICTED is router.standing.state


@pytest.mark.parametrize("action", [Action.VOID, Action.UNBIND, Action.CANCEL])
@pytest.mark.parametrize("first", [Action.RESTRICT, Action.EXIT])
def test_a_restriction_ends_with_its_generation(router: Router, first: Action, action: Action) -> None:
    """Whoever the router belongs to then did not ask for it."""
    for one in (first, Action.RESTRICT, action):
        router.does(one)
    generation = router.standing.generation
    lifted = router.does(Action.UNRESTRICT)
    joined = router.does(Action.JOIN)

    assert (Result.WITHOUT_EFFECT, Result.RECORDED) == (lifted, joined)
    assert (State.JOINED, generation + 1) == (router.standing.state, router.standing.generation)


def test_a_restriction_survives_an_exit_under_a_hold(router: Router) -> None:
    """What lies beneath the hold shows when it ends, and the exit erases then."""
    router.does(Action.RESTRICT)
    router.does(Action.HOLD, CASE)
    router.does(Action.EXIT)
    during = router.erased()
    router.does(Action.RELEASE, CASE)

    assert (None, EVERYTHING, None) == (during, router.erased(), router.erased(erase_on_exit=False))
    assert State.EXITED_RESTRICTED is router.standing.state
    assert Result.WITHOUT_EFFECT is router.does(Action.JOIN)


only_owner = st.lists(st.sampled_from([Action.JOIN, Action.EXIT, Action.ERASE]), max_size=12)


@given(only_owner)
def test_no_acts_of_the_owner_open_a_restricted_gate(happens: list[Action]) -> None:
    """In whatever order."""
    router = Router()
    router.does(Action.RESTRICT)
    for action in happens:
        router.does(action)
        assert router.standing.state in {State.RESTRICTED, State.EXITED_RESTRICTED}


acts = st.lists(st.tuples(st.sampled_from(list(Action)), st.sampled_from([CASE, OTHER])), max_size=12)


@given(acts)
def test_whatever_happens_a_hold_keeps_the_gate_closed_and_the_records(happens: list[tuple[Action, str]]) -> None:
    """And the owner's acts are what they would have been without it, save joins, which it refuses."""
    held, free = Router(), Router()
    for action, reference in happens:
        if held.standing.holds and action is Action.JOIN:
            continue
        result = held.does(action, reference if action in {Action.HOLD, Action.RELEASE} else None)
        if action not in {Action.HOLD, Action.RELEASE}:
            free.does(action, at=held.entries[-1].received_at if result is Result.RECORDED else None)
        if held.standing.holds:
            assert held.standing.state is not State.JOINED
            assert result is not Result.RECORDED or held.erased() is None

    assert free.standing.state is held.standing.own_state
    assert free.standing.generation == held.standing.generation


def test_what_may_open_a_gate_takes_its_turn() -> None:
    """Everything else goes ahead of it."""
    assert {Action.JOIN, Action.UNRESTRICT, Action.RELEASE} == OPENING


@pytest.mark.parametrize(
    ("action", "state", "reason"),
    [
        (Action.EXIT, State.EXITED, "withdrawn"),
        (Action.UNBIND, State.CLOSED, "withdrawn"),
        (Action.CANCEL, State.CLOSED, "withdrawn"),
        (Action.VOID, State.VOID, "void"),
        (Action.RESTRICT, State.RESTRICTED, "restricted"),
        (Action.HOLD, State.RESTRICTED, "restricted"),
        (Action.ERASE, None, "erased"),
    ],
)
def test_while_the_ledger_is_away_an_act_closes_what_it_will_close(
    action: Action, state: State | None, reason: str
) -> None:
    """At once, before it is recorded (D5, K13); an erasure takes what waits and leaves the state as it is (K29)."""
    assert (state, reason) == hides(action)
