"""Pages of templates: every one in every language, from the documents that the API gives; nothing slips through."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import msgspec
import pytest
from patients import NOW, SINCE, event, history, hours, with_events
from populations import BEGIN, Planted, Population
from records import ref

from collector.access.nouns import Purpose, Role, Session, Viewer
from collector.console import building, views
from collector.console.charts import chart_of, table_of
from collector.console.health_views import ExitHealth, HealthView, RegionHealth, Running, SpoolHealth, StoreHealth
from collector.console.pages import FAULTS
from collector.console.plots import course_plot, ratio_plot
from collector.console.rendering import Look, length, moment, page, places_of, ticks
from collector.console.texts import LANGUAGES, texts_of
from collector.derive import text_of
from collector.diagnosis.document import document
from collector.diagnosis.fleet import survey
from collector.diagnosis.groups import Kind
from collector.diagnosis.history import DAY, HOUR
from collector.diagnosis.judging import checked_rules, diagnose
from collector.diagnosis.nouns import Compared, OnCell
from collector.diagnosis.series import lines_of
from collector.diagnosis.survey_document import survey_document
from collector.diagnosis.timeline import timeline
from collector.model import Region

BAD = "<script>alert(1)</script>\"'&"
"""What an account, a reason or a router might say of itself."""


def session(role: Role = Role.ENGINEER) -> Session:
    purpose = Purpose(text=BAD, ticket=False, given_at=NOW, until=NOW + HOUR)
    viewer = Viewer(BAD, role, frozenset({Region.GERMANY}))
    return Session("digest", viewer, NOW, NOW, "word", purpose=purpose)


def router_view(*, findings: bool = True, readable: bool = True) -> views.RouterView:
    events = [event("wan_unexpected_disconnect", hours(30 + n), disconnect_cause=BAD) for n in range(30)]
    body = {
        "router": {"uptime_seconds": 1000, "model_name": BAD},
        "network": {"rat": "lte"},
        "signal": {"rsrp_dbm": -95},
    }
    told = history(with_events(*(events if findings else []), body=body) if readable else [])
    found = diagnose(told, checked_rules())
    compared = (Compared("same model and software", "disconnects", "a day", 12.0, 38, 9.0, 20),)
    found = [msgspec.structs.replace(f, compared=compared, on_cell=OnCell(44, 4, f.since)) for f in found]
    made = document(Region.GERMANY, ref("a"), told, found, timeline(told), readable=readable, cut_off=True)
    series = building.series_view(Region.GERMANY, ref("a"), told, lines_of(told), readable=readable)
    return views.RouterView("handle", made, series)


def fleet() -> list[views.FleetView]:
    bad = {"restarts by the watchdog": 2.0, "disconnects": 3.0}
    planted = Population(300, 20, 9201, planted=[Planted("MC888", "B06", bad)], rollout={"B06": BEGIN + 8 * DAY})
    alarms = survey(planted.fleet())
    cell = msgspec.structs.replace(alarms[0], kind=Kind.CELL, name="", model="", course=(), others_affected=0)
    made = survey_document(
        Region.GERMANY, [*alarms, cell], since=BEGIN, until=BEGIN + 20 * DAY, routers=300, hours=1e6, sampled=True
    )
    quiet = msgspec.structs.replace(made, region=Region.CHINA, alarms=[])
    return [
        views.FleetView(Region.GERMANY, "ready", made.until, 5, made),
        views.FleetView(
            Region.CHINA, "failed", made.until, 5, quiet, views.SurveyFailure(views.SurveyFault.STORE, "disk full")
        ),
        views.FleetView(Region.HONG_KONG, "making", None, None, None),
    ]


def health() -> HealthView:
    ready = StoreHealth("ready", None, text_of(NOW), 7, "agrees with its witness")
    away = StoreHealth("away", "Start it.", None, None, "not verified")
    running = Running("ready", 5, 12.5, 0, ExitHealth(1, 2.0, 3, 0.1), SpoolHealth(4, 4_000_000, 9.0))
    regions = [RegionHealth(Region.GERMANY, ready, running), RegionHealth(Region.CHINA, away, None)]
    return HealthView(text_of(NOW), {"broker": "ready", "germany": "closed"}, "127.0.0.1:9464", regions)


def pages() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every template with what it is given: its name, the template, the context."""
    for name, view in {
        "router": router_view(),
        "router-well": router_view(findings=False),
        "router-left": router_view(readable=False),
    }.items():
        given = {"handle": "h", "router": view.diagnosis, "window": "7d", "windows": ("1d", "7d"), "view": view}
        yield name, "router.html", given
    fleets = fleet()
    plots = {
        (one.region, n): (ratio_plot(alarm), course_plot(alarm))
        for one in fleets
        if one.survey
        for n, alarm in enumerate(one.survey.alarms)
    }
    yield "fleet", "fleet.html", {"fleets": fleets, "plots": plots}
    yield "fleet-none", "fleet.html", {"fleets": [], "plots": {}}
    yield "regions", "regions.html", {"health": health()}
    yield "regions-silent", "regions.html", {"health": msgspec.structs.replace(health(), collector=None)}
    yield "lookup", "lookup.html", {"fault": "unknown"}
    known = [views.KnownRouter("h", region, "ab" * 16, region is Region.CHINA) for region in Region]
    yield "routers", "routers.html", {"found": views.LookupView(known), "query": ""}
    yield "routers-away", "routers.html", {"found": views.LookupView(known[:1], list(Region)[1:]), "query": ""}
    entry = views.ConsentEntry(1, text_of(SINCE), "join", "flag", "joined", "2020-03-14")
    consent = views.ConsentView(Region.GERMANY, "ab" * 16, "joined", text_of(SINCE), [entry])
    yield "consent", "consent.html", {"consent": consent}
    shown = {"records": 3, "since": SINCE}
    read = views.AuditEntryView(7, text_of(NOW), BAD, "engineer", "local", "diagnosis", "shown", "ab" * 16, BAD, shown)
    audit = views.AuditView(Region.GERMANY, [msgspec.structs.replace(read, whom=BAD)], more=True)
    yield "audit", "audit.html", {"logs": ["accounts", "germany"], "log": "germany", "audit": audit}
    yield (
        "sign-in",
        "sign_in.html",
        {"notice": "expired", "fault": "wrong", "sso": "/x", "local": True, "csrf": "w", "next": BAD},
    )
    yield "reason", "reason.html", {"fault": "invalid", "most_hours": 4}
    for fault in sorted({*FAULTS.values(), "fault"}):
        yield f"error-{fault}", "error.html", {"fault": fault, "sign_in": "/sign-in"}


PAGES = list(pages())


def rendered(template: str, given: dict[str, Any], language: str = "en", theme: str | None = None) -> str:
    texts = texts_of(language)
    if "view" in given:
        given = {**given, "chart": chart_of(given["view"], texts), "chart_table": table_of(given["view"], texts)}
    who = None if template == "sign_in.html" else session()
    look = Look(session=who, theme=theme, here="lookup", back="/?a=1&b=2", nav=places_of(who))
    return page(template, texts, look, **given)


class Reader(HTMLParser):
    """What a browser would read: elements that are open, ids, labels, and what must not be there."""

    VOID = frozenset({"meta", "link", "input", "path", "rect", "circle", "br"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.refers: set[str] = set()
        self.faults: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag not in self.VOID:
            self.open.append(tag)
        self.ids += [str(given["id"])] if "id" in given else []
        for name in ("for", "aria-labelledby", "aria-describedby"):
            self.refers |= set(str(given.get(name, "")).split())
        if any(name.startswith("on") or name == "style" for name in given):
            self.faults.append(f"{tag} with a script or a style in it")
        if tag == "script" and "src" not in given and given.get("type") != "application/json":
            self.faults.append("a script in the page")
        if tag == "style":
            self.faults.append("a style in the page")

    def handle_endtag(self, tag: str) -> None:
        if tag in self.VOID:
            return
        opened = self.open.pop()
        if opened != tag:
            self.faults.append(f"{opened} ended by {tag}")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("name", "template", "given"), PAGES, ids=[name for name, _, _ in PAGES])
def test_every_page_is_whole_in_every_language(name: str, template: str, given: dict[str, Any], language: str) -> None:
    """No script or style in it, no id twice, none that is named and missing; what strangers said is text."""
    text = rendered(template, given, language)
    reader = Reader()
    reader.feed(text)

    assert (reader.faults, reader.open) == ([], [])
    assert sorted(reader.ids) == sorted(set(reader.ids))
    assert reader.refers <= set(reader.ids)
    assert "<script>alert" not in text
    assert f'<html lang="{language}"' in text


def test_what_is_shown_of_a_router_is_what_its_document_says() -> None:
    """The worst finding first, with since, how sure, who else has it, and what to do."""
    text = rendered("router.html", next(given for name, _, given in PAGES if name == "router"))

    assert re.search(r'<h2 id="verdict">Frequent disconnects</h2>', text)
    assert "Yes, other routers of its model" in text
    assert "4 of 44" in text
    assert "explain-rule disconnects_frequent" in text
    assert "older ones are left out" in text


def test_of_a_router_that_left_there_is_nothing() -> None:
    """Neither findings nor charts nor timeline."""
    text = rendered("router.html", next(given for name, _, given in PAGES if name == "router-left"))

    assert "Not in the programme" in text
    assert not re.search(r"finding-|data-chart|timeline", text)


def test_a_role_sees_the_pages_it_has() -> None:
    """As the table of access has it."""
    names = {role: [place.name for place in places_of(session(role))] for role in Role}

    assert names[Role.ENGINEER] == ["lookup", "fleet", "regions"]
    assert names[Role.OPERATOR] == ["regions"]
    assert names[Role.AUDITOR] == ["audit"]
    assert names[Role.PRIVACY_OFFICER] == ["lookup", "audit"]
    assert places_of(None) == ()


def test_colours_are_the_system_s_unless_chosen() -> None:
    """The choice stands in the page, so that nothing flashes."""
    assert "data-theme" not in rendered("error.html", {"fault": "region"})
    assert 'data-theme="dark"' in rendered("error.html", {"fault": "region"}, theme="dark")


def test_lengths_and_times_and_names() -> None:
    """In the two largest units; to the minute; names as code, and nothing else."""
    begin = "2026-11-09T00:00:00Z"
    told = [length(texts_of("en"), begin, f"2026-11-{day}Z") for day in ("09T00:00:20", "09T01:05:00", "12T00:01:00")]

    assert told == ["under a minute", "1 h 5 min", "3 d 1 min"]
    assert moment(begin) == "2026-11-09 00:00 UTC"
    assert str(ticks("see `a<b` & c")) == "see <code>a&lt;b</code> &amp; c"
