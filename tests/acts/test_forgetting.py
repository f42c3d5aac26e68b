"""At a patron's wish everything of theirs that is over is severed, nothing that is open, and nobody else's."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.acts import kit
from tests.acts.office import Office, whole
from tests.servers import Server

from reticent.acts import forgetting
from reticent.acts.forgetting import Forgotten, forget
from reticent.acts.opening import map_of
from reticent.acts.subject import severed_paper
from reticent.acts.systems import SqlSystem
from reticent.errors import NotPermitted, UsageError
from reticent.policy.gate import Asker
from reticent.stores.sql.discloser import SqlDiscloser

CUSTODIAN = Asker("staff-1", frozenset({"custodian"}))
THEIRS = "SELECT COUNT(*) FROM {} WHERE borrowernumber = :n"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("officers")


@pytest.fixture
def office(sample: kit.Sample, keys: Path, tmp_path: Path) -> Iterator[Office]:
    lab = sample.sqlite(tmp_path)
    yield Office(lab, keys)
    lab.close()


def forgotten(office: Office, card: str, *, verified: bool = True) -> Forgotten:
    opened, gate = office.open()
    urls = {"ils": office.lab.url}
    return forget(opened, gate, CUSTODIAN, {"ils": card}, urls, lambda *_: None, identity_verified=verified)


def others(office: Office, number: int) -> dict[str, str]:
    """Return a digest of everybody else's rows, table by table; severed ones stand under nobody or the stand-in."""
    stand_in = office.lab.ask("SELECT value FROM systempreferences WHERE variable = 'AnonymousPatron'")
    nobody = (number, None, int(stand_in or 0))
    tables = ("old_issues", "issues", "old_reserves", "reserves", "statistics", "search_history")
    return {
        name: kit.digest([row for row in office.lab.table(name) if row.get("borrowernumber") not in nobody])
        for name in tables
    }


def test_what_is_over_goes_what_is_open_stays_and_nobody_elses_is_touched(office: Office) -> None:
    number, card = office.card()
    before, rest = office.lab.ask(THEIRS.format("old_issues"), n=number), others(office, number)
    live = office.lab.ask(THEIRS.format("issues"), n=number)
    rows = office.lab.ask("SELECT COUNT(*) FROM old_issues")
    made = forgotten(office, card)
    assert "ils/old_issues" in made.done
    assert office.lab.ask(THEIRS.format("old_issues"), n=number) < before // 2, "what is left still waits for money"
    assert office.lab.ask(THEIRS.format("issues"), n=number) == live
    assert office.lab.ask("SELECT COUNT(*) FROM old_issues") == rows
    assert others(office, number) == rest


def test_the_patrons_own_paper_says_how_much_and_what_stays_and_why(office: Office) -> None:
    number, card = office.card()
    before = office.lab.ask(THEIRS.format("old_issues"), n=number)
    made = forgotten(office, card)
    gone = before - office.lab.ask(THEIRS.format("old_issues"), n=number)
    paper = severed_paper(office.open()[0], made)
    text = " ".join(paper["severed.txt"].decode().split())
    assert f"Finished loans: {gone}" in text
    assert "Stays, because its rows have no number of their own" in text
    assert "ils: Open loans" in text
    assert "Stays, because the library has not decided yet how long these must be kept" in text
    assert "retention." not in text
    assert card not in text
    assert paper["severed.pdf"].startswith(b"%PDF")
    counts = {str(rows) for rows in made.severed.values() if rows > 9}
    assert counts
    assert not counts & set(re.findall(r"\d+", str(made.document())))


def test_retention_does_not_keep_what_the_patron_wants_gone(office: Office) -> None:
    """The notices of the last week are within retention for a run, and over for the patron."""
    number, card = office.card()
    recent = (datetime.now() - timedelta(days=2)).strftime("%Y-%m-%d %H:%M:%S")
    office.lab.do(
        f"UPDATE old_issues SET returndate = '{recent}', timestamp = '{recent}' WHERE borrowernumber = {number}"
    )
    office.lab.write_site(more='[retention]\ncirculation = "30 days"')
    office.write_site()
    file = office.lab.folder / "reticent.toml"
    file.write_text(file.read_text().replace("[officers]", '[retention]\ncirculation = "30 days"\n[officers]'))
    office.lab.plan()
    assert office.lab.sever().code == 0
    kept = office.lab.ask(THEIRS.format("old_issues"), n=number)
    forgotten(office, card)
    assert office.lab.ask(THEIRS.format("old_issues"), n=number) < kept // 2


def test_the_statistics_survive(office: Office) -> None:
    _, card = office.card()
    office.lab.plan()
    before = office.lab.run("--json", "statistics", "--form", "pls", "--year", str(datetime.now().year)).json
    forgotten(office, card)
    after = office.lab.run("--json", "statistics", "--form", "pls", "--year", str(datetime.now().year)).json
    assert after == before
    office.lab.plan()
    assert office.lab.sever().code == 0
    assert [one for one in office.lab.run("--json", "check").json["findings"] if one["kind"] == "conservation"] == []


def test_killed_half_way_no_statistic_is_lost_and_runs_go_on(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    _, card = office.card()
    form = ("--json", "statistics", "--form", "pls", "--year", str(datetime.now().year))
    office.lab.plan()
    before = office.lab.run(*form).json

    def killed(*_: Any) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr(forgetting._Run, "_close", killed)
        dying.setattr(forgetting, "_collect", lambda *_: None)
        with pytest.raises(KeyboardInterrupt):
            forgotten(office, card)
    office.lab.plan()
    assert "interrupted" in office.lab.sever().said
    done = office.lab.run("sever", "--yes")
    assert done.code == 0, done.said
    office.lab.plan()
    assert office.lab.sever().code == 0
    assert office.lab.run(*form).json == before


def test_without_a_verified_identity_nothing_is_severed(office: Office) -> None:
    number, card = office.card()
    before = office.lab.ask(THEIRS.format("old_issues"), n=number)
    with pytest.raises(NotPermitted):
        forgotten(office, card, verified=False)
    assert office.lab.ask(THEIRS.format("old_issues"), n=number) == before


def test_what_a_hold_waits_for_waits(office: Office) -> None:
    number, card = office.card()
    before = office.lab.ask(THEIRS.format("old_issues"), n=number)
    office.open()[0].holds.place("circulation", datetime.now(UTC) + timedelta(hours=72))
    made = forgotten(office, card)
    assert made.left["ils/old_issues"] == "this cannot be done now; ask the custodian"
    assert office.lab.ask(THEIRS.format("old_issues"), n=number) == before


def test_while_something_about_them_must_be_preserved_it_is_refused_without_a_reason(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forgetting, "covering", lambda _opened, cards: bool(cards))
    with pytest.raises(NotPermitted) as refused:
        forgotten(office, office.card()[1])
    assert "hold" not in str(refused.value)
    assert "inquiry" not in str(refused.value)


def test_an_ambiguous_card_severs_nothing(office: Office) -> None:
    number, card = office.card()
    office.lab.do(f"UPDATE borrowers SET userid = '{card}' WHERE borrowernumber = (SELECT MAX(borrowernumber) FROM borrowers WHERE borrowernumber <> {number})")  # fmt: skip
    before = office.lab.ask(THEIRS.format("old_issues"), n=number)
    made = forgotten(office, card)
    assert made.exit_code == 3
    assert office.lab.ask(THEIRS.format("old_issues"), n=number) == before


def test_only_a_patrons_own_permit_severs(office: Office) -> None:
    opened, gate = office.open()
    task = office.task(gate, office.order(whole(office.card()[1])))
    permit = gate.prepare(task.order, task.asker, task.approvals, ["ils"]).require().permits[0]
    system = SqlSystem("ils", map_of(opened.site, "ils"), opened.site)
    door = SqlDiscloser(office.lab.url, system.finder.database, gate.open)
    with pytest.raises(NotPermitted, match="own permit"):
        door.whose(permit)
    door.close()
    system.close()


def test_nothing_written_names_the_patron_or_tells_how_much(office: Office) -> None:
    _, card = office.card()
    made = forgotten(office, card)
    assert not re.search(r"\d{2,}", str(made.document()["done"]))
    for path in (office.lab.folder / "state").rglob("*"):
        if path.is_file():
            assert card.encode() not in path.read_bytes(), path


def test_on_mariadb_no_statement_names_the_patron(
    sample: kit.Sample, keys: Path, tmp_path: Path, mariadb: Server, fresh_database: Callable[[Server], str]
) -> None:
    lab = sample.mariadb(tmp_path, fresh_database(mariadb))
    office = Office(lab, keys)
    number, card = office.card()
    log = mariadb.home / "forgotten.log"
    mariadb.execute(f"SET GLOBAL general_log_file = '{log}'", "SET GLOBAL general_log = 1")
    try:
        forgotten(office, card)
    finally:
        mariadb.execute("SET GLOBAL general_log = 0")
    text = log.read_text()
    assert "UPDATE" in text
    assert card not in text
    assert not re.search(rf"borrowernumber`?\)? *(=|IN) *\(?'?{number}\b", text)
    assert lab.ask(THEIRS.format("old_issues"), n=number) < 5
    lab.close()


def test_a_system_that_is_none_is_refused(office: Office) -> None:
    opened, gate = office.open()
    with pytest.raises(UsageError):
        forget(opened, gate, CUSTODIAN, {"nowhere": "1"}, {}, _quiet, identity_verified=True)


def _quiet(*_: Any) -> None:
    """No progress."""
