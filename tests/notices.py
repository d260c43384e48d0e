"""Versions of the notice for tests: the shipped one, and others that came after it, as objects and as files."""

from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from msgspec.structs import replace
from records import FIRST, HOUR, START

from collector.consent.policies import Change, Policies, Policy, Reason
from collector.data import data_path
from collector.model import Region

DIGEST = FIRST.texts["en"]
"""What a join event names as the text that was shown."""
LATER = START + 10 * HOUR
"""When a later version takes effect, unless a test says otherwise."""


def later(
    version: str = "v2",
    change: Change = "major",
    *reasons: Reason,
    at: int = LATER,
    published_at: int | None = None,
    countries: dict[str, Region] | None = None,
) -> Policy:
    """A version that takes effect *at*, published an hour before; a major one for a new field unless told otherwise."""
    return replace(
        FIRST,
        version=version,
        published_at=at - HOUR if published_at is None else published_at,
        effective_at=at,
        change=change,
        reasons=reasons or (("M1",) if change == "major" else ()),
        texts={language: digest_of(version, language) for language in ("en", "de")},
        countries=FIRST.countries if countries is None else countries,
    )


def notice(*versions: Policy, strict: bool = False) -> Policies:
    """The shipped version and these after it."""
    return Policies([FIRST, *versions], strict=strict)


def text(version: str, language: str) -> str:
    """The text of a later version."""
    return f"Notice {version} in {language}: we ask you again.\n"


def digest_of(version: str, language: str) -> str:
    """What a join event names of it."""
    return sha256(text(version, language).encode()).hexdigest()


def written(folder: Path, *versions: Policy, **more: Any) -> Path:
    """A file of the shipped version and these, with their texts beside it; *more* are members of the last one."""
    (folder / "notices").mkdir(exist_ok=True)
    document = data_path("config", "policies.toml").read_text("utf-8")
    for number, policy in enumerate(versions, start=1):
        document += _entry(folder, policy, more if number == len(versions) else {})
    path = folder / "policies.toml"
    path.write_text(document)
    return path


def _entry(folder: Path, policy: Policy, more: dict[str, Any]) -> str:
    for language in policy.texts:
        (folder / "notices" / f"{policy.version}.{language}.txt").write_text(text(policy.version, language))
    members = {
        "version": policy.version,
        "published_at": _time(policy.published_at),
        "effective_at": _time(policy.effective_at),
        "change": policy.change,
        "reasons": list(policy.reasons),
        "purposes": list(policy.purposes),
        "recipients": list(policy.recipients),
        **{f"texts.{language}.file": f"notices/{policy.version}.{language}.txt" for language in policy.texts},
        **{f"texts.{language}.digest": digest for language, digest in policy.texts.items()},
        **more,
    }
    return "\n[[policy]]\n" + "".join(f"{name} = {_toml(value)}\n" for name, value in members.items())


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _toml(value: Any) -> str:
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return value.isoformat() if isinstance(value, datetime) else f'"{value}"'
