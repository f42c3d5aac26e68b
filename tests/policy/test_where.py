"""The same rules as a WHERE, on real SQLite and PostgreSQL rows, against the engine row by row."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from tests.policy.helpers import NOTES, NOW, order, shipped, with_rule
from tests.servers import Server

from reticent.policy.bundle import Bundle
from reticent.policy.compiler import Unmodelled
from reticent.policy.engine import Engine
from reticent.policy.gate import order_facts
from reticent.policy.request import Attributes, Request
from reticent.policy.terms import Uid
from reticent.policy.where import where

META = sa.MetaData()
TIES = sa.Table(
    "ties",
    META,
    sa.Column("id", sa.String(20), primary_key=True),
    sa.Column("class", sa.String(30), nullable=False),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("patron", sa.String(20)),
    sa.Column("item", sa.String(20)),
    sa.Column("usedAt", sa.BigInteger, nullable=False),
    sa.Column("held", sa.Boolean, nullable=False),
    sa.Column("topic", sa.String(20)),
)
COLUMNS: dict[str, sa.ColumnElement[object]] = {column.name: column for column in TIES.columns}
SITUATION: Attributes = {"now": int(NOW.timestamp()), "year": 2026}


def rows(count: int, seed: int) -> list[dict[str, object]]:
    rng = random.Random(seed)
    words = shipped().schema.enums
    found: list[dict[str, object]] = []
    for number in range(count):
        row: dict[str, object] = {
            "id": f"t{number}",
            "class": rng.choice(words["RecordClass"][:4]),
            "state": rng.choice(words["State"]),
            "patron": rng.choice([None, "51", "52"]),
            "item": rng.choice([None, "9", "10"]),
            "usedAt": rng.choice([0, int(NOW.timestamp()) - 86400, 2**62]),
            "held": rng.random() < 0.2,
            "topic": rng.choice([None, "war"]),
        }
        found.append(row)
    return found


def facts(row: dict[str, object]) -> dict[Uid, Attributes]:
    """A row as the engine sees it."""
    kinds = {"class": "RecordClass", "state": "State", "patron": "Patron", "item": "Item"}
    tie = {
        name: Uid(kinds[name], str(value)) if name in kinds else value
        for name, value in row.items()
        if value is not None and name != "id"
    }
    named: dict[Uid, Attributes] = {
        value: {} for value in tie.values() if isinstance(value, Uid) and value.type in ("Patron", "Item")
    }
    return {Uid("Tie", str(row["id"])): tie, **named}  # type: ignore[dict-item]


def ask(principal: Uid, action: str, known: Attributes, purpose: str, **context: object) -> Request:
    whole = {**SITUATION, "purpose": Uid("Purpose", purpose), **context}
    return Request(principal, action, Uid("Tie", "?"), whole, {principal: known})  # type: ignore[arg-type]


def askers() -> dict[str, Request]:
    good = order()
    officers = {
        Uid("Staff", "officer-custodian"): {"roles": frozenset({Uid("Role", "custodian")})},
        Uid("Staff", "officer-counsel"): {"roles": frozenset({Uid("Role", "counsel")})},
    }
    under_order = ask(
        Uid("OutsideParty", "agency-7"), "release", {}, "courtOrder",
        instrument=Uid("Instrument", good.case), law=Uid("LawAnswer", "MUST"),
        custodianApproval=Uid("Staff", "officer-custodian"), counselApproval=Uid("Staff", "officer-counsel"),
    ).knowing(order_facts(good)).knowing(officers)  # fmt: skip
    desk = {"roles": frozenset({Uid("Role", "circulation")})}
    return {
        "desk": ask(Uid("Staff", "s"), "viewTie", desk, "collectWhatIsOwed"),
        "last borrower": ask(Uid("Staff", "s"), "viewTie", desk, "inspectReturned"),
        "statistics": ask(Uid("Staff", "s"), "viewTie", desk, "statistics"),
        "own": ask(Uid("Patron", "51"), "viewOwnRecord", {}, "ownAccess"),
        "sever": ask(Uid("Job", "j"), "sever", {"kind": Uid("JobKind", "sever")}, "maintainSystems"),
        "find": ask(Uid("Job", "j"), "sever", {"kind": Uid("JobKind", "find")}, "maintainSystems"),
        "vendor": ask(Uid("OutsideParty", "v"), "release", {"kind": Uid("PartyKind", "vendor")}, "courtOrder"),
        "under order": under_order,
    }


@pytest.fixture(scope="module")
def lite() -> sa.Engine:
    engine = sa.create_engine("sqlite://")
    META.create_all(engine)
    with engine.begin() as connection:
        connection.execute(TIES.insert(), rows(300, 1))
    return engine


def compare(engine: sa.Engine, bundle: Bundle) -> int:
    """Filter by SQL and by the engine; the same rows must pass. Returns how many did."""
    stored, cedar, passed = rows(300, 1), Engine(bundle), 0
    with engine.connect() as connection:
        for name, request in askers().items():
            statement = sa.select(TIES.c.id).where(where(bundle, request, COLUMNS))
            by_sql = set(connection.scalars(statement))
            by_row = set()
            for row in stored:
                tie = Uid("Tie", str(row["id"]))
                known = {uid: f for uid, f in facts(row).items() if uid not in request.entities}
                full = Request(request.principal, request.action, tie, request.context, request.entities)
                outcome = cedar.ask(full.knowing(known))
                assert not outcome.unfit
                by_row |= {row["id"]} if outcome.strict else set()
            assert by_sql == by_row, name
            passed += len(by_sql)
    return passed


def test_sqlite_filters_as_the_engine_decides(lite: sa.Engine) -> None:
    assert compare(lite, shipped()) > 100


def test_postgresql_filters_as_the_engine_decides(postgresql: Server, fresh_database: Callable[[Server], str]) -> None:
    engine = sa.create_engine(fresh_database(postgresql))
    META.create_all(engine)
    with engine.begin() as connection:
        connection.execute(TIES.insert(), rows(300, 1))
    assert compare(engine, shipped()) > 100
    engine.dispose()


def test_a_vendor_without_an_order_gets_a_where_that_is_false() -> None:
    assert str(where(shipped(), askers()["vendor"], COLUMNS)) == "false"


def test_values_are_bound_never_written_into_the_sql() -> None:
    request = ask(Uid("Patron", "51'); DROP TABLE ties;--"), "viewOwnRecord", {}, "ownAccess")
    text = str(sa.select(TIES.c.id).where(where(shipped(), request, COLUMNS)).compile(dialect=sqlite.dialect()))
    assert "DROP" not in text


def test_a_null_never_becomes_a_truth_value(lite: sa.Engine) -> None:
    rule = (
        f'@id("not-war") {NOTES}permit (principal is Staff, action == Action::"viewTie", resource is Tie)'
        ' when { !(resource has topic && resource.topic == "war") };'
    )
    bundle = shipped().replaced("rules/base.cedar", rule)
    request = ask(Uid("Staff", "s"), "viewTie", {"roles": frozenset()}, "statistics")
    with lite.connect() as connection:
        found = set(connection.scalars(sa.select(TIES.c.id).where(where(bundle, request, COLUMNS))))
    assert found == {row["id"] for row in rows(300, 1) if row["topic"] is None}


REFUSED = {
    "a reference out of the row": "resource has patron && resource.patron has birthYear",
    "arithmetic": "resource.usedAt + 1 > 3",
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_sql_cannot_say_as_the_engine_does_is_refused(name: str) -> None:
    rule = f'permit (principal is Staff, action == Action::"viewTie", resource is Tie) when {{ {REFUSED[name]} }};'
    request = ask(Uid("Staff", "s"), "viewTie", {"roles": frozenset()}, "serveThePatron")
    with pytest.raises(Unmodelled, match=name):
        where(with_rule(rule), request, COLUMNS)


def test_a_column_nobody_declared_is_refused() -> None:
    less = {name: column for name, column in COLUMNS.items() if name != "state"}
    with pytest.raises(Unmodelled, match="'state'"):
        where(shipped(), askers()["own"], less)


def test_a_declared_join_may_be_followed(lite: sa.Engine) -> None:
    rule = (
        'permit (principal is Staff, action == Action::"viewTie", resource is Tie)'
        " when { resource has patron && resource.patron has birthYear && resource.patron.birthYear > 2000 };"
    )
    born = sa.case((TIES.c.patron == "51", 2010))
    columns = {**COLUMNS, "patron.birthYear": born}
    request = ask(Uid("Staff", "s"), "viewTie", {"roles": frozenset()}, "serveThePatron")
    with lite.connect() as connection:
        found = set(connection.scalars(sa.select(TIES.c.id).where(where(with_rule(rule), request, columns))))
    wanted = {row["id"] for row in rows(300, 1) if row["patron"] == "51" and row["state"] != "severed"}
    assert found == wanted
