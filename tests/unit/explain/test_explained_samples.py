"""`ueip explain` of messages of other formats: every name of every sample, and what becomes of it."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from aliasing import NOW, translator
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from support import make_rules

from collector.cli import ueip
from collector.cli.setup import make_installation
from collector.explain import Explanation, explain
from collector.formats.reading import Reading
from collector.formats.report import rfc3339
from collector.formats.sources import Source, Sources
from collector.model import Accepted, Dropped, DropReason, Flag, Message, Several
from collector.pipeline import Rules, process


class Played:
    """An adapter that gives the readings it was made with."""

    def __init__(self, readings: tuple[Reading, ...] | DropReason) -> None:
        self._readings = readings

    def read(self, payload: bytes, levels: tuple[str, ...]) -> tuple[Reading, ...] | DropReason:
        """Whatever the payload is."""
        del payload, levels
        return self._readings


ENTRIES: tuple[dict[str, Any], ...] = (
    {"names": ["rsrp", "old_rsrp"], "field": "signal.rsrp_dbm", "unset": [0]},
    {"names": ["serial"], "field": "router.serial"},
    {"names": ["mcc", "mnc"], "joined": True, "field": "network.plmn", "convert": "plmn"},
    {"names": ["rx_bytes"], "field": "usage.downlink_bytes_per_second", "counter": True},
    {"names": ["state"], "event": "wan_unexpected_disconnect", "values": {"lost": True, "fine": False}},
    {"names": ["cause"], "event": "wan_unexpected_disconnect", "field": "event.disconnect_cause", "joins": True},
    {"names": ["channel"], "field": "wifi.wifi_channel_2g", "when": {"name": "band", "is": ["2g"]}},
    {"names": ["starts.{i}.time"], "event": "unexpected_reboot", "field": "event.time"},
    {"names": ["starts.{i}.why"], "event": "unexpected_reboot", "field": "event.reboot_reason"},
)


def rules_of(*readings: Reading | DropReason, country: str | None = "DE", **sections: Any) -> Rules:
    """Rules with one source, whose messages hold these readings."""
    one = readings[0]
    source = Source(
        name="lab",
        format="goform",
        filter=("lab", "+"),
        adapter=Played(one if isinstance(one, DropReason) else tuple(r for r in readings if isinstance(r, Reading))),
        translator=translator(*ENTRIES),
        max_bytes=1000,
        level=1,
        country=country,
    )
    rules = make_rules(consent={"mode": "registered"}, **sections)
    return replace(rules, sources=Sources([source]))


def reading(**values: Any) -> Reading:
    """A sample of now that says these."""
    return Reading(values=tuple(values.items()), time=NOW)


def given_message(payload: bytes = b"x") -> Message:
    """A message of the source."""
    return Message("lab/router-1", payload, retained=False, received_at=NOW)


def fates(found: Any) -> dict[str, tuple[str, str]]:
    """Verdict and words by name."""
    return {finding.path: (finding.verdict, finding.as_what) for finding in found.findings}


def explained(*readings: Reading | DropReason, **more: Any) -> Explanation:
    """What is said of a message with these samples."""
    return explain(given_message(), rules_of(*readings, **more))


def test_each_name_is_told_with_what_becomes_of_it() -> None:
    """Kept as which field with its unit, pseudonymised, unset, refused, unknown, invalid, or of no use here."""
    found = explained(
        reading(
            rsrp=-97, serial="ZTE1", mcc="262", mnc="01", rx_bytes=7, band="5g", channel=6, mood="fine",
            sms_content="hello", blob='{"wifi_password": "x"}',
        )
    )  # fmt: skip
    told = fates(found)

    assert ("stored", "germany") == (found.outcome, found.region)
    assert ("kept", "signal.rsrp_dbm, dBm") == told["rsrp"]
    assert ("pseudonymised", "to serial_ref") == told["serial"]
    assert told["mcc"] == told["mnc"]
    assert told["mcc"][1].startswith("network.plmn")
    assert "derived" == told["rx_bytes"][0]
    assert ("unused", "only tells what other names mean; not stored") == told["band"]
    assert "unused" == told["channel"][0]
    assert "wifi.wifi_channel_2g" in told["channel"][1]
    assert ("removed", "unknown: not in the catalogue") == told["mood"]
    assert told["sms_content"][1].startswith("local_only")
    assert told["blob.wifi_password"][1].startswith("local_only")
    assert "it has to hold a join" in found.reason


@pytest.mark.parametrize(
    ("values", "name", "verdict"),
    [
        ({"rsrp": 0, "old_rsrp": -90}, "rsrp", "unset"),
        ({"rsrp": 0, "old_rsrp": -90}, "old_rsrp", "kept"),
        ({"rsrp": -80, "old_rsrp": -90}, "old_rsrp", "unused"),
        ({"rsrp": -8000}, "rsrp", "removed"),
        ({"rsrp": -80, "state": "lost", "cause": "radio_link_failure"}, "cause", "kept"),
        ({"rsrp": -80, "state": "lost"}, "state", "kept"),
        ({"rsrp": -80, "state": "fine"}, "state", "removed"),
        ({"rsrp": -80, "state": "fine", "cause": "radio_link_failure"}, "cause", "unused"),
        ({"rx_bytes": 2**64 - 1}, "rx_bytes", "removed"),
    ],
)
def test_a_name_is_told_by_what_its_value_made(values: dict[str, Any], name: str, verdict: str) -> None:
    """Not by its entry alone."""
    assert verdict == fates(explained(reading(**values)))[name][0]


@pytest.mark.parametrize(("ahead", "verdict"), [(0, "kept"), (43_200_000, "removed")])
def test_an_event_outside_the_time_window_is_told_to_be_left_out(ahead: int, verdict: str) -> None:
    """As of a clock that stood wrong at the start: the record has none of it."""
    found = explained(
        Reading(values=(("rsrp", -97), ("starts.1.time", rfc3339(NOW + ahead)), ("starts.1.why", "watchdog")), time=NOW)
    )

    assert ("events" in (found.stored or {})) is (verdict == "kept")
    assert (verdict, verdict) == tuple(fates(found)[f"starts.1.{name}"][0] for name in ("time", "why"))


def test_each_of_several_reports_is_told() -> None:
    """With an outcome and names of its own."""
    found = explained(reading(rsrp=-97), replace(reading(rsrp=-90), time=NOW - 9 * 86_400_000), reading(mood="fine"))

    assert "several reports" == found.outcome
    assert ["stored", "dropped: too_old", "dropped: nothing_said"] == [one.outcome for one in found.reports]
    assert [{"rsrp"}, {"rsrp"}, {"mood"}] == [set(fates(one)) for one in found.reports]
    assert {"signal": {"rsrp_dbm": -97}} == found.reports[0].stored


def test_a_report_beside_samples_that_say_nothing_is_the_message() -> None:
    """As `process` has it."""
    found = explained(reading(rsrp=-97), reading(mood="fine"))

    assert ("stored", 2) == (found.outcome, len(found.reports))


@pytest.mark.parametrize(
    ("rules", "outcome", "words"),
    [
        (rules_of(DropReason.MALFORMED), "dropped: malformed", "Expected an object of names and values"),
        (rules_of(reading(rsrp=-90), country=None), "dropped: region_unknown", "--country says what"),
        (rules_of(Reading(values=(("rsrp", -90),))), "dropped: clock_invalid", "arrival_time = true"),
        (rules_of(replace(reading(rsrp=-90), flag=Flag.NO)), "dropped: flag_false", "counts as an exit"),
        (rules_of(reading(rsrp=-90), country=None, regions={"registry": "required"}), "dropped: region_unknown", ""),
    ],
)
def test_a_drop_is_told_with_what_to_do(rules: Rules, outcome: str, words: str) -> None:
    """Where the settings could do something about it."""
    found = explain(given_message(b"{}"), rules)

    assert outcome == found.outcome
    assert words in found.reason


def test_the_registrys_word_can_be_given() -> None:
    """As the operator knows it."""
    found = explain(given_message(), rules_of(reading(rsrp=-90), country=None), country="CN")

    assert ("stored", "china") == (found.outcome, found.region)
    assert "The registry has the last word on the country." in found.reason


VALUES: st.SearchStrategy[Any] = st.sampled_from(
    [0, -97, "-97", "", "lost", "fine", None, True, 2**70, "260", "01", '{"sms": 1}', []]
)
NAMES = st.sampled_from(["rsrp", "old_rsrp", "serial", "mcc", "mnc", "rx_bytes", "state", "cause", "band", "x", "sms"])


@given(st.lists(st.dictionaries(NAMES, VALUES, min_size=1), max_size=3))
def test_what_is_told_is_what_happens(said: list[dict[str, Any]]) -> None:
    """The outcome is that of `process`, and every name of every sample is told once."""
    rules = rules_of(*(reading(**values) for values in said)) if said else rules_of(DropReason.MALFORMED)
    outcome, found = process(given_message(), rules), explain(given_message(), rules)

    if isinstance(outcome, Several):
        kept = [one.outcome.startswith("stored") for one in found.reports if "nothing_said" not in one.outcome]
        assert [isinstance(one, Accepted) for one in outcome.outcomes] == kept
    elif isinstance(outcome, Accepted):
        assert "stored" == found.outcome
        assert json.loads(outcome.record.body) == found.stored
    else:
        assert isinstance(outcome, Dropped)
        assert f"dropped: {outcome.reason}" == found.outcome
    told = found.reports or ((found,) if said else ())
    names = [[f.path for f in one.findings if "." not in f.path and "[" not in f.path] for one in told]
    assert [list(values) for values in said] == names


@pytest.fixture
def run(tmp_path: Any) -> Callable[..., tuple[int, str]]:
    """Runs `ueip explain` with a source of collectd's."""
    make_installation(tmp_path)
    configuration = tmp_path / "collector.toml"
    text = configuration.read_text().replace('mode = "flag"', 'mode = "registered"')
    configuration.write_text(
        f'{text}\n[[sources]]\nname = "lab"\ntopic = "collectd/+/#"\nformat = "collectd"\nrouter_level = 2\n'
    )

    def made(payload: bytes, *words: str) -> tuple[int, str]:
        done = CliRunner().invoke(ueip, ["explain", "-", "-c", str(configuration), *words], input=payload)
        return done.exit_code, " ".join(done.output.split())

    return made


def test_the_command_takes_bytes_as_they_were_sent(run: Callable[..., tuple[int, str]]) -> None:
    """A NUL at the end, and a topic that its source knows."""
    words = ("--topic", "collectd/r1/uptime/uptime", "--at", "2026-11-21T17:16:07Z", "--country", "DE")

    code, said = run(b"1795281366.793:1844\x00", *words)
    document = json.loads(run(b"1795281366.793:1844\x00", *words, "--json")[1])

    assert 0 == code, said
    assert "router.uptime_seconds" in said
    assert {"router": {"uptime_seconds": 1844}} == document["stored_body"]


def test_the_command_names_the_topics_it_knows(run: Callable[..., tuple[int, str]]) -> None:
    """To whom gave another one."""
    code, said = run(b"x", "--topic", "elsewhere/r1")

    assert 1 == code
    assert "topics known here: ueip/v1/ROUTER/report, ueip/v1/ROUTER/consent, collectd/+/#" in said
