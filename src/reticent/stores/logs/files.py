"""One log file on disk: may it be touched, is anyone writing it, and how another takes its place."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from reticent.errors import SystemBusy, SystemRefused

TEMPORARY = ".reticent-"
_READ = 1 << 20
_SPARE = 64 << 20


@dataclass(frozen=True)
class State:
    """What a file looked like when it was opened; any difference means that someone else was at it."""

    inode: int
    size: int
    changed: int


def opened(path: Path) -> tuple[IO[bytes], State]:
    """Open a log that may be severed. Raises SystemRefused or SystemBusy with the reason."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise SystemRefused(
                "this is a symbolic link", where=str(path), do="name the file it points to instead"
            ) from None
        raise SystemRefused("this file cannot be read", where=str(path), do="give the account the right") from None
    raw = os.fdopen(handle, "rb")
    meta = os.fstat(handle)
    try:
        _allowed(path, handle, meta)
    except BaseException:
        raw.close()
        raise
    return raw, State(meta.st_ino, meta.st_size, meta.st_mtime_ns)


def refusal(path: Path) -> str:
    """Return why a file may not be severed now; empty if it may."""
    try:
        opened(path)[0].close()
    except SystemRefused as error:
        return error.what
    return ""


def _allowed(path: Path, handle: int, meta: os.stat_result) -> None:
    if not stat.S_ISREG(meta.st_mode):
        raise SystemRefused("this is not a plain file", where=str(path))
    if meta.st_nlink > 1:
        raise SystemRefused(
            f"this file has {meta.st_nlink} names (hard links); severing one would leave the others",
            where=str(path),
            do="remove the other names, or copy the file",
        )
    if not os.access(path.parent, os.W_OK):
        raise SystemRefused(
            "nothing can be written beside this file",
            where=str(path.parent),
            do="give the account the right to write",
        )
    if shutil.disk_usage(path.parent).free < meta.st_size + _SPARE:
        raise SystemRefused("there is no room for a second copy of this file", where=str(path.parent), do="make room")
    if written_by_others(handle, meta):
        raise SystemBusy(
            "another program has this file open for writing",
            where=str(path),
            do="sever it after its rotation",
        )


def written_by_others(handle: int, meta: os.stat_result) -> bool:
    """Tell whether anyone has the file open for writing: by a read lease, else by /proc.

    The kernel grants a read lease (fcntl(2), F_SETLEASE) only while nobody has the file open for
    writing; it is given back at once, so that no server ever waits for it.
    """
    try:
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as error:
        if error.errno == errno.EAGAIN:
            return True
        return any(_writers(meta))
    fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return False


def _writers(meta: os.stat_result) -> Iterator[bool]:
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            held = link.stat()
            if (held.st_dev, held.st_ino) != (meta.st_dev, meta.st_ino):
                continue
            info = (link.parent.parent / "fdinfo" / link.name).read_text("ascii")
        except OSError:
            continue
        flags = next((line.split()[1] for line in info.splitlines() if line.startswith("flags:")), "0")
        yield bool(int(flags, 8) & (os.O_WRONLY | os.O_RDWR))


def same(path: Path, state: State) -> None:
    """Raise SystemBusy if the file behind ``path`` is no longer the one that was read."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        raise SystemBusy("this file is gone", where=str(path), do="the next run looks again") from None
    try:
        now = os.fstat(handle)
        if now.st_ino != state.inode:
            what = "this file was rotated while it was read"
        elif (now.st_size, now.st_mtime_ns) != (state.size, state.changed):
            what = "this file changed while it was read"
        elif written_by_others(handle, now):
            what = "another program opened this file for writing"
        else:
            return
    finally:
        os.close(handle)
    raise SystemBusy(what, where=str(path), do="it is left as it is; the next run takes it up")


def dress(handle: int, path: Path, source: int) -> None:
    """Give a new file the owner, mode, access list, extended attributes and times of the old one."""
    meta = os.fstat(source)
    try:
        os.fchown(handle, meta.st_uid, meta.st_gid)
        for name in os.listxattr(source):
            os.setxattr(handle, name, os.getxattr(source, name))
        os.fchmod(handle, stat.S_IMODE(meta.st_mode))
        os.utime(handle, ns=(meta.st_atime_ns, meta.st_mtime_ns))
    except OSError:
        raise SystemRefused(
            "the new file cannot be given the owner and rights of the old one",
            where=str(path),
            do="run as the file's owner or as root",
        ) from None


def digest(raw: IO[bytes]) -> str:
    """Return the SHA-256 of a whole file, which is left at its start."""
    raw.seek(0)
    out = hashlib.sha256()
    while data := raw.read(_READ):
        out.update(data)
    raw.seek(0)
    return out.hexdigest()


def clean(path: Path) -> None:
    """Remove what a killed run left beside a file: its half-made successors hold severed lines only."""
    for left in path.parent.glob(f".{_plain(path.name)}{TEMPORARY}*"):
        left.unlink(missing_ok=True)


def temporary(path: Path, part: str) -> Path:
    """Return the name of a file made beside ``path``."""
    return path.with_name(f".{path.name}{TEMPORARY}{part}")


def _plain(name: str) -> str:
    return "".join(f"[{sign}]" if sign in "*?[" else sign for sign in name)
