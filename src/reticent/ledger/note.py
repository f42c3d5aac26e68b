"""Signed notes (C2SP signed-note): a text, and lines that say which keys signed it.

Only Ed25519 (type 0x01). Text and whole notes are str; signatures are 64 raw bytes.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from reticent.errors import ConfigurationError, EvidenceBroken

ED25519 = b"\x01"
MAX_NOTE = 65_536
"""Characters a note may have; a checkpoint with one signature has about 190."""
_MAX_SIGNATURES = 64
_NAME = re.compile(r"[^\s+]{1,200}")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
_LINE = re.compile(r"— ([^\s+]+) ([A-Za-z0-9+/]+={0,2})")


@dataclass(frozen=True)
class Verifier:
    """A public key by its name, as ``vkey`` lines write it."""

    name: str
    public: bytes

    def __post_init__(self) -> None:
        """Refuse what the format refuses: spaces or ``+`` in the name, a key of other than 32 bytes."""
        if not _NAME.fullmatch(self.name) or _CONTROL.search(self.name) or len(self.public) != 32:
            raise ConfigurationError(
                "This is not a usable name or key for a signed note.",
                do="Use a name such as library.example/ledger/1, without spaces or plus signs.",
            )

    @property
    def key_id(self) -> bytes:
        """The four bytes that stand before each signature of this key."""
        return sha256(self.name.encode() + b"\n" + ED25519 + self.public).digest()[:4]

    @property
    def vkey(self) -> str:
        """The key as text, to be handed to whoever verifies."""
        return f"{self.name}+{self.key_id.hex()}+{_encode(ED25519 + self.public)}"

    @classmethod
    def parse(cls, vkey: str) -> Verifier:
        """Read a ``vkey`` line. Raises ConfigurationError if it is not one or its id is not its key's."""
        name, _, rest = vkey.strip().partition("+")
        key_id, _, key = rest.partition("+")
        raw = decode(key)
        if raw and raw[:1] == ED25519 and len(raw) == 33:
            verifier = cls(name, raw[1:])
            if verifier.key_id.hex() == key_id:
                return verifier
        raise ConfigurationError(
            "This is not an Ed25519 verifier key.",
            do="Copy the whole line, NAME+ID+KEY, as `reticent ledger export` wrote it.",
        )

    def check(self, text: str, signature: bytes) -> bool:
        """Whether ``signature`` is this key's over ``text``."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, text.encode())
        except (InvalidSignature, ValueError, UnicodeEncodeError):
            return False
        return True


def line(verifier: Verifier, signature: bytes) -> str:
    """Return one signature line."""
    return f"— {verifier.name} {_encode(verifier.key_id + signature)}\n"


def open_note(note: str, verifier: Verifier) -> str:
    """Return the text of a note this key signed. Raises EvidenceBroken for anything else.

    Signatures of other keys are ignored, as the format demands; one false signature under this
    key spoils the note.
    """
    text, lines = _parts(note)
    mine = [rest for name, raw in lines if name == verifier.name and (rest := _after(raw, verifier.key_id))]
    if not mine or not all(verifier.check(text, signature) for signature in mine):
        raise EvidenceBroken("The note is not signed by the key it should be signed by.", where=f"key {verifier.name}")
    return text


def decode(text: str) -> bytes | None:
    """Return the bytes of strict standard base64, or None."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw if _encode(raw) == text else None


def _encode(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


def _after(raw: bytes, key_id: bytes) -> bytes:
    return raw[4:] if raw[:4] == key_id else b""


def _parts(note: str) -> tuple[str, list[tuple[str, bytes]]]:
    """Split into the text (with its newline) and (name, key id and signature) of each line."""
    broken = EvidenceBroken("This is not a signed note.", do="Copy the file again, whole and unchanged.")
    text, gap, block = note.rpartition("\n\n")
    if len(note) > MAX_NOTE or not gap or not block.endswith("\n") or _CONTROL.search(note):
        raise broken
    lines = block[:-1].split("\n")
    matches = [_LINE.fullmatch(each) for each in lines]
    if len(lines) > _MAX_SIGNATURES:
        raise broken
    found: list[tuple[str, bytes]] = []
    for match in matches:
        raw = decode(match[2]) if match else None
        if match is None or raw is None or len(raw) < 5:
            raise broken
        found.append((match[1], raw))
    return text + "\n", found
