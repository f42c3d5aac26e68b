"""The static copy: checkpoint, tiles and entries as files any C2SP tlog-tiles client can read.

It holds no personal data, so it may be published, and a sibling library may keep it as the backup.
"""

from __future__ import annotations

import os
from pathlib import Path

from reticent.errors import EvidenceBroken, NotPermitted, SystemRefused
from reticent.ledger.checkpoint import Checkpoint, open_checkpoint
from reticent.ledger.log import Log
from reticent.ledger.merkle import HASH, WIDTH
from reticent.ledger.note import Verifier
from reticent.ledger.store import sync_folder
from reticent.ledger.tiles import path, tiles_of


def export(log: Log, folder: Path, verifier: Verifier) -> Checkpoint:
    """Write or continue the static copy in ``folder`` up to the last checkpoint, and return that.

    Raises NotPermitted before the first checkpoint, EvidenceBroken if the copy there is no
    beginning of the ledger, SystemRefused if the folder cannot be written.
    """
    signed = log.signed()
    if signed is None:
        raise NotPermitted("There is no signed checkpoint to export.", do="Sign a checkpoint first.")
    head = open_checkpoint(signed[1], verifier)
    try:
        _require_continuation(log, folder / "checkpoint", verifier, head)
        for level, index, width in tiles_of(head.size):
            _put(folder / path(str(level), index, width), log.tile(level, index)[: width * HASH])
            if level == 0:
                _put(folder / path("entries", index, width), _bundle(log, index, width))
        _replace(folder / "checkpoint", signed[1].encode())
    except OSError as failure:
        raise SystemRefused(
            "The static copy cannot be written.",
            where=str(folder),
            do="Make room and give write access there.",
        ) from failure
    return head


def _require_continuation(log: Log, file: Path, verifier: Verifier, head: Checkpoint) -> None:
    if not file.exists():
        return
    old = open_checkpoint(file.read_text(encoding="utf-8", errors="replace"), verifier)
    if old.size > head.size or log.root(old.size) != old.root:
        raise EvidenceBroken(
            "The copy there is not a beginning of this ledger.",
            where=str(file),
            do="Keep both as they are: one of them was changed, or an old ledger was restored.",
        )


def _bundle(log: Log, index: int, width: int) -> bytes:
    """Return a bundle: each entry after its length in two bytes, big-endian."""
    bodies = [log.entry(index * WIDTH + at) for at in range(width)]
    return b"".join(len(body).to_bytes(2, "big") + body for body in bodies)


def _put(file: Path, data: bytes) -> None:
    """Write a file that never changes; a different one there is a fault."""
    if not file.exists():
        _replace(file, data)
    elif file.read_bytes() != data:
        raise EvidenceBroken("A file of the static copy differs from the ledger.", where=str(file))


def _replace(file: Path, data: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f"{file.name}.new")
    with draft.open("wb") as handle:
        handle.write(data)
        handle.flush()
        os.fsync(handle.fileno())
    draft.replace(file)
    sync_folder(file.parent)
