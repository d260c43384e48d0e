"""What a configuration file says, before anything is made of it."""

from pathlib import Path
from typing import Any, Final

_PATHS: Final = {
    "password_file", "token_file", "ca_file", "cert_file", "key_file", "store", "spool", "witness", "tables",
    "policies", "accounts", "client_secret_file", "folder", "heads",
}  # fmt: skip


def absolute(document: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Make the paths in a document absolute; values that are not text are left for the checks to find."""

    def made(name: str, value: Any) -> Any:
        if isinstance(value, dict):
            return absolute(value, folder)
        if name in _PATHS and isinstance(value, str):
            return folder / value
        if name == "key_files" and isinstance(value, list):
            return [folder / item if isinstance(item, str) else item for item in value]
        return value

    return {name: made(name, value) for name, value in document.items()}


def taken_out(document: dict[str, Any]) -> list[str]:
    """Take a setting that no longer exists out of the document; returns what to say about it."""
    consent = document.get("consent")
    if not isinstance(consent, dict) or consent.pop("policy_versions", None) is None:
        return []
    told = (
        "consent: policy_versions: found a list of versions, expected a file that says what each of them changed. "
        'Remove it; for versions other than the shipped ones set policies = "policies.toml" (docs/operating.md)'
    )
    return [told]
