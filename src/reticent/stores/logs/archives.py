"""Opens a log for reading and writing as what it is: plain, .gz, .bz2, .xz or .zst."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any, cast

import zstandard
from isal import igzip, isal_zlib

from reticent.errors import SystemRefused
from reticent.stores.logs.streams import Sink, Source

_MAGIC = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\x00": "xz", b"\x28\xb5\x2f\xfd": "zstd"}
_LEVELS = {"gzip": 2, "bzip2": 9, "xz": 6, "zstd": 3}
BROKEN: tuple[type[Exception], ...] = (
    OSError,
    EOFError,
    zlib.error,
    cast("type[Exception]", isal_zlib.error),
    lzma.LZMAError,
    zstandard.ZstdError,
)
"""What disks and decompressors raise for a file that is cut short, damaged or not readable."""


def compression(raw: IO[bytes]) -> str:
    """Return how a file is compressed, by its first bytes (``""``: plain); the file is left at its start."""
    start = raw.read(6)
    raw.seek(0)
    return next((name for magic, name in _MAGIC.items() if start.startswith(magic)), "")


@contextmanager
def reading(raw: IO[bytes], kind: str) -> Iterator[Source]:
    """Read the text of a file; members one after the other (as ``cat a.gz b.gz`` makes) are read as one."""
    if kind == "":
        yield raw
    elif kind == "zstd":
        with zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True, closefd=False) as text:
            yield text
    else:
        with _READERS[kind](raw) as text:
            yield text


@contextmanager
def writing(raw: IO[bytes], kind: str, *, mtime: float) -> Iterator[Sink]:
    """Write text into a file as ``kind``; finished, not flushed to disk, when the block ends."""
    if kind == "":
        yield raw
    else:
        with _WRITERS[kind](raw, mtime) as text:
            yield text


_GZIP = cast("Callable[..., Any]", igzip.GzipFile)  # its annotations are incomplete
_READERS: dict[str, Callable[[IO[bytes]], Any]] = {
    "gzip": lambda raw: _GZIP(fileobj=raw, mode="rb"),
    "bzip2": bz2.BZ2File,
    "xz": lzma.LZMAFile,
}
_WRITERS: dict[str, Callable[[IO[bytes], float], Any]] = {
    "gzip": lambda raw, mtime: _GZIP("", "wb", _LEVELS["gzip"], fileobj=raw, mtime=mtime),
    "bzip2": lambda raw, _: bz2.BZ2File(raw, "wb", compresslevel=_LEVELS["bzip2"]),
    "xz": lambda raw, _: lzma.LZMAFile(raw, "wb", preset=_LEVELS["xz"]),  # noqa: SIM115 - closed by writing()
    "zstd": lambda raw, _: zstandard.ZstdCompressor(level=_LEVELS["zstd"], write_checksum=True).stream_writer(
        raw, closefd=False
    ),
}


def complete(raw: IO[bytes], kind: str, where: str) -> None:
    """Refuse an archive that ends early: zstd readers may stop at a cut without a word."""
    if kind != "zstd":
        return
    raw.seek(0)
    worker = zstandard.ZstdDecompressor().decompressobj()
    while data := raw.read(1 << 20):
        while data:
            worker.decompress(data)
            data = worker.unused_data if worker.eof else b""
            if data:
                worker = zstandard.ZstdDecompressor().decompressobj()
    raw.seek(0)
    if not worker.eof:
        raise SystemRefused("this archive is cut short", where=where, do="restore it, or leave it as it is")
