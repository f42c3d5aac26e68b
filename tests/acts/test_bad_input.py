"""What a site may be handed that is wrong: the right exit code, a message that says what to do, nothing lost.

One named test each; the list is in the project's first issue.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests import servers
from tests.acts import kit
from tests.servers import Server

from reticent.acts.opening import open_site
from reticent.acts.sever import sever
from reticent.errors import ReticentError
from reticent.sever.plan import read_plan

Fresh = Callable[[Server], str]


def _says(done: kit.Done, code: int, *words: str) -> None:
    assert done.code == code, done.said
    for word in words:
        assert word in done.said, done.said
    assert "do:" in done.err or '"do"' in done.out, done.said
    assert "Traceback" not in done.said


# ------------------------------------------------------------------ the database


def test_unreachable_database(sqlite_lab: kit.Lab) -> None:
    sqlite_lab.write_site(find="mysql+pymysql://reticent@127.0.0.1:9/koha")
    found = sqlite_lab.run("find")
    assert found.code == 3
    assert "ils: everything: The database cannot be reached" in found.said, "and it is listed as not looked at"
    _says(sqlite_lab.run("plan"), 3, "cannot be reached", "host and port in reticent.toml")


def test_missing_file(sqlite_lab: kit.Lab) -> None:
    sqlite_lab.write_site(find=f"sqlite:///{sqlite_lab.folder}/kaho.db")
    _says(sqlite_lab.run("plan"), 3, "there is no such file")
    assert not (sqlite_lab.folder / "kaho.db").exists()


@pytest.mark.parametrize("kind", ["mariadb", "postgresql"])
def test_wrong_password_and_no_such_database(kind: str, sqlite_lab: kit.Lab, request: pytest.FixtureRequest) -> None:
    server: Server = request.getfixturevalue(kind)
    if kind == "mariadb":
        server.execute("CREATE OR REPLACE USER wrong@'%' IDENTIFIED BY 'right'")
        sqlite_lab.write_site(find=server.url("wrong", "mysql", "s3cret"))
        done = sqlite_lab.run("plan")
        _says(done, 3, "user or password was not accepted", "Check the accounts in reticent.toml")
        assert "s3cret" not in done.said
    sqlite_lab.write_site(find=server.url(database="nowhere"))
    _says(sqlite_lab.run("plan"), 3, "no such database")


def test_empty_database(sqlite_lab: kit.Lab, mariadb: Server, fresh_database: Fresh) -> None:
    sqlite_lab.write_site(find=fresh_database(mariadb))
    _says(sqlite_lab.run("plan"), 3, "is not a Koha the map knows (it has no tables)", "Check the database name")


def test_not_a_koha(sqlite_lab: kit.Lab) -> None:
    sqlite_lab.do("DROP TABLE old_issues")
    _says(sqlite_lab.run("plan"), 3, "is not a Koha", "old_issues.borrowernumber")


def test_not_a_database_at_all(sqlite_lab: kit.Lab) -> None:
    sqlite_lab.close()
    (sqlite_lab.folder / "koha.db").write_bytes(b"Dear librarian, " * 500)
    _says(sqlite_lab.run("plan"), 3, "not a database", "system ils")


# ------------------------------------------------------------------ rights


@pytest.fixture
def limited(mariadb_lab: kit.Lab, mariadb: Server) -> Iterator[tuple[kit.Lab, Server, str]]:
    """A lab whose sever account starts with no right at all; yields its database's name too."""
    database = mariadb_lab.url.rsplit("/", 1)[1].partition("?")[0]
    mariadb.execute("CREATE OR REPLACE USER severer@'%' IDENTIFIED BY 'pw'", "GRANT USAGE ON *.* TO severer@'%'")
    mariadb_lab.write_site("search", sever=mariadb.url("severer", database, "pw"))
    mariadb_lab.plan()
    yield mariadb_lab, mariadb, database
    mariadb.execute("DROP USER severer@'%'")


def test_missing_rights_are_named_one_by_one_and_nothing_is_lost(limited: tuple[kit.Lab, Server, str]) -> None:
    lab, server, database = limited
    before = lab.ask("SELECT COUNT(*) FROM search_history")
    _says(lab.sever(), 3, "may not use it")
    # A right on the database at all, and none on the receipt table: its statement is printed.
    server.execute(f"GRANT SELECT ON {database}.systempreferences TO severer@'%'")
    _says(lab.sever(), 3, "no table reticent_receipts", "CREATE TABLE reticent_receipts", "receipts = false")
    server.execute(f"GRANT SELECT, INSERT, DELETE, CREATE ON {database}.reticent_receipts TO severer@'%'")
    _says(lab.sever(), 3, "lacks SELECT on search_history", "GRANT SELECT")
    server.execute(f"GRANT SELECT ON {database}.search_history TO severer@'%'")
    server.execute(f"GRANT SELECT ON {database}.borrowers TO severer@'%'")
    _says(lab.sever(), 3, "lacks DELETE on search_history", "GRANT DELETE")
    assert lab.ask("SELECT COUNT(*) FROM search_history") == before
    assert lab.tally() == 0
    server.execute(f"GRANT DELETE, UPDATE ON {database}.search_history TO severer@'%'")
    server.execute(f"GRANT SELECT, DELETE ON {database}.sessions TO severer@'%'")
    done = lab.sever()
    assert done.code == 0, done.said
    assert lab.tally() == before


def test_a_missing_column_right_is_named(limited: tuple[kit.Lab, Server, str]) -> None:
    lab, server, database = limited
    lab.write_site("access", sever=server.url("severer", database, "pw"))
    lab.plan()
    server.execute(f"GRANT SELECT, INSERT, DELETE, CREATE ON {database}.reticent_receipts TO severer@'%'")
    server.execute(f"GRANT SELECT, UPDATE (url) ON {database}.linktracker TO severer@'%'")
    _says(lab.sever(), 3, "lacks UPDATE on linktracker", "borrowernumber")
    server.execute(f"GRANT UPDATE (borrowernumber) ON {database}.linktracker TO severer@'%'")
    assert lab.sever().code == 0


def test_read_only_server(limited: tuple[kit.Lab, Server, str]) -> None:
    lab, server, database = limited
    server.execute(f"GRANT ALL ON {database}.* TO severer@'%'", "SET GLOBAL read_only = 1")
    try:
        _says(lab.sever(), 3, "read-only", "Name the primary server")
    finally:
        server.execute("SET GLOBAL read_only = 0")
    assert lab.sever().code == 0


def test_read_only_file(sqlite_lab: kit.Lab) -> None:
    sqlite_lab.write_site("search", sever=f"sqlite:///file:{sqlite_lab.folder}/koha.db?mode=ro&uri=true")
    sqlite_lab.plan()
    done = sqlite_lab.sever()
    assert done.code == 3, done.said


# ------------------------------------------------------------------ the structure


@pytest.mark.parametrize(
    ("change", "refused", "why"),
    [
        ("ALTER TABLE linktracker RENAME COLUMN borrowernumber TO who", "linktracker", "the column borrowernumber"),
        ("ALTER TABLE linktracker ADD COLUMN patron_email TEXT", "linktracker", "unknown column patron_email"),
        (
            "CREATE TRIGGER copy AFTER UPDATE ON linktracker BEGIN SELECT 1; END",
            "linktracker",
            "unknown trigger copy",
        ),
    ],
)
def test_a_series_the_map_cannot_vouch_for_is_refused_and_the_rest_goes_on(
    sqlite_lab: kit.Lab, change: str, refused: str, why: str
) -> None:
    sqlite_lab.write_site("access", "search")
    sqlite_lab.do(change)
    before = sqlite_lab.digests()["linktracker"]
    found = sqlite_lab.run("--json", "find")
    assert [(one["series"], why in one["why"]) for one in found.json["refused"]] == [(refused, True)]
    plan = sqlite_lab.plan()
    assert why in plan["not_planned"][f"ils/{refused}"]
    done = sqlite_lab.sever()
    assert done.code == 0, done.said
    assert {step["series"] for step in done.json["steps"]} == {"search_history", "sessions"}
    assert sqlite_lab.digests()["linktracker"] == before


def test_a_plugin_table_is_listed(sqlite_lab: kit.Lab) -> None:
    sqlite_lab.do("CREATE TABLE koha_plugin_com_x_readers (id INTEGER, borrowernumber INTEGER)")
    found = sqlite_lab.run("--json", "find")
    assert found.code == 1
    assert [place["place"] for place in found.json["unmapped"]] == ["koha_plugin_com_x_readers"]


def test_the_schema_changed_after_the_plan(sqlite_lab: kit.Lab) -> None:
    sqlite_lab.write_site("search")
    sqlite_lab.plan()
    before = sqlite_lab.digests()
    sqlite_lab.do("ALTER TABLE borrowers ADD COLUMN shoe_size INTEGER")
    _says(sqlite_lab.sever(), 4, "the tables, keys or triggers of ils changed", "Make a new plan")
    after = sqlite_lab.digests()
    assert {name for name in before if before[name] != after[name]} == {"borrowers"}


def test_an_interrupted_run_the_system_changed_under_is_closed_and_a_new_plan_goes_on(sqlite_lab: kit.Lab) -> None:
    lab = sqlite_lab
    lab.write_site("search", more="[sever]\nrows = 0")
    before = lab.ask("SELECT COUNT(*) FROM search_history")
    lab.plan()
    _interrupt(lab)
    tallied = lab.tally()
    lab.do("ALTER TABLE borrowers ADD COLUMN shoe_size INTEGER")
    _says(lab.sever(), 4, "changed since it was made", "Make a new plan")
    assert [row[0] for row in lab.state("SELECT outcome FROM runs")] == ["the system changed under it"]
    lab.plan()
    assert lab.sever().code == 0
    assert lab.tally() == before >= tallied


def _interrupt(lab: kit.Lab) -> None:
    """Leave a run unfinished: its state cannot be written any more after the first chunks."""
    process = lab.start("sever", "--plan", str(lab.folder / "plan.json"))
    state = lab.folder / "state" / "state.sqlite"
    while process.poll() is None:
        with contextlib.suppress(sqlite3.OperationalError), contextlib.closing(sqlite3.connect(state)) as connection:
            if connection.execute("SELECT COUNT(*) FROM runs").fetchone()[0]:
                break
        time.sleep(0.005)
    process.kill()
    process.communicate()
    assert lab.state("SELECT COUNT(*) FROM runs WHERE ended IS NULL") == [(1,)]


# ------------------------------------------------------------------ the rows


def test_future_and_missing_dates_are_withheld_and_counted(sqlite_lab: kit.Lab, sample: kit.Sample) -> None:
    sqlite_lab.write_site("circulation")
    plan = sqlite_lab.plan()
    step = next(step for step in plan["steps"] if step["series"] == "old_issues")
    assert step["held_back"] == {
        "no end date": sample.truth.loans_without_returndate,
        "end date in the future": sample.truth.loans_returned_in_future,
    }
    odd = "returndate IS NULL OR returndate > datetime('now', '+1 day')"
    before = kit.digest([row for row in sqlite_lab.table("old_issues") if _odd(row)])
    assert sqlite_lab.sever().code == 0
    assert kit.digest([row for row in sqlite_lab.table("old_issues") if _odd(row)]) == before
    assert sqlite_lab.ask(f"SELECT COUNT(*) FROM old_issues WHERE ({odd}) AND borrowernumber <> 2") == 12


def _odd(row: dict[str, object]) -> bool:
    return row["returndate"] is None or str(row["returndate"]) > str(datetime.now() + timedelta(days=1))


def test_numbers_of_patrons_that_do_not_exist_are_severed_like_everyones(
    sqlite_lab: kit.Lab, sample: kit.Sample
) -> None:
    sqlite_lab.write_site("circulation")
    orphans = "SELECT COUNT(*) FROM statistics WHERE borrowernumber NOT IN (SELECT borrowernumber FROM borrowers)"
    assert sqlite_lab.ask(orphans) == sample.truth.orphans["statistics"] > 0
    sqlite_lab.plan()
    assert sqlite_lab.sever().code == 0
    assert sqlite_lab.ask(orphans) == 0


@pytest.mark.parametrize(
    ("value", "note"),
    [
        ("", "AnonymousPatron is not set"),
        ("0", "AnonymousPatron is not set"),
        ("nobody", "AnonymousPatron is not set"),
        ("424242", "AnonymousPatron names a patron who does not exist"),
        ("busy", "a real person"),
    ],
)
def test_an_anonymous_patron_that_is_none(sqlite_lab: kit.Lab, value: str, note: str) -> None:
    """NULL where a column may be NULL; a series that needs the stand-in is refused, the rest goes on."""
    lab = sqlite_lab
    lab.write_site("circulation", "hold_request")
    number = str(lab.ask("SELECT borrowernumber FROM issues LIMIT 1")) if value == "busy" else value
    lab.do(f"UPDATE systempreferences SET value = '{number}' WHERE variable = 'AnonymousPatron'")
    found = lab.run("--json", "find")
    assert [note in one["note"] for one in found.json["notes"]] == [True]
    refused = {one["series"]: one["why"] for one in found.json["refused"]}
    assert {"recalls", "bookings"} <= set(refused)
    assert "may not be NULL" in refused["recalls"]
    before = lab.digests()["recalls"]
    lab.plan()
    assert lab.sever().code == 0
    assert lab.ask("SELECT COUNT(*) FROM old_issues WHERE borrowernumber IS NULL") > 500
    assert lab.digests()["recalls"] == before


def test_a_shared_system_without_branches_is_refused(sqlite_lab: kit.Lab) -> None:
    sqlite_lab.write_site(branches="[]")
    _says(sqlite_lab.run("plan"), 2, "does not say which are its own", 'branches = "all"')
    sqlite_lab.write_site(branches='["NOWHERE"]')
    _says(sqlite_lab.run("find"), 2, 'no branch "NOWHERE"', "Its branches are")


def test_a_shared_system_leaves_the_others_rows_alone(sqlite_lab: kit.Lab) -> None:
    lab = sqlite_lab
    others = "branchcode <> 'MAIN'"
    lab.write_site(branches='["MAIN"]')
    account = f"borrowernumber IN (SELECT borrowernumber FROM borrowers WHERE {others})"
    theirs = {
        "old_issues": others,
        "old_reserves": others,
        "statistics": "branch <> 'MAIN'",
        "recalls": "pickup_library_id <> 'MAIN'",
        "linktracker": account,
        "message_queue": account,
        "search_history": f"userid IN (SELECT borrowernumber FROM borrowers WHERE {others})",
    }

    def digests() -> dict[str, str]:
        with lab.engine.connect() as connection:
            return {
                table: kit.digest(
                    [
                        {k: v for k, v in row.items() if k != "borrowernumber" or table != "linktracker"}
                        for row in connection.exec_driver_sql(f"SELECT * FROM {table} WHERE {where}").mappings()
                    ]
                )
                for table, where in theirs.items()
            }

    before, clicks = digests(), lab.ask(f"SELECT COUNT(*) FROM linktracker WHERE {account}")
    plan = lab.plan()
    assert plan["not_planned"], "series whose rows do not say whose they are"
    assert all("the system is shared" in why for why in plan["not_planned"].values())
    assert "ils/sessions" in plan["not_planned"]
    planned = {step["series"]: step["rows"] for step in plan["steps"]}
    assert 0 < planned["old_issues"] < lab.ask("SELECT COUNT(*) FROM old_issues")
    done = lab.sever()
    assert done.code == 0, done.said
    assert digests() == before
    assert lab.ask(f"SELECT COUNT(*) FROM linktracker WHERE {account}") == clicks
    ours = "SELECT COUNT(*) FROM statistics WHERE branch = 'MAIN' AND borrowernumber IS NOT NULL"
    assert lab.ask(f"{ours} AND datetime < datetime('now', 'localtime')") == 0


# ------------------------------------------------------------------ the plan


def test_a_plan_edited_by_hand(sqlite_lab: kit.Lab) -> None:
    sqlite_lab.write_site("search")
    plan = sqlite_lab.plan()
    plan["steps"][0]["rows"] = 1
    (sqlite_lab.folder / "plan.json").write_text(json.dumps(plan))
    before = sqlite_lab.digests()
    _says(sqlite_lab.sever(), 5, "was edited after it was made", "change reticent.toml instead of the plan")
    assert sqlite_lab.digests() == before


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "null", '{"steps": [{"rows": 1}]}', '{"steps": 7}', "[" * 100_000, "\x00"]
)
def test_a_plan_that_is_none(sqlite_lab: kit.Lab, text: str) -> None:
    (sqlite_lab.folder / "plan.json").write_text(text)
    _says(sqlite_lab.sever(), 5, "This is not a plan", "reticent plan --out")


def test_a_plan_of_another_site(
    sqlite_lab: kit.Lab, sample: kit.Sample, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = sample.sqlite(tmp_path_factory.mktemp("other"))
    other.plan()
    other.close()
    shutil.copy(other.folder / "plan.json", sqlite_lab.folder / "plan.json")
    before = sqlite_lab.digests()
    _says(sqlite_lab.sever(), 4, "not made with this site's state", "Make a plan here")
    assert sqlite_lab.digests() == before


def test_a_plan_applied_twice(sqlite_lab: kit.Lab) -> None:
    sqlite_lab.write_site("search")
    sqlite_lab.plan()
    assert sqlite_lab.sever().code == 0
    _says(sqlite_lab.sever(), 4, "applied before", "Make a new one")


def test_the_site_file_changed_after_the_plan(sqlite_lab: kit.Lab) -> None:
    sqlite_lab.write_site("search")
    sqlite_lab.plan()
    sqlite_lab.write_site("search", more='[retention]\nsearch = "1 day"')
    _says(sqlite_lab.sever(), 4, "reticent.toml changed since it was made")


# ------------------------------------------------------------------ this machine


def test_the_clock_jumped_back(sqlite_lab: kit.Lab) -> None:
    class Clock:
        def now(self) -> datetime:
            return datetime.now(UTC) + timedelta(hours=3)

    sqlite_lab.write_site("search")
    sqlite_lab.plan()
    _ = open_site(sqlite_lab.folder / "reticent.toml", Clock()).book
    before = sqlite_lab.digests()
    for command in (["find"], ["plan"], ["sever", "--plan", str(sqlite_lab.folder / "plan.json")]):
        _says(sqlite_lab.run(*command), 2, "The clock went back", "Set the clock")
    assert sqlite_lab.digests() == before


def test_keys_inside_the_state_folder(sqlite_lab: kit.Lab) -> None:
    site = sqlite_lab.folder / "reticent.toml"
    for keys in ("state/keys", "state", "./state/../state/k"):
        site.write_text(site.read_text().replace('keys = "keys"', f'keys = "{keys}"'))
        _says(sqlite_lab.run("find"), 2, "The keys are inside the state folder", "reticent.toml:")
        site.write_text(site.read_text().replace(f'keys = "{keys}"', 'keys = "keys"'))


def test_two_runs_at_once_on_one_state(sqlite_lab: kit.Lab) -> None:
    lab = sqlite_lab
    lab.write_site("search")
    lab.plan()
    from reticent.state.database import only_one

    with only_one(open_site(lab.folder / "reticent.toml").site):
        _says(lab.sever(), 3, "Another severing run is under way", "Wait for it")
    assert lab.sever().code == 0


def test_two_states_on_one_database(mariadb_lab: kit.Lab, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The second must neither sever at the same time nor take the first's receipts or marks for its own."""
    first = mariadb_lab
    first.write_site("search")
    second = kit.Lab(tmp_path_factory.mktemp("second"), first.url)
    second.write_site("search")
    before = first.ask("SELECT COUNT(*) FROM search_history")
    first.plan()
    with _locked_by_another(first):
        _says(first.sever(), 3, "Another Reticent is severing this database")
    _interrupt(first)
    first.do("INSERT INTO reticent_receipts VALUES ('f00', 'ils/search_history', 0, 3, 0, '{}')")
    second.plan()
    _says(second.sever(), 5, "receipts of a run this state does not know", "Use the state folder that made the run")
    first.do("DELETE FROM reticent_receipts WHERE run = 'f00'")
    assert first.sever().code == 0
    assert first.tally() == before
    first.do(
        "INSERT INTO search_history (userid, sessionid, query_desc, query_cgi, type, time) "
        "VALUES (10, 's', 'q', 'c', 'biblio', '2020-01-01 00:00:00')"
    )
    second.plan()
    assert second.sever().code == 0
    assert second.tally() == 1
    first.plan()
    again = first.sever()
    assert again.json["notes"] == [], "the other state's mark is not taken for a restored copy"
    second.close()


@contextlib.contextmanager
def _locked_by_another(lab: kit.Lab) -> Iterator[None]:
    with lab.engine.connect() as connection:
        lock = "SELECT GET_LOCK(CONCAT('reticent ', LEFT(SHA2(DATABASE(), 256), 40)), 0)"
        assert connection.exec_driver_sql(lock).scalar() == 1
        yield
        connection.invalidate()


@pytest.fixture
def small_disk(request: pytest.FixtureRequest) -> Iterator[Path]:
    """A disk of a few megabytes, where a server's own account may write too."""
    disk = Path(tempfile.mkdtemp(prefix="rt-", dir=servers.FOLDER))
    size = f"size={getattr(request, 'param', 4)}m,mode=777"
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(disk)], capture_output=True)
    if mounted.returncode:
        disk.rmdir()
        pytest.skip("a small disk cannot be mounted here")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)
    disk.rmdir()


def _fill(disk: Path) -> Path:
    """Take every byte that is left; return the file that does."""
    filler = disk / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        for size in (1 << 20, 1024):
            with contextlib.suppress(OSError):
                while True:
                    file.write(b"x" * size)
    return filler


def test_disk_full_in_the_state_folder(sqlite_lab: kit.Lab, small_disk: Path) -> None:
    lab = sqlite_lab
    site = lab.folder / "reticent.toml"
    lab.write_site("search", "circulation", more='[sever]\nfree_space = "0 MB"')
    site.write_text(site.read_text().replace('path = "state"', f'path = "{small_disk}/state"'))
    before = lab.ask("SELECT COUNT(*) FROM search_history")
    lab.plan()
    filler = _fill(small_disk)
    _says(lab.sever(), 3, "disk", "run again")
    filler.unlink()
    done = lab.sever()
    assert done.code == 0, done.said
    left = lab.ask("SELECT COUNT(*) FROM search_history")
    with contextlib.closing(sqlite3.connect(small_disk / "state" / "state.sqlite")) as state:
        tallied = state.execute("SELECT SUM(rows_counted) FROM tallies WHERE margin = ''").fetchone()[0]
    assert tallied + left == before


@pytest.mark.parametrize("small_disk", [12], indirect=True)
def test_disk_full_under_the_database_in_the_middle_of_a_run(sqlite_lab: kit.Lab, small_disk: Path) -> None:
    lab = sqlite_lab
    before = lab.ask("SELECT COUNT(*) FROM search_history")
    lab.close()
    shutil.move(lab.folder / "koha.db", small_disk / "koha.db")
    lab = kit.Lab(lab.folder, f"sqlite:///{small_disk}/koha.db")
    lab.write_site("search", "circulation")
    plan = lab.plan()
    filled: list[Path] = []

    def progress(what: str, done: int, _: int) -> None:
        if "Search history" in what and done and not filled:
            filled.append(_fill(small_disk))

    with pytest.raises(ReticentError) as full:
        sever(open_site(lab.folder / "reticent.toml"), read_plan(plan, "plan"), progress)
    assert (full.value.exit_code, full.value.what) == (3, "The database server has no disk space left.")
    assert "Free space" in full.value.do
    assert 0 < lab.tally() == before - lab.ask("SELECT COUNT(*) FROM search_history")
    filled[0].unlink()
    assert lab.sever().code == 0
    assert lab.tally() == before
    lab.close()


@pytest.mark.parametrize("small_disk", [260], indirect=True)
def test_disk_full_on_the_database_server(
    sample: kit.Sample, small_disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(servers, "FOLDER", str(small_disk))
    with servers.mariadb(options=["--innodb-log-file-size=8M"]) as server:
        server.execute("CREATE DATABASE koha")
        lab = sample.mariadb(tmp_path, server.url(database="koha"))
        lab.write_site("search")
        before = lab.ask("SELECT COUNT(*) FROM search_history")
        lab.plan()
        filler = _fill(small_disk)
        _says(lab.sever(), 3, "The database server has no disk space left", "Free space")
        assert lab.ask("SELECT COUNT(*) FROM search_history") == before
        filler.unlink()
        assert lab.sever().code == 0
        assert lab.tally() == before
        lab.close()


def test_disk_full_from_the_start(sqlite_lab: kit.Lab) -> None:
    """A limit on file sizes is met as a full disk is."""
    command = sqlite_lab

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2] / "src")}
    done = subprocess.run(
        [sys.executable, "-m", "reticent.cli.main", "--site", "reticent.toml", "plan"],
        cwd=command.folder, env=environment, preexec_fn=limit, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 3, done.stderr
    assert "do:" in done.stderr
    assert command.run("plan").code == 0, "and nothing is left behind that stands in the way"


def test_a_state_folder_that_cannot_be_written(sqlite_lab: kit.Lab) -> None:
    (sqlite_lab.folder / "state").write_text("a file, not a folder")
    _says(sqlite_lab.run("plan"), 2, "The state folder cannot be written", "Check its owner")


def test_a_damaged_state(sqlite_lab: kit.Lab) -> None:
    assert sqlite_lab.spawn("plan").code == 0
    file = sqlite_lab.folder / "state" / "state.sqlite"
    file.write_bytes(b"not a database" * 1000)
    _says(sqlite_lab.spawn("plan"), 3, "damaged", "Restore the state folder")


# ------------------------------------------------------------------ restored copies


def test_a_restored_copy_is_severed_again_and_not_counted_twice(sqlite_lab: kit.Lab) -> None:
    lab = sqlite_lab
    lab.write_site("search", "circulation")
    before = lab.ask("SELECT COUNT(*) FROM search_history")
    copy = lab.folder / "backup.db"
    lab.plan()
    _copy(lab, copy)
    assert lab.sever().code == 0
    tallies, totals = _tables(lab, "tallies"), _tables(lab, "totals")
    _put_back(lab, copy)
    lab.do(
        "INSERT INTO search_history (userid, sessionid, query_desc, query_cgi, type, time) "
        "VALUES (10, 's', 'q', 'c', 'biblio', datetime('now', 'localtime'))"
    )
    time.sleep(1.1)
    lab.plan()
    again = lab.sever()
    assert again.code == 0, again.said
    assert "was restored from a copy older than the last run" in again.said
    assert lab.ask("SELECT COUNT(*) FROM search_history") == 0
    assert lab.tally() == before + 1, "what came back is not counted twice, what is new is counted once"
    assert [row for row in _tables(lab, "totals") if row not in totals] == []
    changed = set(_tables(lab, "tallies")) - set(tallies)
    assert {row[2] for row in changed} == {datetime.now().strftime("%Y-%m")}
    lab.plan()
    assert "restored" not in lab.sever().said, "said once"


def _tables(lab: kit.Lab, name: str) -> list[tuple[object, ...]]:
    return lab.state(f"SELECT * FROM {name} ORDER BY 1, 2, 3, 4, 5")


def _copy(lab: kit.Lab, to: Path) -> None:
    lab.close()
    shutil.copy(lab.folder / "koha.db", to)


def _put_back(lab: kit.Lab, copy: Path) -> None:
    lab.close()
    shutil.copy(copy, lab.folder / "koha.db")


def test_a_copy_restored_after_a_run_that_ended_early(sqlite_lab: kit.Lab) -> None:
    lab = sqlite_lab
    lab.write_site("search", more="[sever]\nrows = 100")
    before = lab.ask("SELECT COUNT(*) FROM search_history")
    lab.plan()
    _copy(lab, lab.folder / "backup.db")
    stopped = lab.sever()
    assert stopped.code == 1
    assert 0 < lab.tally() < before
    _put_back(lab, lab.folder / "backup.db")
    lab.write_site("search")
    lab.plan()
    assert "was restored" in lab.sever().said
    assert lab.tally() == before


def test_a_copy_restored_in_the_middle_of_a_run(sqlite_lab: kit.Lab) -> None:
    lab = sqlite_lab
    lab.write_site("search")
    before = lab.ask("SELECT COUNT(*) FROM search_history")
    lab.plan()
    _copy(lab, lab.folder / "backup.db")
    _interrupt_after_a_chunk(lab)
    tallied = lab.tally()
    _put_back(lab, lab.folder / "backup.db")
    assert lab.ask("SELECT COUNT(*) FROM search_history") == before
    done = lab.sever()
    assert done.code == 0, done.said
    assert "was restored" in done.said
    assert lab.tally() == before
    assert 0 < tallied < before


def _interrupt_after_a_chunk(lab: kit.Lab) -> None:
    """End a run by force between two chunks, with the first ones' receipts already imported."""
    from reticent.acts import sever
    from reticent.sever import engine

    class Killed(BaseException):
        pass

    collect = sever._Run._collect

    def collect_and_die(run: sever._Run, severer: object) -> None:
        collect(run, severer)  # type: ignore[arg-type]
        if lab.tally():
            raise Killed

    patch = pytest.MonkeyPatch()
    patch.setattr(sever._Run, "_collect", collect_and_die)
    patch.setattr(engine, "FIRST", 50)
    patch.setattr(engine, "LARGEST", 50)
    patch.setattr(engine, "COLLECT_EVERY", 3)
    with pytest.raises(Killed):
        lab.sever()
    patch.undo()


def test_a_trial_does_not_make_a_later_restore_forget_the_rest(sqlite_lab: kit.Lab) -> None:
    lab = sqlite_lab
    lab.write_site("search")
    before = lab.ask("SELECT COUNT(*) FROM search_history")
    _copy(lab, lab.folder / "backup.db")
    done = lab.run("--json", "arm", "ils/search_history")
    assert done.code == 0, done.said
    assert done.json["severed"] == 100
    assert lab.tally() == 100
    _put_back(lab, lab.folder / "backup.db")
    lab.plan()
    assert lab.sever().code == 0
    assert lab.tally() == before
