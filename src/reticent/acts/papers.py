"""Scanned papers and other files of an inquiry: looked at, hashed and sealed in one pass, never kept readable."""

from __future__ import annotations

import hashlib
import io
import os
import secrets
import stat
from pathlib import Path

import pyrage

from reticent.acts.opening import Opened
from reticent.errors import SystemRefused, UsageError
from reticent.keyring.casefile import open_as, recipients

LARGEST = 200 * 10**6
"""Bytes. A scanned order is far smaller; whatever is larger is not a paper."""
_PIECE = 1 << 20
_KINDS = {
    ".pdf": (b"%PDF-",),
    ".png": (b"\x89PNG\r\n\x1a\n",),
    ".jpg": (b"\xff\xd8\xff",),
    ".jpeg": (b"\xff\xd8\xff",),
    ".tif": (b"II*\x00", b"MM\x00*"),
    ".tiff": (b"II*\x00", b"MM\x00*"),
}
_TEXT = (".txt", ".sig", ".note")
_DO = "Scan the paper to PDF, PNG, JPEG or TIFF, or give a text file (.txt), and name it so."


def take_in(opened: Opened, path: Path) -> tuple[str, str]:
    """Seal a copy of a file to the officers; return (SHA-256 of the file, name of the sealed copy).

    Raises UsageError for a file that is too large, empty, unreadable, or not what its name says; nothing is kept then.
    """
    keys = recipients([one.age for one in opened.site.officers.values() if one.age])
    home = opened.site.state_path / "inquiries"
    sealed = home / f"{secrets.token_hex(16)}.age"
    with _opened(path) as source:
        reader = _Counted(source, path)
        _refuse_deceptive(path, reader.first)
        try:
            home.mkdir(mode=0o700, parents=True, exist_ok=True)
            with os.fdopen(os.open(sealed, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as target:
                pyrage.encrypt_io(reader, target, keys)
                target.flush()
                os.fsync(target.fileno())
        except UsageError:
            sealed.unlink(missing_ok=True)
            raise
        except (OSError, pyrage.EncryptError):
            sealed.unlink(missing_ok=True)
            if reader.refused is not None:
                raise reader.refused from None
            raise SystemRefused(
                "The sealed copy cannot be written.", where=str(home), do="Make room there; nothing was kept."
            ) from None
    return reader.digest(), sealed.name


def digest(path: Path) -> str:
    """Return the SHA-256 (hex) of a file, read piece by piece. Raises UsageError if it cannot be taken in."""
    with _opened(path) as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def reseal(opened: Opened, name: str, identity: str) -> None:
    """Seal a copy anew to the officers who now sit; ``identity`` opens the old one. The old one stands until then."""
    path = opened.site.state_path / "inquiries" / name
    draft = path.with_suffix(".part")
    try:
        content = open_as(path.read_bytes(), identity)
        draft.write_bytes(
            pyrage.encrypt(content, recipients([one.age for one in opened.site.officers.values() if one.age]))
        )
        draft.chmod(0o600)
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise SystemRefused(
            "The sealed copy cannot be written.", where=str(path.parent), do="Make room there."
        ) from None


def remove(opened: Opened, name: str) -> None:
    """Remove a sealed copy."""
    (opened.site.state_path / "inquiries" / name).unlink(missing_ok=True)


def _opened(path: Path) -> io.BufferedReader:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        status = os.fstat(handle)
    except OSError:
        raise UsageError("The file cannot be read.", where=str(path), do="Check its name and rights.") from None
    if not stat.S_ISREG(status.st_mode) or status.st_size == 0 or status.st_size > LARGEST:
        os.close(handle)
        what = "is empty" if status.st_size == 0 else f"is larger than {LARGEST // 10**6} MB"
        what = what if stat.S_ISREG(status.st_mode) else "is no file"
        raise UsageError(f"This {what}, so it is not taken in as a paper.", where=str(path), do=_DO)
    return open(handle, "rb")


class _Counted(io.BufferedIOBase):
    """Reads a file piece by piece, hashing and counting; refuses one that grows past the limit while it is read."""

    def __init__(self, source: io.BufferedReader, path: Path) -> None:
        self._source, self._path = source, path
        self._hash, self._count = hashlib.sha256(), 0
        self.first = source.read(_PIECE)
        self._waiting = self.first
        self.refused: UsageError | None = None

    def read(self, size: int | None = -1, /) -> bytes:
        """Return the next piece."""
        if not self._waiting:
            self._waiting = self._source.read(_PIECE)
        size = len(self._waiting) if size is None or size < 0 else size
        piece, self._waiting = self._waiting[:size], self._waiting[size:]
        self._hash.update(piece)
        self._count += len(piece)
        if self._count > LARGEST:
            self.refused = UsageError("The file grew while it was read.", where=str(self._path), do=_DO)
            raise OSError
        return piece

    def digest(self) -> str:
        """Return the SHA-256 (hex) of what was read."""
        return self._hash.hexdigest()


def _refuse_deceptive(path: Path, first: bytes) -> None:
    ending = path.suffix.lower()
    if ending in _TEXT:
        try:
            text = first.decode("utf-8")
        except UnicodeDecodeError as fault:
            # A piece may end within a character; anything earlier is no text.
            text = "\x00" if fault.start < len(first) - 3 or len(first) < _PIECE else ""
        fits = not any(ord(c) < 32 and c not in "\t\n\r\f" for c in text)
    else:
        fits = first.startswith(_KINDS.get(ending, ()))
    if not fits:
        raise UsageError("The file is not what its name says.", where=str(path), do=_DO)
