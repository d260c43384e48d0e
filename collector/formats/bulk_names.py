"""Names in bulk data reports: what a profile calls its parameters (TR-181, `BulkData.Profile.{i}.Parameter.{i}.Name`).

A profile may name a path (`cell` for `Device.Cellular.Interface.*.`, so that keys read `cell.1.RSRP`) or one parameter
(`up` for `Device.DeviceInfo.UpTime`). Nothing in a report says so; the source's `names` do.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from collector.formats.flatten import MOST, NotFlat

_DOUBLED: Final = (".Stats.Stats.", ".Stats.")
"""The doubled segment of the specification's own example (TR-369, A.3.3), which agents have copied."""


class Names:
    """Gives parameters their whole names."""

    def __init__(self, names: Mapping[str, str]) -> None:
        longest_first = sorted(names, key=len, reverse=True)
        self._paths = [(name.rstrip("."), names[name].strip().rstrip(".").split(".")) for name in longest_first]

    def whole(self, pairs: Iterable[tuple[str, Any]]) -> tuple[tuple[str, Any], ...]:
        """The pairs under their whole names.

        Raises:
            NotFlat: two have the same name, or there are more than 16,384.
        """
        made = tuple((self._whole(name), value) for name, value in pairs)
        if len(made) > MOST or len({name for name, _ in made}) != len(made):
            raise NotFlat
        return made

    def _whole(self, name: str) -> str:
        for short, path in self._paths:
            if name == short or name.startswith(short + "."):
                name = _filled(path, name[len(short) + 1 :].split(".") if name != short else [])
                break
        return name.replace(*_DOUBLED) if _DOUBLED[0] in name else name


def _filled(path: list[str], rest: list[str]) -> str:
    """A path with the instance numbers that *rest* begins with in place of its `*`, and what is left of *rest*."""
    left = iter(rest)
    made = [next(left, "*") if segment == "*" else segment for segment in path]
    return ".".join([*made, *left])
