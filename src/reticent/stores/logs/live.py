"""Stands in front of a log: lines come in from the server, and only severed lines reach the disk.

Keys live in this process only, a new one every day. Whatever goes wrong, nothing raw is written.
"""

from __future__ import annotations

import os
import time
from typing import TextIO

from reticent.errors import ConfigurationError, ReticentError
from reticent.stores.logs.kernel import Treater
from reticent.stores.logs.sources import TABULAR, LogSource, WrongFormat
from reticent.stores.logs.streams import LONGEST

_READ = 1 << 16
_DAY = 86_400
_KEY = 32


def run_filter(stdin: int, stdout: int, source: LogSource, key: bytes | None = None, *, errors: TextIO) -> int:
    """Sever lines from the file descriptor ``stdin`` to ``stdout`` until the end; return the exit code.

    A line is written as soon as its newline has come; what is not yet a whole line is held. ``key``
    None: a fresh key every day that never leaves this process. On any error a sentence goes to
    ``errors`` (the server's error log), the lines at hand are dropped, and the code is not 0. So it is when the
    first lines do not fit the format: a server that starts the filter again gets it on with the next line.
    """
    if source.format in TABULAR:
        raise ConfigurationError("a log with a header line cannot be filtered live", do="sever its files at rest")
    try:
        _Filter(source, key, errors).run(stdin, stdout)
    except BrokenPipeError:
        errors.write("reticent filter: the log cannot be written any more; lines were dropped, none was let through\n")
        return 3
    except ReticentError as error:
        errors.write(f"reticent filter: {error.on_one_line()}; lines were dropped, none was let through\n")
        return error.exit_code
    except Exception as error:  # fail closed: the text of an unforeseen error may hold a line
        errors.write(f"reticent filter: stopped by {type(error).__name__}; lines were dropped, none was let through\n")
        return 3
    return 0


class _Filter:
    def __init__(self, source: LogSource, key: bytes | None, errors: TextIO) -> None:
        self._source, self._key, self._errors = source, key, errors
        self._said = self._fits = False
        self._day = -1
        self._worker: Treater | None = None
        self._held = b""
        self._overlong = False

    def run(self, stdin: int, stdout: int) -> None:
        self._current()  # a format that cannot be compiled stops the filter before the first line
        while data := os.read(stdin, _READ):
            _write(stdout, self._take(data))
            self._say()
        if self._held:
            _write(stdout, self._treated(self._held + b"\n")[:-1])
            self._say()

    def _take(self, data: bytes) -> bytes:
        out = b""
        if self._overlong:
            _, newline, data = data.partition(b"\n")
            if not newline:
                return b""
            self._overlong, out = False, self._current().overlong(0)
        self._held += data
        cut = self._held.rfind(b"\n") + 1
        whole, self._held = self._held[:cut], self._held[cut:]
        if len(self._held) > LONGEST:
            self._held, self._overlong = b"", True
        return out + (self._treated(whole) if whole else b"")

    def _treated(self, whole: bytes) -> bytes:
        """Treat whole lines. Raises WrongFormat if not one line has fitted since the filter started."""
        worker = self._current()
        done, outcome = worker.treat(whole, 0), worker.outcome
        if not self._fits and outcome.withheld == outcome.lines:
            raise WrongFormat(self._source, outcome, whole, "standard input")
        self._fits = True
        return done

    def _say(self) -> None:
        """Tell the server's error log once a day that lines do not fit, and what the first looks like."""
        outcome = self._worker.outcome if self._worker else None
        if outcome and outcome.withheld and not self._said:
            self._said = True
            what = f"a line does not have this log's format and is withheld; it looks like {outcome.shown[0][1]!r}"
            self._errors.write(f"reticent filter: {what}; more of them today are not told\n")
            self._errors.flush()

    def _current(self) -> Treater:
        today = int(time.time()) // _DAY
        if self._worker is None or today != self._day:
            self._day, self._said = today, False
            self._worker = self._source.treater(self._key or os.urandom(_KEY))
        return self._worker


def _write(stdout: int, data: bytes) -> None:
    while data:
        data = data[os.write(stdout, data) :]
