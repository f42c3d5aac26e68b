"""The register's files: one random key a case, so that disposing of a case is destroying its key.

Bodies are AES-256-GCM, padded to whole blocks so that a length says nothing, and bound to their case
and place, so that rows cannot be swapped or moved. The keys lie in the key folder, never in a database.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import pyrage
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from reticent.errors import ConfigurationError, EvidenceBroken
from reticent.keyring.folder import Folder

BLOCK = 4096
"""Bytes a body is padded to a multiple of."""
_NONCE = 12


class CaseKeys:
    """The keys of the register's cases. ``case`` is a random lower-case word."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder

    def make(self, case: str) -> CaseKey:
        """Make the key of a new case."""
        key = AESGCM.generate_key(256)
        with self._folder.locked("inquiry"):
            self._folder.write(_name(case), key)
        return CaseKey(case, key)

    def load(self, case: str) -> CaseKey:
        """Return the key of a case. Raises ConfigurationError if it is not there."""
        return CaseKey(case, self._folder.read(_name(case)))

    def exists(self, case: str) -> bool:
        """Whether the case has a key."""
        return self._folder.exists(_name(case))

    def destroy(self, case: str) -> None:
        """Destroy a case's key for good; killed half-way, the next call finishes."""
        mark = sha256(case.encode()).hexdigest()
        with self._folder.locked("inquiry"):
            self._folder.doom([_name(case)] if self._folder.exists(_name(case)) else [], mark)
            self._folder.bury(mark)


class CaseKey:
    """One case's key: closes and opens bodies, and marks identifiers so that equal ones are recognised."""

    def __init__(self, case: str, key: bytes) -> None:
        self.case, self._key = case, key

    def close(self, place: int, body: bytes) -> bytes:
        """Encrypt the body that stands at a place of the case."""
        padded = body + b"\x80" + bytes(-(len(body) + 1) % BLOCK)
        nonce = secrets.token_bytes(_NONCE)
        return nonce + AESGCM(self._key).encrypt(nonce, padded, self._bound(place))

    def open(self, place: int, sealed: bytes) -> bytes:
        """Decrypt a body. Raises EvidenceBroken for one that was changed, moved or forged."""
        try:
            padded = AESGCM(self._key).decrypt(sealed[:_NONCE], sealed[_NONCE:], self._bound(place))
        except (InvalidTag, ValueError):
            raise EvidenceBroken(
                "A step of an inquiry was changed outside Reticent.",
                where="the register",
                do="Restore the state from its backup; nothing rests on this case until then.",
            ) from None
        return padded.rstrip(b"\x00")[:-1]

    def mark(self, identifier: str) -> str:
        """Return a keyed mark of an identifier; it is still personal, and gone with the case's key."""
        text = b"mark\n" + " ".join(identifier.split()).casefold().encode()
        return hmac.new(self._key, text, sha256).hexdigest()

    def _bound(self, place: int) -> bytes:
        return f"reticent inquiry {self.case} {place}".encode()


def _name(case: str) -> str:
    return f"inquiry@{case}.key"


def recipients(lines: Sequence[str]) -> list[Any]:
    """Return age keys each of which alone can read. Raises ConfigurationError without a usable one."""
    try:
        keys: list[Any] = [pyrage.x25519.Recipient.from_str(one.strip()) for one in lines]
    except pyrage.RecipientError:
        raise ConfigurationError(
            "An officer's age key is not one.", where="[officers] age", do="It begins with age1."
        ) from None
    if not keys:
        raise ConfigurationError(
            "No officer has an age key, so nothing can be sealed for reading.",
            where="[officers] age",
            do="Make keys with `age-keygen` and put the public lines there.",
        )
    return keys


def seal_to_any(content: bytes, lines: Sequence[str]) -> bytes:
    """Encrypt with age so that each officer alone can read. Raises ConfigurationError without a usable key."""
    return pyrage.encrypt(content, recipients(lines))


def open_as(sealed: bytes, identity: str) -> bytes:
    """Decrypt with an officer's age identity (the text of the key file). Raises EvidenceBroken if it does not open."""
    try:
        return pyrage.decrypt(sealed, _identities(identity))
    except (pyrage.DecryptError, ValueError):
        raise EvidenceBroken(
            "This key file does not open it.", do="Use the age key file of an officer named when it was sealed."
        ) from None


def public_of(identity: str) -> frozenset[str]:
    """Return the public age keys of a key file; none if it is no key file."""
    return frozenset(str(one.to_public()) for one in _identities(identity))


def _identities(text: str) -> list[pyrage.x25519.Identity]:
    lines = [line.strip() for line in text.splitlines() if line.startswith("AGE-SECRET-KEY-")]
    try:
        return [pyrage.x25519.Identity.from_str(line) for line in lines]
    except pyrage.IdentityError:
        return []
