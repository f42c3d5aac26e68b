"""A sealed copy reads back whole, opens with stock programs for any two officers, and shows nowhere else."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import re
import subprocess
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from tests.acts import kit
from tests.acts.office import ROLES, Office, age_open, unzipped, whole
from tests.policy.helpers import FixedClock
from tests.servers import Server

from reticent.acts import officers, preserving
from reticent.acts.active import ActiveBorrowers
from reticent.acts.holds import place
from reticent.acts.opening import map_of, open_site
from reticent.acts.preserving import Copied
from reticent.acts.release import Task
from reticent.acts.systems import SqlSystem
from reticent.errors import ConfigurationError, EvidenceBroken, NotPermitted, ReticentError, SystemRefused, UsageError
from reticent.keyring.sealing import CONTENT, INSTRUCTION, wrap_name
from reticent.state.database import only_one

YEAR = date.today() + timedelta(days=365)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("officers")


@pytest.fixture
def office(sample: kit.Sample, keys: Path, tmp_path: Path) -> Iterator[Office]:
    lab = sample.sqlite(tmp_path)
    yield Office(lab, keys)
    lab.close()


def copied(office: Office, card: str, *pauses: int, until: date = YEAR, **scope: Any) -> Copied:
    opened, gate = office.open()
    task = office.task(gate, office.order(whole(card, **scope)), "hold")
    return preserving.copy(opened, gate, office.book, task, until, pauses)


def opened_by(office: Office, folder: Path, one: str, two: str) -> tuple[str, bytes]:
    """Do what HOW-TO-OPEN.txt says, with the stock program."""
    half = age_open((folder / wrap_name(one, two)).read_bytes(), office.age_key(one))
    identity = age_open(half, office.age_key(two))
    key = office.keys / "seal.key"
    key.write_bytes(identity)
    return identity.decode(), age_open((folder / CONTENT).read_bytes(), key)


def test_the_copy_holds_every_tie_and_any_two_officers_open_it(office: Office) -> None:
    number, card = office.card()
    made = copied(office, card)
    for one, two in combinations(ROLES, 2):
        _, content = opened_by(office, made.folder, one, two)
    rows = list(csv.DictReader(io.StringIO(unzipped(content)["data/ties.csv"].decode())))
    for table in ("old_issues", "issues", "old_reserves"):
        there = office.lab.ask(f"SELECT COUNT(*) FROM {table} WHERE borrowernumber = :n", n=number)
        assert sum(row["record"] == table for row in rows) == there, table
    assert {row["patron"] for row in rows} == {card}
    assert (made.folder / INSTRUCTION).read_text().count(".key.age ") == 3


def test_a_copy_stands_for_its_own_scope_with_its_own_digest_and_while_it_is_there(office: Office) -> None:
    _, card = office.card()
    made = copied(office, card)
    opened, _ = office.open()
    covers = json.loads((made.folder / preserving.ABOUT).read_text())["covers"]
    assert preserving.stands(opened, made.digest, covers)
    assert not preserving.stands(opened, made.digest, "b" * 64)
    assert not preserving.stands(opened, "a" * 64, covers)
    assert not preserving.stands(opened, made.digest, ""), "a copy that is not whole covers nothing"
    (made.folder / "content.age").write_bytes(b"")
    assert not preserving.stands(opened, made.digest, covers)


def test_the_live_ties_are_then_severed_like_everyones(office: Office) -> None:
    number, card = office.card()
    theirs = "SELECT COUNT(*) FROM old_issues WHERE borrowernumber = :n"
    before = office.lab.ask(theirs, n=number)
    planned = {step["series"]: step["rows"] for step in office.lab.plan()["steps"]}
    copied(office, card)
    assert {step["series"]: step["rows"] for step in office.lab.plan()["steps"]} == planned
    assert office.lab.sever().code == 0
    assert office.lab.plan()["total"] == 0
    assert office.lab.ask(theirs, n=number) < before // 2, "what is left still waits for money"


def test_the_copy_ends_the_pauses_that_waited_for_it(office: Office) -> None:
    opened, _ = office.open()
    number = opened.holds.place("circulation", datetime.now(UTC) + timedelta(hours=72))
    office.lab.plan()
    waiting = office.lab.sever()
    assert waiting.code == 4
    assert "legal hold" in waiting.said
    copied(office, office.card()[1], number)
    office.lab.plan()
    assert office.lab.sever().code == 0


def test_a_copy_that_missed_a_system_lets_the_pause_go_on(sample: kit.Sample, keys: Path, tmp_path: Path) -> None:
    lab = sample.sqlite(tmp_path)
    more = '[systems.away]\nkind = "koha"\n[systems.away.accounts]\nfind = "mysql+pymysql://x:y@127.0.0.1:9/koha"\n'
    office = Office(lab, keys, more=more)
    opened, _ = office.open()
    number = opened.holds.place("circulation", datetime.now(UTC) + timedelta(hours=72))
    made = copied(office, office.card()[1], number)
    assert made.exit_code == 3
    assert made.released == ()
    assert opened.holds.held("ils", "old_issues", "circulation")
    lab.close()


@pytest.mark.parametrize("by", [(), ("custodian",), ("counsel",)])
def test_nobody_makes_a_copy_alone(office: Office, by: tuple[str, ...]) -> None:
    opened, gate = office.open()
    task = office.task(gate, office.order(whole(office.card()[1])), "hold", by=by)
    with pytest.raises(NotPermitted):
        preserving.copy(opened, gate, office.book, task, YEAR)
    assert not preserving.copies(opened)


def test_an_approval_to_release_makes_no_copy_nor_the_other_way_round(office: Office) -> None:
    opened, gate = office.open()
    task = office.task(gate, office.order(whole(office.card()[1])), "release")
    with pytest.raises(NotPermitted):
        preserving.copy(opened, gate, office.book, task, YEAR)


def test_no_copy_is_made_while_a_run_severs(office: Office) -> None:
    opened, gate = office.open()
    task = office.task(gate, office.order(whole(office.card()[1])), "hold")
    with only_one(opened.site), pytest.raises(SystemRefused, match="severing run"):
        preserving.copy(opened, gate, office.book, task, YEAR)


def test_a_hold_ends_in_the_future_even_when_the_clock_was_set_back(sample: kit.Sample, keys: Path, tmp_path: Path) -> None:  # fmt: skip
    lab = sample.sqlite(tmp_path)
    clock = FixedClock(datetime.now(UTC))
    office = Office(lab, keys, clock=clock)
    with pytest.raises(UsageError, match="future"):
        copied(office, office.card()[1], until=clock.now().date())
    opened, _ = office.open()
    opened.holds.place("circulation", clock.now() + timedelta(hours=72))
    clock.wait(hours=-100)
    assert opened.holds.held("ils", "old_issues", "circulation"), "a clock set back ends no hold"
    with pytest.raises(ConfigurationError, match="clock went back"):
        place(office.open()[0], "notice", clock.now() + timedelta(hours=1), {})
    lab.close()


@pytest.mark.parametrize("change", ["flip", "short", "gone"])
def test_what_does_not_read_back_is_no_copy(office: Office, monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    honest = preserving._write

    def dishonest(folder: Path, files: dict[str, bytes]) -> None:
        honest(folder, files)
        data = (folder / CONTENT).read_bytes()
        (folder / CONTENT).write_bytes(
            {"flip": data[:-1] + bytes([data[-1] ^ 1]), "short": data[:-40], "gone": b""}[change]
        )

    monkeypatch.setattr(preserving, "_write", dishonest)
    opened, _ = office.open()
    number = opened.holds.place("circulation", datetime.now(UTC) + timedelta(hours=72))
    with pytest.raises(EvidenceBroken):
        copied(office, office.card()[1], number)
    assert not preserving.copies(opened)
    assert opened.holds.held("ils", "old_issues", "circulation"), "the pause goes on"


def test_a_full_disk_leaves_no_half_copy_and_the_pause_goes_on(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_folder: Path, _files: dict[str, bytes]) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(preserving, "_write", full)
    opened, _ = office.open()
    number = opened.holds.place("circulation", datetime.now(UTC) + timedelta(hours=72))
    with pytest.raises(SystemRefused):
        copied(office, office.card()[1], number)
    assert list((office.lab.folder / "state" / "sealed").iterdir()) == []
    assert opened.holds.held("ils", "old_issues", "circulation")


def test_the_copy_tells_nothing_of_whom_how_much_or_which_case(office: Office) -> None:
    _, card = office.card()
    before = len(office.book.entries)
    made = copied(office, card)
    about = json.loads((made.folder / preserving.ABOUT).read_text())
    assert set(about) == {"made", "until", "keys", "covers"}
    assert re.fullmatch("[0-9a-f]{64}", about["covers"]), "a digest with the case's own nonce"
    said = json.dumps([*office.book.entries[before:], made.document()], default=str)
    for path in (office.lab.folder / "state").rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert card.encode() not in data, path
            assert b"2026-014" not in data, path
    assert card not in said
    assert "ties" not in made.document()
    assert {path.stat().st_mode & 0o077 for path in made.folder.iterdir()} == {0}


def test_every_ordinary_answer_is_the_same_with_and_without_a_sealed_case(
    sample: kit.Sample, keys: Path, tmp_path: Path
) -> None:
    """What differs between any two runs (folder, times, random ids and digests over them) is taken out of both."""
    answers = []
    for name in ("without", "with"):
        folder = tmp_path / name
        folder.mkdir()
        lab = sample.sqlite(folder)
        office = Office(lab, keys)
        lab.run("find")
        if name == "with":
            opened, gate = office.open()
            order = dataclasses.replace(office.order(whole(office.card()[1])), sealed=True)
            preserving.copy(opened, gate, office.book, office.task(gate, order, "hold"), YEAR)
        said = [lab.run("--json", *words.split()) for words in ("find", "hold list", "plan")]
        lab.plan()
        said.append(lab.sever())
        ordinary = ("find", "hold list", "check", "statistics --form pls --year 2025", "ledger verify")
        said += [lab.run("--json", *words.split()) for words in ordinary]
        answers.append([(done.code, _plain(done.out, folder), _plain(done.err, folder)) for done in said])
        lab.close()
    assert answers[0] == answers[1]


def _plain(text: str, folder: Path) -> str:
    text = re.sub(r"\d{4}-\d\d-\d\dT[\d:.+]+", "TIME", text.replace(str(folder), "FOLDER"))
    return re.sub(r"\b[0-9a-f]{12,64}\b", "DIGEST", text)


def change_officers(office: Office) -> None:
    """Have two who sit sign the change that reticent.toml shows."""
    opened = open_site(office.lab.folder / "reticent.toml")
    text = officers.change(opened, {}).statement.read_bytes()
    assert officers.change(opened, office.signed(text, "custodian", "alternate")).done


def test_a_new_officer_opens_what_was_sealed_anew_and_the_former_one_nothing(office: Office) -> None:
    _, card = office.card()
    made = copied(office, card)
    identity, before = (
        opened_by(office, made.folder, "counsel", "custodian")
        if False
        else opened_by(office, made.folder, "custodian", "counsel")
    )
    office.write_site({"counsel": "new-counsel"})
    with pytest.raises(NotPermitted, match="not those who sit"):
        office.open()
    change_officers(office)
    opened, gate = office.open()
    [kept] = preserving.copies(opened)
    assert not kept.current
    preserving.reseal(opened, office.book, gate, kept.name, identity)
    [kept] = preserving.copies(opened)
    assert kept.current
    assert (kept.name, kept.until) == (made.folder.name, YEAR.isoformat())
    half = age_open((made.folder / wrap_name("custodian", "counsel")).read_bytes(), office.age_key("custodian"))
    with pytest.raises(subprocess.CalledProcessError):
        age_open(half, office.age_key("counsel"))
    key = office.keys / "old-seal.key"
    key.write_text(identity)
    with pytest.raises(subprocess.CalledProcessError):
        age_open((made.folder / CONTENT).read_bytes(), key)
    new = office.keys / "new-seal.key"
    new.write_bytes(age_open(half, office.age_key("new-counsel")))
    assert age_open((made.folder / CONTENT).read_bytes(), new) == before


def test_the_wrong_key_seals_nothing_anew(office: Office) -> None:
    made = copied(office, office.card()[1])
    opened, gate = office.open()
    sealed = (made.folder / CONTENT).read_bytes()
    for wrong in ("", office.age_key("custodian").read_text().splitlines()[-1]):
        with pytest.raises(EvidenceBroken):
            preserving.reseal(opened, office.book, gate, made.folder.name, wrong)
    assert (made.folder / CONTENT).read_bytes() == sealed


def test_a_copy_is_destroyed_on_its_day_or_by_two_officers_and_the_register_knows(
    sample: kit.Sample, keys: Path, tmp_path: Path
) -> None:
    lab = sample.sqlite(tmp_path)
    clock = FixedClock(datetime.now(UTC))
    office = Office(lab, keys, clock=clock)
    made, later = copied(office, office.card()[1]), copied(office, office.card()[1])
    opened, gate = office.open()
    statement = preserving.lift(opened, office.book, gate, made.folder.name)
    assert statement is not None
    assert made.folder.exists(), "its day has not come, and nobody signed"
    text = statement.read_bytes()
    armour = office.signed(text, "custodian", "counsel")
    with pytest.raises(NotPermitted):
        preserving.lift(opened, office.book, gate, made.folder.name, {"custodian": armour["custodian"]})
    with pytest.raises(EvidenceBroken):
        preserving.lift(opened, office.book, gate, later.folder.name, armour)
    preserving.lift(opened, office.book, gate, made.folder.name, armour)
    assert not made.folder.exists()
    assert office.book.entries[-1]["kind"] == "hold_released"
    clock.wait(days=366)
    preserving.lift(opened, office.book, gate, later.folder.name)
    assert preserving.copies(opened) == []
    for name in (made.folder.name, "../../keys", "", "."):
        with pytest.raises(UsageError):
            preserving.lift(opened, office.book, gate, name)
    lab.close()


def test_a_damaged_label_is_told_and_hides_nothing(office: Office) -> None:
    made = copied(office, office.card()[1])
    (made.folder / preserving.ABOUT).write_text("{")
    with pytest.raises(EvidenceBroken, match="label"):
        preserving.copies(office.open()[0])


def test_the_drill_opens_for_a_pair_and_holds_nobody(office: Office, tmp_path: Path) -> None:
    opened, _ = office.open()
    preserving.drill(opened, tmp_path / "drill")
    _, content = opened_by(office, tmp_path / "drill", "counsel", "alternate")
    assert b"yearly drill" in content
    with pytest.raises(SystemRefused):
        preserving.drill(opened, tmp_path / "drill")


def test_officers_without_age_keys_can_seal_nothing_and_are_told_how(sample: kit.Sample, tmp_path: Path) -> None:
    lab = sample.sqlite(tmp_path)
    with pytest.raises(ConfigurationError, match="age key"):
        preserving.holders(open_site(lab.folder / "reticent.toml"))
    lab.close()


def test_on_mariadb_no_statement_of_a_copy_names_anybody(
    sample: kit.Sample, keys: Path, tmp_path: Path, mariadb: Server, fresh_database: Any
) -> None:
    lab = sample.mariadb(tmp_path, fresh_database(mariadb))
    office = Office(lab, keys)
    _, card = office.card()
    log = mariadb.home / "copied.log"
    mariadb.execute(f"SET GLOBAL general_log_file = '{log}'", "SET GLOBAL general_log = 1")
    try:
        made = copied(office, card)
    finally:
        mariadb.execute("SET GLOBAL general_log = 0")
    assert "old_issues" in log.read_text()
    assert card not in log.read_text()
    assert made.found.ties
    lab.close()


def test_the_key_of_a_year_waits_for_a_hold(sample: kit.Sample, keys: Path, tmp_path: Path) -> None:
    lab = sample.sqlite(tmp_path)
    Office(lab, keys, more="[statistics]\nactive_borrowers = true\n")
    lab.plan()
    assert lab.sever().code == 0
    clock = FixedClock(datetime.now(UTC) + timedelta(days=370))
    opened = open_site(lab.folder / "reticent.toml", clock)
    active = ActiveBorrowers(opened, "ils")
    years = opened.flags.periods("ils")
    assert years
    number = opened.holds.place("circulation", clock.now() + timedelta(hours=72))
    system = SqlSystem("ils", map_of(opened.site, "ils"), opened.site)
    active.close_past_years(system)
    assert {period for _, period in active.keys.live()} == set(years), "spoliation: the key is under a hold"
    with pytest.raises(NotPermitted, match="legal hold"):
        active.keys.destroy("active_borrowers/ils", years[0], lambda _purpose, _period: active._held())
    opened.holds.release(number)
    active.close_past_years(system)
    assert active.keys.live() == []
    system.close()
    lab.close()


def test_errors_name_nobody(office: Office) -> None:
    _, card = office.card()
    opened, gate = office.open()
    task = office.task(gate, office.order(whole(card)), "hold", by=("custodian",))
    with pytest.raises(ReticentError) as refused:
        preserving.copy(opened, gate, office.book, task, YEAR)
    assert card not in str(refused.value)
    assert card not in repr(task)
    assert isinstance(task, Task)
