"""What a join event must bring (D3; catalogue 4.2, 4.3).

In mode `registered`: a version of the notice that counts, the language and digest of the text that was shown, the
storage regions it named, and who attested to be of age. In mode `flag` all of that may be missing, but none of it may
be wrong: a text that is not ours was made up by a router, and is no evidence of anything (F8).
"""

from typing import Literal

from collector.consent.policies import Policies, Policy
from collector.consent.standing import Standing, State
from collector.model import ConsentEvent, DropReason, Record, Region

Mode = Literal["flag", "registered"]


def join_refusal(
    join: ConsentEvent, region: Region, policies: Policies, mode: Mode, standing: Standing | None = None
) -> DropReason | None:
    """Why a join does not count for the ledger of *region*, or None; asked on receipt and again with the commit.

    *standing* is what the ledger says of the router, where that is known: a consent that was void can be given again
    only by somebody who attests to be of age (K33).
    """
    complete = mode == "registered"
    policy = policies.get(version_of(join, policies))
    if policy is None or not policies.counts(policy.version, join.received_at):
        return DropReason.POLICY_OUTDATED
    if complete and join.policy_version is None:
        return DropReason.POLICY_OUTDATED
    if not _names_a_text(join, policy, complete=complete):
        return DropReason.NOTICE_MISMATCH
    if join.adult_or_guardian is None and (complete or (standing is not None and standing.state is State.VOID)):
        return DropReason.CHILD_OR_UNATTESTED
    if complete and region not in join.storage_regions:
        return DropReason.REGION_NOT_CONSENTED
    named = join.storage_regions or (region,)
    return None if policy.storage_regions.issuperset(named) else DropReason.NOTICE_MISMATCH


def flag_join_refusal(record: Record, policies: Policies) -> DropReason | None:
    """Why the first flagged message of a router does not join it in mode `flag`, or None."""
    policy = policies.get(version_of(record, policies))
    if policy is None or not policies.counts(policy.version, record.received_at):
        return DropReason.POLICY_OUTDATED
    return None if record.region in policy.storage_regions else DropReason.REGION_NOT_CONSENTED


def version_of(join: ConsentEvent | Record, policies: Policies) -> str:
    """The version a join is to: the one it names, else the first, for any later one would have had to be shown."""
    return policies.first.version if join.policy_version is None else join.policy_version


def _names_a_text(join: ConsentEvent, policy: Policy, *, complete: bool) -> bool:
    """Whether language and digest, as far as they are named, are those of one text of this version."""
    if complete and (join.language is None or join.policy_digest is None):
        return False
    languages = policy.texts if join.language is None else {join.language}
    digests = {policy.texts.get(language) for language in languages}
    return bool(digests - {None}) and (join.policy_digest is None or join.policy_digest in digests)
