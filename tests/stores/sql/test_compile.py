"""The SQL of a predicate is TRUE exactly when the predicate is known to be: against an evaluator of three values."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from reticent.stores.sql.compile import Compiler
from reticent.systems.fit import Fit
from reticent.systems.mapfile import Map
from reticent.systems.predicates import (
    And,
    Compare,
    Constant,
    Exists,
    Field,
    In,
    IsNull,
    Literal,
    Not,
    Or,
    Predicate,
    Sentinel,
)

MAP = Map.model_validate(
    {
        "kind": "k", "title": "K", "version": 1, "columns": "", "requires": ["t.id"],
        "drift": {"person_columns": "x", "person_tables": []},
        "sentinel": {"setting": "s", "table": "t", "field": "id"},
        "tables": {
            "t": {"fields": {"id": "id", "a": "a", "b": "b", "gone": "gone?"},
                  "links": {"one": "u(k = a)", "two": "u(k = a, c = b)"}},
            "u": {"fields": {"k": "k", "c": "c"}, "links": {"back": "t(a = c)"}},
        },
        "series": [],
    }
)  # fmt: skip
FIT = Fit({"t": {"id": "id", "a": "a", "b": "b", "gone": None}, "u": {"k": "k", "c": "c"}}, {"t": (), "u": ()})
VALUES = st.one_of(st.none(), st.integers(0, 2))
Row = dict[str, Any]
NOBODY = "nobody"


def _fields(names: list[str]) -> st.SearchStrategy[Field]:
    return st.sampled_from(names).map(Field)


def _predicates(names: list[str], links: dict[str, tuple[list[str], dict[str, Any]]]) -> st.SearchStrategy[Predicate]:
    field = _fields(names)
    operand = st.one_of(field, st.integers(0, 2).map(Literal), st.just(Sentinel()))
    leaf: st.SearchStrategy[Predicate] = st.one_of(
        st.booleans().map(Constant),
        field.map(IsNull),
        st.builds(Compare, st.sampled_from(["=", "<>", "<", "<=", ">", ">="]), operand, operand),
        st.builds(In, field, st.lists(st.integers(0, 2), min_size=1, max_size=2).map(tuple)),
    )
    leaves = [leaf, *(st.builds(Exists, st.just(link), _predicates(*inner)) for link, inner in links.items())]

    def deeper(inner: st.SearchStrategy[Predicate]) -> st.SearchStrategy[Predicate]:
        pair = st.tuples(inner, inner)
        return st.one_of(st.builds(Not, inner), st.builds(And, pair), st.builds(Or, pair))

    return st.recursive(st.one_of(leaves), deeper, max_leaves=5)


INNER: tuple[list[str], dict[str, Any]] = (["k", "c"], {"back": (["a", "b", "gone"], {})})
PREDICATES = _predicates(["a", "b", "gone"], {"one": INNER, "two": INNER})


class World:
    """Two small tables, and what a predicate means in them."""

    def __init__(self, t: list[Row], u: list[Row], sentinel: int | None) -> None:
        self.tables, self.sentinel = {"t": t, "u": u}, sentinel

    def value(self, row: Row, side: object) -> Any:
        if isinstance(side, Field):
            return row.get(side.name)
        return side.value if isinstance(side, Literal) else self.sentinel

    def means(self, table: str, row: Row, predicate: Predicate) -> bool | None:
        match predicate:
            case Constant(value):
                return value
            case IsNull(field):
                return row.get(field.name) is None
            case Compare(op, left, right):
                values = [NOBODY if isinstance(s, Sentinel) else self.value(row, s) for s in (left, right)]
                if self.sentinel is None and NOBODY in values:
                    return {"=": False, "<>": True}.get(op) if None not in values and values[0] != values[1] else None
                return self._compare(op, self.value(row, left), self.value(row, right))
            case In(field, values):
                found = row.get(field.name)
                return None if found is None else found in values
            case Not(part):
                inner = self.means(table, row, part)
                return None if inner is None else not inner
            case And(parts):
                return _all([self.means(table, row, part) for part in parts])
            case Or(parts):
                other = _all([_negate(self.means(table, row, part)) for part in parts])
                return _negate(other)
            case Exists(link, inner_predicate):
                return self._exists(table, row, link, inner_predicate)

    def _compare(self, op: str, left: Any, right: Any) -> bool | None:
        if left is None or right is None:
            return None
        answers: dict[str, bool] = {"=": left == right, "<>": left != right, "<": left < right, ">": left > right}
        answers |= {"<=": left <= right, ">=": left >= right}
        return answers[op]

    def _exists(self, table: str, row: Row, link: str, inner: Predicate) -> bool | None:
        spec = MAP.tables[table].links[link]
        joined = [
            other
            for other in self.tables[spec.table]
            if all(row.get(ours) is not None and other.get(theirs) == row.get(ours) for theirs, ours in spec.on.items())
        ]
        return _negate(_all([_negate(self.means(spec.table, other, inner)) for other in joined]))


def _all(values: list[bool | None]) -> bool | None:
    if False in values:
        return False
    return None if None in values else True


def _negate(value: bool | None) -> bool | None:
    return None if value is None else not value


@pytest.fixture(scope="module")
def engine() -> sa.Engine:
    made = sa.create_engine("sqlite://", poolclass=sa.StaticPool)
    with made.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE t (id INTEGER, a INTEGER, b INTEGER)")
        connection.exec_driver_sql("CREATE TABLE u (k INTEGER, c INTEGER)")
    return made


@settings(max_examples=250, deadline=None)
@given(
    predicate=PREDICATES,
    t=st.lists(st.tuples(VALUES, VALUES), max_size=4),
    u=st.lists(st.tuples(VALUES, VALUES), max_size=4),
    sentinel=VALUES,
    few=st.booleans(),
)
def test_sql_and_the_evaluator_agree(
    engine: sa.Engine, predicate: Predicate, t: list[Any], u: list[Any], sentinel: int | None, few: bool
) -> None:
    rows = [{"id": number, "a": a, "b": b} for number, (a, b) in enumerate(t)]
    others = [{"k": k, "c": c} for k, c in u]
    world = World(rows, others, sentinel)
    compiler = Compiler(MAP, FIT, sentinel, few)
    source = compiler.table("t")
    with engine.connect() as connection:
        for table, these in (("t", rows), ("u", others)):
            for row in these:
                marks = ", ".join(f":{name}" for name in row)
                connection.execute(sa.text(f"INSERT INTO {table} VALUES ({marks})"), row)
        for wanted, sql in (
            (True, compiler.holds(source, "t", predicate)),
            (False, compiler.fails(source, "t", predicate)),
        ):
            query: sa.Select[Any] = sa.select(sa.literal_column("t.id")).select_from(source).where(sql)
            found = {row[0] for row in connection.execute(query)}
            assert found == {row["id"] for row in rows if world.means("t", row, predicate) is wanted}
        connection.rollback()
