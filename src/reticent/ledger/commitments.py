"""Salted commitments: the ledger shows that a detail existed, and the salt shows which.

The commitment is HMAC-SHA-256 of the canonical detail under 32 random bytes. Salt and detail live
in the keyring and are destroyed on schedule; after that the commitment says nothing. A bare hash
would not do: card numbers are few enough to try them all.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping

from reticent.errors import UsageError
from reticent.ledger.entries import canonical

SALT = 32
"""Bytes of a salt."""


def new_salt() -> bytes:
    """Return a fresh salt. One salt, one detail."""
    return secrets.token_bytes(SALT)


def commit(salt: bytes, detail: Mapping[str, object]) -> str:
    """Return the commitment to ``detail`` (JSON values) in lower-case hex."""
    if len(salt) != SALT:
        raise UsageError(f"A commitment needs a salt of {SALT} random bytes.")
    return hmac.digest(salt, canonical(detail), "sha256").hex()


def opens(commitment: str, salt: bytes, detail: Mapping[str, object]) -> bool:
    """Whether salt and detail are what ``commitment`` was made of."""
    return hmac.compare_digest(commitment.encode(), commit(salt, detail).encode())
