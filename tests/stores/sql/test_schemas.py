"""A system that keeps its tables in several schemas of one PostgreSQL: each is named, found, severed, read whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.servers import Server

from reticent.errors import ConfigurationError
from reticent.prove.due import recount
from reticent.site import read_site
from reticent.stores.sql.finder import SqlFinder
from reticent.stores.sql.grants import statements
from reticent.stores.sql.reader import SqlReader
from reticent.stores.sql.severer import SqlSeverer
from reticent.systems.load import load_map

CUTOFF = datetime(2026, 1, 1)
MAP = """
kind = "schemas"
title = "Schemas"
version = 1
columns = "schemas.csv"
requires = ["people.person.id"]
[branches_in]
table = "people.place"
column = "code"
number = "id"
[drift]
person_columns = "person"
person_tables = ["people.person"]
[tables."people.person"]
fields = { number = "id" }
[tables."people.place"]
fields = { id = "id", code = "code" }
[tables."desk.use"]
key = "id"
fields = { id = "id", person = "person", ended = "ended", live = "live", branch = "place" }
links = { account = "people.person(number = person)" }
[[series]]
id = "uses"
title = "Uses"
table = "desk.use"
class = "circulation"
persons = ["person"]
ended = "ended"
open = { "still live" = "live = TRUE" }
sever = { person = "null" }
order = 20
purpose = "p"
purpose_end = "e"
own = "none"
[[series]]
id = "uses.special"
title = "Special uses"
table = "desk.special"
class = "circulation"
persons = ["person"]
ended = "ended"
sever = "delete"
order = 20
purpose = "p"
purpose_end = "e"
own = "none"
[tables."desk.special"]
fields = { person = "person", ended = "ended", branch = "place" }
[[exposures]]
name = "uses"
sql = "SELECT COUNT(*) FROM ONLY desk.use u WHERE u.person IS NOT NULL"
why = "w"
advice = "a"
needs = ["desk.use.person"]
"""
TABLES = """
CREATE SCHEMA people; CREATE SCHEMA desk; CREATE SCHEMA extra;
CREATE TABLE people.person (id int PRIMARY KEY);
CREATE TABLE people.place (id int PRIMARY KEY, code text);
CREATE TABLE desk.use (id int PRIMARY KEY, person int REFERENCES people.person, ended timestamptz, live bool, place int);
CREATE TABLE desk.special () INHERITS (desk.use);
CREATE TABLE extra.log (person_id int, said text);
CREATE TABLE extra.days (at date, person_id int) PARTITION BY RANGE (at);
CREATE TABLE extra.day PARTITION OF extra.days DEFAULT;
INSERT INTO people.person SELECT generate_series(1, 5);
INSERT INTO people.place VALUES (7, 'EAST'), (8, 'WEST');
INSERT INTO desk.use SELECT n, 1 + mod(n, 5), '2025-05-05 12:00', n > 80, 7 + mod(n, 2) FROM generate_series(1, 100) n;
INSERT INTO desk.special SELECT n, 1 + mod(n, 5), '2025-05-05 12:00', false, 7 FROM generate_series(1, 30) n
"""


def _site(folder: Path, url: str, branches: str = '"all"') -> Path:
    (folder / "schemas.toml").write_text(MAP)
    (folder / "schemas.csv").write_text("table,column,type\npeople.person,id,integer\n")
    file = folder / "reticent.toml"
    accounts = "\n".join(f'{right} = "{url}"' for right in ("find", "sever", "prove"))
    file.write_text(
        f'[library]\nname = "L"\nbranches = {branches}\n[schedule]\n"*" = "none applies"\n'
        f'[systems.s]\nkind = "schemas"\nmap = "schemas.toml"\n[systems.s.accounts]\n{accounts}\n'
    )
    return file


Open = Callable[..., tuple[SqlFinder, SqlSeverer, SqlReader]]


@pytest.fixture
def opened(tmp_path: Path, url: str) -> Iterator[Open]:
    """Open the system by its accounts, for some branches or all."""
    doors: list[SqlFinder | SqlSeverer | SqlReader] = []

    def system(branches: str = '"all"') -> tuple[SqlFinder, SqlSeverer, SqlReader]:
        file = _site(tmp_path, url, branches)
        site, loaded = read_site(file), load_map(file.with_name("schemas.toml"))
        finder = SqlFinder(site, "s", loaded)
        severer, reader = SqlSeverer(site, finder.database), SqlReader(site, finder.database)
        doors.extend((finder, severer, reader))
        severer.prepare()
        return finder, severer, reader

    yield system
    for door in doors:
        door.close()


def _sever(severer: SqlSeverer, series: str) -> int:
    (step,) = severer.steps(series)
    walk, done = severer.chunks(step, CUTOFF, "run"), 0
    while (chunk := walk.next(17)) is not None:
        done += severer.apply(chunk, 1).rows
        walk.advance()
    return done


@pytest.fixture
def url(postgresql: Server, fresh_database: Callable[[Server], str]) -> str:
    made = fresh_database(postgresql)
    engine = sa.create_engine(made, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(TABLES)
    engine.dispose()
    return made


def test_a_table_that_others_inherit_from_is_severed_without_their_rows(opened: Open) -> None:
    finder, severer, reader = opened()
    assert (finder.survey("uses", CUTOFF).due, finder.survey("uses", CUTOFF).open) == (80, 20)
    assert finder.survey("uses.special", CUTOFF).due == 30
    database = finder.database
    for series in ("uses", "uses.special"):
        again = recount(
            reader, database.loaded, database.fit, series, CUTOFF, finder.now(), None, None, database.decided
        )
        assert again == finder.survey(series, CUTOFF)
    assert [setting.value for setting in finder.settings()] == ["100"]
    assert _sever(severer, "uses") == 80
    assert finder.survey("uses", CUTOFF).due == 0
    assert finder.survey("uses.special", CUTOFF).due == 30
    assert _sever(severer, "uses.special") == 30
    assert finder.survey("uses", CUTOFF).open == 20


def test_a_moment_without_end_is_one_that_lies_ahead(opened: Open, url: str) -> None:
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"ALTER DATABASE {sa.make_url(url).database} SET timezone = 'America/Chicago'")
        connection.exec_driver_sql("UPDATE ONLY desk.use SET ended = '2026-01-01 05:59+00' WHERE id = 12")
        connection.exec_driver_sql("UPDATE ONLY desk.use SET ended = '2026-01-01 06:00+00' WHERE id = 13")
        connection.exec_driver_sql("UPDATE ONLY desk.use SET ended = 'infinity' WHERE id < 11")
        connection.exec_driver_sql("UPDATE ONLY desk.use SET ended = '-infinity' WHERE id = 11")
    engine.dispose()
    finder, _, reader = opened()
    found, database = finder.survey("uses", CUTOFF), finder.database
    assert (found.due, found.within_retention, found.withheld) == (69, 1, {"end date in the future": 10})
    assert (
        recount(reader, database.loaded, database.fit, "uses", CUTOFF, finder.now(), None, None, frozenset()) == found
    )


def test_every_schema_is_searched_for_tables_nobody_has_read(opened: Open) -> None:
    finder, _, _ = opened()
    assert [place.name for place in finder.places() if not place.mapped] == ["extra.days", "extra.log"]


def test_branches_that_rows_name_by_number_are_chosen_by_their_code(opened: Open) -> None:
    finder, severer, _ = opened('["EAST"]')
    assert finder.survey("uses", CUTOFF).ties == 50
    assert _sever(severer, "uses") == 40


def test_grants_name_the_schema(opened: Open) -> None:
    finder, _, _ = opened()
    lines = statements(finder.database, "sever", '"s"', "public")
    assert lines[0] == 'GRANT USAGE ON SCHEMA "public", "desk" TO "s";'
    use = 'GRANT SELECT ("ended", "id", "live", "person"), UPDATE ("person") ON "desk"."use" TO "s";'
    assert use in lines
    assert 'GRANT DELETE, INSERT, SELECT ON "public"."reticent_receipts" TO "s";' in lines


def test_a_map_names_a_schema_for_every_table_or_for_none(tmp_path: Path) -> None:
    _site(tmp_path, "postgresql+psycopg://x/x")
    file = tmp_path / "schemas.toml"
    file.write_text(MAP.replace('[tables."people.place"]', "[tables.place]").replace('"people.place"', '"place"'))
    with pytest.raises(ConfigurationError, match=r'"place" is not schema\.table'):
        load_map(file)
