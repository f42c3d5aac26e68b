"""The proof file (C2SP tlog-proof v1): one entry's way up to a signed checkpoint, as text.

Whoever holds the file, the entry and the log's public key can check it without us.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence

from reticent.errors import EvidenceBroken
from reticent.ledger import note as notes
from reticent.ledger.checkpoint import Checkpoint, open_checkpoint
from reticent.ledger.merkle import leaf_hash, root_from_inclusion
from reticent.ledger.note import Verifier

_FIRST = "c2sp.org/tlog-proof@v1"
_INDEX = re.compile(r"index (0|[1-9][0-9]{0,17})")
_MAX_HASHES = 63


def write_proof(index: int, hashes: Sequence[bytes], checkpoint: str) -> str:
    """Return the proof file's text for the entry at ``index`` and a signed checkpoint."""
    lines = [_FIRST, f"index {index}", *(base64.b64encode(each).decode("ascii") for each in hashes), ""]
    return "\n".join(lines) + "\n" + checkpoint


def check_proof(text: str, entry: bytes, verifier: Verifier) -> tuple[int, Checkpoint]:
    """Return (index, head) when the file proves that ``entry`` is in the log of this key.

    Raises EvidenceBroken when it does not, or is no proof file.
    """
    index, hashes, note = _parse(text)
    head = open_checkpoint(note, verifier)
    if root_from_inclusion(leaf_hash(entry), index, head.size, hashes) != head.root:
        raise EvidenceBroken(
            "The proof does not lead from this entry to the checkpoint.",
            where=f"entry {index} of {head.origin}",
            do="Check that entry and proof belong together; if they do, one of them was changed.",
        )
    return index, head


def _parse(text: str) -> tuple[int, list[bytes], str]:
    top, _, note = text.partition("\n\n")
    lines = top.split("\n")
    has_extra = len(lines) > 1 and lines[1].startswith("extra ") and notes.decode(lines[1][6:]) is not None
    if has_extra:
        del lines[1]
    index = _INDEX.fullmatch(lines[1]) if len(lines) > 1 else None
    hashes = [notes.decode(each) for each in lines[2:]]
    right = [each for each in hashes if each is not None and len(each) == 32]
    if lines[0] != _FIRST or index is None or len(right) < len(hashes) or len(hashes) > _MAX_HASHES:
        raise EvidenceBroken("This is not a proof file.", do="Copy the file again, whole and unchanged.")
    return int(index[1]), right, note
