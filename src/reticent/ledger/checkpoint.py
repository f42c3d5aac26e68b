"""Checkpoints (C2SP tlog-checkpoint): a log's head as three lines, signed as a note."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import Protocol

from reticent.errors import EvidenceBroken
from reticent.ledger import note as notes
from reticent.ledger.note import Verifier

_SIZE = re.compile(r"0|[1-9][0-9]{0,17}")


@dataclass(frozen=True)
class Checkpoint:
    """A log's head: its origin, how many entries it has, and the root over them (32 bytes)."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """The text that is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode('ascii')}\n"

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """Read a checkpoint's text; extension lines are refused, we write none.

        Raises EvidenceBroken if it is not one.
        """
        lines = text.split("\n")
        root = notes.decode(lines[2]) if len(lines) == 4 else None
        if root is None or len(root) != 32 or lines[3] or not lines[0] or not _SIZE.fullmatch(lines[1]):
            raise EvidenceBroken("This is not a checkpoint.", do="Copy the file again, whole and unchanged.")
        return cls(lines[0], int(lines[1]), root)


class Signer(Protocol):
    """Who signs checkpoints, and remembers the last one apart from the log."""

    @property
    def verifier(self) -> Verifier:
        """The public half; its name is the log's origin."""
        ...

    def sign(self, text: str) -> bytes:
        """Return the 64-byte Ed25519 signature of the text."""
        ...

    def last(self) -> str | None:
        """Return the last checkpoint this key signed, or None before the first."""
        ...

    def remember(self, note: str) -> None:
        """Keep ``note`` as the last checkpoint; durable before return."""
        ...


def open_checkpoint(note: str, verifier: Verifier) -> Checkpoint:
    """Return the checkpoint of a note signed by the log's key.

    Raises EvidenceBroken for a broken note, a false signature or another log's origin.
    """
    head = Checkpoint.parse(notes.open_note(note, verifier))
    if head.origin != verifier.name:
        raise EvidenceBroken(
            "The checkpoint is another log's.",
            where=f"expected {verifier.name}",
            do="Use that log's own key.",
        )
    return head


def sign_checkpoint(head: Checkpoint, signer: Signer) -> str:
    """Return the signed note of a head. Whether the head may be signed is the log's business."""
    return head.text + "\n" + notes.line(signer.verifier, signer.sign(head.text))
