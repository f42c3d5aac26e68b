"""The Discloser of logs: the lines of a scope's accounts, for a permit of the gate and nothing else.

A log names an account in the form the library issued it, or only an address or a session. Addresses
and sessions are never matched: whose they were is a guess. Whole files are read and matched here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from reticent.errors import ReticentError
from reticent.model import NotLookedAt, SeriesFacts
from reticent.policy.permits import Grant, Scope, Verb
from reticent.stores.logs.formats import Kind
from reticent.stores.logs.kernel import Columns
from reticent.stores.logs.store import UNREADABLE, LogStore

_TELLS = (Kind.REQUEST, Kind.URL, Kind.REFERRER, Kind.PERSONAL, Kind.TEXT)
"""What a line says of the use. Addresses, sessions and browsers are left out: no order asks a library for them."""


class LogDiscloser:
    """Answers who did what by the logs of one system, to a permit.

    ``left_out`` tells, once a stream has ended, what the permit covers and could not be read.
    """

    def __init__(
        self,
        system: str,
        store: LogStore,
        series: Sequence[SeriesFacts],
        open_permit: Callable[[object, Verb, str], Grant],
    ) -> None:
        self.system, self._store, self._series, self._open = system, store, series, open_permit
        self.left_out: list[NotLookedAt] = []

    def close(self) -> None:
        """Nothing is held open."""

    def ties(self, permit: object) -> Iterator[Mapping[str, object]]:
        """Stream the ties inside the permit's scope, as ``SqlDiscloser.ties`` does.

        Raises NotPermitted at once for what is no good permit.
        """
        return self._ties(self._open(permit, "ties", self.system).scope)

    def counts(self, permit: object) -> Mapping[str, int]:
        """Return series -> ties inside the permit's scope. Nobody's tie leaves."""
        scope = self._open(permit, "count", self.system).scope
        return Counter(str(tie["series"]) for tie in self._ties(scope))

    def _ties(self, scope: Scope) -> Iterator[Mapping[str, object]]:
        self.left_out = []
        if scope.items:
            self._leave_out("items of the scope", "a log does not name items as the catalogue does")
        for series in self._series:
            if series.record_class.value in scope.classes and scope.patrons:
                yield from self._log(series, scope)

    def _log(self, series: SeriesFacts, scope: Scope) -> Iterator[Mapping[str, object]]:
        self._leave_out(series.title, "lines that name only an address or a session are nobody's for certain")
        matching = _Matching({_folded(one.encode()): one for one in scope.patrons})
        number = 0
        for path in self._store.files(series.id):
            self._read(series, path, matching)
            for found in matching.taken():
                if scope.since <= found.used_at < scope.before:
                    number += 1
                    yield {
                        "id": f"{self.system}/{series.id}/{number}",
                        "system": self.system,
                        "series": series.id,
                        "record_class": series.record_class.value,
                        "place": "log",
                        "patron": found.patron,
                        "item": None,
                        "used_at": found.used_at,
                        "ended": None,
                        "open": False,
                        "tells": found.tells,
                    }
        if matching.undated:
            self._leave_out(series.title, "some lines have no date, so none inside the scope")

    def _read(self, series: SeriesFacts, path: Path, matching: _Matching) -> None:
        unread = "a file of it cannot be read"
        with suppress(ReticentError, *UNREADABLE):
            unread = self._store.watch(series.id, path, matching)
        if unread:
            self._leave_out(series.title, unread)

    def _leave_out(self, place: str, why: str) -> None:
        said = NotLookedAt(self.system, place, why)
        if said not in self.left_out:
            self.left_out.append(said)


@dataclass(frozen=True)
class _Line:
    """One line of the scope."""

    patron: str
    used_at: datetime
    tells: Mapping[str, str] = field(repr=False)


class _Matching:
    """Keeps the lines whose account is one of the scope's; sees every line that parsed."""

    def __init__(self, wanted: Mapping[bytes, str]) -> None:
        self._wanted = wanted
        self._found: list[_Line] = []
        self.undated = 0

    def taken(self) -> list[_Line]:
        """Return what was found since the last call."""
        found, self._found = self._found, []
        return found

    def see(self, columns: Columns) -> None:
        """Take the lines of the scope from these."""
        for accounts in columns.values.get(Kind.USER, ()):
            for i, account in enumerate(accounts):
                patron = self._wanted.get(_folded(account))
                if patron is not None and columns.hours[i] is None:
                    self.undated += 1
                elif patron is not None:
                    moment = datetime.fromtimestamp(columns.seconds[i], UTC)
                    self._found.append(_Line(patron, moment, _told(columns, i)))


def _told(columns: Columns, row: int) -> dict[str, str]:
    return {
        kind.value: b" ".join(values[row] for values in columns.values[kind]).decode("utf-8", "replace")
        for kind in _TELLS
        if kind in columns.values
    }


def _folded(account: bytes) -> bytes:
    """Return the form under which two accounts are one: as the ILS has it, case and outer spaces apart."""
    return account.strip(b' "').lower()
