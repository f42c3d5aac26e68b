"""One officer pauses a class under their own signature, for ten working days, and not for longer under any word."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.acts import kit
from tests.acts.desk import Desk, Signer
from tests.policy.helpers import FixedClock

from reticent.acts.holds import Done, place, release
from reticent.acts.opening import Opened
from reticent.errors import EvidenceBroken, NotPermitted, UsageError
from reticent.ledger.entries import decode
from reticent.ledger.log import Log

TENTH = datetime(2026, 12, 14)
"""The tenth working day after Monday 30 November 2026."""
AFTER = datetime(2026, 12, 16)
AGAIN = datetime(2026, 12, 18)
PROXY = '[systems.proxy]\nkind = "ezproxy"\npaths = ["logs/ezproxy*.log"]\n'


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    (tmp_path / "officers").mkdir()
    found = Desk(tmp_path / "library", Signer(tmp_path / "officers"), more=PROXY)
    found.clock.moment = datetime(2026, 11, 30, 15, tzinfo=UTC)
    return found


@pytest.fixture
def opened(desk: Desk) -> Opened:
    return desk.opened


def placed(desk: Desk, scope: str, until: datetime, by: str = "custodian") -> int:
    """Place a hold as an officer does: have the text written, sign it, give the command again."""
    asked = place(desk.opened, scope, until, {})
    assert asked.statement is not None
    return place(desk.opened, scope, until, {by: desk.signer(by, asked.statement.read_bytes())}).number


def released(desk: Desk, number: int, by: str = "custodian") -> Done:
    asked = release(desk.opened, number, {})
    assert asked.statement is not None
    return release(desk.opened, number, {by: desk.signer(by, asked.statement.read_bytes())})


def clock(opened: Opened) -> FixedClock:
    assert isinstance(opened.clock, FixedClock)
    return opened.clock


def test_the_tenth_working_day_is_the_last(desk: Desk) -> None:
    with pytest.raises(NotPermitted, match="until 2026-12-14"):
        place(desk.opened, "circulation", AFTER, {})
    assert desk.opened.holds.all() == []
    assert placed(desk, "circulation", TENTH) == 1


def test_nobody_pauses_or_resumes_severing_without_an_officers_signature(desk: Desk) -> None:
    asked = place(desk.opened, "circulation", TENTH, {})
    assert asked.number == 0
    assert desk.opened.holds.all() == []
    assert asked.statement is not None
    text = asked.statement.read_bytes()
    for role, armour in (
        ("custodian", desk.signer("alternate", text)),
        ("custodian", desk.signer("custodian", text + b"x")),
        ("counsel", desk.signer("counsel", text)),
        ("frontLine", desk.signer("custodian", text)),
    ):
        with pytest.raises((NotPermitted, EvidenceBroken)):
            place(desk.opened, "circulation", TENTH, {role: armour})
    assert desk.opened.holds.all() == []
    number = placed(desk, "circulation", TENTH, "alternate")
    assert release(desk.opened, number, {}).number == 0
    assert desk.opened.holds.held("ils", "old_issues", "circulation")
    assert released(desk, number, "counsel") == Done(number)
    assert not desk.opened.holds.held("ils", "old_issues", "circulation")
    with Log.open(desk.opened.ledger_path, desk.opened.origin) as log:
        entries = [decode(log.entry(index)) for index in range(log.size)]
    assert [(entry["kind"], entry["actor"]) for entry in entries] == [
        ("hold_placed", "alternate"),
        ("hold_released", "counsel"),
    ]


def test_a_signature_places_one_hold_and_is_good_for_no_other(desk: Desk) -> None:
    asked = place(desk.opened, "circulation", TENTH, {})
    assert asked.statement is not None
    armour = {"custodian": desk.signer("custodian", asked.statement.read_bytes())}
    for scope, until in (("*", TENTH), ("circulation", datetime(2026, 12, 11))):
        with pytest.raises(EvidenceBroken):
            place(desk.opened, scope, until, armour)
    number = place(desk.opened, "circulation", TENTH, armour).number
    with pytest.raises(EvidenceBroken):
        place(desk.opened, "circulation", TENTH, armour)
    with pytest.raises(EvidenceBroken):
        release(desk.opened, number, armour)


def test_a_library_without_officers_is_told_whom_to_name(sqlite_lab: kit.Lab) -> None:
    soon = f"{datetime.now(UTC).date() + timedelta(days=2):%Y-%m-%d}"
    done = sqlite_lab.run("hold", "place", "circulation", "--until", soon)
    assert done.code == 2
    assert "names no officer who may sign" in done.said
    assert "No hold was placed" in sqlite_lab.run("hold", "list").said


def test_asking_again_prolongs_nothing(desk: Desk) -> None:
    number = placed(desk, "circulation", TENTH)
    clock(desk.opened).wait(days=7)
    with pytest.raises(NotPermitted, match="two officers prolong"):
        place(desk.opened, "circulation", AGAIN, {})
    released(desk, number)
    with pytest.raises(NotPermitted, match="two officers prolong"):
        place(desk.opened, "circulation", AGAIN, {})
    assert placed(desk, "notice", AGAIN) == 2


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("circulation", "ils"), ("circulation", "ils/old_issues"), ("circulation", "*"), ("ils", "circulation"),
        ("ils/old_issues", "ils"), ("ils/old_issues", "circulation"), ("*", "notice"), ("access", "proxy"),
        ("proxy", "access"),
    ],
)  # fmt: skip
def test_another_word_for_the_same_series_prolongs_nothing(desk: Desk, first: str, second: str) -> None:
    placed(desk, first, TENTH)
    clock(desk.opened).wait(days=7)
    with pytest.raises(NotPermitted, match="two officers prolong"):
        place(desk.opened, second, AGAIN, {})


@pytest.mark.parametrize(
    ("first", "second"), [("circulation", "proxy"), ("ils/old_issues", "ils/statistics"), ("ils/old_issues", "access")]
)
def test_a_word_for_other_series_is_another_hold(desk: Desk, first: str, second: str) -> None:
    placed(desk, first, TENTH)
    clock(desk.opened).wait(days=7)
    assert placed(desk, second, AGAIN) == 2


def test_an_officer_does_not_go_on_alone_in_an_inquiry(desk: Desk) -> None:
    placed(desk, "ils", TENTH)
    clock(desk.opened).wait(days=10)
    name = desk.record(classes=["circulation"]).id
    desk.take(name, "triage", facts={"kind": "informal_request", "classes": ["circulation"]})
    with pytest.raises(NotPermitted, match="two officers prolong"):
        desk.take(name, "answer_hold", "custodian", facts={"place": True})
    with pytest.raises(NotPermitted, match="two officers prolong"):
        desk.take(name, "place_hold", "custodian")


def test_what_names_no_series_is_no_scope(opened: Opened) -> None:
    for scope in ("ils/no_such_series", "nowhere", "", "nowhere/old_issues", "ils/", "Circulation"):
        with pytest.raises(UsageError, match="names nothing"):
            place(opened, scope, TENTH, {})


def test_a_new_matter_later_is_a_new_hold(desk: Desk) -> None:
    placed(desk, "circulation", TENTH)
    clock(desk.opened).wait(days=40)
    assert placed(desk, "circulation", datetime(2027, 1, 15)) == 2


def test_with_the_key_at_hand_one_command_places_and_one_releases(tmp_path: Path, sample: kit.Sample) -> None:
    (tmp_path / "officers").mkdir()
    lab = sample.sqlite(tmp_path)
    signer = Signer(tmp_path / "officers")
    desk = Desk(tmp_path / "library", signer, url=lab.url)
    lab.folder = desk.folder
    key = f"custodian={signer.keys.folder / 'custodian'}"
    soon = f"{datetime.now(UTC).date() + timedelta(days=2):%Y-%m-%d}"
    asked = lab.run("--json", "hold", "place", "notice", "--until", soon)
    assert asked.json["hold"] is None
    assert Path(asked.json["statement"]).read_bytes().startswith(b"reticent statement v1\nkind: place_hold\n")
    assert lab.run("--json", "hold", "place", "notice", "--until", soon, "--key", key).json["hold"] == 1
    assert lab.run("--json", "hold", "release", "1").json["released"] is None
    assert lab.run("--json", "hold", "release", "1", "--key", key).json["released"] == 1
    lab.close()
