"""What the entry of an act, or of a router's first flag, says."""

import msgspec
import pytest
from ledgers import LATER, LEFT, NOTICE, entry, standing
from notices import digest_of, later, notice
from records import HOUR, SECOND, START, act, join, leave, record, ref, router

from collector.consent.acts import STATE_AFTER, state_after
from collector.consent.entries import entry_of, join_by_flag
from collector.consent.ledger import Head
from collector.consent.standing import State
from collector.model import PURPOSE, Action, Channel, Region


def test_a_join_by_flag_says_where_it_comes_from() -> None:
    """The channel, the times, and the region whose record opened it; nobody showed a text."""
    made = join_by_flag(record(oldest=START - HOUR), Head(seq=4, hash="ab"), NOTICE)

    assert (5, "ab") == (made.seq, made.prev_hash)
    assert (Action.JOIN, Channel.TELEMETRY_FLAG) == (made.action, made.channel)
    assert (START - HOUR, START // 60_000 * 60_000, START) == (made.effective_at, made.client_time, made.received_at)
    assert (router("a").device_ref.hex(), "key-1", 1) == (made.device_ref, made.key_id, made.generation)
    assert (("germany",), "2020-03-14", "broker") == (made.storage_regions, made.policy_version, made.actor_auth)
    assert (None, None, None, None) == (made.policy_digest, made.language, made.adult_or_guardian, made.event_ref)


def test_a_join_event_keeps_the_evidence() -> None:
    """What was shown, in which language, by whom and when (4.3)."""
    event = msgspec.structs.replace(
        join(at=LATER, client_time=LATER - 5, event_ref=ref("act"), storage_regions=("germany",)),
        policy_version="2021-01-01",
        policy_digest=later("2021-01-01").texts["de"],
        language="de",
        adult_or_guardian="guardian",
    )
    made = entry(event)

    assert ("2021-01-01", later("2021-01-01").texts["de"], "de", "guardian") == (
        made.policy_version,
        made.policy_digest,
        made.language,
        made.adult_or_guardian,
    )
    assert (LATER, LATER - 5, LATER) == (made.effective_at, made.client_time, made.received_at)
    assert (ref("act").hex(), ("germany",)) == (made.event_ref, made.storage_regions)
    assert (("ueip", (PURPOSE,)), ()) == ((made.policy_id, made.purposes), made.transfer_destinations)


def test_an_exit_takes_effect_at_its_receipt() -> None:
    """Whatever time the router claims (003 IV.4: immediately); it belongs to the consent it ends."""
    made = entry(msgspec.structs.replace(leave(at=LATER), client_time=START), standing())

    assert LATER == made.effective_at
    assert ("c" * 32, "2020-03-14", ("germany", "hong_kong")) == (
        made.consent_id,
        made.policy_version,
        made.storage_regions,
    )


def test_an_act_that_names_no_region_concerns_the_ledger_it_is_in() -> None:
    """And the version in force, for there is no consent whose version it could be."""
    made = entry(leave())

    assert (("germany",), "2021-01-01") == (made.storage_regions, made.policy_version)


def test_an_exit_counts_though_no_version_is_in_force_yet() -> None:
    """By a clock that is years behind: an exit is honoured, whatever it is filed under (K35)."""
    made = entry(leave(at=0))

    assert (State.EXITED, NOTICE.first.version, 0) == (made.state, made.policy_version, made.effective_at)


def test_an_act_under_a_new_key_stays_with_the_pseudonym_the_ledger_knows() -> None:
    """So that the records of the old key follow it (K32)."""
    made = entry(leave(identity=router("a", key="key-2", older=["key-1"])), standing())

    assert (router("a").device_ref.hex(), "key-1") == (made.device_ref, made.key_id)


@pytest.mark.parametrize("channel", list(Channel))
def test_an_entry_says_how_the_actor_was_known(channel: Channel) -> None:
    """Operators act by the desk and the system; everybody else was let in by the broker."""
    made = entry(msgspec.structs.replace(leave(), channel=channel))
    operators = {Channel.RIGHTS_DESK, Channel.SYSTEM}

    assert made.actor_auth == ("operator" if channel in operators else "broker")


@pytest.mark.parametrize("action", list(STATE_AFTER))
def test_an_entry_says_what_holds_from_now_on(action: Action) -> None:
    """Its standing is that of the router (4.4)."""
    made = entry(act(action, at=LATER), standing(), Head(seq=11, hash="ab"))
    now = made.standing()

    assert STATE_AFTER[action] is now.state is made.state
    # A join goes on with a consent that holds; everything else takes effect now.
    assert (12, made.consent_id) == (now.seq, now.consent_id)
    assert (START if action is Action.JOIN else LATER) == now.effective_at
    assert (router("a").device_ref, "key-1") == (now.device_ref, now.key_id)


# Ids


def test_a_consent_has_one_id_from_join_to_exit() -> None:
    """Every join begins another; the same entries give the same ids, so that a replay can be compared."""
    first = join_by_flag(record(), Head(), NOTICE)
    left = entry(leave(at=LATER), first.standing(), Head(seq=first.seq, hash=first.hash))
    again = entry(join(at=LATER + SECOND), left.standing(), Head(seq=left.seq, hash=left.hash))

    assert first.consent_id == left.consent_id
    assert again.consent_id != first.consent_id
    assert 32 == len(again.consent_id)
    assert first == join_by_flag(record(), Head(), NOTICE)


def test_two_routers_that_join_alike_have_two_consents() -> None:
    """Same millisecond, same text, same head even."""
    ids = {join_by_flag(record(name), Head(), NOTICE).consent_id for name in ("a", "b", "c")}

    assert 3 == len(ids)


# What begins anew, and what only goes on


@pytest.mark.parametrize("action", sorted({*STATE_AFTER} - {Action.RESTRICT, Action.UNRESTRICT}))
@pytest.mark.parametrize("before", list(LEFT))
def test_of_two_ends_the_one_that_asks_more_of_a_join_stays(before: State, action: Action) -> None:
    """An exit after `void` must not make joining easier; unbinding after an exit makes it harder."""
    rank = {State.EXITED: 0, State.EXITED_RESTRICTED: 1, State.CLOSED: 2, State.VOID: 3}
    after = state_after(action, before)
    own = STATE_AFTER[action]

    assert (max(before, own, key=rank.__getitem__) if own in rank else own) is after
    assert entry(act(action, at=LATER + HOUR), standing(before)).state is after


@pytest.mark.parametrize(("before", "generation"), [(State.VOID, 2), (State.CLOSED, 2), (State.EXITED, 1), (None, 1)])
def test_a_generation_ends_with_what_ends_the_consent_itself(before: State | None, generation: int) -> None:
    """Unbound, cancelled or void: the next join is somebody else's, or somebody's first (K26)."""
    made = entry(join(at=LATER), None if before is None else standing(before))

    assert generation == made.generation == made.standing().generation
    assert LATER == made.effective_at


def test_generations_go_on_rising() -> None:
    """One at a time, at the join, and with nothing else."""
    holds, generations = None, []
    for number, action in enumerate([Action.JOIN, Action.UNBIND, Action.EXIT, Action.JOIN, Action.CANCEL, Action.JOIN]):
        holds = entry(act(action, at=START + number * HOUR), holds, Head(seq=number, hash="")).standing()
        generations.append(holds.generation)

    assert [1, 1, 1, 2, 2, 3] == generations


def test_a_join_goes_on_with_a_consent_that_holds_and_begins_anew_after_one_that_is_over() -> None:
    """What was measured between the end of the old consent and the new one was measured without (G7)."""
    policies = notice(later("v2", at=LATER))
    joins = msgspec.structs.replace(join(), policy_version="v2", policy_digest=digest_of("v2", "en"))
    times = (LATER - 1, LATER)
    made = [
        entry_of(
            msgspec.structs.replace(joins, received_at=at),
            standing(),
            Head(),
            region=Region.GERMANY,
            policies=policies,
        )
        for at in times
    ]

    assert [START, LATER] == [found.effective_at for found in made]
    assert ["v2", "v2"] == [found.policy_version for found in made]


def test_only_a_join_carries_what_was_shown() -> None:
    """In any other act it would be words of somebody's choice (F8)."""
    shown = {"policy_version": "v9", "policy_digest": "f" * 64, "language": "tlh", "adult_or_guardian": "adult"}
    for action in set(Action) - {Action.JOIN}:
        event = msgspec.structs.replace(act(action, at=LATER, storage_regions=("atlantis",)), **shown)
        made = entry(event, standing())

        assert ("2020-03-14", None, None, None) == tuple(getattr(made, name) for name in shown)
        assert ("germany", "hong_kong") == made.storage_regions


@pytest.mark.parametrize("missing", ["policy_version", "policy_digest", "language", "adult_or_guardian"])
def test_a_consent_is_attested_if_its_join_brought_everything(missing: str) -> None:
    """And stays so over a restriction and its end; a join by flag attests nothing."""
    whole, bare = entry(join()), entry(msgspec.structs.replace(join(), **{missing: None}))
    for made, attested in ((whole, True), (bare, False), (join_by_flag(record(), Head(), NOTICE), False)):
        held = entry(act(Action.RESTRICT, at=LATER), made.standing())
        ended = entry(act(Action.UNRESTRICT, at=LATER), held.standing())

        assert [attested] * 3 == [found.standing().attested for found in (made, held, ended)]
