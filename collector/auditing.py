"""The audit logs of an installation, and who is at its terminal."""

import os
import pwd
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from collector.access.audit import AuditLog
from collector.access.nouns import Role, Viewer
from collector.config import Settings
from collector.model import Region

_LOGIN_UID: Final = Path("/proc/self/loginuid")
_UNSET: Final = 2**32 - 1


class Logs:
    """The logs of an installation: one for each enabled region, and that of accounts and sign-ins."""

    def __init__(self, logs: Mapping[Region | None, AuditLog]) -> None:
        self._logs = logs

    def __iter__(self) -> Iterator[AuditLog]:
        return iter(self._logs.values())

    def of(self, region: Region | None) -> AuditLog:
        """A region's log; without a region, that of accounts and sign-ins.

        Raises:
            KeyError: the region is not enabled here.
        """
        return self._logs[region]


def audit_logs(settings: Settings) -> Logs:
    """The logs that the settings name. Nothing is opened."""
    regions = (*settings.regions.enabled, None)
    return Logs({region: AuditLog(*settings.audit_place(region), region) for region in regions})


def at_terminal(settings: Settings) -> Viewer:
    """Whoever runs this command.

    Linux remembers who signed in through every `su` and `sudo` (the audit uid of pam_loginuid); where it does not, it
    is the user that the process belongs to. Environment variables are not believed.
    """
    return Viewer(
        name=_name_of(_login_uid()), role=Role.TERMINAL, regions=frozenset(settings.regions.enabled), source="terminal"
    )


def _login_uid() -> int:
    try:
        found = int(_LOGIN_UID.read_text("ascii"))
    except (OSError, ValueError):
        return os.getuid()
    return os.getuid() if found == _UNSET else found


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:  # a container's user without a name
        return f"uid {uid}"
