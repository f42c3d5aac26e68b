"""The ledger's signing key: Ed25519, in the text form stock note tools read (``PRIVATE+KEY+...``).

Beside the key lies the last checkpoint it signed. The ledger's own copy comes back with an old
backup; this one does not, so a ledger set back to an earlier day is not signed again.
"""

from __future__ import annotations

import base64
from typing import Self

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from reticent.errors import ConfigurationError, EvidenceBroken
from reticent.keyring.folder import Folder
from reticent.ledger.note import ED25519, Verifier, decode


class LedgerKey:
    """A ledger's signing key; fits ``reticent.ledger.checkpoint.Signer``."""

    def __init__(self, folder: Folder, origin: str, seed: bytes) -> None:
        """Use ``create`` or ``load``."""
        self._folder, self._origin = folder, origin
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        raw = serialization.Encoding.Raw, serialization.PublicFormat.Raw
        self._verifier = Verifier(origin, self._key.public_key().public_bytes(*raw))

    @classmethod
    def create(cls, folder: Folder, origin: str) -> Self:
        """Make the key of a new ledger. Raises ConfigurationError if it has one: keys are not replaced."""
        key = Ed25519PrivateKey.generate()
        raw = serialization.Encoding.Raw, serialization.PrivateFormat.Raw
        seed = key.private_bytes(*raw, serialization.NoEncryption())
        made = cls(folder, origin, seed)
        with folder.locked("ledger"):
            if folder.exists(_name(origin, "key")):
                raise ConfigurationError(
                    "This ledger has a signing key already.",
                    where=origin,
                    do="A lost key is never replaced: open a new ledger, such as .../2, and say why in it.",
                )
            text = f"PRIVATE+KEY+{origin}+{made.verifier.key_id.hex()}+"
            folder.write(_name(origin, "key"), (text + base64.b64encode(ED25519 + seed).decode()).encode())
        return made

    @staticmethod
    def exists(folder: Folder, origin: str) -> bool:
        """Whether this ledger has a key."""
        return folder.exists(_name(origin, "key"))

    @classmethod
    def load(cls, folder: Folder, origin: str) -> Self:
        """Read the key. Raises ConfigurationError if it is not there, EvidenceBroken if it is damaged."""
        text = folder.read(_name(origin, "key")).decode("utf-8", "replace")
        key_id, _, seed = text.removeprefix(f"PRIVATE+KEY+{origin}+").partition("+")
        raw = decode(seed) or b""
        if raw[:1] == ED25519 and len(raw) == 33:
            key = cls(folder, origin, raw[1:])
            if key.verifier.key_id.hex() == key_id:
                return key
        raise EvidenceBroken("The ledger's signing key is damaged.", where=origin, do="Open a new ledger.")

    @property
    def verifier(self) -> Verifier:
        """The public half, named as the ledger."""
        return self._verifier

    def sign(self, text: str) -> bytes:
        """Return the 64-byte signature of a text."""
        return self._key.sign(text.encode())

    def last(self) -> str | None:
        """Return the last checkpoint this key signed, or None before the first."""
        name = _name(self._origin, "last")
        return self._folder.read(name).decode("utf-8", "replace") if self._folder.exists(name) else None

    def remember(self, note: str) -> None:
        """Keep ``note`` as the last checkpoint signed; durable before return."""
        with self._folder.locked("ledger"):
            self._folder.write(_name(self._origin, "last"), note.encode())


def _name(origin: str, ending: str) -> str:
    return f"ledger@{origin.replace('/', '+')}.{ending}"
