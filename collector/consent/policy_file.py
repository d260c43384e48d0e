"""`config/policies.toml`: every version of the notice as people write it, loaded and checked.

Rule 1: a version says what it changes; what it names in all is worked out from its predecessors and itself.
Rule 2: what a change asks of people is not a matter of taste: a new field, purpose, recipient, or another region for a
        country is a major change with its reason, or the file is refused (4.7).
Rule 3: the text of every version lies beside the file, and its digest is checked: the archive is complete (002 L136).
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Final, get_args

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from collector.consent.policies import Change, Policies, Policy, Reason
from collector.data import data_path
from collector.documents import load_document
from collector.errors import DataFault
from collector.model import POLICY_VERSION, Region

LANGUAGE: Final = r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,2}$"
DIGEST: Final = r"^[0-9a-f]{64}$"
_Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{1,47}$")]
_Country = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TextEntry(_Strict):
    """One language of a version: its text's SHA-256, and the file that holds it, unless whoever shows it keeps it."""

    file: Path | None = None
    digest: Annotated[str, StringConstraints(pattern=DIGEST)]


class FieldsEntry(_Strict):
    """Fields and inputs of the catalogue by what becomes of them, and kinds of events."""

    keep: tuple[_Name, ...] = ()
    coarsen: tuple[_Name, ...] = ()
    pseudonymise: tuple[_Name, ...] = ()
    derive: tuple[_Name, ...] = ()
    event: tuple[_Name, ...] = ()

    def named(self) -> Iterator[tuple[str, str]]:
        """Every name with its treatment."""
        return ((name, treatment) for treatment in type(self).model_fields for name in getattr(self, treatment))


class CountriesEntry(_Strict):
    """Countries by the region their records are stored in."""

    hong_kong: tuple[_Country, ...] = ()
    germany: tuple[_Country, ...] = ()
    china: tuple[_Country, ...] = ()

    def named(self) -> Iterator[tuple[str, Region]]:
        """Every country with its region."""
        return ((country, region) for region in Region for country in getattr(self, region.value))


class PolicyEntry(_Strict):
    """One version, as it is written."""

    version: Annotated[str, StringConstraints(pattern=POLICY_VERSION)]
    published_at: AwareDatetime
    effective_at: AwareDatetime
    change: Change
    reasons: tuple[Reason, ...] = ()
    texts: Annotated[dict[Annotated[str, StringConstraints(pattern=LANGUAGE)], TextEntry], Field(min_length=1)]
    purposes: Annotated[tuple[_Name, ...], Field(min_length=1)]
    recipients: tuple[str, ...]
    adds: FieldsEntry = FieldsEntry()
    removes: tuple[_Name, ...] = ()
    countries: CountriesEntry = CountriesEntry()


class PolicyFile(_Strict):
    """The whole of `policies.toml`, oldest version first."""

    policy: Annotated[tuple[PolicyEntry, ...], Field(min_length=1)]


@cache
def shipped_policies() -> Policies:
    """The versions that are shipped, for callers that name no others."""
    return load_policies()


def default_policies_path() -> Path:
    """The shipped file, for callers that name no other."""
    return data_path("config", "policies.toml")


def load_policies(path: Path | None = None, *, strict: bool = False) -> Policies:
    """Read the versions from *path*, or the shipped ones; *strict* as in `Policies`.

    Raises:
        DataFault: every fault, each naming file, version, what was found, what was expected and what to do.
    """
    path = path or default_policies_path()
    found = load_document(PolicyFile, path)
    versions: list[Policy] = []
    faults: list[str] = []
    for entry in found.policy:
        before = versions[-1] if versions else None
        seen = {policy.version for policy in versions}
        own = [*_order_faults(entry, before, seen), *_change_faults(entry, before), *_text_faults(entry, path.parent)]
        faults += [f"{path}: policy.entry '{entry.version}'.{fault}" for fault in own]
        versions.append(_policy(entry, before))
    if faults:
        raise DataFault(faults)
    return Policies(versions, strict=strict)


def _policy(entry: PolicyEntry, before: Policy | None) -> Policy:
    fields = {**(before.fields if before else {}), **dict(entry.adds.named())}
    return Policy(
        version=entry.version,
        published_at=_milliseconds(entry.published_at),
        effective_at=_milliseconds(entry.effective_at),
        change=entry.change,
        reasons=entry.reasons,
        texts={language: text.digest for language, text in entry.texts.items()},
        purposes=entry.purposes,
        recipients=entry.recipients,
        fields={name: treatment for name, treatment in fields.items() if name not in entry.removes},
        countries={**(before.countries if before else {}), **dict(entry.countries.named())},
    )


def _milliseconds(when: datetime) -> int:
    return round(when.timestamp() * 1000)


def _order_faults(entry: PolicyEntry, before: Policy | None, seen: set[str]) -> Iterator[str]:
    if entry.version in seen:
        yield "version: found it more than once, expected every version once. A published version never changes."
    if entry.effective_at < entry.published_at:
        yield (
            f"effective_at: found {entry.effective_at}, expected published_at ({entry.published_at}) or later. "
            f"Give people time between the two."
        )
    if before is not None and _milliseconds(entry.effective_at) <= before.effective_at:
        latest = datetime.fromtimestamp(before.effective_at / 1000, UTC)
        yield (
            f"effective_at: found {entry.effective_at}, expected later than {latest}, when version "
            f"'{before.version}' takes effect. Put the newest version last."
        )


def _change_faults(entry: PolicyEntry, before: Policy | None) -> Iterator[str]:
    if (entry.change == "first") is not (before is None):
        expected = "'first' for the oldest version" if before is None else "'editorial', 'minor' or 'major'"
        yield f"change: found '{entry.change}', expected {expected}."
    if (entry.change == "major") is not bool(entry.reasons):
        expected = f"one or more of {', '.join(get_args(Reason))}" if entry.change == "major" else "none"
        yield f"reasons: found {list(entry.reasons)} for change '{entry.change}', expected {expected}."
    yield from _name_faults(entry, before)
    if before is not None:
        yield from _reason_faults(entry, before)


def _name_faults(entry: PolicyEntry, before: Policy | None) -> Iterator[str]:
    """What is said twice, or taken away though it was never there."""
    fields, countries = (before.fields, before.countries) if before else ({}, {})
    told: set[str] = set()
    for name, treatment in entry.adds.named():
        if name in told or name in entry.removes or fields.get(name) == treatment:
            yield f"adds.{treatment}: found '{name}', which is named already. Name it once, and never in removes too."
        told.add(name)
    for name in entry.removes:
        if name not in fields:
            yield f"removes: found '{name}', expected a field that an earlier version names. Correct or remove it."
    homes: set[str] = set()
    for country, region in entry.countries.named():
        if country in homes or countries.get(country) is region:
            yield f"countries.{region}: found '{country}', which is named already. Name it once."
        homes.add(country)


def _reason_faults(entry: PolicyEntry, before: Policy) -> Iterator[str]:
    """What changes though the class of change does not say so."""
    wanted = {
        "a field that is new or treated otherwise": (any(True for _ in entry.adds.named()), {"M1", "M8"}),
        "a new purpose": (not set(entry.purposes) <= set(before.purposes), {"M1"}),
        "a new recipient": (not set(entry.recipients) <= set(before.recipients), {"M3"}),
        "a country that moves to another region": (_moves(entry, before), {"M3"}),
    }
    for what, (found, reasons) in wanted.items():
        if found and not reasons & set(entry.reasons):
            yield (
                f"reasons: found {list(entry.reasons)}, expected {' or '.join(sorted(reasons))} for {what}. "
                f'Owners have to be asked again: write change = "major" and the reason.'
            )
    if entry.change == "editorial" and (
        entry.removes
        or any(True for _ in entry.countries.named())
        or set(entry.purposes) != set(before.purposes)
        or set(entry.recipients) != set(before.recipients)
    ):
        yield 'change: found \'editorial\' for a text that says something else. Write change = "minor" or "major".'


def _moves(entry: PolicyEntry, before: Policy) -> bool:
    return any(before.countries.get(country, region) is not region for country, region in entry.countries.named())


def _text_faults(entry: PolicyEntry, folder: Path) -> Iterator[str]:
    for language, text in entry.texts.items():
        where = f"texts.{language}"
        if text.file is None:
            continue
        try:
            found = sha256((folder / text.file).read_bytes()).hexdigest()
        except OSError as error:
            yield f"{where}.file: {text.file}: {error.strerror}. Put the text there: every one is kept for good."
            continue
        if found != text.digest:
            yield (
                f"{where}.digest: found {text.digest}, expected {found}, the SHA-256 of {text.file}. "
                f"Restore the text, or correct the digest before the version is published."
            )
