"""Keyed pseudonyms: one value in, one token out, and nothing joins across days or keys.

A token is a tie for as long as its key exists. It never is "anonymous".
"""

from __future__ import annotations

import hashlib
import hmac
import re
import zlib
from collections.abc import Callable

from reticent.errors import ConfigurationError

NOTHING = b"-"
"""What the log formats themselves write for "no value"."""

_TOKEN = re.compile(rb"~([0-9a-f]{14})([0-9a-f]{4})\Z")
_LEAST_KEY = 16
_BLOCK = 64

Treat = Callable[[bytes], bytes]
"""A pure function from one value to one value."""


def check_key(key: bytes) -> bytes:
    """Return ``key`` if it is long enough to be one; raise ConfigurationError if not."""
    if len(key) < _LEAST_KEY:
        raise ConfigurationError(
            f"a pseudonym key has {len(key)} bytes; at least {_LEAST_KEY} random bytes are needed",
            do="take the key from the keyring",
        )
    return key


def day_key(key: bytes, day: bytes) -> bytes:
    """Derive the key of one day (``2026-03-01``), so that no pseudonym joins two days."""
    return hmac.digest(key, b"day|" + day, "sha256")


def mac(key: bytes, purpose: bytes) -> Treat:
    """Return HMAC-SHA-256 (RFC 2104) under one key and purpose, with the padded key hashed once for all.

    For many short values this takes a third of the time of ``hmac.digest``.
    """
    block = hashlib.sha256(key).digest() if len(key) > _BLOCK else key
    padded = block.ljust(_BLOCK, b"\0")
    inside = hashlib.sha256(bytes(byte ^ 0x36 for byte in padded) + purpose + b"|")
    outside = hashlib.sha256(bytes(byte ^ 0x5C for byte in padded))

    def digest(value: bytes) -> bytes:
        first, second = inside.copy(), outside.copy()
        first.update(value)
        second.update(first.digest())
        return second.digest()

    return digest


def tokens(key: bytes) -> Treat:
    """Return what gives users and sessions their pseudonyms under one key."""
    digest = mac(key, b"identity")

    def treat(value: bytes) -> bytes:
        if value in (NOTHING, b"") or is_token(value):
            return value
        body = digest(value).hex()[:14].encode()
        return b"~" + body + _check(body)

    return treat


def token(key: bytes, value: bytes) -> bytes:
    """Return the 19-byte pseudonym of a user or session; ``-`` and earlier tokens stay as they are.

    Users and sessions share one name space on purpose: EZproxy writes a session where another
    log of the same bundle writes a user, and both must meet within the day.
    """
    return tokens(key)(value)


def is_token(value: bytes) -> bool:
    """Tell whether ``value`` is a token: its shape, and four characters that check the rest."""
    found = _TOKEN.match(value) if value.startswith(b"~") else None
    return found is not None and _check(found[1]) == found[2]


def _check(body: bytes) -> bytes:
    return b"%04x" % (zlib.crc32(body) & 0xFFFF)
