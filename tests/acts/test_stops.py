"""What ends a run, or one series of it, before its plan is done; and what may run unattended."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from tests.acts import kit

from reticent.acts import opening
from reticent.acts.check import check
from reticent.acts.opening import Opened, open_site
from reticent.acts.sever import sever
from reticent.errors import NotPermitted
from reticent.keyring.officers import statement
from reticent.sever import engine
from reticent.sever.plan import read_plan
from reticent.sever.result import RunResult
from reticent.systems.load import load_map

TITLES = {"search_history": "Search history", "old_issues": "Finished loans", "statistics": "Circulation statistics"}


class Clock:
    """Always the same time of day tomorrow, in local time: never before what was done already."""

    def __init__(self, hour: int) -> None:
        self._hour = hour

    def now(self) -> datetime:
        tomorrow = datetime.now(UTC).astimezone() + timedelta(days=1)
        return tomorrow.replace(hour=self._hour, minute=30).astimezone(UTC)


class Later:
    """So many hours from now."""

    def __init__(self, hours: int) -> None:
        self._hours = hours

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(hours=self._hours)


def _run(lab: kit.Lab, meanwhile: Callable[[Opened], object], at: str = "old_issues", clock: Any = None) -> RunResult:
    """Apply a fresh plan; ``meanwhile`` happens once, after the first chunk of a series."""
    plan = lab.plan()
    happened: list[str] = []
    opened = open_site(lab.folder / "reticent.toml", clock)

    def progress(what: str, done: int, of: int) -> None:
        if TITLES[at] in what and done and not happened:
            happened.append(what)
            meanwhile(opened)

    result = sever(opened, read_plan(plan, "plan"), progress)
    assert bool(happened) or at not in TITLES
    return result


@pytest.fixture
def lab(sqlite_lab: kit.Lab, monkeypatch: pytest.MonkeyPatch) -> kit.Lab:
    """Small chunks, and a look around between any two of them."""
    monkeypatch.setattr(engine, "FIRST", 100)
    monkeypatch.setattr(engine, "LARGEST", 100)
    monkeypatch.setattr(engine, "LOOK_AROUND_SECONDS", 0.0)
    monkeypatch.setattr(engine, "WIRES_SECONDS", 0.0)
    sqlite_lab.write_site("search", "circulation")
    return sqlite_lab


def _steps(result: RunResult) -> dict[str, tuple[int, int]]:
    return {step.series: (step.severed, step.still_due) for step in result.steps}


@pytest.mark.parametrize("scope", ["ils/old_issues", "circulation", "ils", "*"])
def test_a_hold_placed_in_mid_run_stops_exactly_what_it_covers(lab: kit.Lab, scope: str) -> None:
    until = datetime.now(UTC) + timedelta(days=30)
    result = _run(lab, lambda opened: opened.holds.place(scope, until))
    steps = _steps(result)
    assert result.held
    assert result.exit_code == 4
    assert not result.stopped
    assert 50 < steps["old_issues"][0] <= 100, "the chunk that was running, and none after it"
    assert steps["old_issues"][1] > 500
    waiting = {note.partition(" waits")[0] for note in result.notes}
    assert "ils/old_issues" in waiting
    assert ("ils/statistics" in waiting) == (scope != "ils/old_issues")
    assert (steps["statistics"][0] == 0) == (scope != "ils/old_issues")
    assert lab.state("SELECT value FROM facts WHERE name = 'hold_epoch'") == [("1",)], "acknowledged"
    assert lab.tally() == steps["search_history"][0]
    opened = open_site(lab.folder / "reticent.toml")
    opened.holds.release(1)
    lab.plan()
    assert lab.sever().code == 0


def test_a_hold_that_ran_out_or_covers_another_series_stops_nothing(lab: kit.Lab) -> None:
    def place(opened: Opened) -> None:
        opened.holds.place("ils/old_issues", datetime.now(UTC) - timedelta(minutes=1))
        opened.holds.place("notice", datetime.now(UTC) + timedelta(days=1))

    assert _run(lab, place).exit_code == 0


def test_the_stop_file(lab: kit.Lab) -> None:
    stop = lab.folder / "state" / "stop"
    result = _run(lab, lambda _: stop.touch(), "search_history")
    assert (result.exit_code, "stop file" in result.stopped) == (1, True)
    assert _steps(result)["search_history"][0] == lab.tally() == 100
    assert lab.run("sever", "--plan", str(lab.folder / "plan.json")).code == 4, "a stopped plan is over"
    lab.plan()
    assert lab.sever().code == 1, "while the file is there nothing is severed"
    stop.unlink()
    before = lab.ask("SELECT COUNT(*) FROM search_history")
    lab.plan()
    assert lab.sever().code == 0
    assert lab.tally() == 100 + before


@pytest.mark.parametrize("rows", [1, 99, 250])
def test_the_row_ceiling_is_exact(lab: kit.Lab, rows: int) -> None:
    before = lab.ask("SELECT COUNT(*) FROM search_history")
    lab.write_site("search", more=f"[sever]\nrows = {rows}")
    lab.plan()
    done = lab.sever()
    assert done.code == 1
    assert done.json["severed"] == rows
    assert "ceiling" in done.json["stopped"]
    assert lab.tally() == before - lab.ask("SELECT COUNT(*) FROM search_history") == rows


@pytest.mark.parametrize(
    ("window", "hour", "runs"), [("22:00-06:00", 12, False), ("22:00-06:00", 23, True), ("09:00-17:00", 20, False)]
)
def test_the_time_window(lab: kit.Lab, window: str, hour: int, runs: bool) -> None:
    lab.write_site("search", more=f'[sever]\nwindow = "{window}"')
    plan = lab.plan()
    opened = open_site(lab.folder / "reticent.toml", Clock(hour))
    result = sever(opened, read_plan(plan, "plan"), lambda *_: None)
    assert (result.exit_code == 0) == runs
    assert ("time window" in result.stopped) != runs


def test_too_little_space(lab: kit.Lab) -> None:
    lab.write_site("search", more='[sever]\nfree_space = "999999 GB"')
    lab.plan()
    done = lab.sever()
    assert done.code == 1
    assert "MB are free where the state is kept" in done.json["stopped"]
    assert done.json["severed"] == 0


def test_a_tripwire(lab: kit.Lab) -> None:
    sql = "UPDATE accountlines SET amountoutstanding = 9999 WHERE accountlines_id = (SELECT MIN(accountlines_id) FROM accountlines)"
    result = _run(lab, lambda _: lab.do(sql))
    assert result.exit_code == 1
    assert 'tripwire "money owed"' in result.stopped
    assert _steps(result)["statistics"][0] == 0


def test_an_upgrade_of_the_system(lab: kit.Lab) -> None:
    sql = "UPDATE systempreferences SET value = '26.0' WHERE variable = 'Version'"
    monkey = pytest.MonkeyPatch()
    monkey.setattr(engine, "RETRIES", 1)
    result = _run(lab, lambda _: lab.do(sql))
    monkey.undo()
    assert result.exit_code == 1
    assert "upgrade" in result.stopped


def test_nothing_is_severed_that_nobody_read(lab: kit.Lab) -> None:
    before = lab.digests()
    done = lab.run("sever")
    assert done.code == 4
    assert "nobody has read a plan" in done.said
    assert lab.run("sever", "--armed").code == 4
    assert lab.digests() == before


# ------------------------------------------------------------------ arming


@pytest.fixture(scope="module")
def officer(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Real keys by the stock ssh-keygen."""
    folder = tmp_path_factory.mktemp("ssh")

    def key(person: str) -> Path:
        path = folder / person
        if not path.exists():
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
        return path

    return key


def _sign(key: Path, file: Path, namespace: str = "reticent") -> Path:
    made = file.with_name(file.name + ".sig")
    made.unlink(missing_ok=True)
    subprocess.run(["ssh-keygen", "-q", "-Y", "sign", "-n", namespace, "-f", str(key), str(file)], check=True)
    return made


STEP = "ils/search_history"


@pytest.fixture
def site(sqlite_lab: kit.Lab, officer: Callable[[str], Path]) -> kit.Lab:
    """A site with two officers and a map file of its own, which both have signed."""
    for name in ("koha.toml", "koha.columns.csv"):
        (sqlite_lab.folder / name).write_text(resources.files("reticent.systems").joinpath(name).read_text("utf-8"))
    _write(sqlite_lab, officer)
    _sign_map(sqlite_lab, officer)
    return sqlite_lab


ROLES = {"custodian": "director", "counsel": "lawyer"}


def _sign_map(lab: kit.Lab, officer: Callable[[str], Path]) -> None:
    message = lab.folder / "map.txt"
    message.write_bytes(statement("map", {"map": load_map(lab.folder / "koha.toml").digest}))
    for role, person in ROLES.items():
        _sign(officer(person), message).rename(lab.folder / f"koha.toml.{role}.sig")


def _write(lab: kit.Lab, officer: Callable[[str], Path], more: str = "") -> None:
    public = {role: officer(person).with_suffix(".pub").read_text().strip() for role, person in ROLES.items()}
    named = "\n".join(f'{role} = {{ name = "{ROLES[role]}", sign = "{key}" }}' for role, key in public.items())
    officers = f"[officers]\n{named}\n{more}"
    lab.write_site("search", "access", more=officers, system='map = "koha.toml"')


def _arm(lab: kit.Lab, key: Path) -> kit.Done:
    tried = lab.run("--json", "arm", STEP)
    assert tried.code == 0, tried.said
    assert tried.json["severed"] == 100
    return lab.run("arm", STEP, "--signature", str(_sign(key, Path(tried.json["statement"]))))


def _more_searches(lab: kit.Lab, rows: int) -> None:
    lab.do(
        "INSERT INTO search_history (userid, sessionid, query_desc, query_cgi, type, time) WITH RECURSIVE n(i) AS "
        f"(SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows}) SELECT 10, 's', 'q', 'c', 'biblio', "
        "'2026-01-01 00:00:00' FROM n"
    )


def test_an_armed_series_runs_by_itself_and_no_other_does(site: kit.Lab, officer: Callable[[str], Path]) -> None:
    before = site.ask("SELECT COUNT(*) FROM search_history")
    clicks = site.digests()["linktracker"]
    assert _arm(site, officer("director")).code == 0
    done = site.run("--json", "sever", "--armed")
    assert done.code == 0, done.said
    assert {step["series"] for step in done.json["steps"]} == {"search_history"}
    assert done.json["severed"] == before - 100
    assert site.tally() == before
    assert site.digests()["linktracker"] == clicks
    again = site.run("--json", "sever", "--armed")
    assert (again.code, again.json["severed"]) == (0, 0), "a night with nothing due is a good night"
    assert site.run("disarm", STEP).code == 0
    assert site.run("sever", "--armed").code == 4


def test_only_the_custodians_signature_over_this_statement_arms(site: kit.Lab, officer: Callable[[str], Path]) -> None:
    tried = site.run("--json", "arm", STEP)
    statement = Path(tried.json["statement"])
    stranger = _sign(officer("stranger"), statement)
    assert site.run("arm", STEP, "--signature", str(stranger)).code == 4
    other = statement.with_name("other.txt")
    other.write_bytes(statement.read_bytes().replace(b"arm", b"arms"))
    assert site.run("arm", STEP, "--signature", str(_sign(officer("director"), other))).code == 5
    mail = _sign(officer("director"), statement, "email")
    assert site.run("arm", STEP, "--signature", str(mail)).code == 5
    assert site.run("arm", "ils/linktracker", "--signature", str(_sign(officer("director"), statement))).code == 4
    assert site.run("sever", "--armed").code == 4
    assert site.run("arm", "ils/nothing").code == 2
    assert site.run("arm", "nowhere/search_history").code == 2


def _change_map(site: kit.Lab, officer: Callable[[str], Path]) -> None:
    file = site.folder / "koha.toml"
    file.write_text(file.read_text() + "\n# read again\n")
    _sign_map(site, officer)


def _change_table(site: kit.Lab, _: Any) -> None:
    site.do("ALTER TABLE search_history ADD COLUMN weight INTEGER")


def _change_site(site: kit.Lab, officer: Callable[[str], Path]) -> None:
    _write(site, officer, '[retention]\nsearch = "1 hour"')


@pytest.mark.parametrize("change", [_change_map, _change_table, _change_site])
def test_a_change_disarms(site: kit.Lab, officer: Callable[[str], Path], change: Callable[..., None]) -> None:
    assert _arm(site, officer("director")).code == 0
    change(site, officer)
    left = site.ask("SELECT COUNT(*) FROM search_history")
    done = site.run("--json", "sever", "--armed")
    assert done.code == 4, done.said
    assert "is disarmed: the map, the table, the policy, reticent.toml or the version" in done.json["notes"][0]
    assert site.ask("SELECT COUNT(*) FROM search_history") == left
    assert site.run("sever", "--armed").code == 4, "and it stays disarmed"


def test_another_version_or_policy_disarms(
    site: kit.Lab, officer: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _arm(site, officer("director")).code == 0
    monkeypatch.setattr("reticent.acts.plan.__version__", "99")
    assert site.run("sever", "--armed").code == 4
    monkeypatch.undo()
    assert _arm(site, officer("director")).code == 0
    monkeypatch.setattr("reticent.acts.plan.DEFAULTS", {"search": timedelta(days=1)})
    assert site.run("sever", "--armed").code == 4


def test_no_run_for_48_hours_is_a_finding_where_something_is_armed(
    site: kit.Lab, officer: Callable[[str], Path]
) -> None:
    def kinds(hours: int) -> list[str]:
        return [finding.kind for finding in check(open_site(file, Later(hours)), lambda *_: None).findings]

    file = site.folder / "reticent.toml"
    assert "no run" not in kinds(0)
    assert _arm(site, officer("director")).code == 0
    assert "no run" not in kinds(47)
    assert "no run" in kinds(49)


def test_three_times_the_usual_count_disarms(site: kit.Lab, officer: Callable[[str], Path]) -> None:
    assert _arm(site, officer("director")).code == 0
    (usual,) = site.state("SELECT usual FROM arming")[0]
    _more_searches(site, 3 * usual - site.ask("SELECT COUNT(*) FROM search_history"))
    assert site.run("sever", "--armed").code == 0, "exactly three times is not yet unusual"
    (usual,) = site.state("SELECT usual FROM arming")[0]
    _more_searches(site, 3 * usual + 1)
    done = site.run("--json", "sever", "--armed")
    assert done.code == 4
    assert "more than 3 times the usual" in done.json["notes"][0]


def test_a_withdrawn_map_is_refused(site: kit.Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = opening.map_of(open_site(site.folder / "reticent.toml").site, "ils").digest
    monkeypatch.setattr(opening, "withdrawn", lambda: {digest: "it severed too much"})
    done = site.run("plan")
    assert done.code == 3
    assert "was withdrawn: it severed too much" in done.said


def test_an_armed_run_finishes_what_was_interrupted(
    site: kit.Lab, officer: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = site.ask("SELECT COUNT(*) FROM search_history")
    assert _arm(site, officer("director")).code == 0
    calls = []

    def fail(*_: Any) -> None:
        calls.append(1)
        raise NotPermitted("pulled the plug")

    monkeypatch.setattr("reticent.acts.sever._Run.finish", fail)
    assert site.run("sever", "--armed").code == 4
    monkeypatch.undo()
    assert calls
    done = site.run("--json", "sever", "--armed")
    assert done.code == 0, done.said
    assert done.json["severed"] == before - 100
    assert site.tally() == before
