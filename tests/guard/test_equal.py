"""Equal protection: who the patron is and what the use was about change no outcome, but a minor's age under a cited statute."""

from __future__ import annotations

import dataclasses
from datetime import date
from pathlib import Path

import pytest
from tests.policy.helpers import FixedClock

from reticent.acts import law
from reticent.acts.opening import Opened, open_site
from reticent.guard.case import Case, Taken
from reticent.guard.inquiries import RULES
from reticent.guard.words import FACTS, Instrument, PartyKind
from reticent.law import packs
from reticent.law.packs import Confirmation, Party
from reticent.law.strictest import Demand, strictest
from reticent.model import RecordClass

PERSONAL = {
    "nationality",
    "age",
    "birth",
    "category",
    "origin",
    "background",
    "views",
    "topic",
    "subject",
    "religion",
    "race",
}
AGES = (None, 3, 12, 15, 16, 17, 40, 90)


def test_no_fact_and_no_case_can_hold_who_the_patron_is_or_what_a_use_was_about() -> None:
    names = {
        *FACTS,
        *(field.name for field in dataclasses.fields(Case)),
        *(field.name for field in dataclasses.fields(Taken)),
    }
    assert not {name for name in names for word in PERSONAL if word in name.split("_")}
    assert {name for rule in RULES.values() for name in (*rule.facts, *rule.may)} <= FACTS.keys()


def site(folder: Path, place: str) -> Opened:
    folder.mkdir(exist_ok=True)
    text = f'[library]\nname = "L"\njurisdiction = "{place}"\n[state]\nkeys = "keys"\n[systems.ils]\nkind = "koha"\n'
    (folder / "reticent.toml").write_text(text)
    return open_site(folder / "reticent.toml", FixedClock())


def test_an_age_given_with_any_other_demand_changes_no_answer(tmp_path: Path) -> None:
    for place in ("US-WI", "US-DC", "US-CA", "US-IL"):
        opened = site(tmp_path / place, place)
        for kind in set(Instrument) - {Instrument.GUARDIAN_REQUEST}:
            for party in (PartyKind.LAW_ENFORCEMENT, PartyKind.RELATIVE):
                answers = {law.answer(opened, party, kind, [RecordClass.CIRCULATION], age) for age in (None, 12, 40)}
                assert len(answers) == 1


@pytest.mark.parametrize("place", packs.jurisdictions())
def test_age_matters_to_a_guardian_only_and_the_answer_says_so(place: str) -> None:
    pack = packs.pack(place)
    confirmed, today = Confirmation(pack.digest, pack.compiled), date(2026, 12, 1)
    for record_class in (RecordClass.CIRCULATION, RecordClass.SEARCH):
        answers = [
            strictest(
                Demand(Party.GUARDIAN, Instrument.GUARDIAN_REQUEST, record_class, subject_age=age),
                pack,
                today,
                confirmation=confirmed,
            )
            for age in AGES
        ]
        if len({one.outcome for one in answers}) > 1:
            assert any(one.age_exception for one in answers)
            assert any(rule.age_below for rule in pack.rule), "an age limit that a statute sets, and its citation"
            assert all(ground.cite for one in answers for ground in one.grounds)
