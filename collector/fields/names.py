"""Says whether a removed key is one that must never leave a router (catalogue 1.7).

Rule 1: this is not the protection. The allow-list is; this only decides which counter a removed key raises.
Rule 2: names are compared whole, by catalogue, never by substring (1.7.1, rule 8).
Rule 3: only counts leave this module; a key name is shown nowhere but on the user's own terminal, by `explain`.
"""

import re
import unicodedata
from functools import lru_cache
from typing import Final

from collector.fields.catalogue import Catalogue, RefusedFamily
from collector.model import Removal

_INVISIBLE: Final = re.compile(
    r"[\u0000-\u001f\u007f-\u009f\u00ad\u034f\u061c\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    r"\ufe00-\ufe0f\ufeff\ufff9-\ufffb\U000e0000-\U000e0fff]"
)
"""Control, format, zero-width and variation characters."""
_CAMEL: Final = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[0-9])(?=[A-Z][A-Za-z])|(?<=[A-Z])(?=[A-Z][a-z])")
_SEPARATORS: Final = re.compile(r"[-./: _]+")
_INSTANCE: Final = re.compile(r"(?<=[._/])[0-9]+(?=[._/]|$)")
_FLAT_INSTANCE: Final = re.compile(r"(?<=_)[0-9]+(?=_|$)")
_ROOT: Final = re.compile(r"(?:Device|InternetGatewayDevice)\.(?=[^.]+\.)")
"""The root object of a data model, which profiles of bulk data leave out."""
_LONGEST_NAME: Final = 512
"""No field has a longer name: such a key is unknown, and costs no work."""
_SHORT_NAME: Final = 64
"""Up to this length, the normal spelling of a name is remembered: parts of data model paths come in every message."""
_LONGEST_FLAG: Final = 128
"""Longer keys are no spelling of the flag; the time to normalise one could grow with the square of its length."""


def normalise(name: str) -> str:
    """A key in the one spelling that names are compared in (1.7.1, steps 2 and 3)."""
    return _remembered_normal(name) if len(name) <= _SHORT_NAME else _normal(name)


def _normal(name: str) -> str:
    text = _INVISIBLE.sub("", unicodedata.normalize("NFKC", name)).strip()
    return _SEPARATORS.sub("_", _CAMEL.sub("_", text)).lower().strip("_")


_remembered_normal: Final = lru_cache(16_384)(_normal)


def normalise_path(path: str) -> str:
    """As `normalise`, instance numbers of a TR path replaced by `{i}` (1.7.1, step 4)."""
    return normalise(_INSTANCE.sub("{i}", path))


def _letters(name: str) -> str:
    """A key without its separators: where case changes inside a word, `normalise` sees two words (uEIP)."""
    return normalise(name).replace("_", "")


def _segments(path: str) -> list[str]:
    """The names in a TR path, instance numbers left out."""
    return [part for part in _INSTANCE.sub("{i}", path).split(".") if part != "{i}"]


def _tail(path: str) -> str:
    return normalise(".".join(_segments(path)[-2:]))


class RefusedNames:
    """The refused names of a catalogue, ready to be asked."""

    def __init__(self, catalogue: Catalogue) -> None:
        rules = catalogue.names
        self._suffixes = tuple(rules.suffixes)
        self._prefixes = tuple(rules.prefixes)
        self._patterns = tuple(re.compile(p) for p in rules.prefix_patterns)
        self._friends = {normalise(name) for name in rules.false_friends}
        self._family: dict[str, RefusedFamily] = {}
        self._envelope: dict[str, RefusedFamily] = {}
        self._bare: dict[str, list[RefusedFamily]] = {}
        self._path_stems: dict[str, RefusedFamily] = {}
        self._path_tails: dict[str, RefusedFamily] = {}
        self._betrays: dict[str, set[str]] = {}
        for family in catalogue.refused:
            self._learn(family)
        self._stems = tuple(f"{stem}_" for stem in self._path_stems)
        self._remembered = lru_cache(16_384)(self._family_of)
        self._remembered_around = lru_cache(4096)(self._around_of)
        self._families_beside = lru_cache(4)(self._families_among)
        spellings = (*rules.flag_spellings, "ueip")
        self._flag_spellings = frozenset(_letters(name) for name in spellings)
        self._spells_the_flag = lru_cache(16_384)(lambda name: _letters(name) in self._flag_spellings)

    def spells_the_flag(self, name: str) -> bool:
        """Whether a key is a spelling of the flag (1.7.2)."""
        return len(name) <= _LONGEST_FLAG and self._spells_the_flag(name)

    def _learn(self, family: RefusedFamily) -> None:
        for name in (*family.names, *family.envelopes):
            self._family.setdefault(normalise(name), family)
        for name in family.envelopes:
            self._envelope.setdefault(normalise(name), family)
        for path in family.paths:
            if path.endswith(".*"):
                self._path_stems.setdefault(normalise_path(path[:-2]), family)
                self._path_stems.setdefault(normalise_path(_ROOT.sub("", path[:-2], count=1)), family)
            else:
                self._family.setdefault(normalise_path(path), family)
                self._path_tails.setdefault(_tail(path), family)
        for name in family.bare:
            self._bare.setdefault(normalise(name), []).append(family)
        for name in family.siblings:
            self._betrays.setdefault(normalise(name), set()).add(family.family)

    def family_of(self, name: str) -> RefusedFamily | None:
        """The family a key belongs to by its name alone, or None."""
        return None if len(name) > _LONGEST_NAME else self._remembered(name)

    def _family_of(self, name: str) -> RefusedFamily | None:
        plain = normalise(name)
        if plain in self._friends:
            return None
        return self._family.get(plain) or self._by_path(name) or self._by_flat_path(plain) or self._undecorated(plain)

    def _by_flat_path(self, plain: str) -> RefusedFamily | None:
        """A whole path whose dots somebody replaced, as in `Device_PPP_Interface_1_Password` (1.7.1, steps 3 and 4)."""
        path = _FLAT_INSTANCE.sub("{i}", plain)
        return self._family.get(path) or self._by_stem(path)

    def _by_stem(self, path: str) -> RefusedFamily | None:
        if not path.startswith(self._stems):  # nearly none does
            return None
        return next(self._path_stems[stem[:-1]] for stem in self._stems if path.startswith(stem))

    def _by_path(self, name: str) -> RefusedFamily | None:
        name = name.replace("/", ".")
        if "." not in name:
            return None
        path, tail = normalise_path(name), _tail(name)
        found = self._family.get(path) or self._by_stem(path) or self._family.get(tail) or self._path_tails.get(tail)
        # UCI names are config.section.option, whatever the section is called.
        first, last = _segments(name)[0], _segments(name)[-1]
        found = found or self._family.get(normalise(f"{first}.{{i}}.{last}")) or self._by_last_segment(last)
        # A number between underscores is part of a flat name (`sim.v3t_1_msisdn`), not an instance.
        return found or self._by_last_segment(name.rpartition(".")[2])

    def _by_last_segment(self, segment: str) -> RefusedFamily | None:
        plain = normalise(segment)
        return None if plain in self._friends else self._family.get(plain) or self._undecorated(plain)

    def _undecorated(self, plain: str) -> RefusedFamily | None:
        """Strip known decorations, one after another, and ask again (1.7.1, step 5)."""
        for _ in range(4):
            shorter = self._strip(plain)
            if shorter == plain or not shorter:
                return None
            if shorter in self._friends:
                return None
            if found := self._family.get(shorter):
                return found
            plain = shorter
        return None

    def _strip(self, plain: str) -> str:
        for pattern in self._patterns:
            if match := pattern.match(plain):
                return plain[match.end() :]
        for suffix in self._suffixes:
            if plain.endswith(suffix):
                return plain.removesuffix(suffix)
        for prefix in self._prefixes:
            if plain.startswith(prefix):
                return plain.removeprefix(prefix)
        return plain.rstrip("0123456789").rstrip("_")

    def bare_family(self, name: str, siblings: frozenset[str]) -> RefusedFamily | None:
        """The family of a generic key beside one of its names (1.7.1, rule 7).

        What lies under a refused envelope is refused with it, as a whole, and is never asked about.
        """
        for family in self._bare.get(normalise(name), ()) if len(name) <= _LONGEST_NAME else ():
            if family.family in self._families_beside(siblings):
                return family
        return None

    def _families_among(self, siblings: frozenset[str]) -> frozenset[str]:
        """The families that names of one object belong to or give away; once an object, however many keys it has."""
        short = [name for name in siblings if len(name) <= _LONGEST_NAME]
        found = {family.family for name in short if (family := self.family_of(name))}
        return frozenset(found.union(*(self._betrays.get(normalise(name), ()) for name in short)))

    def removal_of(self, name: str, siblings: frozenset[str]) -> Removal:
        """How a key that is not in the catalogue is counted."""
        family = self.family_of(name) or self.bare_family(name, siblings)
        return Removal(family.treatment) if family else Removal.UNKNOWN

    def removal_of_path(self, path: str, siblings: frozenset[str]) -> Removal:
        """As `removal_of`, of a flat name as other formats have it; *siblings* are the names in the same object.

        What stands below a refused name is refused with it (1.7.1, step 7).
        """
        above, _, name = path.rpartition(".")
        family = self.family_of(path) or self.bare_family(name, siblings) or (self._around(above) if above else None)
        return Removal(family.treatment) if family else Removal.UNKNOWN

    def _around(self, above: str) -> RefusedFamily | None:
        return self._remembered_around(above) if len(above) <= _LONGEST_NAME else self._around_of(above)

    def _around_of(self, above: str) -> RefusedFamily | None:
        return next((family for name in above.split(".") if (family := self._envelope.get(normalise(name)))), None)
