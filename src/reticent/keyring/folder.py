"""The key folder: small files, each 0600, in a folder of mode 0700, apart from all other state.

It is left out of the data backups, so that a key once destroyed is nowhere else. Overwriting a
file does not prove that a disk forgot it: copy-on-write file systems, flash disks and snapshots
keep old blocks. Destruction is recorded, not proved.
"""

from __future__ import annotations

import fcntl
import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from reticent.errors import ConfigurationError, EvidenceBroken, SystemRefused

Record = Callable[[Mapping[str, object], str], object]
"""Appends (an entry without hour and actor, the id of its act) to the ledger, once per id."""

MAX_FILE = 65_536
"""Bytes of a key file; all of ours are far smaller."""
_NAME = re.compile(r"[a-z][A-Za-z0-9@+._-]{0,250}")
_DRAFT, _DOOMED, _LOCK = ".draft", ".doomed", ".lock"


class Folder:
    """The key folder. Its files are read and written through this class only."""

    def __init__(self, path: Path, state: Path) -> None:
        """Open the key folder. ``state`` is the state folder; neither may lie in the other.

        Raises ConfigurationError if the two overlap, or if others than its owner can reach it.
        """
        self.path = path
        _require_apart(path, state)
        _require_private(path)

    @classmethod
    def create(cls, path: Path, state: Path) -> Folder:
        """Make the folder if it is not there yet, and open it."""
        _require_apart(path, state)
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as failure:
            raise ConfigurationError("The key folder cannot be made.", where=str(path)) from failure
        return cls(path, state)

    def names(self, ending: str) -> list[str]:
        """Return the files whose name ends so."""
        return sorted(name for name in os.listdir(self.path) if name.endswith(ending))

    def exists(self, name: str) -> bool:
        """Whether there is such a file."""
        return self._file(name).is_file()

    def read(self, name: str) -> bytes:
        """Return a file's bytes. Raises ConfigurationError if it is not there or others can read it."""
        try:
            handle = os.open(self._file(name), os.O_RDONLY | os.O_NOFOLLOW)
        except OSError as failure:
            raise ConfigurationError("A key file cannot be read.", where=str(self.path / name)) from failure
        with os.fdopen(handle, "rb") as file:
            status = os.fstat(handle)
            if not stat.S_ISREG(status.st_mode) or status.st_mode & 0o077:
                raise ConfigurationError(
                    "Others than its owner can reach a key file.",
                    where=str(self.path / name),
                    do="Find out who read it; then chmod 600, or make a new key.",
                )
            return file.read(MAX_FILE)

    def write(self, name: str, data: bytes) -> None:
        """Write or replace a file, whole or not at all, durable before return. Only while ``locked``.

        Raises SystemRefused if the disk refuses; the old file then stands.
        """
        file, draft = self._file(name), self._file(name + _DRAFT)
        with _disk(file):
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as handle:
                handle.write(data)
                handle.flush()
                os.fsync(handle.fileno())
            draft.replace(file)
            self._sync()

    def rename(self, old: str, new: str) -> None:
        """Rename a file, durable before return."""
        with _disk(self.path / old):
            self._file(old).rename(self._file(new))
            self._sync()

    def doom(self, names: Sequence[str], mark: str) -> None:
        """Overwrite files with zeros for good. Their names stay, under ``mark``, until ``bury``.

        With no names it finishes what a killed process began under that mark.
        """
        for name in names:
            self.rename(name, f"{name}.{mark}{_DOOMED}")
        for name in self.doomed().get(mark, []):
            with _disk(self.path / name):
                _zero(self._file(name))

    def doomed(self) -> dict[str, list[str]]:
        """Return mark -> files overwritten, or about to be, and not yet buried."""
        found: dict[str, list[str]] = {}
        for name in self.names(_DOOMED):
            found.setdefault(name.rsplit(".", 2)[1], []).append(name)
        return found

    def bury(self, mark: str) -> None:
        """Remove what is doomed under this mark, durable before return."""
        with _disk(self.path):
            for name in self.doomed().get(mark, []):
                self._file(name).unlink()
            self._sync()

    @contextmanager
    def locked(self, part: str) -> Iterator[None]:
        """Keep other processes out of one part, the files ``part@...``, meanwhile. Not to be nested.

        The parts have locks of their own: whoever makes a period key waits for the ledger, and
        whoever signs the ledger writes here.
        """
        with _disk(self.path):
            handle = os.open(self.path / f"{_LOCK}-{part}", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            with _disk(self.path):
                fcntl.flock(handle, fcntl.LOCK_EX)
                for draft in self.names(_DRAFT):
                    if draft.startswith(f"{part}@"):
                        _zero(self.path / draft)
                        (self.path / draft).unlink()
            yield
        finally:
            os.close(handle)

    def _file(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise EvidenceBroken("The key folder holds no file of such a name.", where=str(self.path))
        return self.path / name

    def _sync(self) -> None:
        handle = os.open(self.path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextmanager
def _disk(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as failure:
        raise SystemRefused(
            "The key folder cannot be written.",
            where=str(file),
            do="Make room there and give its owner the right to write; then run the command again.",
        ) from failure


def _zero(file: Path) -> None:
    """Overwrite a file's bytes in place."""
    handle = os.open(file, os.O_WRONLY | os.O_NOFOLLOW)
    try:
        os.write(handle, bytes(os.fstat(handle).st_size))
        os.fsync(handle)
    finally:
        os.close(handle)


def _require_apart(path: Path, state: Path) -> None:
    keys, rest = path.resolve(), state.resolve()
    if keys.is_relative_to(rest) or rest.is_relative_to(keys):
        raise ConfigurationError(
            "The key folder and the state folder lie in one another, so a backup of one holds the other.",
            where=str(path),
            do="Set [state] keys to a folder of its own, left out of backups, such as /etc/reticent/keys.",
        )


def _require_private(path: Path) -> None:
    try:
        status = path.stat()
    except OSError as failure:
        raise ConfigurationError(
            "The key folder cannot be opened.", where=str(path), do="Create it with `reticent init`."
        ) from failure
    if not stat.S_ISDIR(status.st_mode) or status.st_mode & 0o077 or status.st_uid != os.geteuid():
        raise ConfigurationError(
            "The key folder is not a folder that only its owner, the user running Reticent, can reach.",
            where=str(path),
            do=f"Find out who could read it; then chmod 700 {path} and chown it.",
        )
