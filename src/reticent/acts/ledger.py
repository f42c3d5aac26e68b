"""The acts on the ledger: verify it, prove one entry, export it for anybody's tools."""

from __future__ import annotations

from pathlib import Path

from reticent.acts.opening import Opened
from reticent.errors import UsageError
from reticent.ledger.export import export
from reticent.ledger.log import Log
from reticent.ledger.verify import Report, verify


def verify_ledger(opened: Opened, kept: list[Path]) -> Report:
    """Check the whole ledger, and heads that people outside kept."""
    _require(opened)
    key = opened.ledger_key()
    try:
        notes = [path.read_text(encoding="utf-8") for path in kept]
    except (OSError, UnicodeDecodeError):
        raise UsageError("A kept checkpoint cannot be read.", where=", ".join(map(str, kept))) from None
    return verify(opened.ledger_path, key.verifier, own=key.last(), kept=notes)


def prove_entry(opened: Opened, index: int) -> str:
    """Return the proof file of one entry."""
    _require(opened)
    with Log.open(opened.ledger_path, opened.origin) as log:
        return log.proof(index)


def export_ledger(opened: Opened, folder: Path) -> int:
    """Write the ledger as static tiles; return its size."""
    _require(opened)
    with Log.open(opened.ledger_path, opened.origin) as log:
        return export(log, folder, opened.ledger_key().verifier).size


def _require(opened: Opened) -> None:
    if not opened.ledger_path.exists():
        raise UsageError("There is no ledger yet.", where=str(opened.ledger_path), do="It begins with `reticent find`.")
