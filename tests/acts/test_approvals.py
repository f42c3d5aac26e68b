"""What officers approved stands for the case as they saw it: whatever undoes it takes its signatures with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from tests.acts.desk import PAPER, SCOPE, Desk, Signer, trusting

from reticent.acts import inquiry as acts
from reticent.acts.casebook import Casebook, Entry, GateJournal
from reticent.acts.gate import open_gate
from reticent.acts.inquiry import task_of
from reticent.guard.case import Taken
from reticent.guard.words import Role, State, Step
from reticent.policy.orders import Act, Approval

CHECKLIST = {
    "court_order": True, "good_cause": True, "specific_facts": True, "competent_jurisdiction": True,
    "findings_shown": 0, "advises_requester": False,
}  # fmt: skip
PERSONS = frozenset({(Role.CUSTODIAN, "officer-custodian"), (Role.COUNSEL, "officer-counsel")})


@pytest.fixture(scope="session")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    return Signer(tmp_path_factory.mktemp("officers"))


@pytest.fixture
def desk(tmp_path: Path, signer: Signer, monkeypatch: pytest.MonkeyPatch) -> Desk:
    trusting(monkeypatch)
    return Desk(tmp_path / "library", signer, confirmed=True)


def register(desk: Desk, name: str, **paper: object) -> None:
    desk.take(name, "register_instrument", "custodian", files=["document"], sheet=PAPER | paper)
    desk.take(name, "send_to_counsel", "custodian")
    desk.take(name, "examine", "counsel", facts=CHECKLIST)


def approved(desk: Desk) -> str:
    """A case with a good order that two officers approved; the gate opens for it."""
    name = desk.record({"targets": ["51"]}).id
    desk.take(name, "triage", facts={"kind": "court_order"})
    register(desk, name)
    desk.take(name, "approve", "custodian", "counsel")
    assert opens(desk, name)
    return name


def opens(desk: Desk, name: str, act: Act = "release", approvals: tuple[Approval, ...] = ()) -> bool:
    """Whether the gate opens for the case, by what is signed in it or by these signatures."""
    task = task_of(desk.opened, desk.load(name), desk.identities["alternate"], {}, act)
    gate = open_gate(desk.opened, GateJournal(Casebook(desk.opened)))
    return gate.prepare(task.order, task.asker, approvals or task.approvals, ["ils"], act).allowed


def signatures(desk: Desk, name: str, step: Step) -> Mapping[str, str]:
    """What was signed when a step was taken first."""
    return next(entry.signatures for entry in desk.load(name).entries if entry.taken.step is step)


def forge(desk: Desk, name: str, step: Step, signed: Mapping[str, str]) -> None:
    """Write a step as an intruder with database and keys would, with signatures made another time."""
    inquiry = desk.load(name)
    facts = next(entry.taken.facts for entry in inquiry.entries if entry.taken.step is step)
    taken = Taken(step, desk.clock.now(), PERSONS, "Wis. Stat. 43.30", facts)
    Casebook(desk.opened).add(inquiry, Entry(taken, dict(signed)))


def refuses(desk: Desk, name: str, step: Step = Step.APPROVE, act: Act = "release") -> None:
    """The old signatures open nothing: not by themselves, and not in a step written into the database."""
    old = signatures(desk, name, step)
    assert not opens(desk, name, act, tuple(Approval(role, armour) for role, armour in old.items()))
    forge(desk, name, step, old)
    assert desk.load(name).approvals(act), "the register says that it was signed"
    assert not opens(desk, name, act)


def test_the_same_paper_registered_again_does_not_bring_the_old_approval_back(desk: Desk) -> None:
    name = approved(desk)
    before = desk.load(name).case
    register(desk, name)
    again = desk.load(name).case
    assert (again.scope, again.document, again.attested) == (before.scope, before.document, before.attested)
    assert not opens(desk, name), "nobody has approved since"
    refuses(desk, name)


def test_a_narrowed_demand_takes_new_signatures_even_when_it_is_widened_back(desk: Desk) -> None:
    name = approved(desk)
    for classes in (["notice"], SCOPE["classes"]):
        desk.take(name, "challenge", "counsel", facts={"motion": "narrow"})
        sheet = {"scope": SCOPE | {"classes": classes}}
        desk.take(name, "ruling", "counsel", facts={"ruling": "narrowed"}, files=["document"], sheet=sheet)
        desk.take(name, "examine", "counsel", facts=CHECKLIST)
        assert not opens(desk, name)
    refuses(desk, name)


def test_a_defect_found_and_cured_takes_new_signatures(desk: Desk) -> None:
    name = approved(desk)
    desk.take(name, "notify_defect", "counsel", facts={"defects": ["no_docket"]})
    desk.take(name, "cure", "counsel", facts={"defects": ["no_docket"]})
    assert desk.load(name).case.state is State.COUNSEL_REVIEW
    assert not opens(desk, name)
    refuses(desk, name)
    desk.take(name, "approve", "custodian", "counsel")
    assert opens(desk, name)


def test_withdrawn_consent_takes_the_approval_with_it(desk: Desk) -> None:
    name = desk.record({"targets": ["51"]}).id
    desk.take(name, "triage", facts={"kind": "consent"})
    facts = {"from_patron": True, "identity": "card_and_id", "expires": "2027-01-31"}
    desk.take(name, "open_consent", "custodian", facts=facts, files=["document"], sheet={"scope": SCOPE})
    desk.take(name, "approve", "custodian", "counsel")
    assert desk.load(name).approvals("release")
    desk.take(name, "withdraw_consent", "custodian")
    assert not desk.load(name).approvals("release")
    old = signatures(desk, name, Step.APPROVE)
    assert not opens(desk, name, approvals=tuple(Approval(role, armour) for role, armour in old.items()))


def test_an_officer_who_left_approved_nothing_and_the_one_who_came_approves_anew(desk: Desk) -> None:
    name = approved(desk)
    desk.write_site(counsel="successor")
    assert not opens(desk, name)
    offer = desk.offer(name, "approve")
    text = acts.advance(desk.opened, name, Step.APPROVE, offer).text
    assert f"after: {desk.load(name).head}\n".encode() in text
    signed = {"custodian": desk.signer("custodian", text), "counsel": desk.signer("successor", text)}
    acts.advance(desk.opened, name, Step.APPROVE, replace(offer, signed=signed))
    assert opens(desk, name)


def test_an_approval_forged_in_the_database_opens_nothing(desk: Desk) -> None:
    """Signatures of another case, of another act, and of an earlier moment of this case."""
    name, other = approved(desk), approved(desk)
    desk.take(name, "confirm_hold", "custodian", "counsel", facts={"until": "2027-03-01"}, sheet={"scope": SCOPE})
    register(desk, name)
    for signed in (
        signatures(desk, other, Step.APPROVE),
        signatures(desk, name, Step.CONFIRM_HOLD),
        signatures(desk, name, Step.APPROVE),
    ):
        forge(desk, name, Step.APPROVE, signed)
        assert desk.load(name).case.state is State.APPROVED
        assert not opens(desk, name)


def test_a_step_that_undoes_nothing_leaves_the_approval(desk: Desk) -> None:
    name = approved(desk)
    desk.take(name, "seal", "custodian", facts={"gag": True, "review": "2026-12-24"})
    desk.take(name, "place_hold", "custodian")
    desk.take(name, "search", "custodian", files=["worksheet"])
    assert opens(desk, name)


def test_a_lifted_hold_is_not_confirmed_again_by_old_signatures(desk: Desk) -> None:
    name = approved(desk)
    desk.take(name, "confirm_hold", "custodian", "counsel", facts={"until": "2027-03-01"}, sheet={"scope": SCOPE})
    assert opens(desk, name, "hold")
    desk.take(name, "lift_hold", "counsel")
    assert not desk.load(name).approvals("hold")
    forge(desk, name, Step.CONFIRM_HOLD, signatures(desk, name, Step.CONFIRM_HOLD))
    assert not opens(desk, name, "hold")
