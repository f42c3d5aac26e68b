"""The Merkle tree of RFC 6962 section 2.1: hashes, inclusion and consistency proofs.

Hashes are 32 raw bytes (SHA-256). A tile is a run of up to 256 hashes of one level, as in
C2SP tlog-tiles: level 0 holds leaf hashes, each hash of level l+1 is the root of a full tile
of level l.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256

from reticent.errors import EvidenceBroken

HASH = 32
"""Bytes of a hash."""
WIDTH = 256
"""Hashes in a full tile."""
EMPTY_ROOT = sha256(b"").digest()

TileReader = Callable[[int, int], bytes]
"""From (level, index of the tile in its level) to the tile's hashes, joined."""


def leaf_hash(entry: bytes) -> bytes:
    """Return the hash of one entry: SHA-256 of 0x00 and the entry."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node: SHA-256 of 0x01 and its two children."""
    return sha256(b"\x01" + left + right).digest()


def fold(hashes: bytes) -> bytes:
    """Return the root of joined hashes whose number is a power of two."""
    while len(hashes) > HASH:
        pairs = range(0, len(hashes), 2 * HASH)
        hashes = b"".join([sha256(b"\x01" + hashes[at : at + 2 * HASH]).digest() for at in pairs])
    return hashes


def split(count: int) -> int:
    """Return the largest power of two smaller than ``count`` (at least 2): where RFC 6962 splits."""
    return 1 << (count - 1).bit_length() - 1


def root_of(hashes: Sequence[bytes]) -> bytes:
    """Return the root over these hashes in order (the last may be an incomplete subtree's)."""
    if len(hashes) < 2:
        return hashes[0] if hashes else EMPTY_ROOT
    at = split(len(hashes))
    return node_hash(root_of(hashes[:at]), root_of(hashes[at:]))


class Tree:
    """Roots and proofs of every size up to the log's, read from its tiles.

    Sizes and indices must lie inside the log; the reader is asked for no tile twice.
    """

    def __init__(self, read: TileReader) -> None:
        self._read, self._tiles = read, dict[tuple[int, int], bytes]()

    def root(self, size: int) -> bytes:
        """Return the root of the first ``size`` entries."""
        return self._range(0, size) if size else EMPTY_ROOT

    def inclusion(self, index: int, size: int) -> list[bytes]:
        """Return the inclusion proof of one entry, from the leaf's sibling up."""
        return self._path(index, 0, size)

    def consistency(self, old: int, new: int) -> list[bytes]:
        """Return the proof that the tree of ``old`` entries is a prefix of that of ``new``."""
        return self._subproof(old, 0, new, whole=True) if 0 < old < new else []

    def _path(self, index: int, low: int, high: int) -> list[bytes]:
        if high - low == 1:
            return []
        middle = low + split(high - low)
        if index < middle:
            return [*self._path(index, low, middle), self._range(middle, high)]
        return [*self._path(index, middle, high), self._range(low, middle)]

    def _subproof(self, old: int, low: int, high: int, *, whole: bool) -> list[bytes]:
        """SUBPROOF of RFC 6962 section 2.1.2; ``whole``: the verifier has this subtree's old root."""
        if old == high:
            return [] if whole else [self._range(low, high)]
        middle = low + split(high - low)
        if old <= middle:
            return [*self._subproof(old, low, middle, whole=whole), self._range(middle, high)]
        return [*self._subproof(old, middle, high, whole=False), self._range(low, middle)]

    def _range(self, low: int, high: int) -> bytes:
        """Return the root over entries low..high-1; complete subtrees come out of one tile."""
        count = high - low
        if count & (count - 1) == 0:
            return self._complete(count.bit_length() - 1, low // count)
        middle = low + split(count)
        return node_hash(self._range(low, middle), self._range(middle, high))

    def _complete(self, height: int, index: int) -> bytes:
        level, inside = divmod(height, 8)
        first = index << inside
        tile = self._tile(level, first // WIDTH)
        start = first % WIDTH * HASH
        hashes = tile[start : start + (HASH << inside)]
        if len(hashes) != HASH << inside:
            raise EvidenceBroken("The ledger has lost hashes of its tree.", where=f"tile {level}/{first // WIDTH}")
        return fold(hashes)

    def _tile(self, level: int, index: int) -> bytes:
        if (level, index) not in self._tiles:
            self._tiles[level, index] = self._read(level, index)
        return self._tiles[level, index]


def root_from_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes | None:
    """Return the root this proof leads to, or None if it cannot be one (RFC 9162 section 2.1.3.2)."""
    if not 0 <= index < size:
        return None
    node, last, found = index, size - 1, leaf
    for sibling in proof:
        if not last:
            return None
        if node & 1 or node == last:
            found = node_hash(sibling, found)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        node, last = node >> 1, last >> 1
    return None if last else found


def is_consistent(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether the proof shows the new tree to start with the old one (RFC 9162 section 2.1.4.2).

    The empty tree is a prefix of every tree; its proof is empty.
    """
    if not 0 < old < new:
        same = old_root == (EMPTY_ROOT if old == 0 else new_root)
        return 0 <= old <= new and same and not proof
    path = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    node, last = old - 1, new - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    if not path:
        return False
    first = second = path[0]
    for hash_ in path[1:]:
        if not last:
            return False
        if node & 1 or node == last:
            first, second = node_hash(hash_, first), node_hash(hash_, second)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            second = node_hash(second, hash_)
        node, last = node >> 1, last >> 1
    return not last and first == old_root and second == new_root
