"""What every shipped map must keep, asked of a real server with planted people: ``promise(case, ...)``.

A case says the few things about its system that do not follow from the map. The scan shares no code with
Reticent: it reads every column of every table and every file.
"""

from __future__ import annotations

import copy
import json
import os
import re
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from tests.acts import kit
from tests.maps import tables
from tests.maps.planting import BYSTANDER, BYSTANDERS_FROM, KEYS_FROM, MARK, NUMBERS_FROM, Person, Planting, Row
from tests.servers import Server

from reticent.acts.grants import Grants, grants
from reticent.model import RecordClass
from reticent.site import EXTRA_RETENTION, read_site
from reticent.stores.sql.grants import ACCOUNTS, Account, sight
from reticent.systems.load import shipped
from reticent.systems.mapfile import Map, Series

PATRONS, MARKED = 3, 6
"""A case may mark three people more, who work there."""
Rows = list[dict[str, Any]]
Snapshot = Mapping[str, Rows]


@dataclass(frozen=True)
class Case:
    """One kind of system in one release's shape."""

    kind: str
    release: str = ""
    tenant: str = field(default="", kw_only=True)
    """A column ``in_RELEASE`` of the map's CSV; "" is the shape the CSV's own columns describe."""
    values: Row = field(default_factory=dict)
    """"table.column" or "*.column" -> what is planted there for everyone, or a function from the Person to it."""
    due: Mapping[str, Row] = field(default_factory=dict)
    """Series -> the columns that make a row due; a past date and a named person need not be said."""
    alive: Mapping[str, tuple[Row, ...]] = field(default_factory=dict)
    """Table -> columns of rows whose purpose is open: severing must leave every byte of them."""
    stays: Mapping[str, str] = field(default_factory=dict)
    """"table" or "table.column" that still names a marked person after everything due was severed -> why."""
    unmarked: Mapping[str, str] = field(default_factory=dict)
    """"series: column" that says who, or is severed, and in which no marked person was planted -> why."""
    nobodys: Mapping[str, str] = field(default_factory=dict)
    """Series -> why what was written in a row stays when the system has taken its person out."""
    never_due: frozenset[str] = frozenset()
    """Series of which no row can be due in this release: the server's own keys see to it."""
    follows: frozenset[str] = frozenset()
    """"table" whose rows the server deletes, or "table.column" it empties, when another row goes."""
    retention: Mapping[str, str] = field(default_factory=dict)
    """Retention other than none."""
    before: tuple[str, ...] = ()
    """Statements to run once everything is planted: settings, for instance."""

    @property
    def loaded(self) -> Map:
        return shipped(self.kind, self.tenant)

    @cached_property
    def with_others(self) -> dict[str, set[str]]:
        """Table -> columns that change when rows of another table are severed."""
        found: dict[str, set[str]] = {}
        for series in self.loaded.series:
            for also in series.also:
                table = also.written or self.loaded.end(series.table, also.link)
                fields = self.loaded.tables[table].fields
                columns = () if isinstance(also.sever, str) else (fields[name].column for name in also.sever)
                found.setdefault(table, set()).update(columns)
        return found

    @cached_property
    def tables(self) -> dict[str, list[tables.Column]]:
        return tables.read(self.loaded, self.release)

    def has_persons(self, series: Series) -> bool:
        """Whether this release has a column for one of the series' persons, or the series has none."""
        columns = {column.name for column in self.tables[series.table]}
        persons = {self.loaded.tables[series.table].fields[name].column for name in series.persons}
        return not persons or bool(persons & columns)


@dataclass
class Stage:
    """One database with planted people, and the site that looks after it by least-right accounts."""

    case: Case
    lab: kit.Lab
    bystanders: Snapshot
    server: Server | None = None
    granted: list[str] = field(default_factory=list)
    """The find account's grants, as they were printed."""
    said: list[str] = field(default_factory=list)

    def run(self, *arguments: str, code: int) -> dict[str, Any]:
        """Run a command; keep what it said."""
        done = self.lab.run("--json", *arguments)
        self.said.append(done.out + done.err)
        assert done.code == code, (arguments, done.code, done.said)
        return done.json

    def administer(self, *statements: str) -> None:
        """Run statements as the database's administrator, each in a transaction of its own."""
        with self.lab.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            for statement in statements:
                connection.exec_driver_sql(statement.replace("%", "%%"))

    def snapshot(self) -> Snapshot:
        """Return every row of every table but Reticent's own."""
        with self.lab.engine.connect() as connection:
            return {
                name: [dict(row) for row in connection.exec_driver_sql(f"SELECT * FROM {quoted}").mappings()]
                for name, quoted in sorted(self._tables(connection))
            }

    def _tables(self, connection: sa.Connection) -> Iterator[tuple[str, str]]:
        inspector, own = sa.inspect(connection), "reticent_receipts"
        default = inspector.default_schema_name
        every = inspector.get_schema_names() if connection.dialect.name == "postgresql" else [default]
        parts = partitions(connection)
        for schema in every:
            if schema == "information_schema":
                continue
            for table in inspector.get_table_names(None if schema == default else schema):
                if (schema, table) in parts:
                    continue  # its rows are its parent's
                name = table if schema == default and not self.case.loaded.qualified else f"{schema}.{table}"
                if table != own:
                    yield name, tables.quoted(connection.dialect, name)


def partitions(connection: sa.Connection) -> set[tuple[str, str]]:
    """Return the schema and name of every table that is a partition of another."""
    if connection.dialect.name != "postgresql":
        return set()
    named = "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    return {(str(row[0]), str(row[1])) for row in connection.exec_driver_sql(f"{named} WHERE c.relispartition")}


def staged(case: Case, folder: Path, url: str, server: Server | None = None, crowd: int = 0) -> Stage:
    """Build the schema in an empty database, plant people, and write a site with the accounts ``init`` asks for.

    With a ``crowd`` that many more people have an account, and the site a roster account.
    """
    lab = kit.Lab(folder, url)
    with lab.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        tables.create(connection, case.tables)
        planting = Planting(connection, case.loaded, case.tables, case.values, case.due, case.alive, case.nobodys)
        for index in range(1, PATRONS + 1):
            planting.person(Person(index))
        bystanders = planting.bystander(Person(1, BYSTANDER, BYSTANDERS_FROM))
        planting.crowd(Person(100 + index, BYSTANDER, BYSTANDERS_FROM) for index in range(crowd))
        for statement in case.before:
            connection.exec_driver_sql(statement)
    alive = {table: rows for table, rows in bystanders.items() if table in case.alive}
    stage = Stage(case, lab, alive, server)
    stage.bystanders = _as_stored(stage.snapshot(), alive)
    rights: tuple[Account, ...] = (*ACCOUNTS, "roster") if crowd else ACCOUNTS
    accounts: dict[str, str] = dict.fromkeys(rights, url)
    if server is not None:
        name = str(sa.make_url(url).database)
        accounts = {account: server.url(f"{account}_{name}", name) for account in rights}
        write_site(case, folder, accounts)
        _grant(stage, name, rights)
    write_site(case, folder, accounts)
    return stage


def _as_stored(found: Snapshot, planted: Snapshot) -> Snapshot:
    """Return the planted rows as the server gives them back: by their marks and keys, not by their types."""
    stored = {}
    for table, rows in planted.items():
        keys = {name for name, value in rows[0].items() if _is_key(value)} or set(rows[0])
        wanted = {_digest(row, keys) for row in rows}
        stored[table] = [row for row in found[table] if _digest(row, keys) in wanted]
        assert len(stored[table]) == len(rows), f"{table} does not give back what was planted: {rows}, {found[table]}"
    return stored


def _is_key(value: object) -> bool:
    return isinstance(value, uuid.UUID) or (isinstance(value, int) and value > KEYS_FROM)


def _digest(row: Mapping[str, Any], columns: set[str]) -> str:
    shown = {}
    for name in sorted(columns):
        value = row[name].tobytes() if isinstance(row[name], memoryview) else row[name]
        value = json.loads(value) if isinstance(value, str) and value.startswith("{") else value
        value = int(value) if isinstance(value, bool) else value
        shown[name] = repr(value) if isinstance(value, bytes) else json.dumps(value, default=str, sort_keys=True)
    return repr(shown)


def write_site(case: Case, folder: Path, accounts: Mapping[str, str], more: str = "") -> None:
    """Write a site that keeps nothing longer than its purpose, and has decided every question of the map."""
    kept = {**dict.fromkeys((*RecordClass, *EXTRA_RETENTION), "0 days"), **case.retention}
    retention = "\n".join(f'{name} = "{length}"' for name, length in kept.items())
    decisions = "\n".join(f'{name} = "sever"' for name in case.loaded.decisions)
    named = "\n".join(f'{account} = "{url}"' for account, url in accounts.items())
    (folder / "reticent.toml").write_text(
        f'[library]\nname = "Lakeside"\nbranches = "all"\n[state]\npath = "state"\nkeys = "keys"\n'
        f'[retention]\n{retention}\n[schedule]\n"*" = "none applies"\n[sever]\nfree_space = "1 MB"\n{more}\n'
        f'[systems.it]\nkind = "{case.kind}"\ntenant = "{case.tenant}"\n[systems.it.accounts]\n{named}\n[systems.it.decisions]\n{decisions}\n'
    )


def _grant(stage: Stage, name: str, rights: Sequence[Account]) -> None:
    """Make the accounts by the statements that are printed for an administrator, and by nothing else."""
    server = stage.server
    assert server is not None
    mariadb = server.kind == "mariadb"
    for account in rights:
        user = f"{account}_{name}"
        server.execute(f"CREATE USER '{user}'@'%'" if mariadb else f'CREATE ROLE "{user}" LOGIN')
    if mariadb:
        server.execute(sight(name, f"'find_{name}'@'%'"))
    wanted = grants(read_site(stage.lab.folder / "reticent.toml"), "it")
    assert not wanted.refused, wanted.refused
    _may_not_read_names(stage.case.loaded, wanted)
    stage.granted = [line for line in wanted.accounts["find"] if "SELECT" in line]
    stage.administer(wanted.receipts, *(line for lines in wanted.accounts.values() for line in lines))


def _may_not_read_names(loaded: Map, wanted: Grants) -> None:
    """Of the table of people no account may read a name, an identifier the library issued, or a password."""
    roster = loaded.roster
    assert roster is not None
    fields = loaded.tables[roster.table].fields
    names = {fields[name].column for name in (*roster.issued, *roster.personal, *roster.name)}
    for account, lines in wanted.accounts.items():
        for line in lines if account != "roster" else ():
            if roster.table in re.findall(r"\w+", line.partition(" ON ")[2].partition(" TO ")[0]):
                told = {c for c in re.findall(r"\w+", line) if c in names or "pass" in c}
                assert not told, (account, told)


def promise(stage: Stage) -> None:
    """Find, plan, sever and check; then assert everything a map must keep."""
    case = stage.case
    before = stage.snapshot()
    _everything_planted(case, before)
    stage.said.clear()
    with statements_of(stage.server) as statement_log:
        due = _due(stage)
        severed = _severed(stage, due)
        checked = stage.run("check", code=0)
        assert not checked["findings"], checked["findings"]
        assert _attacks(case) <= set(checked["checked"]), checked["not_looked_at"]
        after = stage.snapshot()
        stage.lab.close()
    _nothing_left(case, after)
    _nothing_else_changed(stage, before, after, severed)
    _statistics_whole(stage, before, after)
    _no_byte_names_anybody(stage, bytes(statement_log))
    _a_second_run_changes_nothing(stage, after)
    _an_unmapped_table_is_reported(stage)
    _a_missing_right_is_named(stage)


def _everything_planted(case: Case, before: Snapshot) -> None:
    """Every field that says who, and every field that severing changes, holds something before it."""
    asked, empty = set(), set()
    for series in case.loaded.series:
        fields = case.loaded.tables[series.table].fields
        if series.table not in case.tables:
            continue
        here = {column.name for column in case.tables[series.table]}
        severed = () if isinstance(series.sever, str) else series.sever
        for name in {*series.persons, *severed}:
            column = fields[name].column
            if column not in here:
                continue
            asked.add(f"{series.id}: {column}")
            values = [value for row in before[series.table] for value in _at(row, column.split("."))]
            if name in series.persons and not any(map(_marks, values)):
                empty.add(f"{series.id}: {column}")
            if not any(value not in (None, "", b"", 0) for value in values):
                empty.add(f"{series.id}: {column}")
    excused = asked & set(case.unmarked)
    assert empty == excused, f"planted nobody in {sorted(empty - excused)}; somebody in {sorted(excused - empty)}"


def _at(found: Any, steps: list[str]) -> list[Any]:
    """Return what stands at a path of a row."""
    if isinstance(found, str) and found.startswith("{"):
        found = json.loads(found)
    if not steps:
        return [found]
    way, rest = steps[0].removesuffix("[]"), steps[1:]
    inner = found.get(way) if isinstance(found, dict) else None
    each = inner if steps[0].endswith("[]") and isinstance(inner, list) else [inner]
    return [value for one in each for value in _at(one, rest)]


def _attacks(case: Case) -> set[str]:
    """Return the re-link attacks this release has the columns for: each must have been run."""
    there = {f"{table}.{column.name}" for table, columns in case.tables.items() for column in columns}
    return {f"re-link: {attack.name}" for attack in case.loaded.relinks if set(attack.needs) <= there}


def _due(stage: Stage) -> dict[str, int]:
    stage.said.append(stage.lab.run("find").said)
    found = stage.run("find", code=1)
    assert not found["refused"], found["refused"]
    assert not found["unmapped"], found["unmapped"]
    withheld = {series["series"]: series["withheld"] for series in found["series"] if series["withheld"]}
    assert not withheld, withheld
    due = {series["series"]: series["due"] for series in found["series"]}
    here = [series for series in stage.case.loaded.series if series.table in stage.case.tables]
    assert {series.id for series in here} == set(due), "every series that is here is counted"
    severed = {s.id for s in here if s.sever != "nothing" and stage.case.has_persons(s)} - stage.case.never_due
    missing = [name for name in sorted(severed) if due[name] < PATRONS]
    assert not missing, f"every series that severs needs planted rows that are due: {missing}"
    due_after_all = [name for name in sorted(stage.case.never_due) if due[name]]
    assert not due_after_all, f"rows of {due_after_all} can be due"
    return due


def _severed(stage: Stage, due: Mapping[str, int]) -> dict[str, int]:
    """Sever by a plan; return series -> rows."""
    plan = str(stage.lab.folder / "plan.json")
    planned = stage.run("plan", "--out", plan, code=0)
    assert not planned["not_planned"], planned["not_planned"]
    done = stage.run("-v", "sever", "--plan", plan, code=0)
    assert all(step["still_due"] == 0 for step in done["steps"])
    severed = {step["series"]: int(step["severed"]) for step in done["steps"]}
    watched = {series.id for series in stage.case.loaded.series if series.sever == "nothing"}
    expected = {name: rows for name, rows in due.items() if name not in watched}
    wrong = {name: (rows, severed.get(name, 0)) for name, rows in expected.items() if rows != severed.get(name, 0)}
    deleting = {(series.table, series.id) for series in stage.case.loaded.series if series.sever == "delete"}
    shared = {
        name
        for name in wrong
        for table, other in deleting
        if (table, name) != (table, other) and stage.case.loaded.one(name).table == table
    }
    gone_with_others = shared | {name for name in wrong if stage.case.loaded.one(name).table in stage.case.with_others}
    assert not wrong.keys() - gone_with_others, f"due and severed differ: {wrong}"
    assert all(was >= now for was, now in wrong.values()), wrong
    return severed


def names_in(found: Snapshot) -> set[str]:
    """Return every "table.column" with a marked person in one of its values."""
    return {f"{t}.{name}" for t, rows in found.items() for row in rows for name, value in row.items() if _marks(value)}


def _marks(value: object) -> bool:
    if value is None or isinstance(value, float):
        return False
    if isinstance(value, int):
        return NUMBERS_FROM < value <= NUMBERS_FROM + MARKED
    raw = bytes(value) if isinstance(value, bytes | memoryview) else str(value).encode()
    return any(needle in raw for needle in needles())


def needles() -> list[bytes]:
    """Return what is searched for: the mark, and the numbers in decimal and as the end of a UUID."""
    people = [Person(index) for index in range(1, MARKED + 1)]
    return [MARK.encode(), *(str(p.number).encode() for p in people), *(p.uuid.hex[-12:].encode() for p in people)]


def _nothing_left(case: Case, after: Snapshot) -> None:
    left = names_in(after)
    stays = {place for place in left if place in case.stays or place.rpartition(".")[0] in case.stays}
    assert left == stays, f"a marked person is left in {sorted(left - stays)}"
    named = {place if place in case.stays else place.rpartition(".")[0] for place in stays}
    assert set(case.stays) == named, f"nobody is named in {sorted(set(case.stays) - named)}: the reason is out of date"


def _nothing_else_changed(stage: Stage, before: Snapshot, after: Snapshot, severed: Mapping[str, int]) -> None:
    for table, rows in before.items():
        series = [s for s in stage.case.loaded.series if s.table == table and s.id in severed]
        fields = stage.case.loaded.tables[table].fields if series else {}
        changed = {fields[name].column for s in series if not isinstance(s.sever, str) for name in s.sever}
        changed |= {place[len(table) + 1 :] for place in stage.case.follows if place.startswith(f"{table}.")}
        changed |= stage.case.with_others.get(table, set())
        same = set(rows[0] if rows else ()) - changed
        found = ([_without(row, changed) for row in each] for each in (rows, after[table]))
        was, now = (Counter(_digest(row, same) for row in each) for each in found)
        come = sum(severed[s.id] for s in stage.case.loaded.series if s.aged and _ages_into(stage, s) == table)
        assert (now - was).total() == come, f"{table} holds a row that was not there: {now - was}"
        gone = sum(severed[s.id] for s in series if s.sever in ("delete", "age"))
        rows_follow = table in stage.case.follows or table in stage.case.with_others
        assert rows_follow or (was - now).total() == gone, f"{table}: {gone} rows should be gone, not {was - now}"
    for table, rows in stage.bystanders.items():
        kept = [_digest(row, set(row)) for row in after[table]]
        touched = [row for row in rows if _digest(row, set(row)) not in kept]
        assert not touched, f"{table}: an open row was touched: {touched}"
    assert set(after) == set(before)


def _ages_into(stage: Stage, series: Series) -> str:
    return stage.case.loaded.one(series.aged.series).table if series.aged else ""


def _without(row: Mapping[str, Any], changed: set[str]) -> dict[str, Any]:
    """Return a row without the paths that may change in its documents."""
    documents = {base: copy.deepcopy(row[base]) for base in {name.partition(".")[0] for name in changed if "." in name}}
    for name in changed:
        base, _, path = name.partition(".")
        if path:
            _drop(documents[base], path.split("."))
    return {**row, **documents}


def _drop(document: Any, steps: list[str]) -> None:
    *ways, last = steps
    for number, way in enumerate(ways):
        if way.endswith("[]"):
            document.pop(way[:-2], None)
            return
        document = document.get(way) if isinstance(document, dict) else None
        if document is None or number > len(ways):
            return
    if isinstance(document, dict):
        document.pop(last, None)


def _statistics_whole(stage: Stage, before: Snapshot, after: Snapshot) -> None:
    """What was counted before is counted still: in the live rows, or in the tallies of the deleted ones."""
    loaded = stage.case.loaded
    for measure in loaded.measures:
        if measure.table not in stage.case.tables or not measure.date:
            continue  # without a date it says how many there are today
        total = f"SELECT SUM(rows_counted) FROM totals WHERE measure = '{measure.id}' AND margin = ''"
        counted = stage.lab.state(total)[0][0]
        assert counted, f"{measure.id}: nothing was planted that is counted"
        if measure.when is None:
            assert counted == len(before[measure.table]), measure.id
            assert stage.lab.tally(measure.id) == len(before[measure.table]) - len(after[measure.table]), measure.id
        for margin in measure.by:
            by = f"SELECT SUM(rows_counted) FROM totals WHERE measure = '{measure.id}' AND margin = '{margin}'"
            assert stage.lab.state(by)[0][0] == counted, (measure.id, margin)


def _no_byte_names_anybody(stage: Stage, statement_log: bytes) -> None:
    said = "".join(stage.said).encode()
    read = 0
    database = Path(sa.make_url(stage.lab.url).database or "") if stage.server is None else None
    for path in sorted(path for path in stage.lab.folder.rglob("*") if path.is_file() and path != database):
        raw = path.read_bytes()
        read += len(raw)
        assert [needle for needle in needles() if needle in raw] == [], path
    assert read > 50_000
    for line in (said + bytes(statement_log)).splitlines():
        assert not any(needle in line for needle in needles()), line
    assert stage.server is None or b"reticent_receipts" in statement_log


@contextmanager
def statements_of(server: Server | None) -> Iterator[bytearray]:
    """Collect the server's log of every statement, parameters included."""
    found = bytearray()
    if server is None:
        yield found
        return
    if server.kind == "mariadb":
        log = server.home / "every-statement.log"
        server.execute(f"SET GLOBAL general_log_file = '{log}'", "SET GLOBAL general_log = 1")
        off = ["SET GLOBAL general_log = 0"]
    else:
        log = server.home / "server.out"
        server.execute("ALTER SYSTEM SET log_statement = 'all'", "SELECT pg_reload_conf()")
        off = ["ALTER SYSTEM RESET log_statement", "SELECT pg_reload_conf()"]
    start = os.path.getsize(log) if log.exists() else 0
    yield found
    server.execute(*off)
    found += log.read_bytes()[start:]


def _a_second_run_changes_nothing(stage: Stage, after: Snapshot) -> None:
    plan = str(stage.lab.folder / "again.json")
    assert not any(step["rows"] for step in stage.run("plan", "--out", plan, code=0)["steps"])
    assert not any(step["severed"] for step in stage.run("sever", "--plan", plan, code=0)["steps"])
    now = stage.snapshot()
    assert {name for name in after if Counter(map(repr, now[name])) != Counter(map(repr, after[name]))} == set()
    assert sum(series["due"] for series in stage.run("find", code=0)["series"]) == 0


def _an_unmapped_table_is_reported(stage: Stage) -> None:
    """One by the name of a column, one by a key to the people; the map knows neither."""
    roster = stage.case.loaded.roster
    assert roster is not None
    column = stage.case.loaded.tables[roster.table].fields[roster.number].column
    dialect = stage.lab.engine.dialect
    kind = next(part for part in tables.statements(dialect, {"x": [
        c for c in stage.case.tables[roster.table] if c.name == column
    ]}) if part.startswith("CREATE TABLE"))  # fmt: skip
    kind = kind.partition("(")[2].split(" ", 2)[1]
    people, key = tables.quoted(dialect, roster.table), tables.quoted(dialect, column)
    schema = "".join(roster.table.rpartition(".")[:2])
    keyed = bool(stage.case.loaded.drift.person_tables)  # a copy for reports has no keys
    stage.lab.do(f"CREATE TABLE {schema}local_visits (id integer PRIMARY KEY, email varchar(100), seen date)")
    if keyed:
        key_of = f"FOREIGN KEY (whose) REFERENCES {people} ({key})"
        stage.lab.do(f"CREATE TABLE {schema}local_lockers (id integer PRIMARY KEY, whose {kind}, {key_of})")
    found = {place["place"] for place in stage.run("find", code=1)["unmapped"]}
    assert found == {f"{schema}local_visits", f"{schema}local_lockers"} if keyed else {f"{schema}local_visits"}


def _a_missing_right_is_named(stage: Stage) -> None:
    """Each tenth grant of the find account is taken away; what is said names the table and what mends it."""
    for grant in stage.granted[::10]:
        table = re.findall(r"\w+", grant.partition(" ON ")[2].partition(" TO ")[0])[-1]
        stage.administer(grant.replace("GRANT", "REVOKE", 1).replace(" TO ", " FROM "))
        said = json.dumps(stage.run("find", code=3))
        stage.administer(grant)
        assert table in said, (table, said)
        assert "GRANT SELECT" in said or "--grants" in said, said
