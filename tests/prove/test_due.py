"""The prover and the find account's survey agree on every row of every series, by code that shares nothing."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.prove.koha import KOHA, Koha, Rows, at
from tests.servers import Server

from reticent.model import Survey
from reticent.prove.due import recount
from reticent.sample import schema
from reticent.systems.predicates import And, Compare, Exists, In, Literal, Not, Or, Predicate
from reticent.systems.structure import family

CUTOFF = at("2026-03-01")
SECOND = timedelta(seconds=1)
MOMENTS = [
    None,
    at("1999-12-31 23:59:59"),
    CUTOFF - SECOND,
    CUTOFF,
    CUTOFF + SECOND,
    at("2026-03-05"),
    at("2999-01-01"),
]
UNREADABLE = ["0000-00-00 00:00:00", "2024-00-00 00:00:00"]
BRANCHES = ["MAIN", "main", "EAST ", "NORTH", None]
WHOLE = [None, 0, 1, 2, 3, 4, 5, 6, 7, 99]


def _literals(predicate: Predicate | None) -> Iterator[str | int]:
    match predicate:
        case Compare(_, left, right):
            yield from (side.value for side in (left, right) if isinstance(side, Literal))
        case In(_, values):
            yield from values
        case Not(part) | Exists(_, part):
            yield from _literals(part)
        case And(parts) | Or(parts):
            for part in parts:
                yield from _literals(part)


def _words() -> dict[str, list[str]]:
    """The words the map asks about, by table."""
    found: dict[str, set[str]] = defaultdict(set)
    for series in KOHA.series:
        conditions = [series.tied, series.over, *series.open.values(), *(held.when for held in series.held)]
        found[series.table] |= {w for c in conditions for w in _literals(c) if isinstance(w, str)}
    found["patron_consent"].add("READING_HISTORY")
    found["courses"].add("no")
    return {table: sorted(words) for table, words in found.items()}


WORDS = _words()


def _text(table: str, column: str, chance: Random) -> str | None:
    """A word the map asks about, or one nearly like it."""
    if column.endswith(("library_id", "branchcode", "branch")):
        return chance.choice(BRANCHES)
    word = chance.choice([*WORDS.get(table, ()), "x"])
    changes: list[Callable[[str], str]] = [str, str, str.lower, str.upper, lambda w: f"{w}  ", lambda w: f"{w}x"]
    choices: list[str | None] = [None, "", word, chance.choice(changes)(word), chance.choice(changes)(word)]
    return chance.choice(choices)


def _value(table: str, column: schema.Column, chance: Random) -> object:
    kind = family(column.type)
    if kind == "when":
        return chance.choice([*MOMENTS, chance.choice(UNREADABLE)])
    if column.type.startswith("enum("):
        return chance.choice([None, *(word.strip("'") for word in column.type[5:-1].split(","))])
    if kind == "text":
        return _text(table, column.name, chance)
    return chance.choice(WHOLE) if kind in ("whole", "number") else chance.choice([None, b"x"])


def _rows(table: str, release: str, size: int, chance: Random) -> list[dict[str, Any]]:
    mapped = {field.column for field in KOHA.tables[table].fields.values()}
    columns = [c for c in schema.tables(release)[table] if c.name in mapped]
    drawn = [{c.name: _value(table, c, chance) for c in columns} for _ in range(chance.randint(0, size))]
    own = KOHA.tables[table].fields.get(KOHA.tables[table].key)
    return [{**row, own.column: n} for n, row in enumerate(drawn, 1)] if own else drawn


def whole_koha(release: str, size: int, seed: int) -> Rows:
    """Up to ``size`` rows in every mapped table: NULLs everywhere, orphans, odd cases, dates no calendar has."""
    chance = Random(seed)
    there = schema.tables(release)
    return {table: _rows(table, release, size, chance) for table in KOHA.tables if table in there}


@pytest.fixture(scope="module", params=["sqlite 25.x", "sqlite 19.06", "mariadb 25.x", "mariadb 19.06"])
def koha(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Koha]:
    kind, release = request.param.split()
    folder: Path = tmp_path_factory.mktemp("koha")
    url = f"sqlite:///{folder}/koha.db"
    if kind == "mariadb":
        server: Server = request.getfixturevalue("mariadb")
        name = f"prove_{release.replace('.', '_')}"
        server.execute(f"CREATE DATABASE {name}")
        url = server.url(database=name)
    built = Koha.built(folder, url, release)
    yield built
    built.engine.dispose()


def both(koha: Koha, series: str, cutoff: datetime | None) -> tuple[Survey, Survey]:
    """The survey of a series, and the prover's recount."""
    view = koha.view()
    counted = koha.finder.survey(series, "not set" if cutoff is None else cutoff)
    again = recount(
        koha.reader, KOHA, view.fit, series, cutoff, view.now, view.sentinel, view.branches, view.decided, "not set"
    )
    return counted, again


def _agree(koha: Koha, cutoff: datetime | None) -> Counter[str]:
    """Compare every series; return how many rows met each state."""
    met: Counter[str] = Counter()
    for series in koha.database.fit.here(KOHA):
        if koha.database.branches and not koha.database.branch_path(series):
            continue
        counted, again = both(koha, series.id, cutoff)
        assert again == counted, f"{series.id}: prover {again}, survey {counted}"
        met.update({"open": again.open, "within": again.within_retention, "due": again.due, **again.withheld})
    return met


def _compared(koha: Koha, examples: int) -> Counter[str]:
    met: Counter[str] = Counter()

    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(
        size=st.integers(15, 30),
        seed=st.integers(0, 2**32),
        sentinel=st.sampled_from([None, 1, 7]),
        branches=st.sampled_from([None, None, ("MAIN",), ("EAST", "MAIN")]),
        decided=st.sampled_from([frozenset[str](), frozenset(["history", "sessions"])]),
        cutoff=st.sampled_from([CUTOFF, CUTOFF, CUTOFF, None]),
    )
    def compare(
        size: int,
        seed: int,
        sentinel: int | None,
        branches: tuple[str, ...] | None,
        decided: frozenset[str],
        cutoff: datetime | None,
    ) -> None:
        koha.fill(whole_koha(koha.release, size, seed))
        koha.seen_as(sentinel=sentinel, branches=branches, decided=decided)
        met.update(_agree(koha, cutoff))

    compare()
    return met


def test_the_prover_and_the_survey_agree(koha: Koha) -> None:
    _compared(koha, 6 if koha.engine.dialect.name == "sqlite" else 3)


@pytest.mark.soak
def test_the_prover_and_the_survey_agree_on_many(koha: Koha) -> None:
    met = _compared(koha, 200)
    never = _NOT_IN_19_06 if koha.release == "19.06" else set()
    assert {state for state, rows in met.items() if rows} >= _STATES - never, "the random rows missed a state"


_STATES = {"open", "within", "due", "could not be decided", "whose branch it is cannot be told", "no end date",
           "end date in the future", "not set", *(held.reason for s in KOHA.series for held in s.held)}  # fmt: skip
_NOT_IN_19_06 = {"history kept by the patron's recorded consent"}
"""Its patron_consent.type is an enumeration with one word, and the word is another."""
