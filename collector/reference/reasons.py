"""`docs/reference/drop-reasons.md`: why a message or a key was not kept, and what to do about it."""

from typing import Final, NamedTuple

from collector.errors import DataFault
from collector.model import DropReason, Removal
from collector.reference.markdown import code, page, table


class Advice(NamedTuple):
    """What people do about a reason."""

    firmware: str
    operator: str


NOTHING: Final = "Nothing."
"""What is to be done where nothing is."""
_HARMLESS: Final = "Nothing; an ordinary drop."

ADVICE: Final[dict[DropReason, Advice]] = {
    DropReason.OVERSIZE: Advice(
        "Keep a payload within 65,536 bytes; send fewer events a message.",
        "Find the firmware. `limits.max_message_bytes` is the limit here.",
    ),
    DropReason.MALFORMED: Advice(
        "Send one JSON object in UTF-8, every key once, no NaN, no comments, no more than 16 levels deep.",
        "A rise after a firmware release is that release's fault.",
    ),
    DropReason.UNKNOWN_TOPIC: Advice(
        "Publish to `ueip/v1/<router>/report` or `ueip/v1/<router>/consent`, `<router>` being 1 to 64 of "
        "`A-Z a-z 0-9 . _ -`.",
        "Let the broker's access rules admit these two topics only.",
    ),
    DropReason.RETAINED: Advice(
        "Publish reports without the retain flag.",
        "Find the firmware. The collector clears the message (`broker.clear_retained`); on a topic of another format "
        "publish an empty retained one.",
    ),
    DropReason.IDENTITY_MISMATCH: Advice(
        "`router.serial` or `router.imei` is the `<router>` of the topic, letter for letter.",
        "Rare: a firmware fault. Many from one release: stop that release. Else look for stolen credentials.",
    ),
    DropReason.SCHEMA_VERSION: Advice(
        "Send `schema_version` 1, as a number.",
        "A newer firmware may be ahead of this collector: update it.",
    ),
    DropReason.MESSAGE_ID: Advice(
        "Send `message_id`, 1 to 64 of `A-Z a-z 0-9 . _ : -`, never used before by this router.", NOTHING
    ),
    DropReason.NOTHING_SAID: Advice(
        "Nothing: greetings and heartbeats of other formats end here. A map that is blank means an expired session.",
        NOTHING,
    ),
    DropReason.FLAG_ABSENT: Advice(
        "Send nothing while the owner has not joined; once they have, send `ueip` true in every message.",
        "Many: a firmware sends without asking. Stop it.",
    ),
    DropReason.FLAG_FALSE: Advice(
        "Stop sending. The message was taken as an exit; only a new join event reopens.", _HARMLESS
    ),
    DropReason.FLAG_INVALID: Advice(
        'Send the JSON value `true` at the top: not 1, not `"true"`, and no second spelling that says no.',
        "A firmware fault; the router's owner may well have joined.",
    ),
    DropReason.REGION_UNKNOWN: Advice(
        "Send `country` as two capital letters of ISO 3166-1, and `network.plmn` as text with leading zeros.",
        "Test and private networks (001, 999) land here too. A new network code goes into `regions.tables`.",
    ),
    DropReason.REGION_UNMAPPED: Advice(
        NOTHING, "Decide where the country's records belong and say so in `regions.tables` and the notice."
    ),
    DropReason.REGION_BLOCKED: Advice(
        NOTHING, "`regions.blocked` or the tables refuse the country. Lift it if cleared."
    ),
    DropReason.REGION_CONFLICT: Advice(
        "Nothing: a router abroad sends as at home. Reports from such a network are not kept, nor wanted later.",
        "Expected with travellers, as between Hong Kong and the mainland. There is no setting to store them.",
    ),
    DropReason.REGION_NOT_HERE: Advice(
        "Use the broker of the router's own region.",
        "Enable the region in `regions.enabled`, or send the router to the collector that serves it.",
    ),
    DropReason.REGION_NOT_CONSENTED: Advice(
        "Name the country's region in `storage_regions` of the join event, as the notice did.",
        "The join names other regions than the country's. The owner must join again with the right notice.",
    ),
    DropReason.NO_CONSENT_RECORD: Advice(
        "Send the join event and wait for its acknowledgement before the first report.",
        'Expected with `consent.mode = "registered"` until the join arrives.',
    ),
    DropReason.WITHDRAWN: Advice(
        "Stop sending. If the owner joined again, send a join event with a new `event_id` and a later `time`.",
        "A router that goes on after its exit has a firmware fault; nothing of it is kept.",
    ),
    DropReason.RESTRICTED: Advice(NOTHING, "Lift the restriction when the owner's request is settled."),
    DropReason.ERASED: Advice(
        NOTHING,
        "None: somebody asked to have erased what was received until then, and this message was. Later ones are taken.",
    ),
    DropReason.VOID: Advice(NOTHING, "The consent was never valid. Only a new join, validly given, reopens."),
    DropReason.POLICY_OUTDATED: Advice(
        "Show the notice in force, then send a join event and reports with its `policy_version`.",
        "Expected after a major version of the notice, until owners have been asked again. Else a version that "
        "`config/policies.toml` does not have.",
    ),
    DropReason.NOTICE_MISMATCH: Advice(
        "Send `language`, `policy_digest` and `storage_regions` of the text that was shown ([list](../firmware.md)).",
        "A text that is none of the notice was shown, or a version is missing from `config/policies.toml`.",
    ),
    DropReason.CHILD_OR_UNATTESTED: Advice(
        "Ask who is of age, and send `adult_or_guardian` and the rest of the table with the join event.",
        'Expected after a change to `consent.mode = "registered"`: who joined by a flag has to join by an event.',
    ),
    DropReason.CLOCK_INVALID: Advice(
        "Send `time`; without a set clock send both uptimes, the one at sending not below the other. A join event "
        "needs `time`.",
        NOTHING,
    ),
    DropReason.BEFORE_CONSENT: Advice(
        "Never send what was measured before the join; delete it. Send waiting reports oldest first.",
        "Expected for a short while after a join.",
    ),
    DropReason.FUTURE: Advice(
        "Set the clock. A report may leave `time` out and send both uptimes.",
        "Compare this machine's own clock too. `limits.max_ahead_seconds` is the tolerance.",
    ),
    DropReason.TOO_OLD: Advice(
        "Leave `time` out until the clock is set: 1970 ends here. Set the message expiry to 604800 s and delete what "
        "is older than 168 hours.",
        "After a long outage of the collector this is expected. `limits.max_age_hours` is the limit.",
    ),
    DropReason.DUPLICATE: Advice(
        "Nothing, if it is the same message again. Else a `message_id` was used twice: the first message stands.",
        "Redeliveries after a reconnect are ordinary. Many without one: a firmware counts its ids from the start.",
    ),
    DropReason.STORE_AWAY: Advice(
        "Publish at QoS 1: then the broker keeps a message that cannot be taken.",
        "The region's store is away, and its spool is full or does not know the router. Mend the store.",
    ),
    DropReason.SPOOL_DAMAGED: Advice(
        NOTHING, "An acknowledged record was lost to a damaged file. Look for a failing disk; the log says how many."
    ),
    DropReason.INTERNAL_ERROR: Advice(
        NOTHING, "A bug of the collector. `message_failed` or `entry_failed` in the log says where; report it."
    ),
}

REMOVALS: Final[dict[Removal, tuple[str, Advice]]] = {
    Removal.LOCAL_ONLY: (
        "The name of something that must never leave a router.",
        Advice("A defect: stop sending it, in a release of its own.", "Alert. Find the firmware and stop it."),
    ),
    Removal.NOT_COLLECTED: (
        "The name of something the programme has no use for.",
        Advice("Stop sending it.", NOTHING),
    ),
    Removal.UNKNOWN: (
        "A name the catalogue does not know.",
        Advice("Compare the spelling with the tables; names are matched letter for letter.", NOTHING),
    ),
    Removal.INVALID: (
        "A known name with a value outside its type or bounds; an event without kind or time or outside the window.",
        Advice("Check the message with the JSON Schema. Leave out what is not measured.", NOTHING),
    ),
}


def drop_reasons_page() -> str:
    """The reference of drop reasons."""
    if missing := [reason for reason in DropReason if reason not in ADVICE]:
        raise DataFault(
            f"collector/reference/reasons.py: reason '{reason}': found no advice, expected an entry in ADVICE."
            for reason in missing
        )
    rows = ((code(reason), reason.meaning, *ADVICE[reason]) for reason in DropReason)
    return page(
        "Drop reasons",
        "`collector/reasons.py` and `collector/reference/reasons.py`",
        "A message that is not kept has exactly one reason, counted in `collector_messages_dropped_total{reason}`, or "
        "for consent events in `collector_consent_messages_refused_total{reason}`. Nothing else of it remains. "
        "`ueip explain FILE --topic T` tells a firmware author the reason for one message.",
        table(("reason", "meaning", "firmware author", "operator"), rows),
        "## Removed keys",
        "A message that is kept may lose keys. They are counted in `collector_fields_removed_total{treatment}`, "
        "without their names.",
        table(
            ("treatment", "meaning", "firmware author", "operator"),
            ((code(removal), meaning, *advice) for removal, (meaning, advice) in REMOVALS.items()),
        ),
    )
