"""Fields inside JSON documents: two programs that share no code say the same of every document there can be."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.servers import Server

from reticent.errors import ConfigurationError, SystemBusy, SystemRefused
from reticent.model import Survey
from reticent.prove.due import recount
from reticent.site import read_site
from reticent.stores.sql.finder import SqlFinder
from reticent.stores.sql.reader import SqlReader
from reticent.stores.sql.severer import SqlSeverer
from reticent.systems.load import load_map

CUTOFF = datetime(2026, 1, 1)
MAP = """
kind = "documents"
title = "Documents"
version = 1
columns = "documents.csv"
requires = ["{tenant}_mod_users.users.jsonb"]
[drift]
schemas = "^{tenant}_mod_"
person_columns = "^jsonb$"
person_tables = []
[tables."{tenant}_mod_users.users"]
key = "id"
fields = { id = "id" }
[tables."{tenant}_mod_lend.loan"]
key = "id"
fields = { id = "id", status = "jsonb.status.name" }
[tables."{tenant}_mod_lend.use"]
key = "id"
fields = { id = "id", person = "jsonb.who.id", maker = "maker", made_by = "jsonb.maker", at = "jsonb.at", live = "jsonb.live", owed = "jsonb.owed", note = "jsonb.note", box = "jsonb.box", loan = "jsonb.loans[].id", one = "jsonb.loan" }
links = { loan = "{tenant}_mod_lend.loan(id = loan)", one = "{tenant}_mod_lend.loan(id = one)" }
"""
KINDS = {
    "who.id": "uuid",
    "maker": "uuid",
    "at": "timestamp",
    "live": "boolean",
    "owed": "number",
    "note": "text",
    "box": "object",
    "loan": "uuid",
    "loans[].id": "uuid",
}
SERIES = """
[[series]]
id = "{id}"
title = "Uses"
table = "{{tenant}}_mod_lend.use"
class = "circulation"
persons = ["person"]
{more}
ended = "at"
sever = {sever}
order = 10
purpose = "p"
purpose_end = "e"
own = "none"
"""
QUESTIONS = {
    "plain": "",
    "held": 'over = "live = FALSE AND owed <= 0"',
    "undated": 'undated = "due"',
    "open": 'undated = "open"\nopen = { "a note" = "note IS NOT NULL" }',
    "box": "tied = \"box IS NOT NULL OR note = 'x'\"",
    "one": "over = \"exists(one, status = 'Closed')\"",
    "any": 'open = { "a loan" = "exists(loan, status <> \'Closed\')" }',
    "none": 'over = "NOT exists(loan)"',
    "made": 'over = "made_by = person OR maker = person"',
}
LOANS = {f"00000000-0000-0000-0000-{n:012}": status for n, status in enumerate(("Closed", "Open", None, 5), 1)}
PEOPLE = ["00000000-0000-0000-0000-0000000000AA", "00000000-0000-0000-0000-0000000000ab"]
ODD: list[Any] = [
    None,
    5,
    "x",
    "",
    True,
    [],
    {},
    [5],
    {"id": 7},
    {"id": None},
    "2026-02-30T10:00:00Z",
    "0000-01-01T00:00:00Z",
]
MOMENTS = ["2026-02-01T00:00:00Z", "2025-02-03T04:05:06.789+00:00", "2025-02-03T04:05:06Z", "2025-12-31T23:30:00-05:00", "2027-01-01T00:00:00+0000",
           "2025-02-29T00:00:00Z", "2024-02-29 10:00", "2025-06-01", "20250601", "2025-W01-1", "2025-06-01T24:00:00Z", "2025-06-01T10:00:00z",
           "2025-06-01T10:00:00+16:00", "2025-06-01T10", " 2025-06-01", "٢٠٢٥-٠٦-٠١", "2025-06-01T10:00:60Z"]  # fmt: skip


def _documents(seed: int) -> Iterator[object]:
    """Yield documents of every kind: right, odd in one path, and no object at all."""
    chosen = random.Random(seed)
    yield from (None, 5, "x", [], ["a"], True)
    right: dict[str, Callable[[], Any]] = {
        "who": lambda: {"id": chosen.choice(PEOPLE)},
        "maker": lambda: chosen.choice(PEOPLE).upper(),
        "at": lambda: chosen.choice(MOMENTS),
        "live": lambda: chosen.choice([True, False]),
        "owed": lambda: chosen.choice([0, 1.5, -3]),
        "note": lambda: chosen.choice(["x", ""]),
        "box": dict,
        "loan": lambda: chosen.choice(list(LOANS)).upper(),
        "loans": lambda: [{"id": chosen.choice(list(LOANS))} for _ in range(chosen.randrange(3))],
    }
    for name, odd in itertools.product(right, ODD):
        yield {**{key: make() for key, make in right.items()}, name: odd}
    for odd in ODD:
        yield {key: make() for key, make in right.items()} | {"who": {"id": odd}, "loans": [odd, {"id": odd}]}
    for _ in range(300):
        yield {key: make() for key, make in right.items() if chosen.random() > 0.2}
    yield from ({**{key: make() for key, make in right.items()}, "at": moment} for moment in MOMENTS)


def _tables(run: Callable[[str], Any]) -> None:
    run("CREATE SCHEMA lib_mod_users; CREATE SCHEMA lib_mod_lend; CREATE SCHEMA other_mod_users")
    run("CREATE TABLE lib_mod_users.users (id uuid PRIMARY KEY, jsonb jsonb NOT NULL)")
    run("CREATE TABLE lib_mod_lend.loan (id uuid PRIMARY KEY, jsonb jsonb NOT NULL)")
    run("CREATE TABLE lib_mod_lend.use (id uuid PRIMARY KEY, jsonb jsonb, maker text)")
    run("CREATE TABLE lib_mod_lend.unread (id uuid PRIMARY KEY, jsonb jsonb)")


@pytest.fixture(scope="module")
def lent(postgresql: Server) -> Iterator[str]:
    """A database of a tenant with odd documents; its own time zone is not UTC."""
    postgresql.execute("CREATE DATABASE documents", "ALTER DATABASE documents SET timezone = 'America/Chicago'")
    url = postgresql.url(database="documents")
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        run = connection.exec_driver_sql
        _tables(run)
        for loan, status in LOANS.items():
            run("INSERT INTO lib_mod_lend.loan VALUES (%s, %s)", (loan, json.dumps({"status": {"name": status}})))
        for number, document in enumerate(_documents(7)):
            key, maker = f"00000000-0000-0000-0001-{number:012}", [None, PEOPLE[1], "x"][number % 3]
            run("INSERT INTO lib_mod_lend.use VALUES (%s, %s, %s)", (key, json.dumps(document), maker))
        run("INSERT INTO lib_mod_lend.use VALUES ('00000000-0000-0000-0002-000000000000', NULL, NULL)")
    engine.dispose()
    yield url
    postgresql.execute("DROP DATABASE documents WITH (FORCE)")


def _write(folder: Path, url: str, tenant: str = "lib", sever: str = '{ person = "remove path" }') -> Path:
    made = "".join(SERIES.format(id=name, more=more, sever=sever) for name, more in QUESTIONS.items())
    (folder / "documents.toml").write_text(MAP + made)
    paths = "".join(f"{{tenant}}_mod_lend.use,jsonb.{path},{kind}\n" for path, kind in KINDS.items())
    plain = "".join(
        f"{{tenant}}_mod_lend.use,{name},{kind}\n"
        for name, kind in (("id", "uuid"), ("jsonb", "jsonb"), ("maker", "text"))
    )
    status = "{tenant}_mod_lend.loan,jsonb.status.name,text\n"
    (folder / "documents.csv").write_text("table,column,type\n" + plain + paths + status)
    accounts = "\n".join(f'{right} = "{url}"' for right in ("find", "sever", "prove"))
    (folder / "reticent.toml").write_text(
        f'[library]\nname = "L"\nbranches = "all"\n[systems.s]\nkind = "documents"\nmap = "documents.toml"\n'
        f'tenant = "{tenant}"\n[systems.s.accounts]\n{accounts}\n'
    )
    return folder / "reticent.toml"


def _both(finder: SqlFinder, reader: SqlReader, series: str) -> tuple[Survey, Survey]:
    d = finder.database
    cutoff = CUTOFF
    return finder.survey(series, cutoff), recount(
        reader, d.loaded, d.fit, series, cutoff, finder.now(), d.sentinel, d.branches, d.decided
    )


def _counts(survey: Survey) -> dict[str, object]:
    return {
        "ties": survey.ties, "open": survey.open, "within": survey.within_retention, "due": survey.due,
        "withheld": {name: n for name, n in sorted(survey.withheld.items()) if n},
    }  # fmt: skip


@pytest.fixture
def opened(lent: str, tmp_path: Path) -> Iterator[Callable[..., tuple[SqlFinder, SqlReader, SqlSeverer]]]:
    """Open the database by the map of these tests."""
    doors: list[SqlFinder | SqlReader | SqlSeverer] = []

    def system(**said: str) -> tuple[SqlFinder, SqlReader, SqlSeverer]:
        site = read_site(_write(tmp_path, lent, **said))
        finder = SqlFinder(site, "s", load_map(tmp_path / "documents.toml", site.systems["s"].tenant))
        reader, severer = SqlReader(site, finder.database), SqlSeverer(site, finder.database)
        doors.extend((finder, reader, severer))
        return finder, reader, severer

    yield system
    for door in doors:
        door._engine.dispose()


def test_finder_and_prover_agree_on_every_odd_document(opened: Callable[..., Any]) -> None:
    finder, reader, _ = opened()
    seen: set[str] = set()
    for series in QUESTIONS:
        found, proved = _both(finder, reader, series)
        assert _counts(found) == _counts(proved), series
        seen |= {name for name, n in _counts(found).items() if n}
        assert found.withheld["could not be decided"] > 5, series
    assert seen == {"ties", "open", "within", "due", "withheld"}


@pytest.mark.parametrize("series", ["open", "none", "any", "one", "made", "held", "box", "plain", "undated"])
def test_exactly_what_is_due_is_severed_and_what_cannot_be_read_stays(
    series: str, opened: Callable[..., Any], lent: str
) -> None:
    finder, reader, severer = opened()
    before = _documents_in(lent)
    found, _ = _both(finder, reader, series)
    severer.prepare()
    walk = severer.chunks(severer.steps(series)[0], CUTOFF, f"run {series}")
    severed = 0
    while (chunk := walk.next(50)) is not None:
        severed += severer.apply(chunk, 0).rows
        walk.advance()
    assert severed == found.due > 0
    after = _documents_in(lent)
    changed = {key for key in before if before[key] != after[key]}
    assert len(changed) == severed
    for key in changed:
        assert before[key]["who"]["id"] in PEOPLE
        assert {**before[key], "who": {}} == after[key]
    left, proved = _both(finder, reader, series)
    assert _counts(left) == _counts(proved)
    assert left.withheld == found.withheld
    assert left.due == 0


def test_the_next_keys_are_read_in_order_and_not_sorted_out_of_all_that_is_left(
    tmp_path: Path, postgresql: Server, fresh_database: Callable[[Server], str]
) -> None:
    """A server that knows nothing of what stands in documents sorted the rest of the table for every chunk."""
    _fill(url := fresh_database(postgresql), 8000)
    finder, severer = _severing(tmp_path, url)
    asked: list[tuple[str, Any]] = []
    walk = severer.chunks(severer.steps("held")[0], CUTOFF, "run")
    sa.event.listen(severer._engine, "before_cursor_execute", lambda *a: asked.append((a[2], a[3])))
    assert walk.next(500) is not None
    walk.advance()
    assert walk.next(500) is not None
    statement, values = asked[-1]
    with severer._engine.connect() as connection:
        plan = "\n".join(row[0] for row in connection.exec_driver_sql(f"EXPLAIN {statement}", values))
    severer.close()
    finder.close()
    assert "Index Scan using use_pkey" in plan
    assert "Sort" not in plan


def _fill(url: str, rows: int) -> None:
    """Make the tables, with so many due uses."""
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        _tables(connection.exec_driver_sql)
        connection.exec_driver_sql(
            "INSERT INTO lib_mod_lend.use (id, jsonb) SELECT gen_random_uuid(), jsonb_build_object('who', "
            "jsonb_build_object('id', gen_random_uuid()), 'live', false, 'owed', 0, 'at', '2025-03-01T10:00:00.000Z', "
            f"'note', repeat('x', 900)) FROM generate_series(1, {rows})"
        )
        connection.exec_driver_sql("VACUUM ANALYZE")
    engine.dispose()


def _severing(folder: Path, url: str, **said: str) -> tuple[SqlFinder, SqlSeverer]:
    site = read_site(_write(folder, url, **said))
    finder = SqlFinder(site, "s", load_map(folder / "documents.toml", "lib"))
    return finder, SqlSeverer(site, finder.database)


def test_rows_that_get_new_numbers_are_counted_again_by_these(
    tmp_path: Path, postgresql: Server, fresh_database: Callable[[Server], str]
) -> None:
    """By their old numbers nobody finds them, whatever a trigger has written back."""
    _fill(url := fresh_database(postgresql), 40)
    finder, severer = _severing(tmp_path, url, sever='{ id = "overwrite random", person = "remove path" }')
    severer.prepare()
    walk = severer.chunks(severer.steps("plain")[0], CUTOFF, "renumbered")
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        run = connection.exec_driver_sql
        run(
            "CREATE FUNCTION back() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.jsonb := OLD.jsonb; RETURN NEW; END'"
        )
        run("CREATE TRIGGER back BEFORE UPDATE ON lib_mod_lend.use FOR EACH ROW EXECUTE FUNCTION back()")
        chunk = walk.next(20)
        assert chunk is not None
        with pytest.raises(SystemBusy, match="did not stay severed"):
            severer.apply(chunk, 0)
        run("DROP FUNCTION back() CASCADE")
    before = _documents_in(url)
    assert severer.apply(chunk, 0).rows == 20
    after = _documents_in(url)
    new = set(after) - set(before)
    assert len(new) == 20
    assert all("id" not in after[number]["who"] for number in new)
    engine.dispose()
    severer.close()
    finder.close()


def _documents_in(url: str) -> dict[str, Any]:
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT id::text, jsonb FROM lib_mod_lend.use").all()
    engine.dispose()
    return {str(key): document for key, document in rows}


def test_a_tenant_that_is_not_there_is_said_with_those_that_are(opened: Callable[..., Any]) -> None:
    with pytest.raises(SystemRefused, match='no tenant "nobody"') as refused:
        opened(tenant="nobody")
    assert "lib, other" in refused.value.do


def test_another_tenants_schemas_are_not_looked_into(opened: Callable[..., Any]) -> None:
    finder, _, _ = opened()
    unread = {place.name: place.columns for place in finder.places() if not place.mapped}
    assert unread == {"lib_mod_lend.unread": ("jsonb",), "lib_mod_users.users": ("jsonb",)}, "documents no series reads"
    assert not [name for name in finder.fingerprint().places if name.startswith("other")]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ('person = "jsonb.who.id"', 'is not a column or a path'),
        ('box = "jsonb.box"', "nobody has read"),
        ('{ person = "null" }', "cannot be done"),
        ('{ maker = "remove path" }', "cannot be done"),
        ('{ loan = "remove element" }', "cannot be done"),
        ("note IS NOT NULL", "only a link"),
    ],
)  # fmt: skip
def test_a_wrong_map_of_documents_is_refused(wrong: str, said: str, tmp_path: Path) -> None:
    file = _write(
        tmp_path,
        "postgresql+psycopg://x@127.0.0.1/x",
        sever=wrong if wrong.startswith("{") else '{ person = "remove path" }',
    )
    text = (tmp_path / "documents.toml").read_text()
    text = text.replace('person = "jsonb.who.id"', 'person = "jsonb.who[].id[]"') if "who" in wrong else text
    text = text.replace('box = "jsonb.box"', 'box = "jsonb.chest"') if "box" in wrong else text
    text = text.replace("note IS NOT NULL", "loan IS NOT NULL") if "note" in wrong else text
    file.with_name("documents.toml").write_text(text)
    with pytest.raises(ConfigurationError, match=said):
        load_map(file.with_name("documents.toml"), "lib")
