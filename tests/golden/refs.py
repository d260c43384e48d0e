"""Works out a pseudonym for a golden record, by the standard library alone.

The key of a region in these tests is the SHA-256 of "golden" and the region's name; an older key has "golden old".

    python tests/golden/refs.py germany imsi 262011234567890
    python tests/golden/refs.py "old germany" router 490154203237518
    python tests/golden/refs.py germany            (the id of the key)
"""

import hmac
import sys
from hashlib import sha256


def secret(region: str) -> bytes:
    """The key of a region, 32 bytes."""
    return sha256(f"golden {region}".encode()).digest()


def key_id(region: str) -> str:
    """What names the key in a record."""
    return sha256(b"ueip key id\0" + secret(region)).hexdigest()[:8]


def ref(region: str, namespace: str, value: str) -> str:
    """The first 128 bits of HMAC-SHA-256 over namespace, zero, value."""
    return hmac.new(secret(region), f"{namespace}\0{value}".encode(), sha256).hexdigest()[:32]


if __name__ == "__main__":
    _, asked, *rest = sys.argv
    namespace, value = [*rest, "", ""][:2]
    sys.stdout.write((ref(asked, namespace, value.replace("\\0", "\0")) if rest else key_id(asked)) + "\n")
