"""Period keys: an independent random key for each purpose and period, destroyed at its end.

Not derived from a master key (it could not be destroyed while the master lives) and never in a
database (SQLite keeps deleted bytes in its write-ahead log; facts: measured). The ledger holds the
key's commitment when it is made and when it is destroyed. A destroyed key is never made again.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from hashlib import sha256

from reticent.errors import EvidenceBroken, NotPermitted, UsageError
from reticent.keyring.folder import Folder, Record

KEY = 32
"""Bytes of a period key."""
_PURPOSE = re.compile(r"[a-z0-9_./-]{1,64}")
_FILE = re.compile(r"period@[a-z0-9_.+-]{1,64}@[0-9-]{4,10}@[0-9a-f]{64}\.")
_PERIOD = re.compile(r"[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?")

Held = Callable[[str, str], bool]
"""Whether a legal hold covers (purpose, period)."""


class PeriodKeys:
    """The keys of all purposes and periods. Rows pseudonymised under a live key are still ties."""

    def __init__(self, folder: Folder, record: Record) -> None:
        """``record`` appends to the ledger; it is called once per key made and destroyed."""
        self._folder, self._record = folder, record

    def period_key(self, purpose: str, period: str) -> bytes:
        """Return the 32-byte key of a purpose and a period such as ``2026-03``, made on first use.

        Raises NotPermitted if it was destroyed, UsageError for a malformed purpose or period.
        """
        start = _start(purpose, period)
        with self._folder.locked("period"):
            if self._destroyed(start):
                raise NotPermitted(
                    "This period's key was destroyed; its pseudonyms cannot be made again.",
                    where=f"{purpose} {period}",
                )
            name = self._find(start) or self._make(start)
            if name.endswith(".new"):
                self._record(_entry("key_created", name), f"key_created {_commitment(name)}")
                self._folder.rename(name, name.removesuffix(".new"))
                name = name.removesuffix(".new")
            return self._read(name)

    def live(self) -> list[tuple[str, str]]:
        """Return (purpose, period) of every key that exists, or whose destruction is not finished."""
        names = [name for name in self._folder.names("") if _FILE.match(name)]
        return sorted({_place(name) for name in names if not name.endswith(".destroyed")})

    def destroy(self, purpose: str, period: str, held: Held) -> bool:
        """Destroy one key and record it; return whether there was one.

        Killed half-way, the next call finishes. Raises NotPermitted if ``held`` says that a legal
        hold covers it: destroying it then could be spoliation.
        """
        start = _start(purpose, period)
        if held(purpose, period):
            raise NotPermitted(
                "A legal hold covers this period's key; it is not destroyed.",
                where=f"{purpose} {period}",
                do="Ask counsel; when the hold is released, run this again.",
            )
        with self._folder.locked("period"):
            name = self._find(start)
            if name:
                self._folder.doom([name], _commitment(name))
            doomed = self._doomed(start)
            for mark, each in doomed:
                self._folder.doom([], mark)
                self._record(_entry("key_destroyed", each), f"key_destroyed {mark}")
                self._folder.write(f"{start}{mark}.destroyed", b"")
                self._folder.bury(mark)
        return bool(doomed)

    def _find(self, start: str) -> str:
        """Return the file of this purpose and period, or nothing."""
        return next((n for n in self._folder.names(".key") + self._folder.names(".new") if n.startswith(start)), "")

    def _destroyed(self, start: str) -> bool:
        gone = self._folder.names(".destroyed") + self._folder.names(".doomed")
        return any(name.startswith(start) for name in gone)

    def _doomed(self, start: str) -> list[tuple[str, str]]:
        marks = self._folder.doomed().items()
        return [(mark, name) for mark, names in marks for name in names if name.startswith(start)]

    def _make(self, start: str) -> str:
        key = secrets.token_bytes(KEY)
        name = f"{start}{commitment(key)}.key.new"
        self._folder.write(name, key)
        return name

    def _read(self, name: str) -> bytes:
        key = self._folder.read(name)
        if len(key) != KEY or commitment(key) != _commitment(name):
            raise EvidenceBroken("A period key is damaged.", where=" ".join(_place(name)))
        return key


def commitment(key: bytes) -> str:
    """Return what the ledger holds of a key: a digest of 256 random bits tells nothing about them."""
    return sha256(b"reticent period key\n" + key).hexdigest()


def _start(purpose: str, period: str) -> str:
    if not _PURPOSE.fullmatch(purpose) or not _PERIOD.fullmatch(period):
        raise UsageError("A period key needs a purpose in lower case and a period such as 2026-03.")
    return f"period@{purpose.replace('/', '+')}@{period}@"


def _place(name: str) -> tuple[str, str]:
    purpose, period = name.split("@")[1:3]
    return purpose.replace("+", "/"), period


def _commitment(name: str) -> str:
    return name.split("@")[3][:64]


def _entry(kind: str, name: str) -> dict[str, object]:
    purpose, period = _place(name)
    return {"kind": kind, "purpose": purpose, "period": period, "key": _commitment(name)}
