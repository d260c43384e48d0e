"""Makes pages from templates: the reader's language and colours, and what every page has around it.

Rule 1: everything is escaped by default, and a name that a template does not know is an error, not a blank.
Rule 2: a page loads nothing but the console's own files, and no script or style stands in it (`shield.POLICY`).
"""

import hashlib
import re
from datetime import datetime
from functools import cache, partial
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import HTMLResponse

from collector.access.nouns import TABLE, Right, Session
from collector.console.evidence import evidence_of
from collector.console.others import group_key, others_of
from collector.console.texts import LANGUAGES, RuleTexts, Texts, chosen, texts_of
from collector.derive import text_of
from collector.diagnosis.document import ComparedDocument, FindingDocument
from collector.diagnosis.sentences import Word

LANGUAGE_COOKIE: Final = "ueip_language"
THEME_COOKIE: Final = "ueip_theme"
THEMES: Final = ("light", "dark")
_HERE: Final = Path(str(files("collector.console")))


class Place(NamedTuple):
    """A page in the bar at the top, and the right that it needs."""

    name: str
    path: str
    right: Right


PLACES: Final = (
    Place("lookup", "/", Right.LOOKUP),
    Place("fleet", "/fleet", Right.FLEET),
    Place("regions", "/regions", Right.HEALTH),
    Place("audit", "/audit", Right.AUDIT),
)


class Look(NamedTuple):
    """What every page knows about its reader; `back` is where a form leads back to."""

    session: Session | None
    theme: str | None
    here: str
    back: str
    nav: tuple[Place, ...]


def places_of(session: Session | None) -> tuple[Place, ...]:
    """The pages that somebody may see, by the table of rights."""
    if session is None:
        return ()
    rights = TABLE.get(session.viewer.role, {})
    return tuple(place for place in PLACES if place.right in rights)


def render(
    request: Request,
    template: str,
    *,
    session: Session | None = None,
    here: str = "",
    back: str | None = None,
    status: int = 200,
    **context: Any,
) -> HTMLResponse:
    """A page for whoever asks, in their language and colours."""
    theme = request.cookies.get(THEME_COOKIE)
    look = Look(
        session=session,
        theme=theme if theme in THEMES else None,
        here=here,
        back=back or back_to(request),
        nav=places_of(session),
    )
    texts = texts_for(request)
    headers = {"Content-Language": texts.language, "Vary": "Cookie, Accept-Language"}
    return HTMLResponse(page(template, texts, look, **context), status, headers)


def page(template: str, texts: Texts, look: Look, **context: Any) -> str:
    """The text of a page."""
    words = {
        "t": texts.say,
        "tell": texts.tell,
        "word": lambda of, name: texts.tell(Word(of, name)),
        "evidence": partial(evidence_of, texts),
        "rule": partial(_rule, texts),
        "length_of": partial(length, texts),
        "measure": partial(_measure, texts),
        "number": texts.number,
        "days_of": lambda days: texts.say("length.one_day") if days == 1 else texts.say("length.days", n=days),
    }
    languages = {language: texts_of(language).called for language in LANGUAGES}
    return _environment().get_template(template).render(look=look, texts=texts, languages=languages, **words, **context)


class Forms:
    """The pages of signing in and of giving a reason, for whoever answers them."""

    def form(
        self, request: Request, template: str, *, status: int = 200, session: Session | None = None, **said: Any
    ) -> HTMLResponse:
        """The page of *template*, which is given what is *said*."""
        return render(request, template, session=session, status=status, **said)


def texts_for(request: Request) -> Texts:
    """The texts in the language of whoever asks."""
    return chosen(request.cookies.get(LANGUAGE_COOKIE), request.headers.get("accept-language", ""))


def back_to(request: Request) -> str:
    """The address of the page itself, if it can be asked for again; else the first page."""
    if request.method != "GET":
        return "/"
    query = f"?{request.url.query}" if request.url.query else ""
    return request.url.path + query


@cache
def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals |= {"asset": asset, "others_of": others_of, "group_key": group_key}
    made.filters |= {"moment": moment, "ticks": ticks, "rfc3339": text_of, "slug": slug}
    return made


@cache
def asset(name: str) -> str:
    """The address of a file of ours; it changes with the file, so that browsers may keep it."""
    digest = hashlib.sha256((_HERE / "static" / name).read_bytes()).hexdigest()
    return f"/static/{name}?v={digest[:12]}"


def moment(time: str) -> str:
    """A document's time as it is shown without script: to the minute, in UTC."""
    return f"{time[:10]} {time[11:16]} UTC"


def ticks(text: str) -> Markup:
    """A text with its `names` as code."""
    return Markup(re.sub(r"`([^`]*)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704 - escaped before


def slug(words: str) -> str:
    """The key of words in the texts."""
    return re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")


def length(texts: Texts, since: str, until: str) -> str:
    """How long it is from one time to another, in the two largest units."""
    minutes = round((datetime.fromisoformat(until) - datetime.fromisoformat(since)).total_seconds() / 60)
    units = {"day": minutes // 1440, "hour": minutes // 60 % 24, "minute": minutes % 60}
    parts = [f"{value} {texts.say(f'length.{unit}')}" for unit, value in units.items() if value > 0]
    return " ".join(parts[:2]) or texts.say("length.under")


def _rule(texts: Texts, finding: FindingDocument) -> RuleTexts:
    """A finding's rule in words; if this version does not know the rule, in the finding's own."""
    known = texts.rules.get(finding.rule)
    return known or RuleTexts(finding.title, tuple(finding.next), finding.rule_version)


def _measure(texts: Texts, compared: ComparedDocument) -> str:
    return f"{texts.say(f'measure.{slug(compared.measure)}')} {texts.say(f'unit.{slug(compared.unit)}')}"
