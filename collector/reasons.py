"""Why a message is not kept: one reason each, and what it means."""

from collections.abc import Mapping
from enum import StrEnum


class DropReason(StrEnum):
    """Why a message was not kept; every dropped message has exactly one (D21)."""

    # what arrived is not a message of ours
    OVERSIZE = "oversize"
    MALFORMED = "malformed"
    UNKNOWN_TOPIC = "unknown_topic"
    RETAINED = "retained"
    IDENTITY_MISMATCH = "identity_mismatch"
    SCHEMA_VERSION = "schema_version"
    MESSAGE_ID = "message_id"
    NOTHING_SAID = "nothing_said"
    # the flag (D1)
    FLAG_ABSENT = "flag_absent"
    FLAG_FALSE = "flag_false"
    FLAG_INVALID = "flag_invalid"
    # the region (D16 to D18)
    REGION_UNKNOWN = "region_unknown"
    REGION_UNMAPPED = "region_unmapped"
    REGION_BLOCKED = "region_blocked"
    REGION_CONFLICT = "region_conflict"
    REGION_NOT_HERE = "region_not_here"
    REGION_NOT_CONSENTED = "region_not_consented"
    # the ledger (D2, D3) and what it says about time (D8)
    NO_CONSENT_RECORD = "no_consent_record"
    WITHDRAWN = "withdrawn"
    RESTRICTED = "restricted"
    VOID = "void"
    POLICY_OUTDATED = "policy_outdated"
    NOTICE_MISMATCH = "notice_mismatch"
    CHILD_OR_UNATTESTED = "child_or_unattested"
    ERASED = "erased"
    CLOCK_INVALID = "clock_invalid"
    BEFORE_CONSENT = "before_consent"
    FUTURE = "future"
    TOO_OLD = "too_old"
    # the store
    DUPLICATE = "duplicate"
    STORE_AWAY = "store_away"
    SPOOL_DAMAGED = "spool_damaged"
    # us
    INTERNAL_ERROR = "internal_error"

    @property
    def meaning(self) -> str:
        """One sentence for people."""
        return _MEANINGS[self]


_MEANINGS: Mapping[DropReason, str] = {
    DropReason.OVERSIZE: "The payload is larger than the format allows.",
    DropReason.MALFORMED: "The payload is not one strict JSON object, is nested too deeply, or has a key twice.",
    DropReason.UNKNOWN_TOPIC: "The topic is not one that the collector knows.",
    DropReason.RETAINED: "The message was published with the retain flag, which only consent events may have.",
    DropReason.IDENTITY_MISMATCH: "The payload names another router than the topic does.",
    DropReason.SCHEMA_VERSION: "The schema version is missing, or not one that the collector reads.",
    DropReason.MESSAGE_ID: "The message id is missing, or not of the form that is allowed.",
    DropReason.NOTHING_SAID: "The message is in order but says nothing about the router: a greeting or a heartbeat.",
    DropReason.FLAG_ABSENT: "The message carries no UEIP flag.",
    DropReason.FLAG_FALSE: "The UEIP flag is false: the owner has left the programme.",
    DropReason.FLAG_INVALID: "The UEIP flag is not the JSON value true, or two spellings of it disagree.",
    DropReason.REGION_UNKNOWN: "The country, or the serving network's country, is missing, malformed or not assigned; "
    "or the router has to be in the registry and is not.",
    DropReason.REGION_UNMAPPED: "The country is one that needs a decision before it has a region.",
    DropReason.REGION_BLOCKED: "The country is on the blocked list.",
    DropReason.REGION_CONFLICT: "The serving network's country belongs to another region than the router's, or the "
    "message names another country than the registry does.",
    DropReason.REGION_NOT_HERE: "The router's region is not served by this collector.",
    DropReason.REGION_NOT_CONSENTED: "The consent does not name the router's region.",
    DropReason.NO_CONSENT_RECORD: "The ledger has no join of this router, and the mode requires one.",
    DropReason.WITHDRAWN: "The router has left the programme.",
    DropReason.RESTRICTED: "The use of this router's data is restricted.",
    DropReason.VOID: "The consent was never valid.",
    DropReason.POLICY_OUTDATED: "The version of the notice does not count, or does not fit the consent.",
    DropReason.NOTICE_MISMATCH: "The join names a language, digest or region that its version of the notice lacks.",
    DropReason.CHILD_OR_UNATTESTED: "No join has attested all that it must: age, and the text that was shown.",
    DropReason.ERASED: "The message was received before an erasure of its router's records on request.",
    DropReason.CLOCK_INVALID: "The message gives neither a usable time nor its age.",
    DropReason.BEFORE_CONSENT: "The message was measured before the router joined.",
    DropReason.FUTURE: "The message gives a time in the future.",
    DropReason.TOO_OLD: "The message is older than the limit.",
    DropReason.DUPLICATE: "The message was stored before.",
    DropReason.STORE_AWAY: "The region could keep nothing, and the message came at QoS 0, so nobody sends it again.",
    DropReason.SPOOL_DAMAGED: "The message waited in the spool, whose file was damaged.",
    DropReason.INTERNAL_ERROR: "The collector failed on the message; this is a bug in the collector.",
}
