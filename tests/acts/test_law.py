"""`reticent law`: a pack is relied on while the counsel who sits has signed this text within the year."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.acts import kit
from tests.acts.desk import Desk, Signer

from reticent.acts import law
from reticent.acts.opening import SystemClock
from reticent.errors import ConfigurationError, EvidenceBroken, NotPermitted, UsageError
from reticent.guard.words import Instrument, LawAnswer, PartyKind, Standing
from reticent.law import packs
from reticent.model import RecordClass
from reticent.policy.orders import Paper


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    return Signer(tmp_path_factory.mktemp("officers"))


@pytest.fixture
def desk(tmp_path: Path, signer: Signer) -> Desk:
    return Desk(tmp_path / "library", signer)


def standing(desk: Desk) -> Standing:
    return law.pack_of(desk.opened, "US-WI").standing


def guardian(desk: Desk, age: int | None = 12) -> LawAnswer:
    return law.answer(
        desk.opened, PartyKind.RELATIVE, Instrument.GUARDIAN_REQUEST, [RecordClass.CIRCULATION], age
    ).answer


def test_only_counsels_signature_confirms_and_a_confirmed_duty_is_a_duty(desk: Desk) -> None:
    assert standing(desk) is Standing.UNCONFIRMED
    assert guardian(desk) is LawAnswer.NEEDS_COUNSEL
    law.confirm(desk.opened, "US-WI", None)
    text = (desk.folder / "state" / "law-US-WI.txt").read_bytes()
    with pytest.raises(NotPermitted):
        law.confirm(desk.opened, "US-WI", desk.signer("custodian", text))
    with pytest.raises(EvidenceBroken):
        law.confirm(desk.opened, "US-WI", desk.signer("counsel", text + b"more"))
    assert standing(desk) is Standing.UNCONFIRMED
    law.confirm(desk.opened, "US-WI", desk.signer("counsel", text))
    assert standing(desk) is Standing.CONFIRMED
    assert guardian(desk) is LawAnswer.MUST
    assert guardian(desk, 17) is LawAnswer.MUST_NOT


def test_a_confirmation_ends_with_the_year_the_text_and_the_counsel(desk: Desk) -> None:
    desk.confirm_law()
    assert standing(desk) is Standing.CONFIRMED
    desk.write_site(counsel="successor")
    assert standing(desk) is Standing.UNCONFIRMED
    desk.write_site()
    desk.clock.wait(days=400)
    assert standing(desk) is Standing.EXPIRED
    assert guardian(desk) is LawAnswer.NEEDS_COUNSEL
    with pytest.raises(NotPermitted, match="past its review day"):
        law.confirm(desk.opened, "US-WI", desk.signer("counsel", b"x"))


@pytest.mark.parametrize("part", ["digest", "day", "signature"])
def test_a_confirmation_changed_in_the_state_counts_for_nothing(desk: Desk, part: str) -> None:
    desk.confirm_law()
    path = desk.folder / "state" / "law" / "US-WI.json"
    text = path.read_text()
    change = {
        "digest": (packs.pack("US-WI").digest, "0" * 64),
        "day": ("2026-11-30", "2026-12-01"),
        "signature": ("BEGIN", "BEGAN"),
    }
    path.write_text(text.replace(*change[part]))
    assert standing(desk) is Standing.UNCONFIRMED


def test_the_librarys_own_copy_is_compared_with_what_counsel_confirmed(desk: Desk) -> None:
    desk.confirm_law()
    assert law.diff(desk.opened, "US-WI") == []
    own = desk.folder / "law"
    own.mkdir()
    text = (packs.SHIPPED / "US-WI.toml").read_text()
    (own / "US-WI.toml").write_text(text.replace("age_below = 16", "age_below = 14"))
    assert standing(desk) is Standing.UNCONFIRMED
    lines = law.diff(desk.opened, "US-WI")
    assert "-age_below = 16" in lines
    assert "+age_below = 14" in lines
    assert guardian(desk, 15) is LawAnswer.MUST_NOT


def test_the_librarys_own_answer_may_be_stricter_and_never_looser(tmp_path: Path, signer: Signer) -> None:
    def says(more: str, kind: Instrument, place: str = "US-WI") -> law.LawSays:
        desk = Desk(tmp_path / "own", signer, place, more=more)
        desk.confirm_law()
        return law.answer(desk.opened, PartyKind.OTHER, kind, [RecordClass.CIRCULATION], 12)

    own = '[inquiries.stricter.{kind}]\nanswer = "{answer}"\ncite = "board minutes of 2026-03-01"\n'
    assert says("", Instrument.CONSENT).answer is LawAnswer.MAY
    stricter = says(own.format(kind="consent", answer="NEEDS_COUNSEL"), Instrument.CONSENT)
    assert stricter.answer is LawAnswer.NEEDS_COUNSEL
    assert "board minutes of 2026-03-01" in stricter.cite
    duty = own.format(kind="guardian_request", answer="MUST_NOT")
    assert says(duty, Instrument.GUARDIAN_REQUEST).answer is LawAnswer.MUST, "only a statute makes a duty, and ends one"
    order = own.format(kind="court_order", answer="MUST_NOT")
    assert says(order, Instrument.COURT_ORDER).answer is LawAnswer.NEEDS_COUNSEL, (
        "nobody is put in contempt by a setting"
    )
    with pytest.raises(ConfigurationError, match="did you mean 'consent'"):
        says(own.format(kind="consnet", answer="MUST_NOT"), Instrument.CONSENT)
    with pytest.raises(ConfigurationError, match="answer"):
        says(own.format(kind="consent", answer="MAY"), Instrument.CONSENT)


def test_an_unknown_place_is_refused_with_the_known_ones(desk: Desk) -> None:
    with pytest.raises(ConfigurationError, match="no pack for jurisdiction"):
        law.pack_of(desk.opened, "US-XX")
    nowhere = Desk(desk.folder.with_name("nowhere"), desk.signer, jurisdiction="")
    with pytest.raises(UsageError, match="No jurisdiction is set"):
        law.jurisdiction(nowhere.opened)


@pytest.mark.parametrize(
    "kind", [kind for kind in Instrument if kind not in (Instrument.OWN_REQUEST, Instrument.CONSENT)]
)
def test_a_pack_nobody_confirmed_never_permits(desk: Desk, kind: Instrument) -> None:
    for party in (PartyKind.LAW_ENFORCEMENT, PartyKind.ATTORNEY, PartyKind.RELATIVE, PartyKind.OTHER):
        said = law.answer(desk.opened, party, kind, [RecordClass.CIRCULATION], 12)
        assert said.answer in (LawAnswer.MUST_NOT, LawAnswer.NEEDS_COUNSEL)
        assert said.cite


def test_the_command_line_shows_confirms_and_compares(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SystemClock, "now", lambda _: desk.clock.now())

    def run(*words: str) -> kit.Done:
        return kit.Lab.run(desk, *words)  # type: ignore[arg-type]

    shown = run("law", "show", "US-DC")
    assert shown.code == 0
    assert "sent within 2 working days" in shown.said
    assert "then 10 days before anything is given" in shown.said
    assert "patrons under 16" in run("law", "show", "US-WI").said
    assert "not legal advice" in shown.said
    asked = run("--json", "law", "confirm").json
    path = Path(asked["statement"])
    path.with_suffix(".sig").write_bytes(desk.signer("counsel", path.read_bytes()))
    done = run("--json", "law", "confirm", "--signature", str(path.with_suffix(".sig"))).json
    assert done["standing"] == "confirmed"
    assert run("law", "diff").code == 0
    assert run("law", "show", "US-XX").code == 2


def test_an_emergency_opens_identity_at_most_and_surveillance_opens_no_loan(desk: Desk) -> None:
    def parts(state: str, kind: str, name: str) -> object:
        desk.jurisdiction = state
        desk.write_site()
        now = desk.clock.now()
        limit = law.limits(desk.opened, Paper(kind, "lawEnforcement", "a", now, now), [name])[name]
        return None if limit is None else set(limit.fields)

    assert parts("US-IL", "exigent_request", "circulation") == {"identity"}
    assert parts("US-OH", "exigent_request", "circulation") == {"identity"}
    assert parts("US-CA", "exigent_request", "circulation") == set()
    assert parts("US-WI", "informal_request", "surveillance") == {"surveillance"}
    assert parts("US-WI", "informal_request", "circulation") == set()
    assert parts("US-WI", "court_order", "circulation") is None
    assert parts("US-WI", "no such paper", "circulation") == set()
    assert parts("US-WI", "court_order", "no such class") == set()
