"""Accounts with exactly the printed grants: everything works, nothing else can be read, nothing can be spared."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.servers import Server
from tests.stores import koha

from reticent.acts.find import find
from reticent.acts.plan import plan
from reticent.acts.sever import sever
from reticent.cli import main as cli
from reticent.errors import SystemRefused
from reticent.site import read_site
from reticent.stores.sql.database import Database, open_database
from reticent.stores.sql.finder import SqlFinder
from reticent.stores.sql.grants import ACCOUNTS, Account, Needs, needs, receipts_table, statements
from reticent.stores.sql.literal import touched
from reticent.stores.sql.rights import held
from reticent.systems.load import shipped

KOHA = shipped("koha")
FOUR: tuple[Account, ...] = (*ACCOUNTS, "roster")
pytestmark = pytest.mark.filterwarnings("ignore:.*was deleted while still open:ResourceWarning")
"""An act leaves its connections to the end of the process; psycopg minds when one is collected earlier."""


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """Let connections be collected under this module's filter, not in another module's test."""
    yield
    gc.collect()


@dataclass
class Rig:
    """A filled Koha on a real server, and three accounts made by the printed statements alone."""

    server: Server
    name: str
    database: Database
    file: Path
    root: Path

    @property
    def place(self) -> str:
        return "public" if self.server.kind == "postgresql" else self.name

    def owner(self, account: str) -> str:
        user = f"{account}_{self.name}"
        return user if self.server.kind == "postgresql" else f"'{user}'@'%'"

    def run(self, *statements: str) -> None:
        """Run statements as the administrator, in this database."""
        if self.server.kind != "postgresql":
            self.server.execute(*statements)
            return
        with koha.connected(self.server.url(database=self.name)) as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)

    def as_account(self, account: str) -> sa.Engine:
        return sa.create_engine(self.server.url(f"{account}_{self.name}", self.name))

    def without(self, account: str, right: str, table: str, column: str) -> Callable[[str], str]:
        """Return how to REVOKE and GRANT one right."""
        quote = '"' if self.server.kind == "postgresql" else "`"
        what = f"{right} ({quote}{column}{quote})" if column else right
        where = f"{quote}{self.place}{quote}.{quote}{table}{quote}"
        words = {"REVOKE": "FROM", "GRANT": "TO"}
        return lambda verb: f"{verb} {what} ON {where} {words[verb]} {self.owner(account)}"


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return koha.sample(tmp_path_factory.mktemp("sample"))


@pytest.fixture(scope="module", params=[("mariadb", "25.x"), ("mariadb", "19.06"), ("postgresql", "25.x")], ids=str)
def rig(request: pytest.FixtureRequest, sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    kind, release = request.param
    server: Server = request.getfixturevalue(kind)
    name = f"grants_{release.replace('.', '')}"
    server.execute(f"CREATE DATABASE {name}")
    url = server.url(database=name)
    koha.copy(sample, url, release)
    root = koha.write_site(tmp_path_factory.mktemp("root"), {"find": url, "sever": url, "prove": url, "roster": url})
    engine, database = open_database(read_site(root), "ils", KOHA)
    engine.dispose()
    urls: dict[str, str] = {account: server.url(f"{account}_{name}", name) for account in FOUR}
    made = Rig(server, name, database, koha.write_site(tmp_path_factory.mktemp("site"), urls), root)
    made.run(receipts_table(kind, made.place))
    for account in FOUR:
        owner = made.owner(account)
        made.run(f"CREATE USER {owner}", *statements(database, account, owner, made.place, with_roster=True))
    yield made
    for account in FOUR:
        if kind == "postgresql":
            made.run(f"DROP OWNED BY {made.owner(account)}")
        made.run(f"DROP USER {made.owner(account)}")
    server.execute(f"DROP DATABASE {name}{' WITH (FORCE)' if kind == 'postgresql' else ''}")


def exit_code(file: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, object]]:
    """Run a command; return its exit code and its document."""
    capsys.readouterr()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["reticent", "--site", str(file), "--json", *arguments])
        with pytest.raises(SystemExit) as end:
            cli.main()
    document: dict[str, object] = json.loads(capsys.readouterr().out)
    return int(end.value.code or 0), document


def test_the_find_account_finds_what_the_administrator_finds(rig: Rig) -> None:
    seen, whole = (find(koha.opened(file), koha.quiet) for file in (rig.file, rig.root))
    assert not seen.unreachable
    assert [(f.series.id, f.survey) for f in seen.found] == [(f.series.id, f.survey) for f in whole.found]
    assert len(seen.found) > 20
    assert (seen.settings, seen.unmapped, seen.refused) == (whole.settings, whole.unmapped, whole.refused)


@pytest.mark.parametrize("account", FOUR)
def test_every_other_column_is_refused(rig: Rig, account: Account) -> None:
    wanted = needs(rig.database, account, with_roster=True)
    others = list(_others(rig, wanted))
    assert len(others) > 100
    engine = rig.as_account(account)
    quote = engine.dialect.identifier_preparer.quote_identifier
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for table, column in others[:: len(others) // 60]:
            with pytest.raises(sa.exc.DBAPIError, match=r"denied"):
                connection.exec_driver_sql(f"SELECT {quote(column)} FROM {quote(table)} LIMIT 1")
        for table in ("borrowers", "issues", "biblio"):
            with pytest.raises(sa.exc.DBAPIError, match=r"denied"):
                connection.exec_driver_sql(f"DELETE FROM {quote(table)}")
    engine.dispose()


def _others(rig: Rig, wanted: Needs) -> Iterator[tuple[str, str]]:
    for name, table in rig.database.structure.tables.items():
        yield from ((name, column) for column in table.columns if column not in wanted.select.get(name, ()))


NAMES = {"surname", "firstname", "cardnumber", "email", "address", "phone", "userid", "password"}


@pytest.mark.parametrize("account", ACCOUNTS)
def test_no_account_may_read_who_a_patron_is(rig: Rig, account: Account) -> None:
    wanted = needs(rig.database, account, with_roster=True)
    assert not {column for columns in wanted.select.values() for column in columns} & NAMES


def test_any_find_right_taken_away_is_named_with_the_grant_that_mends_it(rig: Rig) -> None:
    # The list of branches is read only where a site names its own.
    every = [each for each in _each(needs(rig.database, "find")) if each[1] != "branches"]
    for right, table, column in every[1 :: len(every) // (8 if "25x" in rig.name else 3)]:
        take = rig.without("find", right, table, column)
        rig.run(take("REVOKE"))
        with pytest.raises(SystemRefused) as refused:
            _everything_find_does(rig)
        rig.run(take("GRANT"))
        assert table in refused.value.what + refused.value.where, (right, table, column)
        assert f"GRANT {right}" in refused.value.do, refused.value.do
        assert column.lower() in refused.value.do.lower()


def _everything_find_does(rig: Rig) -> None:
    finder = SqlFinder(read_site(rig.file), "ils", KOHA)
    now = finder.now()
    for series in finder.database.fit.here(KOHA):
        finder.survey(series.id, now)
    finder.settings()
    finder.totals()
    for measure in KOHA.measures:
        if measure.table in finder.database.structure.tables:
            finder.margins(measure)
    finder.reports_reading(KOHA.one("old_issues"))


def test_a_missing_right_ends_with_exit_code_3_and_says_what_mends_it(
    rig: Rig, capsys: pytest.CaptureFixture[str]
) -> None:
    take = rig.without("find", "SELECT", "linktracker", "timeclicked")
    rig.run(take("REVOKE"))
    code, document = exit_code(rig.file, capsys, "find")
    rig.run(take("GRANT"))
    error = document["error"]
    assert isinstance(error, dict)
    assert code == 3
    assert "linktracker" in error["what"]
    assert "GRANT SELECT (" in error["do"]


def _raise(rig: Rig) -> None:
    unreachable = find(koha.opened(rig.file), koha.quiet).unreachable
    if unreachable:
        raise unreachable[0][1]


def _each(wanted: Needs) -> list[tuple[str, str, str]]:
    rights = [(right, table, of) for table in wanted.tables() for right, of in wanted.rights(table)]
    return [(right, table, column) for right, table, columns in rights for column in columns or ("",)]


def test_a_hidden_table_is_never_called_absent(rig: Rig) -> None:
    if rig.server.kind == "postgresql":
        pytest.skip("PostgreSQL's catalogue hides nothing")
    database = f"`{rig.name}`.*"
    rig.run(f"REVOKE REFERENCES ON {database} FROM {rig.owner('find')}")
    try:
        with pytest.raises(SystemRefused, match="does not see everything") as refused:
            _raise(rig)
    finally:
        rig.run(f"GRANT REFERENCES ON {database} TO {rig.owner('find')}")
    assert f"GRANT REFERENCES ON {database} TO {rig.owner('find')};" in refused.value.do


def test_a_trigger_is_seen_by_the_find_account(rig: Rig) -> None:
    if rig.server.kind == "postgresql":
        pytest.skip("tested with the catalogue of MariaDB, which hides triggers")
    rig.run(f"CREATE TRIGGER `{rig.name}`.planted AFTER DELETE ON `{rig.name}`.virtualshelves FOR EACH ROW SET @x = 1")
    try:
        refused = {series: why for _, series, why in find(koha.opened(rig.file), koha.quiet).refused}
    finally:
        rig.run(f"DROP TRIGGER `{rig.name}`.planted")
    assert "planted" in refused["virtualshelves"] or "unknown column" in refused["virtualshelves"]


def test_any_sever_right_taken_away_is_named_and_nothing_is_half_done_then_the_whole_sample_is_severed(
    rig: Rig, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    first = plan(koha.opened(rig.file), koha.quiet)
    steps = {step.series: step for step in first.steps if step.rows}
    assert len(steps) > 10
    for series, step in list(steps.items())[2 :: 25 if "25x" in rig.name else 50]:
        right, column = _a_sever_right(rig, series)
        take = rig.without("sever", right, step.place, column)
        path = tmp_path / "plan.json"
        small = plan(koha.opened(rig.file), koha.quiet, only=f"ils/{series}")
        path.write_text(json.dumps(small.document()))
        rig.run(take("REVOKE"))
        code, document = exit_code(rig.file, capsys, "sever", "--plan", str(path), "--yes")
        rig.run(take("GRANT"))
        error = document["error"]
        assert isinstance(error, dict)
        assert code == 3, (series, document)
        assert step.place in error["what"], error
        assert right in error["do"].partition("GRANT")[2].partition(" ON ")[0], error
        assert exit_code(rig.file, capsys, "sever", "--yes")[0] in (0, 1)
        assert plan(koha.opened(rig.file), koha.quiet, only=f"ils/{series}").total == 0
    whole = plan(koha.opened(rig.file), koha.quiet)
    result = sever(koha.opened(rig.file), whole, koha.quiet)
    assert (result.stopped, result.severed) == ("", whole.total)
    assert plan(koha.opened(rig.file), koha.quiet).total == 0


def test_the_prove_account_checks_and_any_right_taken_away_is_named(
    rig: Rig, capsys: pytest.CaptureFixture[str]
) -> None:
    code, document = exit_code(rig.file, capsys, "check")
    whole = exit_code(rig.root, capsys, "check")[1]
    assert code in (0, 1), document
    assert _of_the_ils(document["findings"]) == _of_the_ils(whole["findings"])
    assert "lacks" not in json.dumps(document)
    scanned = [place for place in document["checked"] if "scanned for everybody" in place]  # type: ignore[attr-defined]
    assert any("saved_sql.savedsql" in place for place in scanned), document["not_looked_at"]
    every = _each(needs(rig.database, "prove"))
    for right, table, column in every[3 :: max(1, len(every) // 3)]:
        take = rig.without("prove", right, table, column)
        rig.run(take("REVOKE"))
        code, document = exit_code(rig.file, capsys, "check")
        rig.run(take("GRANT"))
        said = json.dumps(document)
        assert code == 3, (right, table, column, said[-500:])
        assert table in said
        assert f"GRANT {right}" in said


def _of_the_ils(found: object) -> list[str]:
    """What concerns the system itself; totals before the first run are the other state's own, counts of residue blurred."""
    assert isinstance(found, list)
    ours = [each for each in found if each["system"] == "ils" and "conservation" not in str(each)]
    return sorted(str(each | {"count": 0} if each["kind"] == "residue" else each) for each in ours)


def test_the_find_account_answers_a_statistics_form(rig: Rig, capsys: pytest.CaptureFixture[str]) -> None:
    code, document = exit_code(rig.file, capsys, "statistics", "--form", "pls", "--year", "2024")
    assert code in (0, 1), document


def _a_sever_right(rig: Rig, series: str) -> tuple[str, str]:
    """A right without which this series cannot be severed."""
    spec = KOHA.one(series)
    if spec.sever == "delete":
        return "DELETE", ""
    columns = [rig.database.fit.columns[spec.table][name] for name in spec.sever]
    return "UPDATE", next(column for column in columns if column)


def test_without_receipts_no_right_on_their_table_is_asked_for(rig: Rig) -> None:
    assert "reticent_receipts" in needs(rig.database, "sever").tables()
    assert "reticent_receipts" not in needs(rig.database, "sever", with_receipts=False).tables()


def test_in_a_shared_system_the_branch_may_be_read(rig: Rig) -> None:
    shared = Database(**{**vars(rig.database), "branches": ("MAIN",)})
    assert "branchcode" in needs(shared, "sever").select["borrowers"]
    assert "branchcode" not in needs(rig.database, "sever").select["borrowers"]


@pytest.mark.parametrize(
    ("line", "rights", "database", "table"),
    [
        ("GRANT REFERENCES ON `koha`.* TO `f`@`%`", {"REFERENCES"}, "koha", "x"),
        ("GRANT SELECT (`id`, `b`), TRIGGER ON `koha`.`t` TO `f`@`%`", {"TRIGGER"}, "koha", "t"),
        ("GRANT TRIGGER, SELECT (`id`) ON `koha`.`t` TO `f`@`%`", {"TRIGGER"}, "koha", "t"),
        ("GRANT ALL PRIVILEGES ON *.* TO `root`@`localhost` WITH GRANT OPTION", {"ALL PRIVILEGES"}, "koha", "x"),
        (r"GRANT SELECT ON `koha\_%`.* TO `f`@`%`", {"SELECT"}, "koha_main", "x"),
    ],
)
def test_what_show_grants_says_is_understood(line: str, rights: set[str], database: str, table: str) -> None:
    (grant,) = held([line])
    assert grant.rights - {""} == rights
    assert grant.covers(database, table)
    assert not grant.covers("other" if grant.database != "*" else database, "y" if grant.table == "t" else "x") or (
        grant.database == "*"
    )


def test_a_grant_on_everything_with_a_revoke_is_not_believed() -> None:
    lines = ["GRANT SELECT ON *.* TO `f`@`%`", "REVOKE SELECT ON `koha`.* FROM `f`@`%`"]
    assert list(held(lines)) == []
    assert not next(held([r"GRANT SELECT ON `koha\_x`.* TO `f`@`%`"])).covers("kohaAx", "t")


def test_every_literal_query_of_a_map_names_its_tables_and_columns() -> None:
    queries = [(query.sql, query.needs) for query in KOHA.relinks]
    for sql, wanted in queries + [(query.sql, query.needs) for query in KOHA.exposures]:
        read = touched(sql, "mysql").read
        for table, _, column in (need.partition(".") for need in wanted):
            assert column in read[table], sql


def test_what_a_refused_statement_touches() -> None:
    update = "UPDATE old_issues SET note=%(note)s, timestamp=old_issues.timestamp WHERE old_issues.issue_id IN (%s)"
    found = touched(update, "mysql")
    assert found.written == {"old_issues": {"note", "timestamp"}}
    assert found.read == {"old_issues": {"timestamp", "issue_id"}}
    assert touched("DELETE FROM t WHERE t.a = %s", "mysql").deleted == {"t"}
    with pytest.raises(ValueError, match="sqlglot"):
        touched("GRANT ((", "mysql")
