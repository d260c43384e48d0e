"""What is done with a message, taken apart: one function a step, and what it has to be given.

Rule 1: a step is the product's own code, called as the product calls it.
Rule 2: what prepares a step's input is no part of the step.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

from corpus import Corpus
from crowd import MOST, Crowd
from msgspec import UNSET
from payloads import SHAPES

from collector.consent.gate import consent
from collector.fields.treatments import Surroundings
from collector.formats.report import parse_topic
from collector.ingest.codec import PacketReader
from collector.model import Consented, Message, Record, Region, Report
from collector.pipeline import Rules, build_record, process
from collector.rules import consent_rules
from collector.stores.deciding import make_plan
from collector.stores.sqlite import SQLiteStore
from collector.stores.sqlite_rows import look

_WARM_UP: Final = 12
"""Commits before any is measured: by then SQLite has a plan for nearly every number of rows that a statement takes."""
BATCH: Final = 500
"""Records of one commit."""


class Part(NamedTuple):
    """A step: *prepare* makes what so many messages give it, *work* is done on each of those."""

    prepare: Callable[[int], Sequence[Any]]
    work: Callable[[Any], object]
    is_shared: bool = False
    """Whether one piece of work is done for many messages; else it is one each, for those that come so far."""


class Routed(NamedTuple):
    """A report on its way, with what the steps before found."""

    message: Message
    report: Report
    region: Region


def steps(corpus: Corpus, messages: Callable[[int], list[Message]]) -> dict[str, Part]:
    """The steps of `process`, in their order, on the flagged ones among *messages*."""
    rules = corpus.rules

    def reports(number: int) -> list[Report]:
        read = [rules.reports.decode(message, _router(message)) for message in messages(number)]
        return [report for report in read if isinstance(report, Report)]

    def routed(number: int) -> list[Routed]:
        read = [(message, rules.reports.decode(message, _router(message))) for message in messages(number)]
        there = ((m, r, rules.regions.route(r.country, r.plmns)) for m, r in read if isinstance(r, Report))
        return [Routed(m, report, region) for m, report, region in there if isinstance(region, Region)]

    def gate(one: Routed) -> Any:
        identity = rules.pseudonyms[one.region].identity(one.report.router)
        standing = rules.closed[one.region].get(identity.device_ref)
        return consent(one.report, one.message, one.region, identity, standing, rules.gate)

    def consented(number: int) -> list[Consented]:
        return [found for found in map(gate, routed(number)) if isinstance(found, Consented)]

    return {
        "topic": Part(lambda number: [message.topic for message in messages(number)], parse_topic),
        "decode": Part(messages, lambda message: rules.reports.decode(message, _router(message))),
        "route": Part(reports, lambda report: rules.regions.route(report.country, report.plmns)),
        "gate": Part(routed, gate),
        "pseudonymise": Part(routed, lambda one: _pseudonyms(rules, one)),
        "treat": Part(routed, lambda one: _body(rules, one)),
        "record: pseudonymise, treat": Part(consented, lambda passed: build_record(passed, rules)),
    }


def whole(corpus: Corpus) -> dict[str, Part]:
    """`process` by kind of message, and the packet reader."""
    rules, reader = corpus.rules, PacketReader()
    kinds: dict[str, Callable[[int], list[Message]]] = {
        **{name: partial(corpus.messages, shape=shape) for shape, name in enumerate(SHAPES)},
        "as the fleet sends": corpus.mixed,
        "no flag": partial(corpus.messages, shape=0, flagged=False),
        "routers not remembered": Crowd(rules, MOST, corpus.now).messages,
        "local-only key": partial(corpus.messages, shape=0, leaky=True),
    }
    found = {f"process, {name}": Part(make, lambda message: process(message, rules)) for name, make in kinds.items()}
    reads = Part(lambda number: corpus.reads(corpus.mixed(number)), lambda read: [*reader.feed(read)], is_shared=True)
    return {"packet reader": reads, **found}


def commits(corpus: Corpus, batch: int = BATCH) -> dict[str, Part]:
    """The plan of a commit, and whole commits to a SQLite file, a record; on the thread that asks."""
    region, rules = Region.GERMANY, consent_rules(corpus.settings)
    store = SQLiteStore(corpus.folder / f"commits-of-{batch}.sqlite", region, rules)
    store._open()  # noqa: SLF001 - on this thread, where the one who measures looks
    first = corpus.records(region, 4000)
    store._commit(first)  # noqa: SLF001 - so that its routers have joined
    for _ in range(_WARM_UP):
        store._commit(corpus.records(region, batch))  # noqa: SLF001
    _, standings = store._standings({record.identity.device_ref for record in first}, look(store._db).version)  # noqa: SLF001
    head = store._head()  # noqa: SLF001

    def batches(number: int) -> list[list[Record]]:
        records = corpus.records(region, number)
        return [records[start : start + batch] for start in range(0, number, batch)]

    def plan(records: list[Record]) -> object:
        return make_plan(records, region=region, rules=rules, head=head, standings=standings, seen_events=())

    return {"plan": Part(batches, plan, is_shared=True), "commit": Part(batches, store._commit, is_shared=True)}  # noqa: SLF001


def _router(message: Message) -> str:
    return message.topic.split("/")[2]


def _pseudonyms(rules: Rules, one: Routed) -> object:
    """All of a record's, as `build_record` has them: of the router, of what it can be found by, of the message."""
    report, pseudonyms = one.report, rules.pseudonyms[one.region]
    group = report.content.router
    said = (None, None, None) if group is UNSET else (group.serial or None, group.imei or None, group.mac or None)
    found = pseudonyms.lookup(report.router, *said)
    return found, pseudonyms.uncached_ref("record", f"{report.router}\0{report.message_id}")


def _body(rules: Rules, one: Routed) -> bytes:
    tree = one.report.content
    plmn = None if tree.network is UNSET else tree.network.plmn or None
    around = Surroundings(pseudonyms=rules.pseudonyms[one.region], products=rules.products, plmn=plmn)
    return rules.selector.body(tree, [] if tree.events is UNSET else tree.events, around)
