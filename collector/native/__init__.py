"""What is compiled: reading plain reports and writing their bodies (0041).

Rule 1: it knows no field and imports nothing of ours; `fields.shapes` tells it what reports and bodies may hold.
Rule 2: nothing depends on its being there: `formats.plain` goes without it, only slower.
Rule 3: what was compiled from other sources than these is not used: a fault that was mended in them may still be in it.
"""

from hashlib import sha256
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path


def sources_of(folder: Path) -> str:
    """A digest of the sources in *folder*."""
    digests = [sha256(path.read_bytes()).digest() for path in sorted([*folder.glob("*.pyx"), *folder.glob("*.pxd")])]
    return sha256(b"".join(digests)).hexdigest()


def note_in(folder: Path) -> Path:
    """The file that says from which sources the modules in *folder* were compiled, for this interpreter here."""
    return folder / f"compiled{EXTENSION_SUFFIXES[0]}.sha256"


def is_current(folder: Path = Path(__file__).parent) -> bool:
    """Whether the modules in *folder* were compiled from the sources there."""
    try:
        return note_in(folder).read_bytes() == sources_of(folder).encode()
    except OSError:
        return False
