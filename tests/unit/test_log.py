"""Logs are events with facts; what others write is reduced to its place."""

import json
import logging
import re
from collections.abc import Callable, Iterator

import pytest

from collector.log import LOG, Logger, set_up_logs
from collector.model import Region

Read = Callable[[], str]


@pytest.fixture
def written(capsys: pytest.CaptureFixture[str]) -> Iterator[Read]:
    """What is on standard error; afterwards logging is as it was before."""
    root, ours = logging.getLogger(), logging.getLogger("ueip")
    handlers, level, own_level = root.handlers[:], root.level, ours.level
    root.handlers = []  # those of the test runner are not ours to close
    yield lambda: capsys.readouterr().err
    root.handlers = handlers
    root.setLevel(level)
    ours.setLevel(own_level)


def test_machines_read_json(written: Read) -> None:
    """One object a line: time, level, event, and the facts beside them."""
    set_up_logs(style="json", level="info")
    LOG.info("collector_started", regions=3, region=Region.CHINA, seconds=0.5, ready=True, why=None)
    LOG.error("store_unavailable", region="germany")
    first, second = (json.loads(line) for line in written().splitlines())

    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", first.pop("time"))
    assert first == {
        "level": "info",
        "event": "collector_started",
        "regions": 3,
        "region": "china",
        "seconds": 0.5,
        "ready": True,
        "why": None,
    }
    assert ("error", "store_unavailable", "germany") == (second["level"], second["event"], second["region"])


def test_people_read_a_line(written: Read) -> None:
    """Time of day, level, event, the facts there are."""
    set_up_logs(style="human", level="info")
    LOG.warning("broker_connection_lost", why="no_answer", after=None, count=2)

    assert re.fullmatch(r"\d\d:\d\d:\d\d  warning  broker_connection_lost  why=no_answer  count=2\n", written())


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        ("debug", ["debug", "info", "warning", "error"]),
        ("info", ["info", "warning", "error"]),
        ("warning", ["warning", "error"]),
        ("error", ["error"]),
    ],
)
def test_the_level_is_the_least_that_is_written(written: Read, level: str, expected: list[str]) -> None:
    """All of ours at and above it."""
    set_up_logs(style="json", level=level)
    LOG.debug("debug")
    LOG.info("info")
    LOG.warning("warning")
    LOG.error("error")

    assert expected == [json.loads(line)["event"] for line in written().splitlines()]


@pytest.mark.parametrize("style", ["json", "human"])
@pytest.mark.parametrize("level", ["debug", "error"])
def test_no_text_of_a_library_is_written(written: Read, style: str, level: str) -> None:
    """It may quote what a router sent: its message, its arguments, its exception, its facts of another kind."""
    set_up_logs(style="json" if style == "json" else "human", level=level)
    library = logging.getLogger("asyncio")
    canary = "c4n4ry"
    library.warning("payload was %s", canary)
    library.error(canary, extra={"payload": canary, "fact": canary}, stack_info=True)
    try:
        raise ValueError(canary)  # noqa: TRY301 - its text is what must not be written
    except ValueError:
        library.exception("failed on %s", canary)
        logging.getLogger("uvicorn.error").critical(canary, exc_info=True)
    library.info(canary)
    text = written()
    lines = text.splitlines()

    assert canary not in text
    assert "Traceback" not in text
    assert 4 == len(lines)
    assert 3 == sum("library_message:asyncio" in line for line in lines)
    assert "library_message:uvicorn.error" in lines[3]


def test_setting_up_twice_writes_once(written: Read) -> None:
    """The last style holds."""
    set_up_logs(style="human", level="info")
    set_up_logs(style="json", level="info")
    LOG.info("once")

    assert "once" == json.loads(written())["event"]


def test_an_error_that_comes_with_every_message_is_told_seldom(written: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    """At once, and then with how often it came; another error does not wait for it."""
    now = 1000.0
    monkeypatch.setattr("collector.log.time.monotonic", lambda: now)
    set_up_logs(style="json", level="info")
    log = Logger("ueip")
    for _ in range(5):
        log.seldom("message_failed", at="pipeline.py:1")
    log.seldom("entry_failed")
    now += 11
    log.seldom("message_failed", at="pipeline.py:2")
    lines = [json.loads(line) for line in written().splitlines()]

    assert [("message_failed", 1), ("entry_failed", 1), ("message_failed", 5)] == [
        (line["event"], line["times"]) for line in lines
    ]
    assert "pipeline.py:2" == lines[2]["at"]
    assert {"error"} == {line["level"] for line in lines}


def test_a_fact_has_a_name() -> None:
    """There is no way to hand over a text to be filled in, nor an exception."""
    for write in (LOG.debug, LOG.info, LOG.warning, LOG.error):
        with pytest.raises(TypeError):
            write("failed on %s", "payload")  # type: ignore[call-arg]


def test_what_is_not_written_costs_nothing(written: Read) -> None:
    """A fact of a level that is off is not even looked at."""
    set_up_logs(style="json", level="error")

    class Costly:
        def __str__(self) -> str:
            raise AssertionError

    Logger("ueip").info("quiet", fact=Costly())  # type: ignore[arg-type]

    assert "" == written()
