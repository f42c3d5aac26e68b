"""Receipts of severed files: durable before the file changes its content, found again by digest.

A folder of small JSON files, one a file and content; the counterpart of the receipt table that is written
in a database's own transaction. No name, no value, no line of a log is in them.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from reticent.model import Margins


@dataclass(frozen=True)
class FileReceipt:
    """The proof that one file was severed. ``before`` and ``after`` are SHA-256 of the file's bytes.

    ``text`` is the SHA-256 of the text as it was, decompressed: a copy has the same. ``done`` False: the
    new content was ready and proved, the file may or may not carry it yet.
    ``shown`` are offset and shape of the first withheld lines; ``path`` is where the file was.
    """

    run: str
    step: str
    before: str
    after: str
    text: str
    lines: int
    withheld: int
    tally: Margins = field(default_factory=dict)
    shown: tuple[tuple[int, str], ...] = ()
    path: str = ""
    done: bool = False
    changed: bool = True
    ties: int = 0
    """Lines that named someone before."""
    chunk: int = 0
    key: str = ""
    """The period of the key its pseudonyms were made with: while that exists, they are ties."""

    @property
    def id(self) -> str:
        """Its name: the file's content as it was, and the file."""
        return _id(self.before, self.path)


def _id(digest: str, path: str) -> str:
    return f"{digest}-{hashlib.sha256(path.encode('utf-8', 'surrogateescape')).hexdigest()[:16]}"


class Receipts:
    """The receipts in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._brief: dict[str, tuple[tuple[int, int], FileReceipt]] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def prepare(self, receipt: FileReceipt) -> None:
        """Make a receipt durable before the rename. The same content again replaces its own receipt."""
        self._write(replace(receipt, done=False))

    def finish(self, receipt: FileReceipt) -> FileReceipt:
        """Mark a receipt as carried out."""
        done = replace(receipt, done=True)
        self._write(done)
        return done

    def of(self, digest: str, path: str) -> FileReceipt | None:
        """Return the receipt of this file, whose content was ``digest`` before it was severed."""
        return self._read(self._folder / f"{_id(digest, path)}.json")

    def made(self, digest: str) -> FileReceipt | None:
        """Return the receipt that made the content ``digest``: then the file is severed already."""
        return next((self._read(path) for path, one in self._briefly() if one.after == digest), None)

    def counted(self, text: str) -> bool:
        """Tell whether a file with this text was severed and counted: then this one is a copy, or came back."""
        return any(one.done and one.text == text for _, one in self._briefly())

    def _briefly(self) -> Iterator[tuple[Path, FileReceipt]]:
        """Yield every receipt without its counts, read again only if it was written anew."""
        for path in sorted(self._folder.glob("*.json")):
            with suppress(FileNotFoundError):
                meta = path.stat()
                state, known = (meta.st_ino, meta.st_mtime_ns), self._brief.get(path.name)
                if known is None or known[0] != state:
                    if (found := self._read(path)) is None:
                        continue
                    known = self._brief[path.name] = (state, replace(found, tally={}, shown=()))
                yield path, known[1]

    def all(self) -> Iterator[FileReceipt]:
        """Return every receipt, done or not."""
        for path in sorted(self._folder.glob("*.json")):
            found = self._read(path)
            if found is not None:
                yield found

    @staticmethod
    def _read(path: Path) -> FileReceipt | None:
        try:
            raw: Mapping[str, Any] = json.loads(path.read_text("utf-8"))
        except FileNotFoundError:
            return None
        shown = tuple((int(offset), str(shape)) for offset, shape in raw["shown"])
        return FileReceipt(**{**raw, "shown": shown})

    def _write(self, receipt: FileReceipt) -> None:
        path = self._folder / f"{receipt.id}.json"
        fresh = path.with_suffix(f".{os.getpid()}.new")
        with fresh.open("w", encoding="utf-8") as out:
            # vars, not asdict: a tally by title is large, and asdict would copy it
            json.dump(vars(receipt), out)
            out.flush()
            os.fsync(out.fileno())
        fresh.replace(path)
        sync_folder(self._folder)


def sync_folder(folder: Path) -> None:
    """Make a rename in a folder durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
