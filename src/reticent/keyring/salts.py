"""Salts and details of the ledger's commitments, kept apart from it and destroyed on schedule.

While salt and detail exist, the library can show a court what an entry was about; afterwards the
entry says only that something happened. A detail must not name a patron: of a sealed thing,
commit to the digest of its ciphertext.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import date
from hashlib import sha256

from reticent.errors import EvidenceBroken, NotPermitted, UsageError
from reticent.keyring.folder import MAX_FILE, Folder, Record
from reticent.ledger.commitments import commit, new_salt, opens
from reticent.ledger.entries import canonical

_COMMITMENT = re.compile(r"[0-9a-f]{64}")


class Salts:
    """One file for each commitment: its salt, its detail, and the day they are due to go."""

    def __init__(self, folder: Folder, record: Record) -> None:
        """``record`` appends to the ledger; it is called once per destruction."""
        self._folder, self._record = folder, record

    def commit(self, detail: Mapping[str, object], until: date) -> str:
        """Keep ``detail`` (JSON values) until a day and return its commitment for the ledger."""
        salt = new_salt()
        commitment = commit(salt, detail)
        kept = canonical({"salt": salt.hex(), "detail": dict(detail)})
        if len(kept) > MAX_FILE:
            raise UsageError("The detail is too long to commit to.", do="Commit to its digest.")
        with self._folder.locked("salt"):
            self._folder.write(f"salt@{until.isoformat()}@{commitment}.json", kept)
        return commitment

    def reveal(self, commitment: str) -> tuple[bytes, dict[str, object]]:
        """Return (salt, detail) of a commitment, to be shown to whoever may see it.

        Raises NotPermitted if they were destroyed or never were here, EvidenceBroken if damaged.
        """
        match = [name for name in self._folder.names(f"@{commitment}.json") if _COMMITMENT.fullmatch(commitment)]
        if not match:
            raise NotPermitted("The salt of this commitment is not here; it was destroyed when its time came.")
        try:
            kept = json.loads(self._folder.read(match[0]))
            salt, detail = bytes.fromhex(kept["salt"]), dict(kept["detail"])
            if opens(commitment, salt, detail):
                return salt, detail
        except (ValueError, TypeError, KeyError, UsageError):
            pass
        raise EvidenceBroken("A salt or its detail is damaged.", where=f"commitment {commitment[:16]}")

    def destroy_due(self, today: date, held: Callable[[str], bool]) -> int:
        """Destroy salts and details whose day has come, record it, and return how many went.

        ``held`` says whether a legal hold covers a commitment; that one stays. Killed half-way,
        the next call finishes.
        """
        with self._folder.locked("salt"):
            due = [name for name in self._folder.names(".json") if _is_due(name, today) and not held(_of(name))]
            if due:
                self._folder.doom(due, sha256("".join(map(_of, due)).encode()).hexdigest())
            gone = 0
            for mark, names in self._folder.doomed().items():
                if all(name.startswith("salt@") for name in names):
                    self._folder.doom([], mark)
                    self._record({"kind": "salts_destroyed", "salts": len(names)}, f"salts_destroyed {mark}")
                    self._folder.bury(mark)
                    gone += len(names)
        return gone


def _is_due(name: str, today: date) -> bool:
    parts = name.split("@")
    return len(parts) == 3 and parts[0] == "salt" and parts[1] <= today.isoformat()


def _of(name: str) -> str:
    return name.split("@")[2].removesuffix(".json")
