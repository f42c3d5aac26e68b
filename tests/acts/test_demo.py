"""`reticent demo` and `report`: the whole job on a small sample library, and no folder but a demo is ever replaced."""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import pytest

from reticent.acts import demo as act
from reticent.acts.demo import Demo, demo, make_room
from reticent.acts.opening import open_site
from reticent.acts.report import last_run, report
from reticent.errors import NotPermitted, ReticentError, UsageError

SITE_FILE = Path(act.__file__).parents[1] / "sample" / "demo.toml"


def silent(_what: str, _done: int, _of: int) -> None:
    pass


def make(folder: Path, *, stop: bool = False) -> Demo:
    today = datetime.now().astimezone().date()
    return demo(folder, silent, patrons=150, years=1, seed=7, today=today, stop_before_sever=stop)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    return make(tmp_path_factory.mktemp("demo") / "reticent-demo")


def test_the_whole_job_is_done(made: Demo) -> None:
    assert made.run
    assert made.after
    assert made.check
    assert made.exit_code == 0
    assert sum(found.survey.due for found in made.before.found) == made.plan.total > 5_000
    assert sum(found.survey.due for found in made.after.found) == 0
    assert made.run.severed > 5_000
    assert {finding.kind for finding in made.check.findings} == {"undecided", "withheld"}
    assert made.answer.state == "waiting"
    with sqlite3.connect(made.folder / "koha.sqlite") as koha:
        assert koha.execute("SELECT COUNT(*) FROM search_history").fetchone() == (0,)


def test_the_logs_are_found_severed_and_what_is_wrong_with_them_is_said(made: Demo) -> None:
    assert made.run
    before = {(f.system, f.series.id): f.survey.due for f in made.before.found}
    for log in (("proxy", "access"), ("proxy", "spu"), ("proxy", "audit"), ("opac", "access"), ("selfcheck", "sip2")):
        assert before[log] > 50, log
    assert {setting.name for setting in made.before.settings} >= {"AuditPurge", "Option LogUser", "Option LogSession"}
    assert [place.name.rpartition("/")[2] for system, place in made.before.unmapped if system == "proxy"] == [
        "use of databases.csv"
    ]
    assert sum("1 of" in note and "lines do not have" in note for note in made.run.notes) == 2, "the file and its copy"
    passwords = [path for path in made.folder.rglob("access.log*") if b"password=" in path.read_bytes()]
    assert not [path for path in passwords if re.search(rb"password=\d", path.read_bytes())]


def test_the_page_shows_what_was_done(made: Demo) -> None:
    assert made.run
    page = made.page.read_text(encoding="utf-8")
    assert f"{made.run.severed:,}" in page
    assert f"<strong>entry {made.run.ledger['index']}</strong>" in page
    assert made.plan.digest in page
    assert "A made-up library." in page
    for asked in ("payment = ", "history = ", "no end date", "IssueLog", "digital_lending", "none is missing"):
        assert asked in page, asked


def test_nothing_the_demo_wrote_names_a_patron(made: Demo) -> None:
    """Card numbers, e-mails and user names of every patron, in every byte but the sample library's own.

    Its logs of the last week are within retention; everything older is severed.
    """
    with sqlite3.connect(made.folder / "koha.sqlite") as koha:
        rows = koha.execute("SELECT cardnumber, email, userid FROM borrowers").fetchall()
    # "staff7" is no needle: the series tickets.staff stands in the state, and any byte may follow it.
    needles = {value.encode() for row in rows for value in row if value and len(value) > 7}
    assert len(needles) > 200
    written = [path for path in made.folder.rglob("*") if path.is_file() and path.name != "koha.sqlite"]
    week_ago = time.time() - 8.5 * 86_400
    recent = {path for path in written if "proxy" in path.parts and path.stat().st_mtime > week_ago}
    assert any(needle in path.read_bytes() for path in recent for needle in needles)
    assert len(written) - len(recent) > 40
    for path in set(written) - recent:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        assert [needle for needle in needles if needle in content] == [], path


def test_the_keys_are_not_in_the_state_folder(made: Demo) -> None:
    site = open_site(made.folder / "reticent.toml").site
    assert site.keys_path == made.folder / "keys"
    assert list(site.keys_path.glob("*.key"))
    assert not list(site.state_path.rglob("*.key"))


def test_a_report_afterwards_shows_the_same_run(made: Demo, tmp_path: Path) -> None:
    assert made.run
    folder = tmp_path / "copy"
    shutil.copytree(made.folder, folder)
    opened = open_site(folder / "reticent.toml")
    plan, run = last_run(opened)
    assert plan == made.plan.document()
    assert run
    assert sorted(map(str, run.steps)) == sorted(map(str, made.run.steps))
    written = report(opened, tmp_path / "page.html", silent)
    assert written.exit_code == 1
    assert written.results.evidence
    assert written.results.evidence.entry == made.run.ledger["index"]
    assert written.document()["answer"] == "waiting"
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert f"{made.run.severed:,}" in page
    assert "without an earlier count" in page


def test_without_severing_nothing_is_touched_and_the_page_says_so(tmp_path: Path) -> None:
    done = make(tmp_path / "d", stop=True)
    assert done.run is None
    assert done.exit_code == 0
    with sqlite3.connect(done.folder / "koha.sqlite") as koha:
        assert koha.execute("SELECT COUNT(*) FROM search_history").fetchone()[0] > 100
    page = re.sub(r"\s+", " ", done.page.read_text(encoding="utf-8"))
    assert f"would sever {done.plan.total:,} ties" in page
    assert "Not kept: " in page
    written = report(open_site(done.folder / "reticent.toml"), done.page, silent)
    assert written.results.run is None


@pytest.fixture
def former(tmp_path: Path) -> Path:
    """A folder as a demo leaves it, without the work."""
    folder = tmp_path / "former"
    (folder / "state").mkdir(parents=True)
    (folder / "keys").mkdir()
    for name in ("koha.sqlite", "plan.json", "report.html", "state/ledger.sqlite", "keys/x.key", "my notes.txt"):
        (folder / name).write_text("old")
    (folder / "reticent.toml").write_text(SITE_FILE.read_text().replace("{today}", "2026-11-23"))
    return folder


def listing(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_former_demo_is_replaced_and_what_is_not_its_own_stays(former: Path) -> None:
    make_room(former)
    assert listing(former) == ["my notes.txt", "reticent.toml"]


def test_a_decision_tried_in_a_demo_does_not_make_it_another_folder(former: Path) -> None:
    text = (former / "reticent.toml").read_text()
    (former / "reticent.toml").write_text(text.replace('# history = "sever"', 'history = "sever"'))
    make_room(former)
    assert not (former / "state").exists()


def test_an_interrupted_demo_is_replaced(former: Path) -> None:
    shutil.rmtree(former / "state")
    shutil.rmtree(former / "keys")
    (former / "koha.sqlite-journal").write_text("half")
    make_room(former)
    assert listing(former) == ["my notes.txt", "reticent.toml"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("sqlite:///koha.sqlite", "mysql+pymysql://reticent_find@db/koha"),
        ('path = "state"', 'path = "/srv/reticent/state"'),
        ('keys = "keys"', 'keys = "/etc/reticent/keys"'),
        ("[systems.ils.accounts]", "[systems.ils.accounts"),
        ("[state]", "[stat]"),
        ('config = "logs/proxy/config.txt"', 'config = "/srv/ezproxy/config.txt"'),
        ('"logs/opac/access.log*"', '"/var/log/apache2/access.log*"'),
        ('"logs/opac/access.log*"', '"logs/../../access.log*"'),
        ('kind = "declared"', 'kind = "koha"\naccounts = { find = "sqlite:///other.sqlite" }'),
        ("[systems.ils.accounts]", "accounts = 3\n[systems.ils.other]"),
    ],
)
def test_a_demo_that_became_a_real_site_is_never_replaced(former: Path, old: str, new: str) -> None:
    """Whoever edits the demo's file into their own keeps the marker in it, and a ledger worth keeping."""
    text = (former / "reticent.toml").read_text()
    assert old in text
    (former / "reticent.toml").write_text(text.replace(old, new, 1))
    before = listing(former)
    with pytest.raises(NotPermitted, match="something else"):
        make_room(former)
    assert listing(former) == before


def test_a_folder_with_other_things_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match="not empty") as refused:
        make_room(tmp_path)
    assert "reticent demo another-folder" in str(refused.value)
    assert listing(tmp_path) == ["thesis.txt"]
    (tmp_path / "reticent.toml").write_text('[library]\nname = "Ours"\n# reticent demo: not at the start\n')
    with pytest.raises(UsageError, match="not empty"):
        make_room(tmp_path)


def test_a_link_to_a_state_elsewhere_is_cut_and_not_followed(former: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "ledger.sqlite").write_text("precious")
    shutil.rmtree(former / "state")
    (former / "state").symlink_to(elsewhere)
    make_room(former)
    assert (elsewhere / "ledger.sqlite").read_text() == "precious"
    assert not (former / "state").is_symlink()


def test_a_file_in_the_way_is_refused(tmp_path: Path) -> None:
    (tmp_path / "demo").write_text("a file")
    for path in (tmp_path / "demo", tmp_path / "demo" / "inside"):
        with pytest.raises(ReticentError):
            make_room(path)
    assert (tmp_path / "demo").read_text() == "a file"


def run(folder: Path, *arguments: str, before: str = "") -> subprocess.CompletedProcess[str]:
    command = f'{before} exec "$0" -m reticent.cli.main "$@"'
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    words = ["sh", "-c", command, sys.executable, *arguments]
    return subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False)


def test_an_interrupted_demo_says_so_and_can_be_started_again(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-m", "reticent.cli.main", "demo", "d", "--patrons", "3000"]
    with subprocess.Popen(
        command,
        cwd=tmp_path,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        # Whoever runs the tests in the background may have Ctrl-C ignored, and a child would inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as running:
        deadline = time.monotonic() + 60
        while not (tmp_path / "d" / "koha.sqlite").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        running.send_signal(signal.SIGINT)
        said = running.communicate(timeout=60)[1]
    assert running.returncode == 2
    assert "Interrupted." in said
    make_room(tmp_path / "d")
    assert listing(tmp_path / "d") == ["reticent.toml"]


def test_the_command_prints_one_document_and_nothing_else(tmp_path: Path) -> None:
    done = run(tmp_path, "--json", "demo", "--patrons", "150", "--years", "1")
    assert (done.returncode, done.stderr) == (0, "")
    document = json.loads(done.stdout)
    assert document["folder"] == "reticent-demo"
    assert document["sever"]["severed"] > 5_000
    assert document["check"]["promise_kept"] is False
    assert (tmp_path / document["report"]).is_file()
    again = run(tmp_path / "reticent-demo", "report")
    assert again.returncode == 1
    assert "Written to report.html" in again.stdout


@pytest.mark.parametrize(
    ("arguments", "before", "code", "said"),
    [
        (("demo", "d", "--patrons", "20"), "", 2, "patrons"),
        (("demo", "d", "--patrons", "150", "--years", "0"), "", 2, "years"),
        (("demo", "d", "--patrons", "150", "--years", "1"), "ulimit -f 500;", 3, "room"),
        (("report",), "", 2, "There is no reticent.toml"),
    ],
)
def test_wrong_use_ends_with_its_code_and_what_to_do(
    tmp_path: Path, arguments: tuple[str, ...], before: str, code: int, said: str
) -> None:
    done = run(tmp_path, *arguments, before=before)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    if before:
        make_room(tmp_path / "d")
