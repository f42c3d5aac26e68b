"""The prover and the find account's survey agree on every row of every series, by code that shares nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.prove.koha import KOHA, Koha, Rows
from tests.servers import Server

from reticent.prove.due import recount
from reticent.sample import schema
from reticent.systems.predicates import And, Compare, Exists, In, Literal, Not, Or, Predicate
from reticent.systems.structure import family

CUTOFF = datetime(2026, 3, 1)
MOMENTS = [
    None,
    datetime(1999, 12, 31, 23, 59, 59),
    CUTOFF - timedelta(seconds=1),
    CUTOFF,
    CUTOFF + timedelta(seconds=1),
    datetime(2026, 3, 5),
    datetime(2999, 1, 1),
]
UNREADABLE_MOMENTS = ["0000-00-00 00:00:00", "2024-00-00 00:00:00"]
BRANCHES = ["MAIN", "main", "EAST ", "NORTH", None]
TABLES = sorted({series.table for series in KOHA.series})


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


def _words() -> list[str]:
    found = set()
    for series in KOHA.series:
        conditions = [series.tied, series.over, *series.open.values(), *(held.when for held in series.held)]
        found |= {w for c in conditions for w in _literals(c) if isinstance(w, str)}
    return sorted(found)


WORDS = _words()


def _linked(table: str) -> set[str]:
    """The tables a row of this one is judged by, itself included."""
    found = {table}
    for link in KOHA.tables[table].links.values():
        found |= {link.table, *(inner.table for inner in KOHA.tables[link.table].links.values())}
    return found


def _text(column: str) -> st.SearchStrategy[Any]:
    if column.startswith("branch") or column.endswith("library_id"):
        return st.sampled_from(BRANCHES)
    word = st.sampled_from(WORDS)
    changed = st.sampled_from([str, str.lower, str.upper, lambda w: w + "  ", lambda w: w + "x", lambda w: w[:-1]])
    odd = st.builds(lambda w, change: change(w), word, changed)
    return st.one_of(st.none(), st.just(""), word, odd)


def _value(column: schema.Column) -> st.SearchStrategy[Any]:
    kind = family(column.type)
    if kind == "when":
        return st.sampled_from([*MOMENTS, *UNREADABLE_MOMENTS])
    if kind == "text":
        if column.type.startswith("enum("):
            return st.sampled_from([None, *(word.strip("'") for word in column.type[5:-1].split(","))])
        return _text(column.name)
    return st.sampled_from([None, 0, 1, 2, 3, 7] if kind in ("whole", "number") else [None, b"x"])


def _row(table: str, release: str) -> st.SearchStrategy[dict[str, Any]]:
    mapped = {field.column for field in KOHA.tables[table].fields.values()}
    found = [c for c in schema.tables(release)[table] if c.name in mapped] if table in schema.tables(release) else []
    return st.fixed_dictionaries({c.name: _value(c) for c in found if c.key != "PRI" or c.fk or "int" not in c.type})


def _database(table: str, release: str) -> st.SearchStrategy[Rows]:
    there = [name for name in sorted(_linked(table)) if name in schema.tables(release)]
    key = {name: KOHA.tables[name].fields.get(KOHA.tables[name].key) for name in there}

    def numbered(name: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        column = key[name].column if key[name] else "borrowernumber" if name == "borrowers" else ""
        return [{**row, column: n} for n, row in enumerate(rows, 1)] if column else rows

    lists = {name: st.lists(_row(name, release), max_size=4 if name == table else 3) for name in there}
    return st.fixed_dictionaries(lists).map(lambda found: {n: numbered(n, rows) for n, rows in found.items()})


@pytest.fixture(
    scope="module", params=[f"{kind} {release}" for kind in ("sqlite", "mariadb") for release in schema.RELEASES]
)
def koha(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Koha]:
    kind, release = request.param.split()
    folder: Path = tmp_path_factory.mktemp("koha")
    if kind == "sqlite":
        url = f"sqlite:///{folder}/koha.db"
    else:
        server: Server = request.getfixturevalue("mariadb")
        name = f"prove_{release.replace('.', '_')}"
        server.execute(f"CREATE DATABASE {name}")
        url = server.url(database=name)
    built = Koha.built(folder, url, release)
    yield built
    built.engine.dispose()


@pytest.mark.parametrize("table", TABLES)
def test_the_prover_and_the_survey_agree(koha: Koha, table: str) -> None:
    here = [series for series in koha.database.fit.here(KOHA) if series.table == table]
    if not here:
        pytest.skip(f"no {table} in {koha.release}")
    few = koha.engine.dialect.name != "sqlite"

    @settings(
        max_examples=4 if few else 15,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
    )
    @given(
        rows=_database(table, koha.release),
        sentinel=st.sampled_from([None, 1, 7]),
        branches=st.sampled_from([None, ("MAIN",), ("EAST", "MAIN")]),
        decided=st.sampled_from([frozenset[str](), frozenset(["history", "sessions"])]),
        cutoff=st.sampled_from([CUTOFF, CUTOFF, None]),
    )
    def agree(
        rows: Rows,
        sentinel: int | None,
        branches: tuple[str, ...] | None,
        decided: frozenset[str],
        cutoff: datetime | None,
    ) -> None:
        koha.fill(rows)
        koha.seen_as(sentinel=sentinel, branches=branches, decided=decided)
        for series in here:
            if branches and not koha.database.branch_path(series):
                continue
            counted = koha.finder.survey(series.id, cutoff, "not set")
            again = recount(
                koha.reader, KOHA, koha.database.fit, series.id, cutoff, koha.finder.now(),
                sentinel, branches, decided, "not set",
            )  # fmt: skip
            assert again == counted, f"{series.id}: prover {again}, survey {counted}"

    agree()
