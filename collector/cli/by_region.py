"""Runs a command region by region: in all that are served here, or in the one that is named.

Rule 1: a store that is away does not hold up the others. Which were away, and why, is said at the end.
"""

from collections.abc import Callable
from typing import Final, TypeVar

import click

from collector.cli.common import say
from collector.config import Settings
from collector.errors import NotDone, StoreUnavailable
from collector.model import Region
from collector.storage import place_of
from collector.stores.places import Place

T = TypeVar("T")
region_option: Final = click.option(
    "--region", type=click.Choice([region.value for region in Region]), help="This region only."
)


def regions_of(settings: Settings, given: str | None) -> list[Region]:
    """The regions that a command is about.

    Raises:
        click.BadParameter: the one that is *given* is not served here.
    """
    if given is None:
        return list(settings.regions.enabled)
    if Region(given) not in settings.regions.enabled:
        raise click.BadParameter(f"{given} is not served here", param_hint="--region")
    return [Region(given)]


def of_each(settings: Settings, regions: list[Region], work: Callable[[Place], T]) -> tuple[list[T], list[str]]:
    """What *work* finds in each region's store, and which stores could not be read."""
    found, away = [], []
    for region in regions:
        place = place_of(settings, region)
        try:
            if place.is_there():
                found.append(work(place))
            else:
                say(f"{region}: no store yet")
        except StoreUnavailable as error:
            away.append(f"{region}: {error.in_full()}")
    return found, away


def raise_if(away: list[str]) -> None:
    """End a command that was not done everywhere, once the rest is printed.

    Raises:
        NotDone: some stores could not be read.
    """
    if away:
        raise NotDone("\n".join(away))
