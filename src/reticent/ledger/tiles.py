"""Tiles: how a growing tree is cut into immutable runs of 256 hashes (C2SP tlog-tiles)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from reticent.ledger.merkle import HASH, WIDTH, TileReader, fold, root_of

FULL = WIDTH * HASH
"""Bytes of a full tile."""


@dataclass(frozen=True)
class Tile:
    """One tile: its level, its index in the level, its 1 to 256 hashes joined."""

    level: int
    index: int
    hashes: bytes


class Frontier:
    """The right edge of a tree: the partial tile of each level, and how it grows by one leaf."""

    def __init__(self, size: int, read: TileReader) -> None:
        """Start from the last tiles of a tree of ``size`` entries (exactly), or from nothing (size 0)."""
        self.size = size
        self._partial = [bytearray(read(level, at) if width else b"") for level, at, width in partials(size)]
        self._touched: set[int] = set()

    def add(self, leaf: bytes) -> list[Tile]:
        """Add one leaf hash; return the tiles it filled, lowest level first."""
        full: list[Tile] = []
        level, hash_ = 0, leaf
        index = self.size // WIDTH
        self.size += 1
        while True:
            if level == len(self._partial):
                self._partial.append(bytearray())
            tile = self._partial[level]
            tile += hash_
            self._touched.add(level)
            if len(tile) < FULL:
                return full
            full.append(Tile(level, index, bytes(tile)))
            hash_ = fold(bytes(tile))
            tile.clear()
            level, index = level + 1, index // WIDTH

    def edge(self, *, touched: bool = False) -> Iterator[Tile]:
        """Yield the partial tiles, lowest level first; only those grown since the start if ``touched``."""
        for level, index, _ in partials(self.size):
            if (not touched or level in self._touched) and self._partial[level]:
                yield Tile(level, index, bytes(self._partial[level]))

    def root(self) -> bytes:
        """Return the root of the tree as it stands."""
        rest: list[bytes] = []
        for tile in self._partial:
            hashes = [bytes(tile[at : at + HASH]) for at in range(0, len(tile), HASH)] + rest
            rest = [root_of(hashes)] if hashes else []
        return root_of(rest)


def partials(size: int) -> Iterator[tuple[int, int, int]]:
    """Yield (level, index, width 0 to 255) of the last tile of every level of a tree of ``size``."""
    level = 0
    while size:
        yield level, size // WIDTH, size % WIDTH
        level, size = level + 1, size // WIDTH


def tiles_of(size: int) -> Iterator[tuple[int, int, int]]:
    """Yield (level, index, width 1 to 256) of every tile of a tree of ``size`` entries."""
    for level, full, rest in partials(size):
        yield from ((level, index, WIDTH) for index in range(full))
        if rest:
            yield level, full, rest


def path(kind: str, index: int, width: int) -> str:
    """Return the tile's path below the log's prefix; ``kind`` is a level or ``entries``.

    Tile 1234067 is ``x001/x234/067``; a partial tile ends in ``.p/`` and its width.
    """
    groups = [f"{index % 1000:03d}"]
    while index >= 1000:
        index //= 1000
        groups.insert(0, f"x{index % 1000:03d}")
    return f"tile/{kind}/{'/'.join(groups)}" + (f".p/{width}" if width < WIDTH else "")
