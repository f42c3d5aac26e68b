"""The Prober: finds planted patrons on every server, tells no value, and cannot be asked about one person."""

from __future__ import annotations

import hashlib
import inspect
import json
import random
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import bcrypt
import pytest
import sqlalchemy as sa
from tests.servers import Server
from tests.stores import koha
from tests.stores.sql.disclosure import Door, door

from reticent.errors import NotPermitted
from reticent.find.evidence import Strength, judge
from reticent.model import Probed
from reticent.policy.permits import Scope
from reticent.stores import pseudonyms
from reticent.stores.sql import prober
from reticent.stores.sql.prober import SqlProber

HOSTILE = 'Robert"); DROP TABLE borrowers; -- `%s :name \n$.x [red]'
ROWS = 600


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return koha.sample(tmp_path_factory.mktemp("sample"))


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("officers")


@pytest.fixture(autouse=True)
def _few_salts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pseudonyms, "SALTS", 3000)
    monkeypatch.setattr(prober, "ATTACK_SECONDS", 4.0)


@pytest.fixture(params=["sqlite", "mariadb", "postgresql"])
def here(
    request: pytest.FixtureRequest, sample: Path, tmp_path: Path, keys: Path,
    fresh_database: Callable[[Server], str],
) -> Iterator[Door]:  # fmt: skip
    if request.param == "sqlite":
        path = tmp_path / "own.db"
        path.write_bytes(sample.read_bytes())
        url = f"sqlite:///{path}"
    else:
        url = fresh_database(request.getfixturevalue(request.param))
        koha.copy(sample, url)
    planted(url)
    with door(tmp_path, url, keys) as opened:
        yield opened


@pytest.fixture
def sqlite(sample: Path, tmp_path: Path, keys: Path) -> Iterator[Door]:
    path = tmp_path / "own.db"
    path.write_bytes(sample.read_bytes())
    with door(tmp_path, f"sqlite:///{path}", keys) as opened:
        yield opened


def people(connection: sa.Connection) -> list[dict[str, Any]]:
    asked = sa.text(
        "SELECT borrowernumber, cardnumber, email, firstname, surname FROM borrowers WHERE borrowernumber > 1"
    )
    return [dict(row) for row in connection.execute(asked).mappings() if row["cardnumber"]]


def table(connection: sa.Connection, name: str, rows: list[dict[str, Any]], **types: Any) -> None:
    columns = [sa.Column(column, types.get(column, sa.Text())) for column in rows[0] if column != "id"]
    made = sa.Table(name, sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True, autoincrement=False), *columns)
    made.create(connection)
    connection.execute(sa.insert(made), rows)


def planted(url: str, what: Callable[[sa.Connection], None] | None = None) -> None:
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        (what or plant)(connection)
    engine.dispose()


def plant(connection: sa.Connection) -> None:
    """Patrons where no map knows of them, in every shape; and columns that only look like it."""
    rng, known = random.Random(4), people(connection)
    numbered = [rng.choice(known) for _ in range(ROWS)]
    table(connection, "pc_use", [
        {"id": n, "user_ref": one["borrowernumber"], "pc": n % 9, "seat": 1 + n * 7 % 40_000, HOSTILE: one["cardnumber"].upper(),
         "remark": f"floor {n}: {one['surname']}, {one['firstname']} asked, card {one['cardnumber']}."}
        for n, one in enumerate(numbered)
    ], user_ref=sa.Integer(), pc=sa.Integer(), seat=sa.Integer())  # fmt: skip
    table(connection, "kiosk", [
        {"id": n, "payload": json.dumps({"who": {"mail": one["email"], "id": one["borrowernumber"]}, "item": n, one["cardnumber"]: 1}),
         "first": one["firstname"], "last": one["surname"], "title": f"Title {n}"}
        for n, one in enumerate(numbered)
    ])  # fmt: skip
    setting, salt = bcrypt.gensalt(4), str(rng.randrange(3000))
    hashed = {
        one["borrowernumber"]: bcrypt.hashpw(str(one["borrowernumber"]).encode(), setting).decode() for one in known
    }
    table(connection, "pseudonyms", [
        {"id": n, "plain": hashlib.sha256(one["cardnumber"].encode()).hexdigest().upper(), "blowfish": hashed[one["borrowernumber"]],
         "salted": hashlib.md5(f"{one['cardnumber']}{salt}".encode()).hexdigest(),
         "keyed": hashlib.sha512(f"pepper{one['cardnumber']}".encode()).hexdigest(), "token": rng.randbytes(16).hex()}
        for n, one in enumerate(numbered)
    ])  # fmt: skip
    table(connection, "envelopes", [
        {"id": n, "letter": json.dumps({
            "hash": hashlib.sha256(one["cardnumber"].encode()).hexdigest(),
            "entries": [{"salt": hashlib.md5(f"{one['cardnumber']}{salt}".encode()).hexdigest()}],
            "token": rng.randbytes(16).hex(),
            "few": hashlib.sha256(known[n % 49]["cardnumber"].encode()).hexdigest(),
        })}
        for n, one in enumerate(numbered)
    ])  # fmt: skip
    few = known[:49]
    table(connection, "few", [{"id": n, "card": few[n % 49]["cardnumber"]} for n in range(ROWS)])
    table(connection, "sparse", [
        {"id": n, "person": known[n % 60]["cardnumber"] if n % 60 == n else None} for n in range(5000)
    ])  # fmt: skip
    odd = {
        "id": 1,
        "token": uuid.UUID(int=7),
        "at": datetime(2026, 1, 2),
        "amount": 3,
        "flag": True,
        "image": b"\xff\x00",
    }
    kinds = {
        "token": sa.Uuid(),
        "at": sa.DateTime(),
        "amount": sa.Numeric(6, 2),
        "flag": sa.Boolean(),
        "image": sa.LargeBinary(),
    }
    table(connection, "odd", [{**odd, "id": n} for n in range(450)], **kinds)
    connection.exec_driver_sql("CREATE VIEW everybody AS SELECT cardnumber AS card_seen FROM borrowers")


def probe(found: Door, url: str = "", key: bytes = b"pepper") -> Probed:
    opened = SqlProber(url or found.url, found.database, [found.discloser], [key])
    try:
        return opened.probe({"ils": found.roster_permit()})
    finally:
        opened.close()


def test_patrons_are_found_wherever_they_were_planted_and_nowhere_else(here: Door) -> None:
    probed = probe(here)
    bare = {
        f"{each.table}.{each.place}": each for each in judge(here.database.structure, probed.overlaps, ["borrowers"])
    }
    found = {place for place, each in bare.items() if each.strength is not Strength.UNDECIDED and each.table in OURS}
    assert found == {
        "pc_use.user_ref",
        f"pc_use.{HOSTILE}",
        "pc_use.remark",
        "kiosk.payload$.who.mail",
        "kiosk.payload$.who.id",
        "kiosk.payload$.*",
        "kiosk.last",
        "sparse.person",
    }
    assert not [place for place in bare if place.startswith("everybody")], "views keep no rows"
    assert probed.unread == {}, "every type of column can be read"
    assert "few.card" not in {f"{each.table}.{each.place}" for each in probed.overlaps}, "49 persons are not judged"
    undone = {each.column: each for each in probed.reversed if each.table == "pseudonyms"}
    assert undone.keys() == {"plain", "blowfish", "salted", "keyed", "token"}
    assert undone["plain"].how == ("SHA-256",)
    assert undone["blowfish"].one_setting
    assert undone["blowfish"].how
    assert undone["salted"].how == ("MD5 with a number below 3,000 behind it",)
    assert undone["keyed"].how == ("SHA-512 with a salt that is at hand before it",)
    assert undone["token"].how == ()
    assert undone["token"].left_out
    for each in undone.values():
        assert abs(each.reversed - (each.distinct if each.how else 0)) < 20, each.column
    inside = {each.place: each for each in probed.reversed if each.table == "envelopes"}
    assert inside.keys() == {"letter$.hash", "letter$.entries[].salt", "letter$.token"}, "49 values are not judged"
    assert inside["letter$.hash"].how == ("SHA-256",)
    assert inside["letter$.entries[].salt"].how == undone["salted"].how
    assert inside["letter$.token"].how == ()
    for place in ("letter$.hash", "letter$.entries[].salt"):
        assert abs(inside[place].reversed - inside[place].distinct) < 20, place
    said = repr(probed).casefold()
    with koha.connected(here.url) as connection:
        for one in people(connection):
            assert one["cardnumber"].casefold() not in said
            assert not one["email"] or one["email"].casefold() not in said


OURS = {"pc_use", "kiosk", "pseudonyms", "few", "sparse", "everybody", "envelopes"}


def test_what_the_account_may_not_read_is_named_and_the_rest_is_judged(
    sample: Path, tmp_path: Path, keys: Path, mariadb: Server, fresh_database: Callable[[Server], str]
) -> None:
    """Also where only a view may be read: it is no copy, and its table is named as unread."""
    url = fresh_database(mariadb)
    name = url.rpartition("/")[2].partition("?")[0]
    koha.copy(sample, url)
    planted(url)
    with door(tmp_path, url, keys) as found:
        rights = [f"GRANT SELECT ON {name}.{each} TO reader_{name}" for each in ("kiosk", "everybody")]
        mariadb.execute(f"CREATE USER reader_{name}", *rights)
        probed = probe(found, mariadb.url(f"reader_{name}", name))
        mariadb.execute(f"DROP USER reader_{name}")
    assert {each.table for each in probed.overlaps} == {"kiosk"}
    assert "The account lacks SELECT on pc_use" in probed.unread["pc_use"]
    assert "kiosk" not in probed.unread
    assert "everybody" not in probed.unread


def test_nobody_hands_a_probe_whom_to_look_for(sqlite: Door) -> None:
    """It takes permits, and nothing else; whatever else is handed in is no permit, and a used one is none."""
    assert list(inspect.signature(SqlProber.probe).parameters) == ["self", "permits"]
    opened = SqlProber(sqlite.url, sqlite.database, [sqlite.discloser])
    one = Scope(frozenset({"23529000000001"}), classes=frozenset({"circulation"}))
    for handed in (None, "23529000000001", ["23529000000001"] * 60, {"permit": True}, one, sqlite.permit(one)):
        with pytest.raises(NotPermitted):
            opened.probe({"ils": handed})
    with pytest.raises(NotPermitted):
        opened.probe({})
    used = sqlite.roster_permit()
    opened.probe({"ils": used})
    with pytest.raises(NotPermitted, match="has been used"):
        opened.probe({"ils": used})
    opened.close()
    nobody = SqlProber(sqlite.url, sqlite.database, [])
    with pytest.raises(NotPermitted, match="no roster"):
        nobody.probe({"ils": sqlite.roster_permit()})
    nobody.close()


def test_a_roster_of_one_person_and_blanks_is_refused(sqlite: Door) -> None:
    sqlite.do(
        "UPDATE borrowers SET cardnumber = 'x' || borrowernumber, userid = NULL, email = NULL, firstname = '', "
        "surname = '' WHERE borrowernumber > (SELECT MIN(borrowernumber) + 1 FROM borrowers)"
    )
    with pytest.raises(NotPermitted, match="Fewer than 50"):
        probe(sqlite)


def test_what_a_severed_table_still_holds_is_found_at_its_end(sample: Path, tmp_path: Path, keys: Path) -> None:
    """Old rows name nobody; the newest do. A sample of the beginning would tell nothing."""

    def late(connection: sa.Connection) -> None:
        known = people(connection)
        rows = [{"id": n, "who": known[n % len(known)]["cardnumber"] if n >= 7000 else "-"} for n in range(8000)]
        table(connection, "late", rows)

    path = tmp_path / "own.db"
    path.write_bytes(sample.read_bytes())
    planted(f"sqlite:///{path}", late)
    with door(tmp_path, f"sqlite:///{path}", keys) as found:
        probed = probe(found)
    assert [each.column for each in probed.overlaps if each.table == "late" and each.identifiers["issued"] > 50] == [
        "who"
    ]
