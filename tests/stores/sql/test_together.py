"""Rows that go together: chains, what goes with a row, finished rows moved aside, by either of two executors."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.servers import Server

from reticent.errors import SystemBusy, SystemRefused
from reticent.prove.due import recount
from reticent.site import read_site
from reticent.stores.sql.database import Database
from reticent.stores.sql.finder import SqlFinder
from reticent.stores.sql.grants import statements
from reticent.stores.sql.introspect import read_structure
from reticent.stores.sql.reader import SqlReader
from reticent.stores.sql.severer import SqlSeverer
from reticent.stores.sql.walks import Whose
from reticent.systems.load import load_map

CUTOFF = datetime(2026, 1, 1)
MAP = """
kind = "desk"
title = "Desk"
version = 1
columns = "desk.csv"
requires = ["desk.loan.person"]
[drift]
person_columns = "person"
person_tables = ["desk.person"]
[tables."desk.person"]
fields = { number = "id", town = "town" }
[tables."desk.loan"]
key = "id"
chain = "after"
triggers = ["age", "age_before", "other_loans"]
read_as = ["READ_AS"]
fields = { id = "id", after = "renews", person = "person", ended = "ended", item = "item" }
links = { account = "desk.person(number = person)", notes = "desk.note(loan = id)", bills = "desk.bill(loan = id)" }
[tables."desk.note"]
fields = { loan = "loan", text = "body" }
[tables."desk.bill"]
key = "id"
fields = { id = "id", loan = "loan", open = "open" }
[tables."desk.old_loan"]
key = "id"
fields = { id = "id", ended = "ended", item = "item", town = "town", staff = "staff" }
[tables."desk.account"]
triggers = ["audit", "keep_account"]
fields = { person = "person", gone = "gone", name = "name" }
[tables."desk.audit"]
fields = { name = "name" }
[[series]]
id = "loans"
title = "Loans"
table = "desk.loan"
class = "circulation"
persons = ["person"]
over = "ended IS NOT NULL"
ended = "ended"
open = { "owes" = "exists(bills, open = TRUE)" }
sever = "age"
set = true
order = 20
purpose = "p"
purpose_end = "e"
own = "none"
[[series.also]]
link = "notes"
sever = { text = "overwrite ''" }
[[series.also]]
link = "bills"
when = "open = FALSE"
sever = "delete"
[series.aged]
series = "old_loans"
same = ["id", "ended", "item"]
fields = { town = "account.town" }
[[series]]
id = "old_loans"
title = "Old loans"
table = "desk.old_loan"
class = "circulation"
tied = "town IS NOT NULL OR staff IS NOT NULL"
ended = "ended"
sever = { id = "renumber desk.numbers", town = "null", staff = "null", ended = "generalise day" }
order = 21
purpose = "p"
purpose_end = "e"
own = "none"
[[series]]
id = "accounts"
title = "Gone accounts"
table = "desk.account"
class = "registration"
tied = "gone = TRUE AND name <> ''"
who = "person"
sever = { name = "overwrite ''" }
order = 40
purpose = "p"
purpose_end = "e"
own = "none"
[[series.also]]
written = "desk.audit"
sever = "delete"
"""
TABLES = """
CREATE SCHEMA desk; CREATE SEQUENCE desk.numbers START 900001;
CREATE TABLE desk.person (id int PRIMARY KEY, town text);
CREATE TABLE desk.loan (id int PRIMARY KEY, renews int, person int NOT NULL, ended timestamp, item int);
CREATE TABLE desk.note (loan int, body text);
CREATE TABLE desk.bill (id int PRIMARY KEY, loan int, open bool);
CREATE TABLE desk.old_loan (id int PRIMARY KEY, ended timestamp, item int, town text, staff int);
CREATE TABLE desk.account (person int, gone bool, name text);
CREATE TABLE desk.audit (name text);
INSERT INTO desk.person SELECT n, 'T' || n FROM generate_series(1, 9) n;
CREATE FUNCTION desk.age() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF EXISTS (SELECT 1 FROM desk.loan WHERE renews = OLD.id) THEN RETURN NULL; END IF;
  INSERT INTO desk.old_loan SELECT OLD.id, OLD.ended, OLD.item, (SELECT town FROM desk.person WHERE id = OLD.person), 7;
  RETURN OLD; END $$;
CREATE FUNCTION desk.age_before() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  DELETE FROM desk.loan WHERE id = OLD.renews; RETURN OLD; END $$;
CREATE TRIGGER age BEFORE DELETE ON desk.loan FOR EACH ROW EXECUTE FUNCTION desk.age();
CREATE TRIGGER age_before AFTER DELETE ON desk.loan FOR EACH ROW EXECUTE FUNCTION desk.age_before();
CREATE FUNCTION desk.audit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO desk.audit VALUES (OLD.name); RETURN NULL; END $$;
CREATE TRIGGER audit AFTER UPDATE ON desk.account FOR EACH ROW EXECUTE FUNCTION desk.audit();
INSERT INTO desk.account SELECT n, n < 5, 'name' || n FROM generate_series(1, 9) n;
INSERT INTO desk.audit VALUES ('before')
"""
PAST, OPEN, NEW = datetime(2025, 3, 4, 5, 6), None, datetime(2026, 3, 1)


class Desk:
    """The system in one database, opened as the acts open it."""

    def __init__(self, folder: Path, url: str, server: Server, *, right: bool = True) -> None:
        self.folder, self.url, self._doors = folder, url, list[Any]()
        self.engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
        self.do(TABLES)
        self.account = f"sever_{sa.make_url(url).database}"
        self.do(f"CREATE ROLE {self.account} LOGIN")
        self._sever = server.url(self.account, str(sa.make_url(url).database))
        self.right = right
        self.reads(self._digest())

    def do(self, sql: str) -> None:
        with self.engine.connect() as connection:
            connection.exec_driver_sql(sql)

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(sql)]

    def _digest(self) -> str:
        with self.engine.connect() as connection:
            return read_structure(connection, qualified=True).tables["desk.loan"].trigger_digest()

    def reads(self, digest: str) -> None:
        """Write the map as one that has read these triggers."""
        (self.folder / "desk.toml").write_text(MAP.replace("READ_AS", digest))
        (self.folder / "desk.csv").write_text("table,column,type\ndesk.person,id,integer\n")
        (self.folder / "reticent.toml").write_text(
            '[library]\nname = "L"\n[schedule]\n"*" = "none applies"\n[systems.s]\nkind = "desk"\nmap = "desk.toml"\n'
            f'[systems.s.accounts]\nfind = "{self.url}"\nsever = "{self._sever}"\nprove = "{self.url}"\n'
        )

    def loans(self, *rows: tuple[int, int | None, datetime | None]) -> None:
        for number, renews, ended in rows:
            values = {"i": number, "r": renews, "e": ended, "p": 1 + number % 9}
            with self.engine.connect() as connection:
                connection.execute(sa.text("INSERT INTO desk.loan VALUES (:i, :r, :p, :e, :i)"), values)
                connection.execute(sa.text("INSERT INTO desk.note VALUES (:i, 'to somebody')"), values)
                connection.execute(sa.text("INSERT INTO desk.bill VALUES (:i, :i, false)"), values)

    def opened(self) -> tuple[SqlFinder, SqlSeverer]:
        site = read_site(self.folder / "reticent.toml")
        finder = SqlFinder(site, "s", load_map(self.folder / "desk.toml"))
        self._doors.append(finder)
        for line in statements(finder.database, "sever", self.account, "public"):
            if "reticent_receipts" not in line and (self.right or "PARAMETER" not in line):
                self.do(line)
        # What the triggers need where they are not left out.
        self.do(f"GRANT INSERT ON desk.old_loan TO {self.account}; GRANT INSERT ON desk.audit TO {self.account}")
        self.do(f"GRANT CREATE ON SCHEMA public TO {self.account}; GRANT SELECT ON desk.loan TO {self.account}")
        severer = SqlSeverer(site, finder.database)
        severer.prepare()
        self._doors.append(severer)
        return finder, severer

    def sever(self, series: str, size: int = 1000) -> int:
        _, severer = self.opened()
        (step,) = severer.steps(series)
        walk, done = severer.chunks(step, CUTOFF, f"{series}{random.random()}"), 0
        while (chunk := walk.next(size)) is not None:
            receipt = severer.apply(chunk, 1)
            assert receipt.rows <= max(size, 4)
            done += receipt.rows
            walk.advance()
        return done

    def counts(self) -> tuple[Any, Any]:
        """What finds and what checks say of the loans; by code that shares nothing."""
        finder, _ = self.opened()
        database, reader = finder.database, SqlReader(read_site(self.folder / "reticent.toml"), finder.database)
        self._doors.append(reader)
        now = finder.now()
        again = recount(reader, database.loaded, database.fit, "loans", CUTOFF, now, None, None, database.decided)
        return finder.survey("loans", CUTOFF), again

    def close(self) -> None:
        for door in self._doors:
            door.close()
        self.do(f"DROP OWNED BY {self.account} CASCADE; DROP ROLE {self.account}")
        self.engine.dispose()


@pytest.fixture(params=["set", "native"])
def desk(
    request: pytest.FixtureRequest, tmp_path: Path, postgresql: Server, fresh_database: Callable[[Server], str]
) -> Iterator[Desk]:
    made = Desk(tmp_path, fresh_database(postgresql), postgresql, right=request.param == "set")
    yield made
    made.close()


def test_a_chain_goes_whole_or_not_at_all(desk: Desk) -> None:
    desk.loans(
        (1, None, PAST), (2, 1, PAST), (3, 2, PAST),  # renewed twice
        (4, None, PAST), (5, 4, OPEN),  # renewed and still out
        (6, None, PAST), (7, 6, NEW),  # ended within retention
        (8, 4711, PAST), (9, 8, PAST),  # what it renewed is not there: it begins a chain
        (10, 11, PAST), (11, 10, PAST), (12, 11, PAST),  # in a circle, and behind it
        (13, None, PAST), (14, 13, PAST), (15, None, PAST),
    )  # fmt: skip
    desk.do("INSERT INTO desk.bill VALUES (900, 14, true)")
    found, again = desk.counts()
    assert found == again
    assert (found.due, found.open, found.within_retention) == (6, 4, 2)
    assert found.withheld == {"rows that follow one another in a circle": 3}
    assert desk.sever("loans", 2) == 6
    assert [row[0] for row in desk.ask("SELECT id FROM desk.loan ORDER BY 1")] == [4, 5, 6, 7, 10, 11, 12, 13, 14]
    assert desk.ask("SELECT count(*), min(id) > 900000, max(town), max(staff), min(ended) FROM desk.old_loan") == [
        (6, True, None, None, datetime(2025, 3, 4))
    ]
    assert desk.ask("SELECT loan FROM desk.note WHERE body = '' ORDER BY 1") == [(n,) for n in (1, 2, 3, 8, 9, 15)]
    assert len(desk.ask("SELECT 1 FROM desk.bill")) == 10


def test_a_loan_renewed_after_it_was_chosen_is_not_severed_without_its_renewal(desk: Desk) -> None:
    desk.loans((1, None, PAST), (2, 1, PAST), (3, None, PAST))
    _, severer = desk.opened()
    (step,) = severer.steps("loans")
    walk = severer.chunks(step, CUTOFF, "run")
    chunk = walk.next(10)
    assert chunk is not None
    desk.loans((4, 2, OPEN))
    with pytest.raises(SystemBusy, match="were added"):
        severer.apply(chunk, 1)
    assert desk.ask("SELECT count(*) FROM desk.loan") == [(4,)]
    assert desk.sever("loans") == 1
    assert [row[0] for row in desk.ask("SELECT id FROM desk.loan ORDER BY 1")] == [1, 2, 4]


def test_any_tangle_is_counted_alike_by_both(desk: Desk) -> None:
    chance = random.Random(7)
    ids = range(1, 121)
    rows = [(n, chance.choice([None, chance.choice(ids), chance.choice(ids), 5000 + n]), chance.choice([PAST] * 16 + [NEW, OPEN]))
            for n in ids]  # fmt: skip
    desk.loans(*rows)
    found, again = desk.counts()
    assert found == again
    assert found.due > 10
    assert found.withheld
    assert desk.sever("loans", 7) == found.due
    left, _ = desk.counts()
    assert (left.due, left.ties) == (0, found.ties - found.due)


def test_what_the_change_itself_writes_is_severed_and_nothing_older(desk: Desk) -> None:
    assert desk.sever("accounts") == 4
    assert desk.ask("SELECT name FROM desk.audit") == [("before",)]
    assert len(desk.ask("SELECT 1 FROM desk.account WHERE name <> ''")) == 5


def test_a_rule_that_keeps_rows_is_refused_or_noticed(desk: Desk) -> None:
    desk.loans((1, None, PAST))
    _, severer = desk.opened()
    (step,) = severer.steps("loans")
    chunk = severer.chunks(step, CUTOFF, "run").next(10)
    assert chunk is not None
    desk.do("CREATE RULE other_loans AS ON DELETE TO desk.loan DO INSTEAD UPDATE desk.loan SET item = 0")
    if desk.right:  # rules are left out with the triggers
        assert severer.apply(chunk, 1).rows == 1
        assert desk.ask("SELECT 1 FROM desk.loan") == []
    else:
        with pytest.raises(SystemBusy, match="did not stay severed"):
            severer.apply(chunk, 1)
        assert len(desk.ask("SELECT 1 FROM desk.loan WHERE item = 1")) == 1
    finder, _ = desk.opened()
    assert "the rule other_loans makes something else of every DELETE" in finder.database.fit.refused["loans"]


def test_the_faster_way_is_taken_only_where_all_is_known(desk: Desk) -> None:
    _, severer = desk.opened()
    series = severer.database.loaded.one("loans")
    missing = "the sever account lacks GRANT SET ON PARAMETER session_replication_role"
    assert severer.native(series) == ("" if desk.right else missing)
    assert [missing in note for note in severer.notes] == [True] * (not desk.right)
    desk.do("CREATE TABLE desk.extra (loan int REFERENCES desk.loan)")
    finder, severer = desk.opened()
    assert "rows of desk.extra refer to desk.loan" in severer.native(series)
    desk.do("DROP TABLE desk.extra; CREATE OR REPLACE FUNCTION desk.age_before() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN DELETE FROM desk.loan WHERE id = OLD.renews; /* newer */ RETURN OLD; END $$")  # fmt: skip
    finder, severer = desk.opened()
    assert "are not those the map knows" in severer.native(series)
    assert any("loans: row by row" in note for note in finder.database.notes)
    desk.loans((1, None, PAST), (2, 1, PAST))
    assert desk.sever("loans") == 2
    assert desk.ask("SELECT count(*), max(staff) FROM desk.old_loan") == [(2, None)]


def test_before_postgresql_15_triggers_do_it(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    finder, severer = desk.opened()
    said = "GRANT SET ON PARAMETER"
    assert said in str(statements(finder.database, "sever", "reticent_sever", "desk"))
    monkeypatch.setattr(Database, "grants_parameters", property(lambda _: False))
    assert said not in str(statements(finder.database, "sever", "reticent_sever", "desk")), "it would be an error there"
    assert "PostgreSQL before 15" in severer.native(severer.database.loaded.one("loans"))
    desk.loans((1, None, PAST), (2, 1, PAST))
    assert desk.sever("loans") == 2


def test_a_missing_right_is_named_with_its_statement(desk: Desk) -> None:
    desk.loans((1, None, PAST))
    _, severer = desk.opened()
    (step,) = severer.steps("loans")
    chunk = severer.chunks(step, CUTOFF, "run").next(10)
    assert chunk is not None
    desk.do(f"REVOKE DELETE ON desk.bill FROM {desk.account}")
    with pytest.raises(SystemRefused) as refused:
        severer.apply(chunk, 1)
    assert "DELETE" in refused.value.do
    assert len(desk.ask("SELECT 1 FROM desk.loan")) == 1


def test_a_renamed_table_is_absent_and_said_so(desk: Desk) -> None:
    desk.do("ALTER TABLE desk.account RENAME TO accounts_of_persons")
    finder, _ = desk.opened()
    assert "this release has no desk.account" in finder.database.notes
    assert [place.name for place in finder.places() if not place.mapped] == ["desk.accounts_of_persons"]
    desk.do("ALTER TABLE desk.loan RENAME TO loans")
    with pytest.raises(SystemRefused, match="is not a Desk"):
        desk.opened()


def test_at_one_persons_wish_their_whole_chains_go_and_no_other(desk: Desk) -> None:
    """Numbers that are one more than a multiple of nine are the loans of person 2."""
    desk.loans((10, None, PAST), (19, 10, PAST), (28, None, PAST), (37, 28, OPEN), (11, None, PAST), (20, 11, PAST))
    _, severer = desk.opened()
    (step,) = severer.steps("loans")
    walk, rows = severer.chunks_of(Whose(frozenset({"2"})), step, CUTOFF, "theirs"), 0
    while (chunk := walk.next(1)) is not None:
        rows += severer.apply(chunk, 1).rows
        walk.advance()
    assert rows == 2
    assert [number for (number,) in desk.ask("SELECT id FROM desk.loan ORDER BY id")] == [11, 20, 28, 37]
    assert desk.ask("SELECT count(*) FROM desk.note WHERE body = ''") == [(2,)]
