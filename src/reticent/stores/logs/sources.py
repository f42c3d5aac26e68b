"""What a site says of its logs, and the treater built from it."""

from __future__ import annotations

import glob
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from reticent.errors import ConfigurationError, ReticentError
from reticent.stores.logs.formats import NAMED, LogFormat, header_format, parse_format
from reticent.stores.logs.kernel import Kernel, Outcome, Treater, Watch
from reticent.stores.logs.lines import READERS, Lines
from reticent.stores.logs.slots import prefix_fits
from reticent.stores.logs.treatments import treatments
from reticent.systems.urlpacks import load_packs

_DIALECT = re.compile(r"(apache|ezproxy|nginx|squid|cups|shibboleth):\s*(.+)", re.DOTALL)
TABULAR = ("tsv", "csv")


@dataclass(frozen=True)
class LogSource:
    """One log of a system: where its files are, how they are written, what its URLs mean.

    ``paths`` are globs. ``format`` is a name (``combined``, ``ezproxy``, ``jsonl``, ``sip2``, ``tsv``, ...)
    or a dialect and the server's own string (``apache: %h %l %u %t "%r" %>s %b``). ``packs`` name URL
    packs; ``declared`` gives more directives, columns or keys a kind. Logs of one ``bundle`` share keys.
    """

    name: str
    paths: tuple[str, ...]
    format: str
    packs: tuple[str, ...] = ()
    declared: Mapping[str, str] = field(default_factory=dict)
    bundle: str = ""

    def files(self) -> list[Path]:
        """Return the files of the log, rotated siblings included, oldest first.

        A symbolic link to a file of the same log is that file.
        """
        found = {Path(path) for pattern in self.paths for path in glob.glob(pattern)}
        plain = [path for path in found if path.is_file() and not (path.is_symlink() and path.resolve() in found)]
        return sorted(plain, key=lambda path: (path.stat().st_mtime_ns, str(path)))

    def compiled(self, first_line: bytes = b"") -> LogFormat | None:
        """Return the compiled format; None for logs that are read line by line. Raises ConfigurationError.

        A TSV or CSV log is compiled from the first line of the file.
        """
        named = _DIALECT.fullmatch(self.format.strip())
        if named:
            return parse_format(named[1], named[2], self.declared)
        if self.format in TABULAR:
            return header_format(first_line, separator=self._separator(first_line), declared=self.declared)
        if self.format in NAMED:
            return parse_format(*NAMED[self.format], self.declared)
        if self.format in READERS:
            return None
        known = sorted([*NAMED, *READERS, *TABULAR])
        raise ConfigurationError(
            f"{self.format!r} is not a log format",
            where=self.name,
            do=f"use one of {', '.join(known)}, or apache: ...",
        )

    def _separator(self, first_line: bytes) -> bytes:
        if self.format == "tsv":
            return b"\t"
        return b";" if first_line.count(b";") > first_line.count(b",") else b","

    def treater(
        self,
        key: bytes | None,
        *,
        first_line: bytes = b"",
        watch: Watch | None = None,
        collect: bool = False,
        share: bool = False,
        known: re.Pattern[bytes] | None = None,
        only_watch: bool = False,
        search: bool = False,
    ) -> Treater:
        """Build what treats this log. ``key`` None: identities are removed instead of pseudonymised.

        ``only_watch``: what comes out is of no use, so the work may be left out. ``search``: ``watch`` looks for
        accounts, so it is shown the lines of every format; of those read line by line nothing else is counted.
        """
        how = treatments(load_packs(self.packs), key, share=share, known=known)
        form = self.compiled(first_line)
        if form is None:
            reader = READERS[self.format](how, self.declared)
            return Lines(reader, watch=watch if search else None, collect=collect)
        return Kernel(form, how, watch=watch, collect=collect, only_watch=only_watch)


class WrongFormat(ReticentError):
    """The format a log is said to have does not fit its lines."""

    exit_code = 2

    def __init__(self, source: LogSource, outcome: Outcome, text: bytes, place: str) -> None:
        """``text``: the lines that were treated, from the first on."""
        offset, looks = outcome.shown[0]
        form = source.compiled(text.partition(b"\n")[0])
        directive = form and prefix_fits(form, text[offset : text.index(b"\n", offset)])
        super().__init__(
            f"{outcome.withheld} of the first {outcome.lines} lines do not have this log's format"
            + (f"; the first stops fitting at {directive}" if directive else ""),
            where=f"{place}, byte {offset}; the line looks like {looks!r}",
            do="copy the format from the server's own configuration",
        )
