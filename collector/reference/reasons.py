"""`docs/reference/drop-reasons.md`: why a message or a key was not kept, and what to do about it."""

from typing import Final, NamedTuple

from collector.errors import DataFault
from collector.model import DropReason, Removal
from collector.reference.markdown import code, page, table


class Advice(NamedTuple):
    """What to do about a reason."""

    firmware: str
    operator: str


NOTHING: Final = "Nothing."
"""The advice if there is nothing to do."""
_HARMLESS: Final = "Nothing: this is expected."

ADVICE: Final[dict[DropReason, Advice]] = {
    DropReason.OVERSIZE: Advice(
        "Keep a payload within 65,536 bytes; send fewer events in a message.",
        "Find the firmware. The limit is `limits.max_message_bytes`.",
    ),
    DropReason.MALFORMED: Advice(
        "Send one JSON object in UTF-8, every key once, no NaN, no comments, no more than 16 levels deep.",
        "If it rises after a firmware release, that release is at fault.",
    ),
    DropReason.UNKNOWN_TOPIC: Advice(
        "Publish to `ueip/v1/<router>/report` or `ueip/v1/<router>/consent`, `<router>` being 1 to 64 of "
        "`A-Z a-z 0-9 . _ -`.",
        "Have the broker's access rules allow these two topics only, and those of your `[[sources]]`.",
    ),
    DropReason.RETAINED: Advice(
        "Publish reports without the retain flag.",
        "Find the firmware. The collector clears the message (`broker.clear_retained`); on a topic of another format, "
        "clear it yourself by publishing an empty retained message.",
    ),
    DropReason.IDENTITY_MISMATCH: Advice(
        "Make `router.serial` or `router.imei` equal the `<router>` of the topic, letter for letter.",
        "A few: a firmware fault. Many from one release: stop that release. Otherwise look for stolen credentials.",
    ),
    DropReason.SCHEMA_VERSION: Advice(
        "Send `schema_version` 1, as a number.",
        "A newer firmware may be ahead of this collector: update it.",
    ),
    DropReason.MESSAGE_ID: Advice(
        "Send `message_id`, 1 to 64 of `A-Z a-z 0-9 . _ : -`, never used before by this router.", NOTHING
    ),
    DropReason.NOTHING_SAID: Advice(
        "Nothing: greetings and heartbeats of other formats end here. If all values are blank, the session expired.",
        NOTHING,
    ),
    DropReason.FLAG_ABSENT: Advice(
        "Send nothing until the owner has joined; then send `ueip` true in every message.",
        "If there are many, a firmware sends without asking. Stop it.",
    ),
    DropReason.FLAG_FALSE: Advice(
        "Stop sending. The message counts as an exit; only a new join event opens the gate again.", _HARMLESS
    ),
    DropReason.FLAG_INVALID: Advice(
        'Send the JSON value `true` at the top level: not 1, not `"true"`, and no second spelling that says no.',
        "A firmware fault; the owner may well have joined.",
    ),
    DropReason.REGION_UNKNOWN: Advice(
        "Send `country` as two capital letters of ISO 3166-1, and `network.plmn` as text with leading zeros.",
        "Test and private networks (001, 999) end here too. Add a new network code to `regions.tables`.",
    ),
    DropReason.REGION_UNMAPPED: Advice(
        NOTHING, "Decide which region the country's records belong to; say so in `regions.tables` and in the notice."
    ),
    DropReason.REGION_BLOCKED: Advice(
        NOTHING, "`regions.blocked` or the tables refuse the country. Remove it there once it is allowed."
    ),
    DropReason.REGION_CONFLICT: Advice(
        "Nothing: a router abroad sends as it does at home. Do not send such reports again later.",
        "Expected from travellers, for example between Hong Kong and the mainland. No setting stores such reports.",
    ),
    DropReason.REGION_NOT_HERE: Advice(
        "Use the broker of the router's own region.",
        "Add the region to `regions.enabled`, or have the router use the broker of the collector that serves it.",
    ),
    DropReason.REGION_NOT_CONSENTED: Advice(
        "Name the country's region in `storage_regions` of the join event, as the notice does.",
        "The join names other regions than the country's. The owner has to join again, with the right notice.",
    ),
    DropReason.NO_CONSENT_RECORD: Advice(
        "Send the join event and wait for its acknowledgement before the first report.",
        'Expected with `consent.mode = "registered"` until the join arrives.',
    ),
    DropReason.WITHDRAWN: Advice(
        "Stop sending. If the owner joined again, send a join event with a new `event_id` and a later `time`.",
        "A router that sends on after its exit has a firmware fault; nothing of it is kept.",
    ),
    DropReason.RESTRICTED: Advice(
        NOTHING, "End the restriction (`ueip consent unrestrict`) or the hold (`release`) once the case is settled."
    ),
    DropReason.ERASED: Advice(
        NOTHING,
        "Nothing: somebody asked for the erasure. What is received later is taken.",
    ),
    DropReason.VOID: Advice(
        NOTHING, "Nothing: only a new join in which somebody attests to be of age opens the gate again."
    ),
    DropReason.POLICY_OUTDATED: Advice(
        "Show the notice in force, then send a join event and reports with its `policy_version`.",
        "Expected after a major version of the notice, until owners have joined again. Otherwise "
        "`config/policies.toml` lacks a version.",
    ),
    DropReason.NOTICE_MISMATCH: Advice(
        "Send `language`, `policy_digest` and `storage_regions` of the text that was shown ([list](../firmware.md)).",
        "A text was shown that is not one of the notice's, or `config/policies.toml` lacks a version.",
    ),
    DropReason.CHILD_OR_UNATTESTED: Advice(
        "Ask for the age, and send `adult_or_guardian` and all else that a join event must bring.",
        'Expected after a change to `consent.mode = "registered"`: who joined by a flag has to join by an event.',
    ),
    DropReason.CLOCK_INVALID: Advice(
        "Send `time`. If the clock is not set, send both uptimes; the one at sending must not be the smaller. A join "
        "event needs `time`.",
        NOTHING,
    ),
    DropReason.BEFORE_CONSENT: Advice(
        "Never send what was measured before the join; delete it. Send waiting reports oldest first.",
        "Expected for a short while after a join.",
    ),
    DropReason.FUTURE: Advice(
        "Set the clock, or leave out `time` and send both uptimes.",
        "Check the clock of the collector's machine too. The tolerance is `limits.max_ahead_seconds`.",
    ),
    DropReason.TOO_OLD: Advice(
        "Leave out `time` until the clock is set: a time in 1970 ends here. Set the message expiry to 604800 s, and "
        "delete what is older than 168 hours.",
        "Expected after a long outage of the collector. The limit is `limits.max_age_hours`.",
    ),
    DropReason.DUPLICATE: Advice(
        "Nothing, if it is the same message again. Otherwise a `message_id` was used twice: the first message counts.",
        "Normal after a reconnect. If there are many without one, a firmware starts its ids from the beginning again.",
    ),
    DropReason.STORE_AWAY: Advice(
        "Publish at QoS 1: then the broker keeps what cannot be taken yet.",
        "The region's store is away, and its spool is full or does not know the router. Mend the store.",
    ),
    DropReason.SPOOL_DAMAGED: Advice(
        NOTHING, "An acknowledged record was lost with a damaged file; the log says how many. Look for a failing disk."
    ),
    DropReason.INTERNAL_ERROR: Advice(
        NOTHING, "A bug of the collector. `message_failed` or `entry_failed` in the log says where; report it."
    ),
}

REMOVALS: Final[dict[Removal, tuple[str, Advice]]] = {
    Removal.LOCAL_ONLY: (
        "The name of something that must never leave a router.",
        Advice("A defect: publish a release without it.", "An alert tells you. Find the firmware and stop it."),
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
        "A known name with a value outside its type or bounds; an event without kind or time, or outside the window.",
        Advice("Check the message against the JSON Schema. Leave out what is not measured.", NOTHING),
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
