"""Reads a log in blocks of whole lines, whatever it holds, in bounded memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from reticent.stores.logs.kernel import Treater

BLOCK = 1 << 16
LONGEST = 1 << 20
"""Bytes of the longest line that is read; a longer one is withheld without being held."""


class Source(Protocol):
    """Anything bytes are read from."""

    def read(self, size: int, /) -> bytes:
        """Return at most ``size`` bytes; none at the end."""
        ...


class Sink(Protocol):
    """Anything bytes are written to."""

    def write(self, data: bytes, /) -> object:
        """Take the bytes."""
        ...


class _Nowhere:
    def write(self, data: bytes, /) -> object:
        return len(data)


NOWHERE: Sink = _Nowhere()
"""Takes bytes and forgets them."""


@dataclass(frozen=True)
class Piece:
    """Whole lines from ``offset`` on; ``overlong``: stands for one line that was too long to hold."""

    offset: int
    data: bytes
    overlong: bool = False


@dataclass
class Pumped:
    """The SHA-256 of what was read and of what was written."""

    before: str
    after: str


def pieces(source: Source, *, start: int = 0, block: int = BLOCK, longest: int = LONGEST) -> Iterator[Piece]:
    """Cut a stream at its newlines. The last piece may lack one; memory stays under ``longest`` + ``block``.

    ``start`` is the stream's own place in its file.
    """
    held, offset = b"", start
    while data := source.read(block):
        held += data
        cut = held.rfind(b"\n") + 1
        if cut:
            yield Piece(offset, held[:cut])
            offset, held = offset + cut, held[cut:]
        elif len(held) > longest:
            skipped, held = _skip(source, block, len(held))
            yield Piece(offset, b"", overlong=True)
            offset += skipped
    if held:
        yield Piece(offset, held)


def _skip(source: Source, block: int, skipped: int) -> tuple[int, bytes]:
    """Read past the end of a line; return the bytes passed and what was read behind its newline."""
    while data := source.read(block):
        cut = data.find(b"\n") + 1
        if cut:
            return skipped + cut, data[cut:]
        skipped += len(data)
    return skipped, b""


def treated(source: Source, worker: Treater, *, start: int = 0) -> Iterator[bytes]:
    """Treat a stream; a missing last newline stays missing."""
    for piece in pieces(source, start=start):
        if piece.overlong:
            yield worker.overlong(piece.offset)
        elif piece.data.endswith(b"\n"):
            yield worker.treat(piece.data, piece.offset)
        else:
            yield _last(worker, piece)


def _last(worker: Treater, piece: Piece) -> bytes:
    cut = piece.data.rfind(b"\n") + 1
    whole = worker.treat(piece.data[:cut], piece.offset) if cut else b""
    return whole + worker.treat(piece.data[cut:] + b"\n", piece.offset + cut)[:-1]


def pump(source: Source, sink: Sink, worker: Treater, *, start: int = 0) -> Pumped:
    """Treat everything from ``source`` into ``sink``; return the digests of both sides."""
    tee, after = _Digested(source), hashlib.sha256()
    for block in treated(tee, worker, start=start):
        sink.write(block)
        after.update(block)
    return Pumped(tee.digest.hexdigest(), after.hexdigest())


class _Digested:
    """Passes reads through and digests what passes."""

    def __init__(self, source: Source) -> None:
        self._source, self.digest = source, hashlib.sha256()

    def read(self, size: int, /) -> bytes:
        """Read from the source."""
        data = self._source.read(size)
        self.digest.update(data)
        return data
