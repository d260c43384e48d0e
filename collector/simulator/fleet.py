"""N routers from a seed, and the messages they send as simulated time advances.

Rule 1: same size, seed and start, and same times of the rounds: same messages, to the byte.
Rule 2: a message id holds the start time, so it is unique for ever, also across runs with the same seed.
Rule 3: a well-behaved router never speaks of the future, nor of a time before its last report.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random

from collector.simulator.casting import Casting, Highlight, Part
from collector.simulator.habits import Habit
from collector.simulator.membership import AFTER_JOIN, Act, Membership
from collector.simulator.misbehaviour import spoil
from collector.simulator.publication import CONSENT, Draft, Publication, dropped, encode
from collector.simulator.router import Router
from collector.simulator.uplink import stamp

POLICY_VERSION = "2020-03-14"
"""The text the owners were shown; the collector must accept it."""
POLICY_DIGEST = "6a4c8feffed9c0456bf70cc5dac36d9e9fce9f125d16cff236275faed7d9b766"
"""SHA-256 of its English text, as a router's firmware has it built in."""
_FAIR_DBM = -100.0
"""A level from which its random walk does not make it weak."""


@dataclass(slots=True)
class _Member:
    part: Part
    router: Router
    membership: Membership
    reports: int = 0
    choices: int = 0


class Fleet:
    """A fleet of routers that behaves and misbehaves."""

    def __init__(self, *, size: int, seed: int, start: datetime, owners_act_from: datetime | None = None) -> None:
        """
        Create *size* routers as they are at *start*.

        Owners leave and rejoin only from *owners_act_from* on (default: *start*). A join counts from the moment the
        collector receives it, so a history that is replayed quickly must not hold any: pass the time it ends.
        """
        self._start = start.astimezone(UTC)
        self._run = f"{self._start:%Y%m%dT%H%M%S.%fZ}"
        self._now = self._start
        since = self._start if owners_act_from is None else owners_act_from
        parts = Casting(size=size, seed=seed, start=self._start).parts()
        self._members = [self._member(part, number, seed, since) for number, part in enumerate(parts)]

    def round(self, now: datetime) -> Iterator[Publication]:
        """
        Yield what every router sends at *now*: a report, or whatever its habit makes of one.

        Raises ValueError if *now* lies before the last round: routers do not live backwards.
        """
        now = now.astimezone(UTC)
        if now < self._now:
            raise ValueError(f"this round is at {now}, the one before was at {self._now}; time only moves forward")
        self._now = now
        for member in self._members:
            yield from self._turn(member, now)

    def highlights(self) -> list[Highlight]:
        """Return the routers worth looking up, one story each."""
        return [member.part.highlight() for member in self._members if member.part.story]

    def _member(self, part: Part, number: int, seed: int, since: datetime) -> _Member:
        rng = Random(f"{seed}/{number}/{self._run}")
        membership = Membership(part.leaves, part.habit is Habit.LEAVES_AND_REJOINS, since)
        router = Router.start(rng, part.build, self._start)
        if part.story:
            _keep_to_the_story(router)
        return _Member(part, router, membership)

    def _turn(self, member: _Member, now: datetime) -> Iterator[Publication]:
        member.router.advance(now)
        match member.membership.act(now):
            case Act.REPORT:
                yield from self._draft(member, now).publications()
            case Act.REPORT_AFTER_EXIT:
                # The flag in it still says yes; an exit in the ledger outweighs that (D2).
                draft = self._draft(member, now)
                draft.expectation = dropped("withdrawn")
                yield from draft.publications()
            case Act.EXIT:
                yield self._choice(member, "exit", now)
            case Act.JOIN:
                yield self._choice(member, "join", now)
                member.router.forget(now + AFTER_JOIN)
            case Act.SILENCE:
                member.router.forget(now)

    def _draft(self, member: _Member, now: datetime) -> Draft:
        identity = member.part.build.identity
        envelope: dict[str, object] = {
            "schema_version": 1,
            "message_id": f"{self._run}-{member.reports}",
            "ueip": True,
            "policy_version": POLICY_VERSION,
            "country": member.part.build.place.country,
            "time": stamp(now),
        }
        draft = Draft(f"ueip/v1/{identity.serial}/report", envelope | member.router.report(now), member.reports)
        member.reports += 1
        spoil(member.part.habit, draft)
        return draft

    def _choice(self, member: _Member, action: str, now: datetime) -> Publication:
        place = member.part.build.place
        document: dict[str, object] = {
            "schema_version": 1,
            "event_id": f"{self._run}-{action}-{member.choices}",
            "action": action,
            "time": stamp(now),
            "country": place.country,
            "channel": "app",
        }
        if action == "join":
            document |= {
                "policy_version": POLICY_VERSION,
                "policy_digest": POLICY_DIGEST,
                "language": "en",
                "storage_regions": [place.region],
                "adult_or_guardian": "adult",
            }
        member.choices += 1
        # Retained is allowed here, and only here: a collector that was away still learns of an exit.
        topic = f"ueip/v1/{member.part.build.identity.serial}/consent"
        return Publication(topic, encode(document), 1, retain=True, expectation=CONSENT)


def _keep_to_the_story(router: Router) -> None:
    """Take away the faults that chance deals out and that a diagnosis would name before that of the story."""
    # No WAN address is ever drawn from this range.
    router.link.addresses["lan_ipv4"] = "192.168.32.1/24"
    if not router.build.poor_coverage:
        router.radio.base_dbm = max(_FAIR_DBM, router.radio.base_dbm)
