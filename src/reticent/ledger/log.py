"""The ledger: an append-only Merkle log in one SQLite file.

Entries go in through the closed schema only, are durable when ``append`` returns, and are never
changed. Many processes may append; each opens its own Log. One thread uses a Log.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Self

from reticent.errors import ConfigurationError, EvidenceBroken, NotPermitted, UsageError
from reticent.ledger import store as stores
from reticent.ledger.checkpoint import Checkpoint, Signer, open_checkpoint, sign_checkpoint
from reticent.ledger.entries import Kind, decode, encode
from reticent.ledger.merkle import HASH, WIDTH, Tree, is_consistent, leaf_hash
from reticent.ledger.note import Verifier
from reticent.ledger.proof import write_proof
from reticent.ledger.store import Store
from reticent.ledger.tiles import Frontier, Tile

BUSY = 30.0
"""Seconds an append waits for other writers before it raises SystemBusy."""


class Log(AbstractContextManager["Log"]):
    """One library's ledger. Indices count from 0; hashes are 32 raw bytes."""

    def __init__(self, store: Store, origin: str, names: Collection[str]) -> None:
        """Use ``open`` or ``create``."""
        self.origin, self._store, self._names = origin, store, frozenset(names)

    @classmethod
    def create(cls, path: Path, origin: str, *, names: Collection[str] = (), busy: float = BUSY) -> Self:
        """Begin a new ledger, such as ``library.example/ledger/1``; one that exists is refused.

        Raises ConfigurationError if the file exists or cannot be made.
        """
        Verifier(origin, bytes(32))  # refuses an origin that no checkpoint could carry
        stores.create(path, origin)
        return cls.open(path, origin, names=names, busy=busy)

    @classmethod
    def open(cls, path: Path, origin: str, *, names: Collection[str] = (), busy: float = BUSY) -> Self:
        """Open a ledger. ``names``: the site's own systems, series, purposes; nothing else may be named.

        ``busy`` is in seconds. Raises ConfigurationError if there is none or it is another's,
        EvidenceBroken if the file is damaged.
        """
        store = Store(path, busy=busy)
        if store.strangers():
            store.close()
            raise EvidenceBroken("This file is not a ledger, or its structure was changed.", where=str(path))
        found = store.one("SELECT origin FROM ledger WHERE version = ?", (stores.VERSION,))
        if found != origin:
            store.close()
            raise ConfigurationError(
                "This is another library's ledger.",
                where=str(path),
                do=f"Expected {origin}: put the library's name back as it was, or name the right state folder.",
            )
        return cls(store, origin, names)

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._store.close()

    def append(self, entries: Sequence[Mapping[str, object]], *, once: str) -> range:
        """Append entries in one step and return their indices; durable before return.

        ``once`` names the act: a second call with the same id appends nothing and returns the
        first call's indices. Raises UsageError for what may not stand in the ledger,
        NotPermitted after the ledger was closed, SystemBusy or SystemRefused if nothing was written.
        """
        bodies = [encode(entry, self._names) for entry in entries]
        if not bodies or not once:
            raise UsageError("An append needs at least one entry and the id of its act.")
        key = sha256(once.encode("utf-8", "surrogatepass")).digest()
        return self._extend(bodies, [entry["kind"] for entry in entries], key)

    def _extend(self, bodies: Sequence[bytes], kinds: list[object], key: bytes) -> range:
        with self._store.writing():
            if known := self._known(key, kinds):
                return known
            size = self.size
            self._refuse_if_closed(size)
            frontier = self._frontier(size)
            full = [tile for body in bodies for tile in frontier.add(leaf_hash(body))]
            self._write(size, bodies, [*full, *frontier.edge(touched=True)])
            self._store.write("INSERT INTO once VALUES (?, ?, ?)", [(key, size, len(bodies))])
        return range(size, size + len(bodies))

    @property
    def size(self) -> int:
        """How many entries there are."""
        last = self._store.one("SELECT max(i) FROM entry")
        return last + 1 if isinstance(last, int) else 0

    def entry(self, index: int) -> bytes:
        """Return the bytes of one entry (canonical JSON). Raises UsageError outside the log."""
        body = self._store.one("SELECT body FROM entry WHERE i = ?", (index,)) if 0 <= index < 2**63 else None
        if isinstance(body, bytes):
            return body
        if 0 <= index < self.size:
            raise EvidenceBroken("An entry is gone from the ledger.", where=f"entry {index}")
        raise UsageError("The ledger has no such entry.", where=f"entry {index}", do=f"It has {self.size}.")

    def root(self, size: int) -> bytes:
        """Return the root of the first ``size`` entries."""
        self._within(0, size)
        return Tree(self.tile).root(size)

    def inclusion_proof(self, index: int, size: int) -> list[bytes]:
        """Return the hashes that lead from entry ``index`` to the root of ``size`` entries."""
        self._within(max(index, 0), size)
        if not 0 <= index < size:
            raise UsageError("The ledger has no such entry.", do=f"Of {size} the last is {size - 1}.")
        return Tree(self.tile).inclusion(index, size)

    def consistency_proof(self, old: int, new: int) -> list[bytes]:
        """Return the hashes that show the first ``old`` entries to be unchanged among ``new``."""
        self._within(old, new)
        return Tree(self.tile).consistency(old, new)

    def tile(self, level: int, index: int) -> bytes:
        """Return a tile's hashes, joined. Raises EvidenceBroken if it is gone."""
        hashes = self._store.one("SELECT hashes FROM tile WHERE level = ? AND n = ?", (level, index))
        if not isinstance(hashes, bytes):
            raise EvidenceBroken("The ledger has lost a tile of its tree.", where=f"tile {level}/{index}")
        return hashes

    def checkpoint(self, signer: Signer) -> str:
        """Sign the head and return the checkpoint (a signed note).

        Refuses with EvidenceBroken unless every checkpoint this key is known to have signed, in
        the ledger or beside the key, is a beginning of the ledger as it stands. An unchanged head
        gets the same checkpoint again.
        """
        if signer.verifier.name != self.origin:
            raise ConfigurationError("This key belongs to another ledger.", do=f"Use the key of {self.origin}.")
        with self._store.writing():
            size = self.size
            head = Checkpoint(self.origin, size, self.root(size))
            last, signed = signer.last(), self.signed()
            for before in filter(None, (last, signed and signed[1])):
                self._require_beginning(open_checkpoint(before, signer.verifier), head)
            note = sign_checkpoint(head, signer)
            if note != last:
                signer.remember(note)
            self._store.write("INSERT OR IGNORE INTO checkpoint VALUES (?, ?)", [(size, note.encode())])
        return note

    def signed(self) -> tuple[int, str] | None:
        """Return (size, note) of the last checkpoint in the ledger, or None before the first."""
        for size, note in self._store.rows("SELECT size, note FROM checkpoint ORDER BY size DESC LIMIT 1"):
            if isinstance(size, int) and isinstance(note, bytes):
                return size, note.decode("utf-8", "replace")
        return None

    def proof(self, index: int) -> str:
        """Return the proof file of one entry, up to the last checkpoint.

        Raises NotPermitted if no checkpoint covers the entry yet.
        """
        signed = self.signed()
        if signed is None or not 0 <= index < signed[0]:
            raise NotPermitted(
                "No signed checkpoint covers this entry yet.",
                where=f"entry {index}",
                do="Sign a checkpoint first.",
            )
        return write_proof(index, self.inclusion_proof(index, signed[0]), signed[1])

    def _require_beginning(self, old: Checkpoint, head: Checkpoint) -> None:
        if old.size <= head.size:
            proof = self.consistency_proof(old.size, head.size)
            if is_consistent(old.size, head.size, old.root, head.root, proof):
                return
        raise EvidenceBroken(
            "The ledger is not a continuation of what was signed before; it is not signed.",
            where=f"{self.origin}: {old.size} entries were signed, there are {head.size}",
            do="Do not run anything that writes. Either an old copy was restored (fetch the newer one) or "
            "entries were changed: run `reticent ledger verify` and keep the file.",
        )

    def _within(self, low: int, high: int) -> None:
        if not 0 <= low <= high <= self.size:
            raise UsageError("The ledger has no such entries.", do=f"It has {self.size}.")

    def _known(self, key: bytes, kinds: list[object]) -> range | None:
        """Return the indices an act already has. Another act under its id is a mistake of the caller."""
        for first, count in self._store.rows("SELECT first, count FROM once WHERE id = ?", (key,)):
            if not (isinstance(first, int) and isinstance(count, int)):
                raise EvidenceBroken("The ledger's list of acts is damaged.")
            known = range(first, first + count)
            if len(kinds) != count or [decode(self.entry(index))["kind"] for index in known] != kinds:
                raise UsageError("This id already names another act in the ledger.", where=f"entry {first}")
            return known
        return None

    def _refuse_if_closed(self, size: int) -> None:
        if size and decode(self.entry(size - 1))["kind"] == Kind.LEDGER_CLOSED:
            raise NotPermitted(
                "This ledger is closed.",
                where=self.origin,
                do="Its last entry names the ledger that goes on.",
            )

    def _frontier(self, size: int) -> Frontier:
        def read(level: int, index: int) -> bytes:
            hashes = self.tile(level, index)
            if len(hashes) != (size >> 8 * level) % WIDTH * HASH:
                raise EvidenceBroken(
                    "The ledger's tree and its entries do not fit; nothing was appended.",
                    where=f"tile {level}/{index}",
                    do="Run `reticent ledger verify`.",
                )
            return hashes

        return Frontier(size, read)

    def _write(self, size: int, bodies: Sequence[bytes], tiles: Sequence[Tile]) -> None:
        self._store.write("INSERT INTO entry VALUES (?, ?)", enumerate(bodies, size))
        self._store.write(
            "INSERT OR REPLACE INTO tile VALUES (?, ?, ?)",
            [(tile.level, tile.index, tile.hashes) for tile in tiles],
        )
