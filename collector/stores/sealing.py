"""Encryption of what waits in a region's spool (O79): AES-256-GCM, under keys derived from the region's own.

Rule 1: what is sealed can be opened by a live key of the region and by nothing else, and only as what it was sealed as:
        the same kind of entry, of the same router, in the same region.
Rule 2: routers are told apart by tags, which are not the pseudonyms of the store: without a key nothing in a spool can
        be matched with anything outside it.
"""

import os
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from collector.model import Region
from collector.pseudonym import Key

_VERSION: Final = b"\x01"
_KEY_ID_BYTES: Final = 4
_SALT_BYTES: Final = 16
_NONCE_BYTES: Final = 12
_HEADER: Final = len(_VERSION) + _KEY_ID_BYTES + _SALT_BYTES
_SEALS: Final = 1 << 31
"""Entries sealed under one salt; random nonces of 96 bits allow 2^32 (NIST SP 800-38D, 8.3)."""


class Unreadable(Exception):
    """What was sealed is damaged, or its key is gone; the error says nothing about its content."""


class Sealer:
    """Seals entries for one region and opens them again."""

    def __init__(self, keys: Sequence[Key], region: Region) -> None:
        """*keys* are the region's live keys, the current one first."""
        self.key_id = keys[0].key_id
        self._keys = keys
        self._by_id = {bytes.fromhex(key.key_id): key for key in keys}
        self._purpose = f"ueip spool {region}"
        self._region = region.encode()
        self._cipher_of = lru_cache(64)(self._derived)
        self._left = 0

    @property
    def key_ids(self) -> set[str]:
        """The live keys."""
        return {key.key_id for key in self._keys}

    def tag(self, ref: bytes) -> bytes:
        """The tag by which the entries of the router *ref* are found again."""
        return self._keys[0].ref("spool", ref.hex())

    def tags(self, refs: Iterable[bytes]) -> list[bytes]:
        """The tags of these routers under every live key: what was spooled before a rotation is found too."""
        return [key.ref("spool", ref.hex()) for ref in refs for key in self._keys]

    def seal(self, kind: int, tag: bytes, content: bytes) -> bytes:
        """Encrypt *content* so that only a live key opens it; *kind* and *tag* are authenticated, not hidden."""
        if not self._left:
            self._left = _SEALS
            self._header = _VERSION + bytes.fromhex(self.key_id) + os.urandom(_SALT_BYTES)
        self._left -= 1
        nonce = os.urandom(_NONCE_BYTES)
        return self._header + nonce + self._cipher_of(self._header).encrypt(nonce, content, self._context(kind, tag))

    def open(self, kind: int, tag: bytes, sealed: bytes) -> bytes:
        """Decrypt what was sealed.

        Raises:
            Unreadable: it was not sealed here as that kind with that tag, or not under a live key.
        """
        try:
            header, nonce = sealed[:_HEADER], sealed[_HEADER : _HEADER + _NONCE_BYTES]
            cipher = self._cipher_of(header)
            return cipher.decrypt(nonce, sealed[_HEADER + _NONCE_BYTES :], self._context(kind, tag))
        except (InvalidTag, ValueError, TypeError):
            raise Unreadable from None

    def _context(self, kind: int, tag: bytes) -> bytes:
        return b"%d\0%b\0%b" % (kind, self._region, tag)

    def _derived(self, header: bytes) -> AESGCM:
        key = self._by_id.get(header[1 : 1 + _KEY_ID_BYTES])
        if len(header) != _HEADER or header[:1] != _VERSION or key is None:
            raise Unreadable
        return AESGCM(key.derived(self._purpose, header))
