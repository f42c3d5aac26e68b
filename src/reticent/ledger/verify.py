"""`ledger verify`: rebuild the whole tree from the entries and compare it with all that is stored.

It finds changes by anyone who could not sign. Someone with the signing key can rebuild a ledger
without a fault; only a head kept by somebody else shows that. So the report says how many kept
heads were compared, and says "unwitnessed" when there was none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from reticent.errors import EvidenceBroken
from reticent.ledger.checkpoint import Checkpoint, open_checkpoint
from reticent.ledger.entries import decode
from reticent.ledger.merkle import EMPTY_ROOT, HASH, WIDTH, leaf_hash
from reticent.ledger.note import Verifier
from reticent.ledger.store import VERSION, Store
from reticent.ledger.tiles import Frontier, Tile

_BUSY = 30.0
_SHOWN = 20
"""Places listed one by one in a fault; more are counted."""


class Detector(StrEnum):
    """Which comparison found a fault."""

    FILE = "file"
    ENTRY = "entry"
    LEAF = "leaf"
    TILE = "tile"
    ACT = "act"
    CHECKPOINT = "checkpoint"
    OWN_HEAD = "own head"
    KEPT_HEAD = "kept head"


@dataclass(frozen=True)
class Fault:
    """Something that does not verify: what found it, where, and what it is."""

    detector: Detector
    place: str
    what: str


@dataclass(frozen=True)
class Report:
    """What a verification found. ``signed`` is the size of the last checkpoint; 0: none."""

    origin: str
    size: int
    root: bytes
    signed: int
    kept: int
    faults: tuple[Fault, ...]

    @property
    def sound(self) -> bool:
        """Whether nothing was found."""
        return not self.faults

    @property
    def unwitnessed(self) -> bool:
        """Whether no head kept outside was compared."""
        return self.kept == 0

    def sentences(self) -> list[str]:
        """Return the result in plain words."""
        found = [f"{each.place}: {each.what} (found by: {each.detector})" for each in self.faults]
        said = [f"{self.origin}: {self.size} entries, {self.signed} of them under a signed checkpoint."]
        said += found or ["Every entry, tile and checkpoint agrees with the others."]
        if self.unwitnessed:
            said.append(
                "Unwitnessed: no head kept by anyone outside was compared, so this proves nothing against "
                "a person who holds the ledger's signing key."
            )
        else:
            said.append(f"Compared with {self.kept} head(s) kept outside.")
        return said


def verify(path: Path, verifier: Verifier, *, own: str | None = None, kept: Sequence[str] = ()) -> Report:
    """Check a ledger file against the log's public key and against heads kept apart from it.

    ``own`` is the checkpoint the signing key remembers; ``kept`` are signed checkpoints that people
    outside kept: a sibling library, the board's minutes. Damage never raises; it is listed.
    Raises ConfigurationError if there is no file, SystemBusy or SystemRefused if it cannot be read now.
    """
    check = _Check(verifier)
    try:
        store = Store(path, busy=_BUSY)
    except EvidenceBroken:
        check.fault(Detector.FILE, "the file", "it is not a readable database")
        return check.report()
    try:
        with store.reading():
            check.run(store, own, kept)
    except EvidenceBroken:
        check.fault(Detector.FILE, "the file", "it cannot be read to the end")
    finally:
        store.close()
    return check.report()


@dataclass(frozen=True)
class _Head:
    detector: Detector
    place: str
    checkpoint: Checkpoint


@dataclass
class _Check:
    verifier: Verifier
    faults: list[Fault] = field(default_factory=list)
    size: int = 0
    root: bytes = EMPTY_ROOT
    signed: int = 0
    kept: int = 0

    def fault(self, detector: Detector, place: str, what: str) -> None:
        self.faults.append(Fault(detector, place, what))

    def report(self) -> Report:
        return Report(self.verifier.name, self.size, self.root, self.signed, self.kept, tuple(self.faults))

    def run(self, store: Store, own: str | None, kept: Sequence[str]) -> None:
        self._guarded("the file's structure", self._structure(store))
        heads: list[_Head] = []
        self._guarded("the checkpoints", self._stored_heads(store, heads))
        self._own_head(own, heads)
        self._kept_heads(kept, heads)
        if self._guarded("the entries", self._tree(store, heads)):
            self._guarded("the tiles", self._extra_tiles(store))
            self._guarded("the list of acts", self._acts(store))

    def _guarded(self, place: str, faults: Iterable[Fault]) -> bool:
        """Collect faults; where the database breaks off, say so, so that the next part can go on."""
        try:
            for fault in faults:
                self.faults.append(fault)
        except EvidenceBroken:
            self.fault(Detector.FILE, place, "the database cannot be read here")
            return False
        return True

    def _structure(self, store: Store) -> Iterator[Fault]:
        for place in store.strangers():
            yield Fault(Detector.FILE, place, "the database is not built as the ledger builds it")
        if wrong := [row for row in store.rows("PRAGMA integrity_check(100)") if row != ("ok",)]:
            yield Fault(Detector.FILE, "the file", f"SQLite's own check reports {len(wrong)} fault(s)")
        rows = list(store.rows("SELECT origin, version FROM ledger"))
        if rows != [(self.verifier.name, VERSION)]:
            yield Fault(Detector.FILE, "the origin", "the ledger's name or version is not the expected one")

    def _stored_heads(self, store: Store, heads: list[_Head]) -> Iterator[Fault]:
        for size, note in store.rows("SELECT size, note FROM checkpoint ORDER BY size"):
            place = f"checkpoint {size}"
            head = _open(note, self.verifier)
            if head is None or head.size != size:
                yield Fault(Detector.CHECKPOINT, place, "it is not signed by the ledger's key")
            else:
                heads.append(_Head(Detector.CHECKPOINT, place, head))
                self.signed = head.size

    def _own_head(self, own: str | None, heads: list[_Head]) -> None:
        head = _open(own, self.verifier)
        if head is not None:
            heads.append(_Head(Detector.OWN_HEAD, f"the key's last checkpoint (size {head.size})", head))
        elif own is not None:
            self.fault(Detector.OWN_HEAD, "the key's last checkpoint", "it is not signed by the ledger's key")

    def _kept_heads(self, kept: Sequence[str], heads: list[_Head]) -> None:
        for number, note in enumerate(kept, 1):
            head = _open(note, self.verifier)
            if head is None:
                self.fault(Detector.KEPT_HEAD, f"kept head {number}", "it is not signed by the ledger's key")
            else:
                heads.append(_Head(Detector.KEPT_HEAD, f"kept head {number} (size {head.size})", head))
                self.kept += 1

    def _tree(self, store: Store, heads: list[_Head]) -> Iterator[Fault]:
        """Grow the tree anew, comparing tiles and heads on the way."""
        frontier = Frontier(0, lambda _level, _index: b"")
        wanted = {head.checkpoint.size for head in heads}
        roots = {0: EMPTY_ROOT}
        for item in self._leaves(store):
            if isinstance(item, Fault):
                yield item
                continue
            for tile in frontier.add(item):
                yield from _compare(store, tile)
            if frontier.size in wanted:
                roots[frontier.size] = frontier.root()
        for tile in frontier.edge():
            yield from _compare(store, tile)
        self.size, self.root = frontier.size, frontier.root()
        for head in heads:
            if head.checkpoint.size > self.size:
                yield Fault(head.detector, head.place, f"the ledger has only {self.size} entries")
            elif roots[head.checkpoint.size] != head.checkpoint.root:
                yield Fault(head.detector, head.place, "the entries are not the ones that were signed")

    def _leaves(self, store: Store) -> Iterator[bytes | Fault]:
        """Yield each entry's leaf hash in order. A missing entry is a fault and, so that the rest can
        be looked at, stands in with the leaf hash the tree still has of it."""
        expected = 0
        for index, body in store.rows("SELECT i, body FROM entry ORDER BY i"):
            if not isinstance(index, int) or index < expected:
                yield Fault(Detector.ENTRY, "the entries", "an entry stands outside the order")
                continue
            if index > expected:
                yield Fault(Detector.ENTRY, _span([*range(expected, min(index, expected + 2))], index), "missing")
            while expected < index:
                leaf = _stored_leaf(store, expected)
                if not leaf:
                    yield Fault(Detector.ENTRY, f"entries from {expected}", "they could not be looked at")
                    return
                yield leaf
                expected += 1
            fault = _entry_fault(body)
            if fault:
                yield Fault(Detector.ENTRY, f"entry {index}", fault)
            yield leaf_hash(body) if isinstance(body, bytes) else bytes(HASH)
            expected += 1

    def _extra_tiles(self, store: Store) -> Iterator[Fault]:
        places = store.rows("SELECT level, n FROM tile")
        extra = sum(not _belongs(level, index, self.size) for level, index in places)
        if extra:
            yield Fault(Detector.TILE, "the tiles", f"{extra} tile(s) belong to no entry")

    def _acts(self, store: Store) -> Iterator[Fault]:
        """The acts' entries must follow each other without gap or overlap and cover the ledger."""
        expected: object = 0
        for first, count in store.rows("SELECT first, count FROM once ORDER BY first, count"):
            if first != expected or not isinstance(first, int) or not isinstance(count, int) or count < 1:
                yield Fault(Detector.ACT, f"entry {expected}", "the list of acts does not fit the entries")
                return
            expected = first + count
        if expected != self.size:
            yield Fault(Detector.ACT, f"entry {expected}", "the list of acts does not fit the entries")


def _open(note: object, verifier: Verifier) -> Checkpoint | None:
    try:
        text = note.decode() if isinstance(note, bytes) else note
        return open_checkpoint(text, verifier) if isinstance(text, str) else None
    except (EvidenceBroken, UnicodeDecodeError):
        return None


def _belongs(level: object, index: object, size: int) -> bool:
    if not (isinstance(level, int) and isinstance(index, int) and 0 <= level < 8 and index >= 0):
        return False
    return index * WIDTH < size >> 8 * level


def _entry_fault(body: object) -> str:
    if not isinstance(body, bytes):
        return "it is not the bytes of an entry"
    try:
        decode(body)
    except EvidenceBroken:
        return "it is not of the closed schema"
    return ""


def _stored_leaf(store: Store, index: int) -> bytes:
    """Return the leaf hash the tree has of an entry, or nothing."""
    hashes = store.one("SELECT hashes FROM tile WHERE level = 0 AND n = ?", (index // WIDTH,))
    leaf = hashes[index % WIDTH * HASH :][:HASH] if isinstance(hashes, bytes) else b""
    return leaf if len(leaf) == HASH else b""


def _compare(store: Store, tile: Tile) -> Iterator[Fault]:
    """Compare one rebuilt tile with the stored one; at level 0 the places are entries."""
    stored = store.one("SELECT hashes FROM tile WHERE level = ? AND n = ?", (tile.level, tile.index))
    if stored == tile.hashes:
        return
    name = f"tile {tile.level}/{tile.index}"
    if not isinstance(stored, bytes) or len(stored) != len(tile.hashes):
        yield Fault(Detector.TILE, name, "it is missing, or longer or shorter than the entries make it")
        return
    starts = range(0, len(stored), HASH)
    wrong = [at // HASH for at in starts if stored[at : at + HASH] != tile.hashes[at : at + HASH]]
    if tile.level:
        yield Fault(Detector.TILE, name, f"{len(wrong)} of its hashes do not follow from the entries")
    else:
        places = _span([tile.index * WIDTH + at for at in wrong[:_SHOWN]], tile.index * WIDTH + wrong[-1] + 1)
        yield Fault(Detector.LEAF, places, "the tree holds another hash of it")


def _span(first: Sequence[int], end: int) -> str:
    """Name entries: each if they are few, else the first ones and the last."""
    if first[-1] == end - 1:
        return ("entry " if len(first) == 1 else "entries ") + ", ".join(map(str, first))
    return f"entries {', '.join(map(str, first))} ... {end - 1}"
