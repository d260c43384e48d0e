"""What a worker is told before it begins: which one it is, and the settings that all of them share.

Rule 1: all workers go by the settings that the supervisor read, whenever they are started.
Rule 2: a worker has its own name at the broker and its own folder in each spool, both named after its number, so that
        the next worker of that number takes over what it left.
"""

from pathlib import Path
from typing import Final

import msgspec

from collector.config import Settings
from collector.errors import DataFault
from collector.ingest.packets import GROUP, Membership

MOST: Final = 64
"""Workers of one collector."""
_NAME: Final = 64
"""Characters of a client id that every broker takes, with room for what we append."""


class Job(msgspec.Struct):
    """Which worker a process is."""

    number: int
    settings: str
    """JSON of the settings as the supervisor read them."""
    alone: bool = False
    """Whether it is the only one that stays; then it shares with nobody, unless the settings name a group."""
    leaves: bool = False
    """Whether it only delivers what waits for its number, and ends."""
    is_new: bool = False
    """Whether no worker had that number before."""
    api: int | None = None
    """Descriptor of the socket that the API listens on."""

    def made_settings(self) -> Settings:
        """The worker's own settings."""
        return settings_of(Settings.model_validate_json(self.settings), self.number)

    def membership(self, settings: Settings) -> Membership:
        """Its place among the others."""
        named = settings.broker.share_group
        group = named if self.alone else named or GROUP
        return Membership(group, former=GROUP, leaves=self.leaves)


def settings_of(settings: Settings, number: int) -> Settings:
    """The settings of a worker: the first one has the name and the spools of a collector without workers."""
    if number == 1:
        return settings
    broker = settings.broker.model_copy(update={"client_id": f"{settings.broker.client_id}-w{number}"})
    own = {
        region.value: settings.regions.of(region).model_copy(update={"spool": folder})
        for region, folder in zip(settings.regions.enabled, spools_of(settings, number), strict=True)
    }
    return settings.model_copy(update={"broker": broker, "regions": settings.regions.model_copy(update=own)})


def spools_of(settings: Settings, number: int) -> list[Path]:
    """The spool folders of a worker, one for each region."""
    folders = [settings.regions.of(region).spool_folder for region in settings.regions.enabled]
    return folders if number == 1 else [folder / f"worker-{number}" for folder in folders]


def check_name(settings: Settings) -> None:
    """Check that the client id leaves room for a worker's number.

    Raises:
        DataFault: it does not.
    """
    most = _NAME - len(f"-w{MOST}")
    if len(settings.broker.client_id) > most:
        fault = (
            f"broker.client_id: found {len(settings.broker.client_id)} characters, expected at most {most} with "
            f"workers, because each adds its number. Shorten it, but first deliver what waits at the broker under "
            f"the old name: ueip run --workers 0"
        )
        raise DataFault([fault])
