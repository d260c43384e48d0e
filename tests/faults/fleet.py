"""The routers of a round and their owners: publishes reports and acts of consent, as the seed says.

Rule 1: every report carries a value of its own that may be stored (`software_version`) and one that must not be.
Rule 2: between an act of consent and a router's next message pass a few milliseconds, so that no two share a time.
"""

import random
import subprocess
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from integration.harness import COUNTRY_OF, POLICY, REGIONS, Site, consent, new_id, report
from notices import DIGEST

from collector.consent.ledger import TIE

from .oracle import Act, Kind, Oracle, Router
from .publishing import Listening

LOCAL_ONLY: Final = ("sms_body", "msisdn", "contacts", "clipboard_text", "phone_number", "pbm_name", "dmesg", "token")
_GAP: Final = 0.004
_NO_YES: Final[tuple[Any, ...]] = (None, "true", 1, "1", [True], {"ueip": True})
"""Values of the flag that open nothing; None leaves it out."""


def routers(seed: int) -> list[Router]:
    """Five a region, the last of which never agrees to anything."""
    return [Router(f"ZTEFA{seed % 100_000:05}N{place}{n}", region, consents=n < 4)
            for place, region in enumerate(REGIONS) for n in range(5)]  # fmt: skip


def milliseconds() -> int:
    """Now."""
    return int(time.time() * 1000)


def text_of(when: int) -> str:
    """A time as routers write it."""
    made = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=when)
    return made.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Fleet:
    """Publishes for the routers."""

    def __init__(self, site: Site, oracle: Oracle, publisher: Listening, seed: int, *, registered: bool) -> None:
        self._site, self._oracle, self._publisher = site, oracle, publisher
        self._random = random.Random(f"fleet {seed}")
        self._seed = seed
        self._registered = registered
        self._commands: list[threading.Thread] = []
        self._sent = 0
        self._documents: dict[str, tuple[str, dict[str, Any]]] = {}

    @property
    def canary(self) -> str:
        """What stands in everything that must not be stored."""
        return f"kanarie{self._seed:05}Xq"

    def run(self, seconds: float) -> None:
        """Publish for that long, some two hundred messages a second."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for _ in range(self._random.randint(1, 4)):
                self.step(self._random.choice(self._oracle.routers))
            time.sleep(self._random.uniform(0.002, 0.02))

    def step(self, router: Router) -> None:
        """One thing that a router or its owner does."""
        chance = self._random
        if not router.consents:
            self.report(router, Kind.REFUSING if chance.random() < 0.1 else Kind.UNFLAGGED)
        elif (not router.joined_once and (self._registered or chance.random() < 0.3)) or (
            router.out and chance.random() < 0.06 and milliseconds() > router.left_at + TIE
        ):
            self.join(router)
        elif not router.out and chance.random() < 0.015:
            self.leave(router)
        else:
            kind = Kind.UNFLAGGED if chance.random() < 0.02 else Kind.FLAGGED
            self.report(router, kind, times=2 if chance.random() < 0.05 else 1)
            router.joined_once = True

    def report(self, router: Router, kind: Kind, *, times: int = 1) -> Act:
        """Send a report, perhaps twice, perhaps one that waited in the router for some seconds."""
        chance, now = self._random, milliseconds()
        when = now - chance.randint(1, 4000) if chance.random() < 0.05 else now
        self._sent += 1
        token = f"vq{self._seed:x}z{self._sent}z"
        act = Act(0, kind, router.serial, router.region, new_id(), when, now, token)
        flag = {Kind.FLAGGED: True, Kind.REFUSING: False}.get(kind, chance.choice(_NO_YES))
        secret = f"{self.canary}{self._sent}"
        document = report(
            router.serial, country=COUNTRY_OF[router.region], ueip=flag, message_id=act.id, time=text_of(when),
            router={"serial": router.serial, "manufacturer": "ZTE", "software_version": token},
            wifi={"wifi_password": secret}, **{chance.choice(LOCAL_ONLY): secret},
        )  # fmt: skip
        self._oracle.add(act)
        self._documents[act.id] = f"ueip/v1/{router.serial}/report", document
        for _ in range(times):
            self.repeat(act)
        if kind is Kind.REFUSING:
            time.sleep(_GAP)
        return act

    def join(self, router: Router, *, retain: bool | None = None) -> Act:
        """The owner joins."""
        router.joined_once, router.out = True, False
        # Not retained: a retained join that comes with a subscription is doubted for the minutes after an exit.
        retain = bool(retain)
        shown = {"policy_version": POLICY, "policy_digest": DIGEST, "language": "en", "adult_or_guardian": "adult"}
        return self.event(router, Kind.JOIN, retain=retain, storage_regions=[router.region], **shown)

    def leave(self, router: Router) -> None:
        """The owner leaves, in one of three ways; the router may not hear of it and go on."""
        router.out, router.left_at = True, milliseconds()
        way = self._random.random()
        if way < 0.45:
            self.event(router, Kind.EXIT, retain=self._random.random() < 0.5)
        elif way < 0.85:
            self.report(router, Kind.REFUSING)
        else:
            self._command(router)

    def event(self, router: Router, kind: Kind, *, retain: bool = False, **more: Any) -> Act:
        """Send a consent event."""
        time.sleep(_GAP)
        now = milliseconds()
        act = Act(0, kind, router.serial, router.region, new_id(), now, now)
        country = COUNTRY_OF[router.region]
        document = consent(kind.value, country=country, event_id=act.id, time=text_of(now), **more)
        self._oracle.add(act)
        self._documents[act.id] = f"ueip/v1/{router.serial}/consent", document
        self.repeat(act, retain=retain)
        time.sleep(_GAP)
        return act

    def repeat(self, act: Act, *, retain: bool = False) -> None:
        """Publish it, once more if it was before; to the collector that is the broker delivering it again."""
        topic, document = self._documents[act.id]
        act.mids.append(self._publisher.publish(topic, document, retain=retain).mid)

    def _command(self, router: Router) -> None:
        now = milliseconds()
        act = Act(0, Kind.COMMAND, router.serial, router.region, "", now, now)
        self._oracle.add(act)
        thread = threading.Thread(target=self._attempt, args=(act,))
        self._commands.append(thread)
        thread.start()

    def _attempt(self, act: Act) -> subprocess.CompletedProcess[str]:
        """`ueip exit`, which must not be believed before it ends well."""
        act.attempts += 1
        done = self._site.ueip("exit", act.router, "--country", COUNTRY_OF[act.region])
        if done.returncode == 0:
            act.done = milliseconds()
        return done

    def finish(self) -> None:
        """Once everything is healed: end what is under way, repeat commands that failed, wait for all answers."""
        for thread in self._commands:
            thread.join(60)
        for act in [act for act in self._oracle.acts if act.kind is Kind.COMMAND and not act.done]:
            done = self._attempt(act)
            assert act.done, f"ueip exit failed with everything healed: {done.returncode} {done.stdout}{done.stderr}"
        for _ in range(10):
            if self._answered():
                return
            # paho does not send what was published just as it reconnected before it connects once more.
            self._site.broker.stop()
            self._site.broker.start()
        self._publisher.settle()

    def _answered(self) -> bool:
        """Whether the broker answers everything within some seconds."""
        end = time.monotonic() + 5
        while time.monotonic() < end and len(self._publisher.answers) < len(self._publisher.sent):
            time.sleep(0.05)
        return len(self._publisher.answers) == len(self._publisher.sent)
