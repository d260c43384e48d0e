"""`process`: what happens to one message. Pure: no I/O, no clock, no memory but caches.

The order is: decode, flag, route, ledger, select, treat. Each step refuses the message or lets it on; every message
gets exactly one outcome, and an input that breaks a step is a counted drop like any other.
"""

from collections.abc import Mapping
from typing import Any, Final

from msgspec import UNSET
from msgspec.structs import force_setattr

from collector.consent.gate import GateRules, admit, consent, flag_refusal
from collector.consent.standing import ClosedRouters
from collector.errors import where
from collector.fields.select import Selector
from collector.fields.treatments import Products, Surroundings
from collector.formats.consent_event import ConsentDecoder
from collector.formats.report import SCHEMA_VERSION, ReportDecoder, parse_topic
from collector.formats.sources import NO_SOURCES, Sources
from collector.log import LOG
from collector.model import (
    Accepted,
    Action,
    Channel,
    ConsentChange,
    Consented,
    ConsentEvent,
    ConsentRefused,
    Dropped,
    DropReason,
    Message,
    Outcome,
    Part,
    Record,
    Region,
    Report,
    Sealed,
    Several,
)
from collector.pseudonym import Pseudonymiser
from collector.regions import RegionMap
from collector.registry import Registry
from collector.straight import StraightWay, timely_events, with_late_events

_INSTANCE: Final = 16
"""Hex digits of an instance's pseudonym: enough to tell the few of one router apart."""


class Rules(Sealed, frozen=True):
    """All that `process` goes by, made once from settings, catalogue and tables."""

    reports: ReportDecoder
    consents: ConsentDecoder
    regions: RegionMap
    gate: GateRules
    selector: Selector
    products: Products
    pseudonyms: Mapping[Region, Pseudonymiser]
    """One for each region served here; a region without one is not served."""
    closed: Mapping[Region, ClosedRouters]
    sources: Sources = NO_SOURCES
    registry: Registry | None = None
    """The deployment's list of routers and their countries, where it has one (D17)."""
    straight: StraightWay | None = None
    """Made of the others. None where region tables change with the time."""

    def __post_init__(self) -> None:
        """Made here, so that a copy of the rules with a part replaced gets a way of its own."""
        way = None
        if not self.regions.moves:
            way = StraightWay(
                self.reports, self.selector, self.regions, self.gate, self.products, self.pseudonyms, self.closed,
                self.registry,
            )  # fmt: skip
        force_setattr(self, "straight", way)


def process(message: Message, rules: Rules) -> Outcome:
    """Decide the fate of one message; every message gets exactly one."""
    try:
        if rules.straight is not None and (record := rules.straight.record(message)) is not None:
            return Accepted(record)
        return the_long_way(message, rules)
    except Exception as error:  # noqa: BLE001 - bad input never stops the process, nor does a bug it finds
        LOG.seldom("message_failed", error=type(error).__name__, at=where(error))
        return Dropped(DropReason.INTERNAL_ERROR)


def the_long_way(message: Message, rules: Rules) -> Outcome:
    """The fate of a message, step by step. Raises whatever a bug of ours may raise."""
    topic = parse_topic(message.topic)
    if topic is None:
        return _foreign(message, rules)
    router, kind = topic
    if kind == "consent":
        return _consent_event(message, router, rules)
    if message.retained:
        return Dropped(DropReason.RETAINED)
    report = rules.reports.decode(message, router)
    return Dropped(report) if isinstance(report, DropReason) else judge(report, message, rules)


def _foreign(message: Message, rules: Rules) -> Dropped | Accepted | Several:
    """A message on a topic that is not ours: from a source in the settings, or from nobody known."""
    source = rules.sources.of(message.topic)
    if source is None:
        return Dropped(DropReason.UNKNOWN_TOPIC)
    if message.retained:
        return Dropped(DropReason.RETAINED)
    reports = source.read(message)
    if isinstance(reports, DropReason):
        return Dropped(reports)
    outcomes = tuple(judge(report, message, rules) for report in reports)
    if not outcomes:
        return Dropped(DropReason.NOTHING_SAID)
    return outcomes[0] if len(outcomes) == 1 else Several(outcomes)


def judge(report: Report, message: Message, rules: Rules) -> Accepted | Dropped:
    """The steps after decoding, in the order in which they refuse."""
    if report.names_another:
        return Dropped(DropReason.IDENTITY_MISMATCH)
    if reason := flag_refusal(report):
        return Dropped(reason, exits=_implicit_exits(report, message, rules) if reason == "flag_false" else ())
    if report.schema_version != SCHEMA_VERSION:
        return Dropped(DropReason.SCHEMA_VERSION)
    if report.message_id is None:
        return Dropped(DropReason.MESSAGE_ID)
    region = _region(report, message.received_at, rules)
    if isinstance(region, DropReason):
        return Dropped(region)
    identity = rules.pseudonyms[region].identity(report.router)
    closed = rules.closed[region].get(identity.device_ref)
    consented = consent(report, message, region, identity, closed, rules.gate)
    return Dropped(consented) if isinstance(consented, DropReason) else Accepted(build_record(consented, rules))


def _region(report: Report, received_at: int, rules: Rules) -> Region | DropReason:
    country = report.country if rules.registry is None else rules.registry.country(report.router, report.country)
    if isinstance(country, DropReason):
        return country
    regions = rules.regions.at(received_at) if rules.regions.moves else rules.regions
    region = regions.route(country, report.plmns)
    if isinstance(region, DropReason):
        return region
    # A serving network that cannot be read may belong to another region: nothing shows that it is allowed.
    if report.suspect_plmn:
        return DropReason.REGION_UNKNOWN
    return region if region in rules.pseudonyms else DropReason.REGION_NOT_HERE


def build_record(consented: Consented, rules: Rules) -> Record:
    """Select and treat: the record of a consented report, built new."""
    report, tree = consented.report, consented.report.content
    pseudonyms = rules.pseudonyms[consented.region]
    events, late, oldest = timely_events(tree.events, consented.event_time, consented.received_at, rules.gate)
    around = Surroundings(pseudonyms=pseudonyms, products=rules.products, plmn=_serving(tree))
    named = f"{report.router}\0{report.message_id}"
    return Record(
        record_id=pseudonyms.uncached_ref("record", named),
        older_ids=pseudonyms.older_refs("record", named),
        identity=consented.identity,
        region=consented.region,
        event_time=consented.event_time // 60_000 * 60_000,
        measured_at=consented.event_time,
        oldest=oldest,
        received_at=consented.received_at,
        policy_version=consented.policy_version,
        source_adapter=report.format,
        body=rules.selector.body(tree, events, around),
        stripped=with_late_events(report.removed, late),
        lookup=_lookup(report, pseudonyms),
        counters=report.counters and _named_by_key(report.counters, report.router, pseudonyms),
        parts=_named_by_key(report.parts, report.router, pseudonyms) if report.parts else (),
        interval=report.interval,
        floating=_floating(report, consented.event_time),
    )


def _named_by_key(parts: tuple[Part, ...], router: str, pseudonyms: Pseudonymiser) -> tuple[Part, ...]:
    """Instances told apart by pseudonyms: names could be guessed from a checksum, which takes no key (F5)."""
    ref = pseudonyms.uncached_ref
    return tuple([part._replace(key=ref("instance", f"{router}\0{part.key}").hex()[:_INSTANCE]) for part in parts])


def _floating(report: Report, event_time: int) -> tuple[int, ...] | None:
    """The other times it may be stored under; None if its time follows from the message alone."""
    if report.interval is not None:
        return ()  # each of the messages that make one record has a time
    said = None if report.arrived or report.time is None else report.time // 60_000 * 60_000
    if said == event_time // 60_000 * 60_000:
        return None
    return () if said is None else (said,)


def _serving(tree: Any) -> str | None:
    return None if tree.network is UNSET else tree.network.plmn or None


def _lookup(report: Report, pseudonyms: Pseudonymiser) -> tuple[tuple[str, bytes], ...]:
    """The pseudonyms an engineer may find the router by: of the identity in its topic, its serial, IMEI and MAC."""
    group = report.content.router
    if group is UNSET:
        return pseudonyms.lookup(report.router, None, None, None)
    return pseudonyms.lookup(report.router, group.serial or None, group.imei or None, group.mac or None)


def _implicit_exits(report: Report, message: Message, rules: Rules) -> tuple[tuple[Region, ConsentEvent], ...]:
    """An explicit false is an exit (D2), in every region served here that knows the router as joined.

    Not only in the region the message names: a router may leave with a country it never joined with.
    """
    return tuple(
        (region, _exit(pseudonyms, report, message.received_at)) for region, pseudonyms in rules.pseudonyms.items()
    )


def _exit(pseudonyms: Pseudonymiser, report: Report, received_at: int) -> ConsentEvent:
    # The same report delivered again must not undo a join that came after it. Without an id and a time nobody can
    # tell, and the exit is honoured.
    told = report.message_id is not None and report.time is not None
    name = f"{report.router}\0{report.message_id}\0{report.time}"
    return ConsentEvent(
        action=Action.EXIT,
        channel=Channel.TELEMETRY_FLAG,
        identity=pseudonyms.identity(report.router),
        received_at=received_at,
        event_ref=pseudonyms.uncached_ref("refusing report", name) if told else None,
        older_event_refs=pseudonyms.older_refs("refusing report", name) if told else (),
        only_if_joined=True,
    )


def _consent_event(message: Message, router: str, rules: Rules) -> ConsentChange | ConsentRefused:
    regions = rules.regions.at(message.received_at)
    read = rules.consents.decode(message, router, regions, rules.pseudonyms, rules.registry)
    return ConsentRefused(read) if isinstance(read, DropReason) else admit(read, rules.gate)
