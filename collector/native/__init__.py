"""What is compiled: reading plain reports and writing their bodies (0041).

Rule 1: it knows no field and imports nothing of ours; `fields.shapes` tells it what reports and bodies may hold.
Rule 2: nothing depends on its being there: `formats.plain` goes without it, only slower.
Rule 3: what was compiled from other sources than these is not used: a fault that was mended in them may still be in it.
"""

import sys
from hashlib import sha256
from pathlib import Path


def sources_of(folder: Path) -> str:
    """A digest of the sources in *folder*."""
    digests = [sha256(path.read_bytes()).digest() for path in sorted(folder.glob("*.p[yx][xd]"))]
    return sha256(b"".join(digests)).hexdigest()


def note_in(folder: Path) -> Path:
    """The file that says from which sources the modules in *folder* were compiled, for this interpreter."""
    return folder / f"compiled.{sys.implementation.cache_tag}.sha256"


def is_current(folder: Path = Path(__file__).parent) -> bool:
    """Whether the modules in *folder* were compiled from the sources there."""
    try:
        return note_in(folder).read_text() == sources_of(folder)
    except OSError:
        return False
