"""Looks through dumps and exports for everybody on the roster, in one stream of bounded memory and bounded time.

Plain or compressed text (``.sql``, ``.csv``, whatever it is called), and PostgreSQL's own formats through
``pg_restore``. How many of the roster were met is told in bands, blurred, and not below ``LEAST_MET``: a file made
for the purpose cannot ask about one person.
"""

from __future__ import annotations

import codecs
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from reticent.errors import SystemRefused
from reticent.stores.crowd import Crowd, blurred
from reticent.stores.logs.archives import BROKEN, complete, compression, reading
from reticent.stores.logs.streams import Source
from reticent.stores.needles import fold
from reticent.stores.sql.discloser import SqlDiscloser
from reticent.stores.sql.prober import crowd

LEAST_MET = 30
ENOUGH = 1000
"""Persons after whom the rest of a file is not read: it is full of patrons."""
FILE_SECONDS = 60.0
"""How long one file is looked through: about 2 GB of text for a roster of 200,000."""
FILES_SECONDS = 300.0
"""How long all files of one system are, together."""
_BLOCK = 1 << 20
NOBODY = f"nobody of the roster was met, or fewer than {LEAST_MET} persons: so few are not told"
_NO_LETTER = re.compile("[\x00-\x07\x0e-\x1f\x7f\ufffd]")
_OVERLAP = 512
"""Letters in which no identifier and no whole name is cut in two."""
_BETWEEN = ((";", " "), ("|", " "), ("\\'", "'"), ("' '", " "), ('" "', " "), ("''", "'"), ("  ", " "))
"""Separators beside the comma and the gap, quotes around them, a quote inside a quoted name, an empty field."""
_BROKEN: tuple[type[Exception], ...] = (*BROKEN, SystemRefused)
_SEALED = (b"age-encryption.org", b"-----BEGIN PGP MESSAGE", b"\x85\x02", b"\x8c\x0d", b"Salted__")


class DumpScanner:
    """Reads files; whom it looks for it reads by Disclosers."""

    def __init__(self, disclosers: Sequence[SqlDiscloser]) -> None:
        self._disclosers = disclosers

    def scan(self, permits: Mapping[str, object], files: Sequence[Path]) -> dict[Path, tuple[str, bool]]:
        """Return, for each file, what was met in it and whether it could be looked at.

        Raises NotPermitted for what is no roster permit, and under 50 persons that can be looked for.
        """
        everybody, found = crowd(self._disclosers, permits), dict[Path, tuple[str, bool]]()
        last = time.monotonic() + FILES_SECONDS
        # The newest tells whether severing reaches the copies; the others are nearer to their end.
        for file in sorted(files, key=_written, reverse=True):
            found[file] = _scanned(file, everybody, min(last, time.monotonic() + FILE_SECONDS))
        return found


def _written(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except OSError:
        return 0.0


def _scanned(file: Path, everybody: Crowd, until: float) -> tuple[str, bool]:
    found: set[int] = set()
    why = ""
    try:
        with _opened(file) as source:
            is_text = _meet(source, everybody, found, until)
        why = (
            "" if is_text else "not looked at: it is no text (an archive, an image, sealed, or in an unknown encoding)"
        )
    except _NotLookedAt as left:
        why = f"not looked at: {left}"
    except _Late as late:
        why = f"not looked at to its end, the time for it was over: {late}"
    except _BROKEN:
        why = "not looked at to its end: it cannot be read, or is damaged"
    told = _told(len(found))
    return (why, False) if why and told == NOBODY else ("; ".join(filter(None, [told, why])), not why)


class _NotLookedAt(Exception):
    """Why a file was not read."""


class _Late(Exception):
    """The time was over after so many bytes."""


@contextmanager
def _opened(file: Path) -> Iterator[Source]:
    if file.is_dir() or (file.is_file() and _is_postgresqls(file)):
        with _restored(file) as source:
            yield source
        return
    if not file.is_file():
        raise _NotLookedAt("it is not there, or is no file")
    with file.open("rb") as raw:
        start = raw.read(64)
        raw.seek(0)
        if start.startswith(_SEALED):
            raise _NotLookedAt("it is sealed")
        kind = compression(raw)
        with reading(raw, kind) as source:
            try:
                yield source
            except _Late:
                raise _Late(f"{raw.tell():,} of {file.stat().st_size:,} bytes") from None
            if not source.read(1):
                complete(raw, kind, file.name)


def _is_postgresqls(file: Path) -> bool:
    with file.open("rb") as raw:
        start = raw.read(512)
    return start.startswith(b"PGDMP") or (start[257:262] == b"ustar" and start.startswith(b"toc.dat"))


@contextmanager
def _restored(file: Path) -> Iterator[Source]:
    """Yield the SQL of a dump in a format of PostgreSQL's own; nothing is restored anywhere."""
    if (program := shutil.which("pg_restore")) is None:
        raise _NotLookedAt("it takes pg_restore (package postgresql-client), which is not installed")
    if file.is_dir() and not (file / "toc.dat").is_file():
        raise _NotLookedAt("it is a folder, and no dump of PostgreSQL")
    command = [program, "--file=-", "--", str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None  # noqa: S101 - it was asked for
        try:
            yield process.stdout
        except _Late as late:
            raise _Late(f"{late} bytes of what pg_restore makes of it") from None
        else:
            if not process.stdout.read(1) and process.wait():
                raise _NotLookedAt("pg_restore cannot read it to its end: damaged, or from a newer PostgreSQL")
        finally:
            process.kill()


def _meet(source: Source, everybody: Crowd, found: set[int], until: float) -> bool:
    """Add the persons who stand in a stream, up to ``ENOUGH``; return whether its beginning is text. Raises _Late."""
    carried, skip, is_text, size = "", 0, True, 0
    decoder: codecs.IncrementalDecoder | None = None
    while len(found) < ENOUGH:
        if time.monotonic() > until:
            raise _Late(f"{size:,}")
        data = source.read(_BLOCK)
        size += len(data)
        first, decoder = decoder is None, decoder or _decoder(data)
        read = decoder.decode(data, final=not data)
        is_text = _is_text(read) if first else is_text
        text = _side_by_side(carried + fold(read))
        cut = len(text) if not data else max(0, len(text) - _OVERLAP)
        found |= everybody.met(text, skip, cut)
        if not data:
            break
        # One letter before the cut is kept: whether a word stands alone is told by its neighbour.
        carried, skip = text[max(0, cut - 1) :], min(cut, 1)
    return is_text


def _side_by_side(text: str) -> str:
    """Return folded text without what stands between the fields of CSV and SQL: first name and surname are two."""
    for mark, instead in _BETWEEN:
        text = text.replace(mark, instead)
    return text


def _is_text(read: str) -> bool:
    """Whether most letters are letters: a third leaves room for accents in an encoding of one byte a letter."""
    return 3 * len(_NO_LETTER.findall(read)) <= len(read)


def _decoder(start: bytes) -> codecs.IncrementalDecoder:
    wide = start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return codecs.getincrementaldecoder("utf-16" if wide else "utf-8")("replace")


def _told(met: int) -> str:
    told = blurred(met, ENOUGH) if met < ENOUGH else ENOUGH
    if told < LEAST_MET:
        return NOBODY
    return f"{'1,000 or more' if told >= ENOUGH else '30 to 999'} persons of the roster stand in it"
