"""The register as it is kept: sealed, signed, replayed; and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.acts.desk import PAPER, Desk, Signer, trusting

from reticent.guard.words import State


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
