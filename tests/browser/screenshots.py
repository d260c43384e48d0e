"""Makes the pictures of docs/images anew: a console on a simulated past, as Chromium shows it.

make screenshots
"""

import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Browser
from stage import CHROMIUM, Site, Visitor, chromium, site, visit

IMAGES: Final = Path(__file__).parents[2] / "docs" / "images"
WIDE: Final[dict[str, Any]] = {"viewport": {"width": 1200, "height": 860}}
PHONE: Final[dict[str, Any]] = {"viewport": {"width": 360, "height": 760}, "color_scheme": "dark", "locale": "de"}


def main() -> None:
    """Every picture."""
    if CHROMIUM is None:
        sys.exit("There is no Chromium here. On Debian: apt-get install chromium")
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, site(Path(folder)) as place, chromium() as browser:
        _wide(browser, place)
        _phone(browser, place)


def _wide(browser: Browser, place: Site) -> None:
    with visit(browser, place.address, **WIDE) as engineer:
        engineer.sign_in("anna")
        engineer.look_up(place.ill)
        engineer.charts()
        _take(engineer, "console-router")
        engineer.page.locator(".charts").scroll_into_view_if_needed()
        engineer.page.evaluate("document.querySelector('.charts').scrollIntoView()")
        engineer.charts().focus()
        engineer.page.keyboard.press("End")
        for _ in range(20):
            engineer.page.keyboard.press("ArrowLeft")
        _take(engineer, "console-charts")
        engineer.go("/fleet")
        engineer.page.locator(".alarm").first.wait_for(timeout=180_000)
        _take(engineer, "console-fleet")
        engineer.go("/regions")
        _take(engineer, "console-regions")


def _phone(browser: Browser, place: Site) -> None:
    with visit(browser, place.address, **PHONE) as engineer:
        engineer.sign_in("anna")
        engineer.look_up(place.ill)
        engineer.charts()
        _take(engineer, "console-phone")


def _take(visitor: Visitor, name: str) -> None:
    path = IMAGES / f"{name}.png"
    visitor.page.wait_for_load_state("networkidle")
    visitor.page.screenshot(path=path, animations="disabled")
    print(f"written: {path.relative_to(IMAGES.parents[1])}")  # noqa: T201 - a command


if __name__ == "__main__":
    main()
