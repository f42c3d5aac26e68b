"""`reticent init`: what it writes loads, no password is in it, nothing is overwritten, nothing is written on no answer."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.servers import Server
from tests.stores import koha

from reticent.acts.sitefile import without_password
from reticent.model import RecordClass
from reticent.policy.retention import schedule_item
from reticent.site import read_site
from reticent.systems.load import shipped

RETICENT = [sys.executable, "-m", "reticent.cli.main"]
ROOT = Path(__file__).parents[2]
PASSWORD = "s3cret-Pässword/#1"


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RETICENT")}
    return kept | {"PYTHONPATH": str(ROOT / "src"), "TERM": "dumb", "COLUMNS": "200"} | more


def run(folder: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a command with nobody to ask."""
    return subprocess.run(
        [*RETICENT, *arguments], cwd=folder, env=environment(**more), stdin=subprocess.DEVNULL,
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


class Terminal:
    """A command on a terminal of its own, and a person who reads before answering."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self._master, slave = pty.openpty()
        self._process = subprocess.Popen(
            [*RETICENT, *arguments], cwd=folder, env=environment(), stdin=slave, stdout=slave, stderr=slave,
            start_new_session=True,
        )  # fmt: skip
        os.close(slave)
        self.seen = ""
        self._answered = 0

    def expect(self, pattern: str) -> str:
        """Read until something new matches; return what was read since the last answer."""
        deadline = time.monotonic() + 60
        while not re.search(pattern, self.seen[self._answered :]):
            if time.monotonic() > deadline or not self._read():
                raise AssertionError(f"no {pattern!r} in:\n{self.seen[self._answered :]}")
        return self.seen[self._answered :]

    def _read(self) -> bool:
        if not select.select([self._master], [], [], 5)[0]:
            return self._process.poll() is None
        try:
            read = os.read(self._master, 65536)
        except OSError:
            return False
        self.seen += read.decode(errors="replace").replace("\r\n", "\n")
        return bool(read)

    def answer(self, text: str) -> None:
        self._answered = len(self.seen)
        os.write(self._master, text.encode() + b"\n")

    def says(self, pattern: str, text: str) -> str:
        """Wait for a question and answer it."""
        seen = self.expect(pattern)
        self.answer(text)
        return seen

    def end(self) -> int:
        while self._process.poll() is None or select.select([self._master], [], [], 0)[0]:
            if not self._read():
                break
        os.close(self._master)
        return self._process.wait(60)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return koha.sample(tmp_path_factory.mktemp("library"))


def test_options_alone_write_a_site_that_finds(tmp_path: Path, library: Path) -> None:
    done = run(
        tmp_path, "--json", "init", "--library", 'Zoë\'s "Öffentliche" \\ Library', "--jurisdiction", "US-WI",
        "--system", f"koha=sqlite:///{library}", "--branches", "MAIN, EAST,BKM", "--keys", "keys", "--payment", "1 year",
        "--last-borrower", "3 days", "--schedule", "none applies", "--decide", "history=sever", "--yes",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["connections"] == {"find": "works", "sever": "works", "prove": "works"}
    assert "IssueLog" in {setting["name"] for setting in document["settings"]}
    site = read_site(tmp_path / "reticent.toml")
    assert site.library.name == 'Zoë\'s "Öffentliche" \\ Library'
    assert site.library.branches == ("MAIN", "EAST", "BKM")
    assert {key: length.days for key, length in site.retention.items()} == {"last_borrower": 3, "payment": 365}
    assert (site.schedule, site.systems["koha"].decisions) == ({"*": "none applies"}, {"history": "sever"})
    assert run(tmp_path, "--json", "find").returncode == 1
    plan = json.loads(run(tmp_path, "--json", "plan").stdout)
    assert plan["total"] > 1000


def test_what_nobody_decided_is_not_written_as_decided(tmp_path: Path, library: Path) -> None:
    done = run(tmp_path, "--json", "init", "--library", "L", "--system", f"ils=sqlite:///{library}", "--branches", "all",
               "--keys", "keys", "--yes")  # fmt: skip
    assert done.returncode == 0
    site = read_site(tmp_path / "reticent.toml")
    assert (site.schedule, site.systems["ils"].decisions, site.library.jurisdiction) == ({}, {}, "")
    assert "payment" not in site.retention
    assert json.loads(run(tmp_path, "--json", "plan").stdout)["total"] == 0


def test_a_schedule_item_governs_every_series_of_its_class(tmp_path: Path, library: Path) -> None:
    done = run(
        tmp_path, "--json", "init", "--library", "L", "--jurisdiction", "US-OR", "--system", f"ils=sqlite:///{library}",
        "--branches", "all", "--keys", "keys", "--schedule", "circulation=or-city-circulation",
        "--schedule", "payment=other: our county's item 7", "--yes",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    site = read_site(tmp_path / "reticent.toml")
    for series in shipped("koha").series:
        item = schedule_item(site, "ils", series.id, series.retention_key)
        if series.sever != "nothing":
            expected = {
                RecordClass.CIRCULATION: "or-city-circulation",
                RecordClass.PAYMENT: "other: our county's item 7",
            }
            assert item == expected.get(series.record_class), series.id


WRONG = {
    "name": ["--system", "ILS=sqlite:///x.db"],
    "url": ["--system", "ils=nonsense"],
    "jurisdiction": ["--jurisdiction", "XX"],
    "kind": ["--kind", "abacus"],
    "window": ["--last-borrower", "8 days"],
    "length": ["--payment", "soon"],
    "branch": ["--branches", "NOWHERE"],
    "item": ["--schedule", "circulation=or-city-registration"],
    "choice": ["--decide", "history=maybe"],
    "control": ["--library", "A\tB"],
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_answer_ends_with_exit_code_2_and_writes_nothing(tmp_path: Path, library: Path, wrong: str) -> None:
    right = ["--library", "L", "--system", f"ils=sqlite:///{library}", "--branches", "all", "--keys", "keys", "--yes"]
    done = run(tmp_path, "init", *right, *WRONG[wrong])
    assert done.returncode == 2, done.stdout
    assert f"{WRONG[wrong][0]}" in done.stderr
    assert "Nothing was written" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("missing", ["--library", "--system", "--branches"])
def test_no_answer_ends_with_exit_code_2_and_names_the_option(tmp_path: Path, library: Path, missing: str) -> None:
    given = {"--library": "L", "--system": f"ils=sqlite:///{library}", "--branches": "all", "--keys": "keys"}
    del given[missing]
    done = run(tmp_path, "init", *(part for pair in given.items() for part in pair), "--yes")
    assert done.returncode == 2
    assert missing in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_end_of_file_at_the_terminal_writes_nothing(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, "init")
    terminal.expect("The library's name")
    os.write(terminal._master, b"\x04")
    assert terminal.end() == 2
    assert "Nothing was written" in terminal.seen
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_there_is_never_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "reticent.toml"
    file.write_text("mine")
    done = run(tmp_path, "init", "--yes")
    assert (done.returncode, file.read_text()) == (2, "mine")
    assert "never overwrites" in done.stderr


def test_keys_inside_the_state_folder_are_refused_before_anything_is_written(tmp_path: Path, library: Path) -> None:
    done = run(tmp_path, "init", "--library", "L", "--system", f"ils=sqlite:///{library}", "--branches", "all",
               "--keys", "state/keys", "--yes")  # fmt: skip
    assert done.returncode == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("url", "kept", "password"),
    [
        ("mysql+pymysql://u:p@h/d", "mysql+pymysql://u:${X}@h/d", "p"),
        ("mysql+pymysql://u:p:@/@h:3306/d", "mysql+pymysql://u:${X}@h:3306/d", "p:@/"),
        ("mysql+pymysql://u:${Y}@h/d", "mysql+pymysql://u:${Y}@h/d", None),
        ("mysql+pymysql://u@h/d", "mysql+pymysql://u@h/d", None),
        ("sqlite:///a.db", "sqlite:///a.db", None),
    ],
)
def test_a_password_leaves_the_url(url: str, kept: str, password: str | None) -> None:
    assert without_password(url, "X") == (kept, password)


@pytest.fixture(scope="module")
def koha_on_mariadb(mariadb: Server, library: Path) -> Iterator[tuple[Server, str]]:
    name = "init_koha"
    mariadb.execute(f"CREATE DATABASE {name}")
    koha.copy(library, mariadb.url(database=name))
    yield mariadb, name
    users = ", ".join(f"'reticent_{right}'@'%'" for right in ("find", "sever", "prove"))
    mariadb.execute(f"DROP DATABASE {name}", f"DROP USER IF EXISTS {users}")


def statements(said: str) -> list[str]:
    """The statements among what was said, as an administrator would copy them."""
    return re.findall(r"^(?:CREATE|GRANT) .*;$", said, re.MULTILINE)


def test_a_librarian_connects_a_koha_from_nothing(tmp_path: Path, koha_on_mariadb: tuple[Server, str]) -> None:
    server, name = koha_on_mariadb
    terminal = Terminal(tmp_path, "init")
    terminal.says("library's name", "Lakeside Public Library")
    terminal.says("state, for law", "Wisconsin")
    terminal.says("it is one of.*\n.*state, for law", "US-WI")
    terminal.says("own records", "")
    terminal.says("its keys", "keys")
    terminal.says("kind of system", "")
    terminal.says("short name", "")
    terminal.says("find account", f"mysql+pymysql://reticent_find:{PASSWORD}@127.0.0.1:{server.port}/{name}")
    terminal.says("sever account", "")
    terminal.says(r"Password for .*SEVER_PASSWORD.*: ", PASSWORD)
    terminal.says("prove account", "")
    terminal.says(r"Password for .*PROVE_PASSWORD.*: ", PASSWORD)
    first = statements(terminal.expect("Enter to try again"))
    assert [line.split()[0] for line in first] == ["CREATE", "CREATE", "CREATE", "GRANT"]
    server.execute(*(line.replace("choose one", PASSWORD) for line in first))
    terminal.answer("")
    printed = statements(terminal.expect("Enter to try again"))
    assert len(printed) > 150
    server.execute(*printed)
    terminal.answer("")
    terminal.says("3: BKM, EAST, MAIN", "MAIN,WEST")
    terminal.says("no branch WEST(?s:.*)are yours", "MAIN,EAST")
    more = statements(terminal.says("last borrower", "2 days"))
    server.execute(*more)
    terminal.says("auditor", "")
    terminal.says("deleted accounts", "30 days")
    terminal.says("Records schedule", "each")
    for _ in sorted({s.record_class for s in shipped("koha").series if s.sever != "nothing"}):
        terminal.says(r"Item for \w+(?s:.*)later\)", "none applies")
    terminal.says("privacy 0", "sever")
    terminal.says("session table", "later")
    assert terminal.end() == 0, terminal.seen[-3000:]
    assert PASSWORD not in (tmp_path / "reticent.toml").read_text()
    assert "find: works" in terminal.seen
    _it_works(tmp_path)


def _it_works(folder: Path) -> None:
    site = read_site(folder / "reticent.toml")
    assert site.library.branches == ("MAIN", "EAST")
    assert site.systems["ils"].decisions == {"history": "sever"}
    assert len(site.schedule) > 10
    words = {f"RETICENT_ILS_{right}_PASSWORD": PASSWORD for right in ("FIND", "SEVER", "PROVE")}
    found = run(folder, "--json", "find", **words)
    assert found.returncode == 1, found.stdout[-500:] + found.stderr
    document = json.loads(found.stdout)
    assert sum(series["due"] for series in document["series"]) > 1000
    out = json.loads(run(folder, "--json", "plan", "--out", "plan.json", **words).stdout)
    severed = json.loads(run(folder, "--json", "sever", "--plan", "plan.json", **words).stdout)
    assert severed["severed"] + severed["gone"] == out["total"] > 1000
    again = run(folder, "init", "--grants", "ils", **words)
    assert again.returncode == 0
    assert len(statements(again.stdout)) > 150
    without = run(folder, "init", "--grants", "ils")
    assert without.returncode == 2
    assert "RETICENT_ILS_FIND_PASSWORD" in without.stderr


def test_unattended_an_account_that_does_not_work_yet_ends_with_exit_code_3_and_what_to_run(
    tmp_path: Path, koha_on_mariadb: tuple[Server, str]
) -> None:
    server, name = koha_on_mariadb
    url = f"mysql+pymysql://reticent_find:${{RETICENT_ILS_FIND_PASSWORD}}@127.0.0.1:{server.port}/{name}"
    done = run(tmp_path, "--json", "init", "--library", "L", "--system", f"ils={url}", "--branches", "all",
               "--keys", "keys", RETICENT_ILS_FIND_PASSWORD="wrong")  # fmt: skip
    assert done.returncode == 3, done.stderr
    document = json.loads(done.stdout)
    assert document["grants"] is None
    assert any("GRANT REFERENCES" in line for line in document["first"])
    assert "not accepted" in document["connections"]["find"]
    site = read_site(tmp_path / "reticent.toml")
    assert site.systems["ils"].accounts.sever == url.replace("find", "sever").replace("FIND", "SEVER")
    assert "wrong" not in (tmp_path / "reticent.toml").read_text()


def test_a_database_file_that_is_not_there_is_told_and_no_account_is_asked_for(tmp_path: Path) -> None:
    done = run(tmp_path, "--json", "init", "--library", "L", "--system", "ils=sqlite:///no.db", "--branches", "all",
               "--keys", "keys")  # fmt: skip
    document = json.loads(done.stdout)
    assert done.returncode == 3, document
    assert document["first"] == []
    assert "no such file" in document["connections"]["find"]
    assert not (tmp_path / "no.db").exists()


def test_grants_of_a_system_that_is_not_there_say_which_are(tmp_path: Path, library: Path) -> None:
    run(tmp_path, "init", "--library", "L", "--system", f"ils=sqlite:///{library}", "--branches", "all",
        "--keys", "keys", "--yes")  # fmt: skip
    done = run(tmp_path, "init", "--grants", "catalogue")
    assert done.returncode == 2
    assert "ils" in done.stderr
