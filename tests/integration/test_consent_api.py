"""Acts of consent over HTTP, to a collector in a process of its own, with a broker and routers that publish."""

import json
import re
import secrets
import urllib.error
import urllib.request
from typing import Any

import pytest

from .harness import Collector, Site, files_below, new_id, now_text, report, traces, wait_until

SERIAL = "ZTEAB0A123456"
IMEI = "490154203237518"
MARKER = "V7.Marker-kwx_QZJ"
SECRET = f"s3cret-{secrets.token_hex(24)}"


class Desk:
    """Somebody with the secret."""

    def __init__(self, collector: Collector) -> None:
        found = re.findall(r"acts of consent at (\S+)/v1/consent", collector.said())
        self.address = f"{found[-1]}/v1/consent"

    def ask(self, document: dict[str, Any], *, path: str = "", secret: str = SECRET) -> tuple[int, Any]:
        """Send a request; the status and what came back."""
        headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}
        request = urllib.request.Request(self.address + path, json.dumps(document).encode(), headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return int(answer.status), json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    def act(self, action: str, router: str = SERIAL, **more: Any) -> tuple[int, Any]:
        """Send an act."""
        said = {"time": now_text(), "country": "DE"} if action == "join" else {}
        document = {"router": router, "action": action, "event_id": new_id(), "channel": "rights_desk", **said, **more}
        return self.ask(document)


@pytest.fixture
def served(site: Site) -> Site:
    """An installation that takes acts over HTTP."""
    token = site.folder / "token"
    token.write_text(f"{SECRET}\n")
    token.chmod(0o600)
    site.configure(api={"enabled": True, "port": 0, "token_file": "token"})
    return site


def send(router: Any, **more: Any) -> None:
    """A report with the marker in it."""
    document = report(SERIAL, **more)
    document["router"] |= {"imei": IMEI, "software_version": MARKER}
    router.publish(f"ueip/v1/{SERIAL}/report", document)


def test_an_exit_over_http_erases_and_closes_the_gate(served: Site) -> None:
    """When the answer is there, nothing of the router is in any file, and what it sends later is dropped."""
    collector = served.start()
    desk = Desk(collector)
    with served.publisher() as router:
        send(router)
        collector.wait_settled(1)
        answer = desk.act("exit", IMEI)
        left = traces(MARKER, files_below(served.folder / "data"))
        send(router)
        found = collector.wait_settled(2)

    assert (200, "recorded") == (answer[0], answer[1]["regions"]["germany"])
    assert [] == left
    assert {"withdrawn": 1} == found.dropped


def test_a_join_over_http_lets_in_what_a_flag_does_not(served: Site) -> None:
    """After an exit, a new act of the owner does; the state says so to who asks."""
    collector = served.start()
    desk = Desk(collector)
    with served.publisher() as router:
        send(router)
        collector.wait_settled(1)
        desk.act("exit")
        send(router)
        collector.wait_settled(2)
        # An act within the moment of the exit counts as an exit, so it is sent until it is a later one.
        wait_until(lambda: desk.act("join")[1]["regions"]["germany"] == "recorded", what="the join")
        state = desk.ask({"router": SERIAL}, path="/state")
        send(router)
        found = collector.wait_settled(3)

    assert {"germany": 2} == found.stored
    assert (200, ["joined"]) == (state[0], [one["state"] for one in state[1]["regions"]["germany"]])


def test_an_act_survives_a_kill_right_after_its_answer(served: Site) -> None:
    """What is answered is durable: the next run finds it."""
    collector = served.start()
    desk, event_id = Desk(collector), new_id()
    first = desk.act("exit", country="CN", event_id=event_id)
    collector.kill()
    collector.start().wait_ready()
    again = Desk(collector).act("exit", country="CN", event_id=event_id)

    assert ("recorded", "repeated") == (first[1]["regions"]["china"], again[1]["regions"]["china"])


def test_it_stops_though_somebody_waits(served: Site) -> None:
    """SIGTERM ends the collector in order, the API included."""
    collector = served.start()
    desk = Desk(collector)
    desk.act("join")

    assert 0 == collector.stop()


def test_neither_secret_nor_identifier_is_in_what_is_said_or_kept(served: Site) -> None:
    """At level debug: logs, metrics, every file but the one with the secret."""
    collector = served.start()
    desk = Desk(collector)
    desk.act("join")
    desk.act("exit", IMEI)
    refused = [desk.ask({"router": SERIAL}, secret="wrong"), desk.act("c4n4ry-action", "c4n4ry-router")]
    places = [
        *((name, content) for name, content in files_below(served.folder) if name != "token"),
        ("metrics", collector.get("/metrics")[1]),
    ]

    assert [401, 400] == [status for status, _ in refused]
    assert [] == [place for text in (SECRET, SERIAL, IMEI, "c4n4ry") for place in traces(text, places)]
