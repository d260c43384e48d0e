"""The console in a real browser, as people use it: signed in, looked up, zoomed, refused.

Every visit fails when a request leaves the console, a script or a style is refused, or the browser reports an error.
"""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect
from stage import CHROMIUM, Site, Visitor, chromium, site, visit

WRONG = re.compile("Restarts by the watchdog|Restarts by crashes|Wi-Fi driver errors")
"""What the bad update does; which of them is worst, chance decides."""
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here (Debian package: chromium)")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One console for all tests here."""
    with site(tmp_path_factory.mktemp("site")) as made:
        yield made


@pytest.fixture(scope="module")
def browser(place: Site) -> Iterator[Browser]:
    """After the console: from here on, Playwright's own event loop runs in this thread."""
    with chromium() as made:
        yield made


@pytest.fixture
def visitor(browser: Browser, place: Site) -> Iterator[Visitor]:
    with visit(browser, place.address) as made:
        yield made


def test_from_the_serial_number_to_the_answer(visitor: Visitor, place: Site) -> None:
    """What is wrong, since when, how sure, whether others have it; and the serial stands in no address."""
    visitor.sign_in("anna")
    visitor.look_up(place.ill)
    page = visitor.page

    expect(page.locator("h2#verdict")).to_have_text(WRONG)
    answers = page.locator(".answers dd")
    expect(answers).to_have_count(3)
    assert re.search(r"\d{2}:\d{2}", answers.nth(0).inner_text())
    assert re.match(r"\s*(high|medium|low)", answers.nth(1).inner_text())
    assert re.match(r"Yes, |No, |Not known", answers.nth(2).inner_text())
    expect(page.locator("article.finding").first).to_contain_text("What to do next")
    expect(page.locator(".timeline li").first).to_be_visible()
    assert [] == [url for url in visitor.asked if place.ill in url]
    assert re.fullmatch(r"/routers/[\w-]{20,}", page.url.removeprefix(place.address).partition("?")[0])


def test_charts_zoom_and_move_by_mouse_and_by_keyboard(visitor: Visitor, place: Site) -> None:
    """All on one axis; the whole is a double click or a key away."""
    visitor.sign_in("anna")
    visitor.look_up(place.ill)
    plots = visitor.charts()
    begin, end = visitor.shown()
    panel = plots.locator(".u-over").nth(1)
    panel.scroll_into_view_if_needed()
    box = panel.bounding_box()
    assert box is not None
    mouse, middle = visitor.page.mouse, box["y"] + box["height"] / 2

    mouse.move(box["x"] + box["width"] * 0.5, middle)
    mouse.down()
    mouse.move(box["x"] + box["width"] * 0.75, middle, steps=5)
    mouse.up()
    dragged = visitor.shown()
    assert dragged[1] - dragged[0] == pytest.approx((end - begin) / 4, rel=0.05)
    assert dragged[0] == pytest.approx((begin + end) / 2, abs=(end - begin) * 0.02)

    visitor.page.keyboard.down("Shift")
    mouse.move(box["x"] + box["width"] * 0.5, middle)
    mouse.down()
    mouse.move(box["x"] + box["width"] * 0.75, middle, steps=5)
    mouse.up()
    visitor.page.keyboard.up("Shift")
    moved = visitor.shown()
    assert moved[0] < dragged[0]
    assert moved[1] - moved[0] == pytest.approx(dragged[1] - dragged[0], abs=2)

    plots.focus()
    visitor.page.keyboard.press("0")
    assert visitor.shown() == (begin, end)
    visitor.page.keyboard.press("+")
    zoomed = visitor.shown()
    assert zoomed[1] - zoomed[0] == pytest.approx((end - begin) / 2, abs=2)
    visitor.page.keyboard.press("Shift+ArrowRight")
    assert visitor.shown()[0] > zoomed[0]
    panel.dblclick()
    assert visitor.shown() == (begin, end)


def test_who_does_not_see_hears_each_sample_and_has_a_table(visitor: Visitor, place: Site) -> None:
    """By arrow keys; the same stands in a table."""
    visitor.sign_in("anna")
    visitor.look_up(place.well)
    visitor.charts().focus()

    visitor.page.keyboard.press("End")
    told = visitor.page.locator("[data-told]")
    expect(told).to_contain_text("dBm")
    last = told.inner_text()
    visitor.page.keyboard.press("ArrowLeft")
    expect(told).not_to_have_text(last)
    visitor.page.locator("summary", has_text="The same as a table").click()
    table = visitor.page.locator(".charts table")
    expect(table.locator("tbody tr")).to_have_count(28)
    expect(table.locator("thead")).to_contain_text("RSRP, dBm")


def test_the_fleet_s_page_names_the_bad_version_and_draws_it(visitor: Visitor) -> None:
    """With its like, its interval, its beginning, and the course as a table."""
    visitor.sign_in("anna")
    visitor.go("/fleet")
    # The survey is made beforehand; the page looks again by itself.
    alarm = visitor.page.locator(".alarm").first
    alarm.wait_for(timeout=180_000)

    expect(alarm).to_contain_text("Software BD_MC888")
    expect(visitor.page.locator(".alarm .whisker").first).to_be_visible()
    expect(visitor.page.locator(".alarm path.group").last).to_be_visible()
    alarm.locator("summary", has_text="The same as a table").click()
    assert alarm.locator("tbody tr").count() > 20


def test_a_region_that_is_not_theirs_is_refused_in_words(visitor: Visitor, place: Site) -> None:
    """And a router of it is not known to them."""
    visitor.sign_in("henry")
    visitor.look_up(place.ill)
    expect(visitor.page.locator("[role=alert]")).to_contain_text("No router in your regions")

    answer = visitor.go("/fleet?region=germany")

    assert answer.status == 403
    expect(visitor.page.locator("h1")).to_have_text("Not your region")


def test_a_session_that_has_ended_shows_nothing_more(visitor: Visitor, place: Site) -> None:
    """From the next request on; what leads on is the sign-in."""
    visitor.sign_in("lena")
    visitor.look_up(place.ill)
    expect(visitor.page.locator("h2#verdict")).to_be_visible()
    place.ueip("user", "lock", "lena")

    answer = visitor.page.reload()

    assert answer is not None
    assert answer.status == 401
    expect(visitor.page.locator("h1")).to_have_text("Session ended")
    assert not WRONG.search(visitor.page.content())
    visitor.page.click("main a.button")
    expect(visitor.page.locator("#password")).to_be_visible()


def test_roles_see_their_pages_and_no_others(browser: Browser, place: Site) -> None:
    """Operators the regions, auditors the log, privacy officers the ledger; none of them a diagnosis."""
    with visit(browser, place.address) as operator:
        operator.sign_in("otto", reason=None)
        expect(operator.page.locator("h1")).to_have_text("Regions")
        expect(operator.page.locator("main")).to_contain_text("Ledger entries")
        assert operator.go("/fleet").status == 403
    with visit(browser, place.address) as auditor:
        auditor.sign_in("paula", reason=None)
        expect(auditor.page.locator("tbody")).to_contain_text("INC-4711")
        assert place.ill not in auditor.page.content()
    with visit(browser, place.address) as officer:
        officer.sign_in("dora")
        officer.look_up(place.ill)
        expect(officer.page.locator("main")).to_contain_text("Consent ledger")
        expect(officer.page.locator("main")).not_to_contain_text("Findings")


def test_language_and_colours_are_chosen_and_kept(visitor: Visitor, place: Site) -> None:
    """On every page from then on, charts and rules too."""
    visitor.sign_in("anna")
    visitor.look_up(place.ill)
    for choice, value in (("#language", "de"), ("#theme", "dark")):
        with visitor.page.expect_navigation():
            visitor.page.select_option(choice, value)

    expect(visitor.page.locator("h2#verdict")).to_have_text(re.compile("^Neustarts|^WLAN-Treiberfehler$"))
    assert visitor.page.locator("html").get_attribute("data-theme") == "dark"
    assert visitor.page.locator("html").get_attribute("lang") == "de"
    expect(visitor.page.locator(".plot-head").nth(1)).to_contain_text("Signalpegel")
    assert re.search(r"\d{1,2}\. [A-Z][a-zä]+", visitor.page.locator(".answers time").first.inner_text())


def test_everything_is_reached_by_keyboard(visitor: Visitor, place: Site) -> None:
    """The first stop leads past the bar to the content."""
    visitor.sign_in("anna")
    visitor.look_up(place.ill)
    visitor.charts()
    visitor.page.keyboard.press("Tab")
    expect(visitor.page.locator(".skip")).to_be_focused()
    visitor.page.keyboard.press("Enter")
    assert visitor.page.evaluate("document.activeElement.id") == "main"
    reached = set()
    for _ in range(60):
        visitor.page.keyboard.press("Tab")
        reached.add(visitor.page.evaluate("document.activeElement.tagName + (document.activeElement.id || '')"))
        if visitor.page.evaluate("document.activeElement.matches('[data-plots]')"):
            break
    else:
        raise AssertionError(f"the charts are not reached: {sorted(reached)}")


@pytest.mark.parametrize("width", [360, 1280])
def test_no_page_shuts_a_reader_out(browser: Browser, place: Site, width: int) -> None:
    """axe-core finds nothing serious in either colours, and nothing is wider than the window, on any page."""
    found: dict[str, list[str]] = {}

    def look(one: Visitor, name: str) -> None:
        if one.page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            found.setdefault(name, []).append("wider than the window")
        if faults := one.faults_for_readers():
            found.setdefault(name, []).extend(faults)

    how = {"viewport": {"width": width, "height": 800}}
    with visit(browser, place.address, **how) as engineer:
        engineer.go("/sign-in")
        look(engineer, "sign-in")
        engineer.sign_in("anna", reason=None)
        look(engineer, "reason")
        engineer.give("INC-4711")
        look(engineer, "look-up")
        engineer.look_up("nobody-knows-this")
        look(engineer, "unknown")
        engineer.go("/")
        engineer.look_up(place.ill)
        engineer.charts()
        engineer.page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        look(engineer, "router")
        engineer.go("/fleet")
        engineer.page.locator(".alarm").first.wait_for(timeout=180_000)
        look(engineer, "fleet")
        engineer.go("/regions")
        look(engineer, "regions")
        engineer.go("/audit")
        look(engineer, "refused")
    with visit(browser, place.address, **how) as auditor:
        auditor.sign_in("paula", reason=None)
        look(auditor, "audit")

    assert found == {}


def test_a_page_that_shuts_readers_out_is_told(visitor: Visitor) -> None:
    """The control: a field without a name, and words as pale as their ground in the dark."""
    visitor.go("/sign-in")
    visitor.page.evaluate("document.querySelector('label[for=name]').remove()")
    visitor.page.evaluate("document.documentElement.style.setProperty('--quiet', '#8a9097')")

    faults = visitor.faults_for_readers()

    assert any(fault.startswith("label") for fault in faults)
    assert any(fault.startswith("color-contrast") for fault in faults)
