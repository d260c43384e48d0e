"""Functions written out from the catalogue, once, at start.

A loop over the catalogue for every message would cost several times as much as straight lines. The lines are made of
names that the catalogue has checked to be plain words (`Name`), and of nothing a router sends.
"""

import linecache
from collections.abc import Callable, Iterable, Mapping
from typing import Any


def function(name: str, parameters: str, lines: Iterable[str], known: Mapping[str, Any]) -> Callable[..., Any]:
    """The function *name* with *lines* as its body, in which the names in *known* stand for those objects."""
    source = "\n".join([f"def {name}({parameters}):", *(f"    {line}" for line in lines), ""])
    place = f"<made from the catalogue: {name}>"
    namespace = dict(known)
    exec(compile(source, place, "exec"), namespace)  # noqa: S102 - written here, see above
    linecache.cache[place] = (len(source), None, source.splitlines(keepends=True), place)
    made: Callable[..., Any] = namespace[name]
    return made
