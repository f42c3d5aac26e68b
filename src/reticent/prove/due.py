"""Every row of a series judged again, in Python: open, within retention, due, or withheld and why.

The same question as the find account's ``survey``, by other code: where the two disagree, one is wrong.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from reticent.model import Survey
from reticent.ports import UNREADABLE, Reader
from reticent.prove.chains import CIRCULAR, Chains
from reticent.prove.evaluate import Evaluator, Get, Test
from reticent.prove.sweep import Read, Row, sweep
from reticent.prove.view import View
from reticent.systems.fit import Fit
from reticent.systems.mapfile import Held, Map, Series
from reticent.systems.predicates import Exists, Field, In, Not, Predicate

OPEN, WITHIN, DUE = "open", "within retention", "due"
UNDECIDED = "could not be decided"
NO_BRANCH = "whose branch it is cannot be told"
NO_DATE = "no end date"
FUTURE = "end date in the future"
_BY_RETENTION = (DUE, WITHIN, UNDECIDED)


def recount(
    reader: Reader,
    loaded: Map,
    fit: Fit,
    series: str,
    cutoff: datetime | None,
    now: datetime,
    sentinel: int | str | None,
    branches: tuple[str | int, ...] | None,
    decided: frozenset[str],
    why_no_cutoff: str = "",
) -> Survey:
    """Count one series against a cutoff (the system's local time; None withholds all) from its streamed rows."""
    view = View("", reader, loaded, fit, now, sentinel, branches, decided)
    question = Recount(Evaluator(view), view, loaded.one(series), cutoff, why_no_cutoff)
    sweep(reader, [question])
    return question.survey()


def held_back(series: Series, decided: frozenset[str]) -> list[Held]:
    """Return the map's reasons to leave finished ties alone that the site has not decided away."""
    return [held for held in series.held if held.until not in decided]


class Recount:
    """The question of one series, asked of every row of its table."""

    def __init__(
        self, evaluator: Evaluator, view: View, series: Series, cutoff: datetime | None, why_no_cutoff: str = ""
    ) -> None:
        self._evaluator, self._view, self._series = evaluator, view, series
        self._cutoff, self._why_no_cutoff = cutoff, why_no_cutoff
        self._counts: Counter[str] = Counter()
        self._oldest: datetime | None = None
        self._newest: datetime | None = None
        self._chains: Chains | None = None

    @property
    def table(self) -> str:
        """The table of the series."""
        return self._series.table

    def reads(self) -> Iterator[Read]:
        """Yield every field the judgement needs."""
        series = self._series
        conditions = [series.is_tied(), *series.open.values(), *(held.when for held in series.held)]
        conditions += [series.over] if series.over is not None else []
        conditions += [scope for scope in self._scope() if scope is not None]
        for condition in conditions:
            yield from self._evaluator.reads(self.table, condition)
        for path in filter(None, (series.ended, series.date)):
            yield from self._path_reads(path)
        if (table := self._view.table(self.table)).chain:
            yield from ((name, True) for name in (table.key, table.chain))

    def _path_reads(self, path: str) -> Iterator[Read]:
        link, _, name = path.rpartition(".")
        names = self._view.table(self.table).links[link].on.values() if link else [name]
        yield from ((field, True) for field in names)

    def _scope(self) -> tuple[Predicate | None, Predicate | None]:
        """Return when a row is the site's own, and when it is known to be another library's."""
        if self._view.branches is None:
            return None, None
        link, _, name = self._view.branch_path(self._series).rpartition(".")
        ours = In(Field(name), self._view.branches)
        return (Exists(link, ours), Exists(link, Not(ours))) if link else (ours, Not(ours))

    def bind(self, positions: Mapping[str, int]) -> Callable[[Row], None]:
        """Return what judges and counts one row."""
        judge, date = self._judge(positions), self._get(self._series.date or self._series.ended, positions)
        counts, together = self._counts, self._together(positions)

        def ask(row: Row) -> None:
            own = judge(row)
            if (state := together(row, own)) is not None:
                counts[state] += 1
            if own is not None and (when := date(row)) is not None and when is not UNREADABLE:
                self._seen(when)

        return ask

    def _together(self, at: Mapping[str, int]) -> Callable[[Row, str | None], str | None]:
        """Return what gives a row's state, None for one that waits for the rest of its chain."""
        table = self._view.table(self.table)
        if not table.chain:
            return lambda _, state: state
        self._chains = chains = Chains(self._view.reader, self.table, table.key, table.chain, self._rank)
        key = at[table.key]
        return lambda row, state: chains.add(row[key], state, UNDECIDED)

    def _rank(self, state: str) -> int:
        """Return how far a state is from being severed: a chain is in the least ready state of its rows."""
        reasons = [held.reason for held in held_back(self._series, self._view.decided)]
        first = (OPEN, UNDECIDED, NO_BRANCH, NO_DATE, FUTURE, CIRCULAR, *reasons, self._why_no_cutoff)
        return (*first, WITHIN, DUE).index(state)

    def _seen(self, when: datetime) -> None:
        if self._oldest is None or when < self._oldest:
            self._oldest = when
        if self._newest is None or when > self._newest:
            self._newest = when

    def _get(self, path: str, at: Mapping[str, int]) -> Get:
        link, _, name = path.rpartition(".")
        if not path:
            return lambda _: None
        if not link:
            return self._evaluator.value(self.table, name, at)
        values, key = self._evaluator.linked(self.table, link, name), self._evaluator.key(self.table, link, at)
        return lambda row: values.get(key(row))

    def _judge(self, at: Mapping[str, int]) -> Callable[[Row], str | None]:
        series = self._series
        tied, ours = self._test(series.is_tied(), at), self._ours(at)
        living, held = self._living(at), self._held(at)
        dated = self._dated(self._get(series.ended, at)) if series.ended else lambda _: DUE
        cutoff, why_no_cutoff = self._cutoff, self._why_no_cutoff

        def judge(row: Row) -> str | None:
            """The order is the survey's: what is open is never called withheld, what is held never due."""
            if (is_tied := tied(row)) is False or (is_ours := ours(row)) is False:
                return None
            if is_tied is None or is_ours is None:
                return UNDECIDED if is_tied is None else NO_BRANCH
            sure, state = _first(living, row)
            if state is None:
                sure_of_held, state = _first(held, row)
                sure = sure and sure_of_held
            if state is not None:
                return state
            when = dated(row)
            if when not in _BY_RETENTION:
                return when
            if cutoff is None:
                return why_no_cutoff
            return when if sure else UNDECIDED

        return judge

    def _test(self, predicate: Predicate, at: Mapping[str, int]) -> Test:
        return self._evaluator.test(self.table, predicate, at)

    def _ours(self, at: Mapping[str, int]) -> Test:
        ours, others = self._scope()
        if ours is None or others is None:
            return lambda _: True
        is_ours, is_others = self._test(ours, at), self._test(others, at)
        return lambda row: True if is_ours(row) else False if is_others(row) else None

    def _living(self, at: Mapping[str, int]) -> list[tuple[Test, str]]:
        living = [(self._test(condition, at), OPEN) for condition in self._series.open.values()]
        if self._series.over is not None:
            living.append((self._test(Not(self._series.over), at), OPEN))
        return living

    def _held(self, at: Mapping[str, int]) -> list[tuple[Test, str]]:
        return [(self._test(held.when, at), held.reason) for held in held_back(self._series, self._view.decided)]

    def _dated(self, ended: Get) -> Callable[[Row], str]:
        """Return what a row's end date alone makes of it."""
        now, cutoff = self._view.now, self._cutoff
        undated = {"open": OPEN, "withheld": NO_DATE, "due": DUE}[self._series.undated]
        ahead = OPEN if self._series.planned else FUTURE

        def dated(row: Row) -> str:
            end: Any = ended(row)
            if end is None:
                return undated
            if end is UNREADABLE:
                return UNDECIDED
            if end > now:
                return ahead
            return DUE if cutoff is None or end < cutoff else WITHIN

        return dated

    def survey(self) -> Survey:
        """Return what was counted so far. ``withheld`` holds the reasons that were met."""
        counts = self._counts.copy()
        for state, rows in self._chains.states() if self._chains else ():
            counts[state] += rows
        withheld = {state: n for state, n in counts.items() if n and state not in (OPEN, WITHIN, DUE)}
        return Survey(
            self._series.id,
            ties=counts.total(),
            open=counts[OPEN],
            within_retention=counts[WITHIN],
            due=counts[DUE],
            withheld=withheld,
            oldest=_day(self._oldest),
            newest=_day(self._newest),
        )


def _first(tests: Sequence[tuple[Test, str]], row: Row) -> tuple[bool, str | None]:
    """Return whether every test was decided, and the state of the first that is TRUE."""
    sure = True
    for test, state in tests:
        found = test(row)
        if found:
            return sure, state
        sure = sure and found is not None
    return sure, None


def _day(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(hour=0, minute=0, second=0, microsecond=0)
