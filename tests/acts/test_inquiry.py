"""The register as it is kept: sealed, signed, replayed; and what it refuses."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyrage
import pytest
from tests.acts import kit
from tests.acts.desk import PAPER, ROLES, SCOPE, Desk, Signer, trusting
from tests.keyring.ssh import sign as ssh_sign

from reticent.acts import inquiry as acts
from reticent.acts import papers
from reticent.acts.casebook import Casebook, Entry, GateJournal, Holds
from reticent.acts.gate import in_force, open_gate
from reticent.acts.inquiry import covering, scope_of, sheets_of, task_of
from reticent.acts.opening import SystemClock
from reticent.errors import ConfigurationError, EvidenceBroken, NotPermitted, UsageError
from reticent.guard.case import Taken
from reticent.guard.instruments import ScopeSheet
from reticent.guard.words import Departure, Role, State, Step
from reticent.keyring.casefile import CaseKeys, open_as
from reticent.law.packs import SHIPPED


@pytest.fixture(scope="session")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    return Signer(tmp_path_factory.mktemp("officers"))


@pytest.fixture
def desk(tmp_path: Path, signer: Signer, monkeypatch: pytest.MonkeyPatch) -> Desk:
    trusting(monkeypatch)
    return Desk(tmp_path / "library", signer, confirmed=True)


CHECKLIST = {
    "court_order": True, "good_cause": True, "specific_facts": True, "competent_jurisdiction": True,
    "findings_shown": 0, "advises_requester": False,
}  # fmt: skip


def to_counsel(desk: Desk) -> str:
    name = desk.record({"agency": "Police", "agent": "Jane Marked", "targets": ["51"]}).id
    desk.take(name, "triage", facts={"kind": "court_order"})
    desk.take(name, "register_instrument", "custodian", files=["document"], sheet=PAPER)
    desk.take(name, "send_to_counsel", "custodian")
    return name


def test_from_contact_to_approval(desk: Desk) -> None:
    name = to_counsel(desk)
    desk.take(name, "examine", "counsel", facts=CHECKLIST)
    done = desk.take(name, "approve", "custodian", "counsel")
    assert done.inquiry.case.state is State.APPROVED
    assert desk.load(name) == done.inquiry


# ---- what is kept, and who can read it --------------------------------------------------------


def test_nothing_in_the_state_folder_names_anyone(desk: Desk) -> None:
    name = to_counsel(desk)
    desk.opened._engine.dispose()  # type: ignore[attr-defined]
    needles = [
        b"Jane Marked",
        b"Police",
        b"Pat Example",
        b"12-CV-334",
        b"court_order",
        b"counsel_review",
        b"circulation",
    ]
    files = [path for path in (desk.folder / "state").rglob("*") if path.is_file()]
    files = [path for path in files if path.parent.name != "law"]  # the statute, as counsel confirmed it
    assert files
    for path in files:
        content = path.read_bytes()
        assert [one for one in needles if one in content] == [], path.name
    assert name.encode() in b"".join(path.read_bytes() for path in files), "its random name may be seen"


def test_each_officer_alone_reads_what_is_sealed_and_nobody_else(desk: Desk) -> None:
    inquiry = desk.load(to_counsel(desk))
    for role in ROLES:
        [(_, contact), (_, paper)] = sheets_of(inquiry, desk.identities[role])
        assert "Jane Marked" in str(contact)
        assert "Hon. Pat Example" in str(paper)
        assert scope_of(inquiry, desk.identities[role]).patrons == {"51"}
    stranger = str(pyrage.x25519.Identity.generate())
    for identity in (stranger, "", "no key at all"):
        with pytest.raises(EvidenceBroken):
            sheets_of(inquiry, identity)


def test_a_register_recognises_whom_it_is_about_without_naming_them(desk: Desk) -> None:
    name = to_counsel(desk)
    assert covering(desk.opened, ["51"])
    assert covering(desk.opened, ["no one", " 51 "])
    assert not covering(desk.opened, ["52"])
    desk.clock.wait(hours=80)
    assert covering(desk.opened, ["51"]), "the hold has lapsed, but the paper is open and nothing was copied"
    desk.take(name, "lift_hold", "counsel")
    assert not covering(desk.opened, ["51"])


def test_after_disposal_key_rows_and_papers_are_gone(desk: Desk) -> None:
    name = desk.record({"targets": ["51"]}).id
    desk.take(name, "triage", facts={"kind": "no_request"})
    desk.take(name, "close_without_request", "custodian")
    desk.take(name, "close", "custodian")
    with pytest.raises(NotPermitted, match="retention is not over"):
        desk.take(name, "dispose", "custodian")
    desk.clock.wait(days=3 * 365 + 1)
    rows = desk.opened.register.bodies(name)
    done = desk.take(name, "dispose", "custodian")
    assert done.inquiry.case.state is State.DISPOSED
    assert desk.opened.register.bodies(name) == []
    assert not CaseKeys(desk.opened.keys).exists(name)
    assert desk.opened.keys.names(".doomed") == []
    assert rows, "a backup may keep them; without the key they say nothing"


def test_a_disposal_that_was_killed_is_finished_and_a_lost_key_loses_nothing(desk: Desk) -> None:
    first, second = to_counsel(desk), to_counsel(desk)
    desk.opened.register.bury(first)
    assert [one.id for one in acts.listed(desk.opened)] == [second]
    assert not CaseKeys(desk.opened.keys).exists(first)
    assert desk.opened.register.bodies(first) == []
    CaseKeys(desk.opened.keys).destroy(second)
    with pytest.raises(ConfigurationError):
        acts.listed(desk.opened)
    assert desk.opened.register.bodies(second), "rows without a key are kept: the key may be on another disk"


def test_a_confirmed_hold_keeps_its_force_whatever_counsel_finds_later(desk: Desk) -> None:
    name = to_counsel(desk)
    wider = SCOPE | {"classes": ["circulation", "search"]}
    desk.take(name, "confirm_hold", "custodian", "counsel", facts={"until": "2027-03-01"}, sheet={"scope": wider})
    desk.take(name, "examine", "counsel", facts=CHECKLIST)
    desk.take(name, "notify_defect", "counsel", facts={"defects": ["no_judge"]})
    opened = desk.opened
    task = task_of(opened, desk.load(name), desk.identities["custodian"], {}, "hold")
    assert task.order.scope.classes == {"circulation", "search"}
    gate = open_gate(opened, GateJournal(Casebook(opened)))
    assert gate.prepare(task.order, task.asker, task.approvals, ["ils"], "hold").allowed
    assert not gate.prepare(task.order, task.asker, task.approvals, ["ils"]).allowed


def test_what_is_typed_may_only_be_stricter_than_the_statute(tmp_path: Path, signer: Signer) -> None:
    desk = Desk(tmp_path / "library", signer, "US-DC")
    name = desk.record().id
    desk.take(name, "triage", facts={"kind": "court_subpoena"})
    paper = PAPER | {"kind": "court_subpoena"}
    desk.take(name, "register_instrument", "custodian", files=["document"], sheet=paper)
    desk.take(name, "send_to_counsel", "custodian")
    loose = {**CHECKLIST, "notice_required": False, "wait_days": 1, "notice_days": 9}
    case = desk.take(name, "examine", "counsel", facts=loose).inquiry.case
    assert (case.notice_due, case.wait_days, case.notice_days) == (True, 10, 2)
    case = desk.take(name, "examine", "counsel", facts={**CHECKLIST, "wait_days": 20}).inquiry.case
    assert case.wait_days == 20


def test_counsel_opens_what_a_draft_keeps_closed_in_one_case_and_that_is_a_departure(
    tmp_path: Path, signer: Signer
) -> None:
    desk = Desk(tmp_path / "library", signer, "US-IL")
    (desk.folder / "law").mkdir()
    text = (SHIPPED / "US-IL.toml").read_text()
    text = text.replace('["court_order"]\n', '["court_order"]\nfields = ["identity"]\n')
    (desk.folder / "law" / "US-IL.toml").write_text(text)
    name = to_counsel(desk)
    typed = CHECKLIST | {"fields": ["everything"], "pack_fields": ["identity", "surveillance"]}
    done = desk.take(name, "examine", "counsel", facts=typed).inquiry
    assert done.entries[-1].taken.facts["pack_fields"] == ["identity"], "the pack's own answer wins over what is typed"
    assert Departure.FIELDS_WIDENED in done.case.departures
    assert task_of(desk.opened, done, desk.identities["counsel"], {}, "release").fields == frozenset({"everything"})
    other = to_counsel(desk)
    done = desk.take(other, "examine", "counsel", facts=CHECKLIST).inquiry
    assert task_of(desk.opened, done, desk.identities["counsel"], {}, "release").fields is None
    desk.confirm_law()
    with pytest.raises(NotPermitted, match="confirm it anew"):
        desk.take(other, "examine", "counsel", facts=typed)


def test_steps_that_would_be_refused_now_are_told_with_the_reason(desk: Desk) -> None:
    name = to_counsel(desk)
    desk.take(name, "notify_defect", "counsel", facts={"defects": ["no_docket"]})
    desk.take(name, "cure", "counsel", facts={"defects": []})
    told = acts.refusals(desk.opened, desk.load(name))
    assert "A defect is still open." in told[Step.APPROVE]
    assert any(said.startswith("There is no basis") for said in told[Step.APPROVE])
    assert told[Step.EXAMINE] == told[Step.COMPLY] == []
    for step, why in told.items():
        offer = desk.offer(name, step)
        if why:
            with pytest.raises(NotPermitted):
                acts.advance(desk.opened, name, step, offer)


def test_the_gates_entries_are_kept_and_those_alike_are_counted(desk: Desk) -> None:
    book = Casebook(desk.opened)
    journal = GateJournal(book)
    for kind in ("gate_permit",) * 4 + ("gate_refusal",):
        journal.append({"kind": kind}, once="")
    again = {"kind": "gate_permit", "again": 3}
    assert book.journalled() == [{"kind": "gate_permit"}, again, {"kind": "gate_refusal"}]


# ---- forged, changed, moved, replaced ---------------------------------------------------------


def rows(desk: Desk, sql: str, *values: object) -> None:
    """Change the state database as an intruder would."""
    desk.opened._engine.dispose()  # type: ignore[attr-defined]
    with contextlib.closing(sqlite3.connect(desk.folder / "state" / "state.sqlite")) as connection:
        connection.execute(sql, values)
        connection.commit()


def test_a_step_changed_moved_or_dropped_in_the_database_is_broken_evidence(desk: Desk) -> None:
    name = to_counsel(desk)
    bodies = desk.opened.register.bodies(name)
    changes = [
        ("UPDATE inquiries SET body = ? WHERE place = 2", bodies[2][:-1] + bytes([bodies[2][-1] ^ 1])),
        ("UPDATE inquiries SET body = ? WHERE place = 2", bodies[1]),
        ("DELETE FROM inquiries WHERE place = 1", None),
    ]
    for sql, body in changes:
        rows(desk, sql, *([body] if body else []))
        with pytest.raises(EvidenceBroken):
            desk.load(name)
        rows(desk, "DELETE FROM inquiries")
        for place, whole in enumerate(bodies):
            rows(desk, "INSERT INTO inquiries VALUES (?, ?, ?)", name, place, whole)
        assert desk.load(name).case.state is State.COUNSEL_REVIEW


def test_an_approval_forged_in_the_register_opens_nothing_at_the_gate(desk: Desk) -> None:
    """Whoever has database and keys can write a row that says approved; the gate looks at signatures only."""
    name = to_counsel(desk)
    desk.take(name, "examine", "counsel", facts=CHECKLIST)
    opened = desk.opened
    book, inquiry = Casebook(opened), desk.load(name)
    scope = inquiry.case.scope
    facts = {"scope": scope, "policy": in_force(opened).bundle.digest}
    persons = frozenset({(Role.CUSTODIAN, "officer-custodian"), (Role.COUNSEL, "officer-counsel")})
    armour = desk.signer("counsel", b"another statement").decode()
    taken = Taken(Step.APPROVE, desk.clock.now(), persons, "Wis. Stat. 43.30", facts)
    forged = book.add(inquiry, Entry(taken, {"custodian": armour, "counsel": armour}))
    assert forged.case.state is State.APPROVED
    task = task_of(opened, desk.load(name), desk.identities["counsel"], {}, "release")
    decision = open_gate(opened, GateJournal(book)).prepare(task.order, task.asker, task.approvals, ["ils"])
    assert not decision.allowed


def test_true_approvals_open_the_gate_and_a_changed_scope_closes_it(desk: Desk) -> None:
    name = to_counsel(desk)
    desk.take(name, "examine", "counsel", facts=CHECKLIST)
    desk.take(name, "approve", "custodian", "counsel")
    opened = desk.opened
    gate = open_gate(opened, GateJournal(Casebook(opened)))
    task = task_of(opened, desk.load(name), desk.identities["alternate"], {}, "release")
    assert gate.prepare(task.order, task.asker, task.approvals, ["ils"]).allowed
    wider = replace(task.order, scope=replace(task.order.scope, patrons=frozenset({"51", "52"})))
    assert not gate.prepare(wider, task.asker, task.approvals, ["ils"]).allowed


def test_an_officer_replaced_in_mid_case_does_not_sign_and_the_old_approval_no_longer_counts(desk: Desk) -> None:
    name = to_counsel(desk)
    desk.take(name, "examine", "counsel", facts=CHECKLIST)
    desk.take(name, "approve", "custodian", "counsel")
    desk.write_site(counsel="successor")
    opened = desk.opened
    task = task_of(opened, desk.load(name), desk.identities["custodian"], {}, "release")
    gate = open_gate(opened, GateJournal(Casebook(opened)))
    assert not gate.prepare(task.order, task.asker, task.approvals, ["ils"]).allowed
    with pytest.raises(NotPermitted, match="not this officer's"):
        desk.take(name, "notify_defect", "counsel", facts={"defects": ["no_judge"]})


def test_after_a_change_of_officers_everything_is_sealed_anew(desk: Desk) -> None:
    name = to_counsel(desk)
    old, new = desk.identities["counsel"], desk._age("successor")
    desk.write_site(counsel="successor")
    with pytest.raises(EvidenceBroken):
        sheets_of(desk.load(name), new)
    before = sheets_of(desk.load(name), desk.identities["custodian"])
    done = desk.take(name, "reseal", "custodian")
    assert done.inquiry.case.state is State.COUNSEL_REVIEW
    assert sheets_of(desk.load(name), new) == before
    assert scope_of(desk.load(name), new).patrons == {"51"}
    with pytest.raises(EvidenceBroken):
        sheets_of(desk.load(name), old)
    for sealed in (desk.folder / "state" / "inquiries").iterdir():
        assert open_as(sealed.read_bytes(), new)
        with pytest.raises(EvidenceBroken):
            open_as(sealed.read_bytes(), old)
    desk.take(name, "seal", "custodian", facts={"gag": True, "review": "2026-12-24"})
    assert [one.id for one in acts.listed(desk.opened, new)] == [name]
    assert acts.listed(desk.opened, old) == []


def test_the_same_person_under_two_keys_is_one_person(desk: Desk) -> None:
    name = to_counsel(desk)
    desk.take(name, "examine", "counsel", facts=CHECKLIST)
    text = (desk.folder / "reticent.toml").read_text()
    (desk.folder / "reticent.toml").write_text(text.replace("The counsel", "the  CUSTODIAN"))
    desk.changed()
    with pytest.raises(NotPermitted, match="Two officers are two persons"):
        desk.take(name, "approve", "custodian", "counsel")


@pytest.mark.parametrize("wrong", ["other step", "other case", "other facts", "other namespace"])
def test_a_signature_counts_for_one_step_of_one_case(desk: Desk, wrong: str) -> None:
    name = to_counsel(desk)
    offer = desk.offer(name, "notify_defect", {"defects": ["no_judge"]})
    text = acts.advance(desk.opened, name, Step.NOTIFY_DEFECT, offer).text
    armour = desk.signer("counsel", text)
    step, facts = Step.NOTIFY_DEFECT, offer.facts
    if wrong == "other step":
        step = Step.CHALLENGE
        facts = {"motion": "quash"}
    elif wrong == "other case":
        name = to_counsel(desk)
    elif wrong == "other facts":
        facts = {"defects": ["overbroad"]}
    else:
        armour = ssh_sign(desk.signer.keys.folder / "counsel", text, "git").encode()
    with pytest.raises(EvidenceBroken):
        acts.advance(desk.opened, name, step, replace(offer, facts=facts, signed={"counsel": armour}))


def test_a_later_step_takes_the_force_from_a_signature_not_yet_given_in(desk: Desk) -> None:
    name = to_counsel(desk)
    offer = desk.offer(name, "challenge", {"motion": "quash"})
    armour = desk.signer("counsel", acts.advance(desk.opened, name, Step.CHALLENGE, offer).text)
    desk.take(name, "examine", "counsel", facts=CHECKLIST)
    with pytest.raises(EvidenceBroken):
        acts.advance(desk.opened, name, Step.CHALLENGE, replace(offer, signed={"counsel": armour}))


# ---- bad papers -------------------------------------------------------------------------------


def _sparse(path: Path) -> Path:
    with path.open("wb") as file:
        file.write(b"%PDF-1.7\n")
        file.truncate(2 * 10**9)
    return path


def _fifo(path: Path) -> Path:
    os.mkfifo(path)
    return path


BAD_FILES: dict[str, tuple[Callable[[Path], Path], str]] = {
    "huge.pdf": (_sparse, "larger than 200 MB"),
    "empty.pdf": (lambda path: _filled(path, b""), "is empty"),
    "really-a-program.pdf": (lambda path: _filled(path, b"MZ\x90\x00" * 9), "not what its name says"),
    "really-a-page.png": (lambda path: _filled(path, b"<html>" * 9), "not what its name says"),
    "binary.txt": (lambda path: _filled(path, b"text\x00\x01"), "not what its name says"),
    "latin.txt": (lambda path: _filled(path, b"caf\xe9 and more text after it"), "not what its name says"),
    "paper.exe": (lambda path: _filled(path, b"%PDF-1.7"), "not what its name says"),
    "pipe.pdf": (_fifo, "is no file"),
    "gone.pdf": (lambda path: path, "cannot be read"),
}


def _filled(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("bad", BAD_FILES)
def test_a_file_that_is_no_paper_is_refused_and_nothing_is_kept(desk: Desk, bad: str) -> None:
    name = desk.record().id
    desk.take(name, "triage", facts={"kind": "court_order"})
    make, says = BAD_FILES[bad]
    offer = replace(desk.offer(name, "register_instrument", sheet=PAPER), files={"document": make(desk.folder / bad)})
    if bad in ("huge.pdf", "empty.pdf", "pipe.pdf", "gone.pdf"):
        with pytest.raises(UsageError, match=says):
            acts.advance(desk.opened, name, Step.REGISTER_INSTRUMENT, offer)
    with pytest.raises(UsageError, match=says):
        papers.take_in(desk.opened, desk.folder / bad)
    assert not list((desk.folder / "state").glob("inquiries/*"))
    assert desk.load(name).case.state is State.TRIAGED


def test_a_scanned_paper_is_sealed_and_its_digest_kept(desk: Desk) -> None:
    scan = _filled(desk.folder / "scan.pdf", b"%PDF-1.7\n" + os.urandom(3_000_000))
    digest, name = papers.take_in(desk.opened, scan)
    sealed = (desk.folder / "state" / "inquiries" / name).read_bytes()
    assert digest == hashlib.sha256(scan.read_bytes()).hexdigest()
    identity = pyrage.x25519.Identity.from_str(desk.identities["counsel"].strip())
    assert pyrage.decrypt(sealed, [identity]) == scan.read_bytes()


BAD_SHEETS: dict[str, tuple[Mapping[str, object], str]] = {
    "a judge without a court": (PAPER | {"court": "none"}, "there is a judge but no court"),
    "before the court existed": (PAPER | {"issued": "1700-01-01"}, "before such a court existed"),
    "before the federal courts": (PAPER | {"court": "federal", "issued": "1788-01-01"}, "before such a court existed"),
    "a name for a role": (PAPER | {"served_on": "Jane Marked"}, "served_on"),
    "nobody named": (PAPER | {"scope": {"classes": ["circulation"]}}, "the scope names nobody"),
    "backwards": (PAPER | {"scope": SCOPE | {"since": "2026-11-02"}}, "the scope ends before it begins"),
    "served before issued": (PAPER | {"served": "2026-11-01"}, "served before it was issued"),
    "an unknown key": (PAPER | {"jugde": "x"}, "did you mean 'judge'"),
    "no paper at all": (PAPER | {"kind": "informal_request"}, "this kind is no paper"),
}


@pytest.mark.parametrize("bad", BAD_SHEETS)
def test_a_bad_sheet_is_refused_with_its_line_and_no_name_is_repeated(desk: Desk, bad: str) -> None:
    name = desk.record().id
    desk.take(name, "triage", facts={"kind": "court_order"})
    values, says = BAD_SHEETS[bad]
    with pytest.raises(ConfigurationError, match=says) as refused:
        desk.take(name, "register_instrument", "custodian", files=["document"], sheet=values)
    assert "sheet.toml" in refused.value.where
    assert "Marked" not in str(refused.value)


def test_the_scope_lint() -> None:
    def lint(**scope: object) -> set[str]:
        return {str(one) for one in ScopeSheet.model_validate(scope).breadth()}

    assert lint(**SCOPE) == set()
    assert lint(patrons=["1"]) == {"open_dates", "all_classes"}
    assert lint(items=["9"], classes=["search"], since="2026-01-01", before="2026-02-01") == {"readers_of_item"}
    assert lint(patrons=["1"], classes=["search"], since="2020-01-01", before="2026-02-01") == {"long_dates"}
    many = [str(n) for n in range(11)]
    assert lint(patrons=many, classes=["search"], since="2026-01-01", before="2026-02-01") == {"many_persons"}


# ---- sealed from the desk ---------------------------------------------------------------------


def test_a_sealed_case_is_not_there_for_anyone_without_an_officers_key(desk: Desk) -> None:
    open_one = desk.record().id
    name = desk.record(party="nationalSecurityAgency", level="federal").id
    desk.take(name, "triage", facts={"kind": "national_security_letter"})
    assert [one.id for one in acts.listed(desk.opened)] == [open_one]
    assert {one.id for one in acts.listed(desk.opened, desk.identities["counsel"])} == {open_one, name}
    unknown = "There is no such inquiry."
    for who in (name, "0123abcd", "../../etc"):
        with pytest.raises(UsageError, match=unknown):
            acts.visible(desk.opened, who)
        with pytest.raises(UsageError, match=unknown):
            acts.advance(desk.opened, who, Step.SEAL, acts.Offer())
    assert acts.transparency(desk.opened, 2026).total == "1 to 4"
    assert all(who != name for who, _ in acts.due(desk.opened))


def test_without_officers_age_keys_nothing_can_be_recorded(tmp_path: Path, signer: Signer) -> None:
    desk = Desk(tmp_path / "library", signer)
    text = (desk.folder / "reticent.toml").read_text()
    (desk.folder / "reticent.toml").write_text(re.sub(r', age = "[^"]*"', "", text))
    desk.changed()
    with pytest.raises(ConfigurationError, match="No officer has an age key"):
        desk.record()


# ---- holds ------------------------------------------------------------------------------------


def test_no_copy_no_severing_whatever_digest_is_typed(desk: Desk) -> None:
    """One officer with a digest of nothing would otherwise end a hold that two confirmed."""
    name = to_counsel(desk)
    desk.take(name, "confirm_hold", "custodian", "counsel", facts={"until": "2027-03-01"})
    with pytest.raises(NotPermitted, match="No whole sealed copy with this digest"):
        desk.take(name, "record_copy", "custodian", facts={"package": "a" * 64})
    assert Holds(desk.opened).held("ils", "old_issues", "circulation")


def test_a_hold_of_two_officers_waits_for_every_class_they_named(desk: Desk) -> None:
    name = to_counsel(desk)
    wider = SCOPE | {"classes": ["search"]}
    desk.take(name, "confirm_hold", "custodian", "counsel", facts={"until": "2027-03-01"}, sheet={"scope": wider})
    holds = Holds(desk.opened)
    assert holds.held("ils", "search_history", "search")
    assert holds.held("ils", "old_issues", "circulation"), "what the paper named goes on waiting"
    assert holds.held("ils", "messages", "notice") is None


def test_the_hold_of_a_case_waits_lapses_and_ends_with_it(desk: Desk) -> None:
    opened = desk.opened
    holds = Holds(opened)
    assert holds.held("ils", "old_issues", "circulation") is None
    name = desk.record(classes=["circulation"]).id
    before = holds.epoch()
    desk.take(name, "triage", facts={"kind": "informal_request"})
    assert holds.epoch() > before
    assert holds.held("ils", "old_issues", "circulation") == "legal hold: an officer must answer first"
    assert holds.held("ils", "search_history", "search") is None
    desk.clock.wait(days=4)
    assert holds.held("ils", "old_issues", "circulation") is None, "unanswered, it waits three working days at most"
    desk.take(name, "place_hold", "alternate")
    assert holds.held("ils", "old_issues", "circulation")
    desk.clock.wait(days=15)
    assert holds.held("ils", "old_issues", "circulation") is None, "one officer's hold lapses after ten working days"
    assert not opened.holds.all(), "no row, number or list shows it"


def test_closed_days_are_no_working_days_and_a_step_keeps_those_that_stood_when_it_was_taken(desk: Desk) -> None:
    file = desk.folder / "reticent.toml"
    text = file.read_text()
    desk.changed()
    file.write_text(text.replace('branches = "all"', 'branches = "all"\nclosed = [2026-12-01, 2026-12-03]'))
    name = desk.record().id
    typed = {"kind": "informal_request", "library_closed": ["2026-12-02", "2026-12-04", "2026-12-07"]}
    desk.take(name, "triage", facts=typed)
    until = datetime(2026, 12, 8, tzinfo=UTC)
    assert desk.load(name).case.hold.until == until, "Wednesday, Friday and Monday; what was typed counts for nothing"
    desk.changed()
    file.write_text(text)
    assert desk.load(name).case.hold.until == until
    other = desk.record().id
    desk.take(other, "triage", facts=typed)
    assert desk.load(other).case.hold.until == datetime(2026, 12, 4, tzinfo=UTC)


def test_registering_a_paper_pauses_its_classes_at_once_for_the_hours_counsel_set(
    tmp_path: Path, signer: Signer
) -> None:
    desk = Desk(tmp_path / "library", signer, more="[inquiries]\nhold_hours = 48\n")
    to_counsel(desk)
    holds = Holds(desk.opened)
    assert holds.held("ils", "old_issues", "circulation")
    assert holds.held("ils", "search_history", "search") is None
    desk.clock.wait(hours=49)
    assert holds.held("ils", "old_issues", "circulation") is None


def test_every_paper_at_every_step_says_what_is_due(desk: Desk) -> None:
    name = to_counsel(desk)
    said = [alarm.says for _, alarm in acts.due(desk.opened)]
    assert any("provisional hold" in one for one in said)
    desk.clock.wait(days=10)
    said = [alarm.says for _, alarm in acts.due(desk.opened)]
    assert any("return or hearing day" in one for one in said)
    desk.clock.wait(days=20)
    assert any(alarm.overdue for _, alarm in acts.due(desk.opened))
    assert name in {who for who, _ in acts.due(desk.opened)}


@pytest.mark.parametrize(
    ("reviewed", "says", "overdue"),
    [("", "has not gone through", False), ("2025-11-01", "as every year", True), ("2026-06-01", "", False)],
)
def test_a_playbook_out_of_date_is_noticed(
    tmp_path: Path, signer: Signer, reviewed: str, says: str, overdue: bool
) -> None:
    more = f"[inquiries]\nplaybook_reviewed = {reviewed}\n" if reviewed else ""
    found = acts.due(Desk(tmp_path / "library", signer, more=more).opened)
    assert [(who, alarm.overdue) for who, alarm in found] == ([("playbook", overdue)] if says else [])
    assert all(says in alarm.says for _, alarm in found)


# ---- the command line -------------------------------------------------------------------------


def test_the_command_line_from_contact_to_report(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SystemClock, "now", lambda _: desk.clock.now())

    def run(*words: str, code: int = 0) -> kit.Done:
        done = kit.Lab.run(desk, *words)  # type: ignore[arg-type]
        assert done.code == code, done.said
        return done

    contact = str(desk.sheet({"agency": "Police", "agent": "Jane Marked", "targets": ["51"]}))
    asked = ("--channel", "visit", "--party", "lawEnforcement", "--level", "local", "--fact", "classes=circulation")
    name = str(run("--json", "inquiry", "new", *asked, "--sheet", contact).json["inquiry"])
    advance = ("inquiry", "advance", name)
    said = run(*advance, "triage", "--fact", "kind=informal_request").said
    assert "The law's answer: MUST_NOT (Wis. Stat. 43.30" in said
    refused = run(*advance, "refuse", "--fact", "reason=no_paper", code=4).said
    assert "From triaged there is no such step." in refused
    waiting = run("--json", *advance, "refer").json
    assert not waiting["taken"]
    assert waiting["text"].startswith("reticent statement v1\nkind: inquiry_step\n")
    key = f"custodian={desk.signer.keys.folder / 'custodian'}"
    assert run("--json", *advance, "refer", "--key", key).json["state"] == "referred"
    letter = f"letter={desk.file('letter.txt')}"
    refuse = (*advance, "refuse", "--fact", "reason=no_paper", "--attach", letter, "--key", key)
    assert run("--json", *refuse).json["ending"] == "refused"
    shown = run("inquiry", "show", name).said
    assert "refuse by custodian (R24, R33; Wis. Stat. 43.30)" in shown
    assert "Jane Marked" not in shown
    identity = desk.file("custodian.age", desk.identities["custodian"].encode())
    opened = run("inquiry", "show", name, "--identity", str(identity)).out
    assert opened.startswith("What follows names persons.")
    assert "Jane Marked" in opened
    assert name in run("inquiry", "list").out
    assert "must anything be preserved" in run("inquiry", "due").said
    run(*advance, "answer-hold", "--fact", "place=false", "--key", key)
    for step in (("finish",), ("debrief", "--fact", "minutes=5", "--fact", "cents=0"), ("close",)):
        run(*advance, *step, "--key", key)
    day = (desk.clock.now() + timedelta(days=3 * 365)).date()
    assert f"Kept until {day}; then: reticent inquiry advance {name} dispose" in run("inquiry", "show", name).said
    page = desk.folder / "inquiries.html"
    report = run("--json", "inquiry", "report", "--out", str(page)).json
    line = {"level": "local", "kind": "informal_request", "ending": "refused", "band": "1 to 4"}
    assert report["inquiries"] == [line]
    assert "1 to 4" in page.read_text()
    assert "Marked" not in page.read_text() + json.dumps(report)


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("new", "--channel", "Jane Marked", "--party", "press", "--level", "local"), 4, "channel is not one of"),
        (("advance", "0123abcd", "triage", "--fact", "kind=x"), 2, "There is no such inquiry."),
        (("advance", "0123abcd", "trriage"), 2, "did you mean 'triage'"),
        (("advance", "0123abcd", "triage", "--fact", "kind"), 2, "--fact is given as NAME=VALUE."),
        (("show", "0123abcd", "--identity", "/nowhere"), 2, "cannot be read"),
    ],
)
def test_wrong_use_is_explained(
    desk: Desk, words: tuple[str, ...], code: int, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SystemClock, "now", lambda _: desk.clock.now())
    done = kit.Lab.run(desk, "inquiry", *words)  # type: ignore[arg-type]
    assert done.code == code
    assert says in done.said
    assert "Marked" not in done.said
