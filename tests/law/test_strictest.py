"""Strictest of policy, library and pack: decision tables, and laws over every demand and every pack."""

from datetime import date, timedelta
from itertools import product

import pytest

from reticent.law.packs import Confirmation, Instrument, Pack, Party, Rule, Standing, jurisdictions, pack
from reticent.law.strictest import COMPULSORY, Answer, Demand, Ground, Outcome, strictest
from reticent.model import RecordClass

TODAY = date(2026, 12, 1)
PACKS = {name: pack(name) for name in jurisdictions()}
MUST_NOT, MAY, MUST, COUNSEL = Outcome.MUST_NOT, Outcome.MAY, Outcome.MUST, Outcome.NEEDS_COUNSEL
LOANS = RecordClass.CIRCULATION


def ask(
    state: str,
    party: str,
    instrument: str,
    *,
    confirmed: bool = False,
    age: int | None = None,
    record_class: RecordClass = LOANS,
    library: Ground | None = None,
    library_type: str = "public",
) -> Answer:
    each = PACKS[f"US-{state}"]
    word = Confirmation(each.digest, TODAY) if confirmed else None
    demand = Demand(Party(party), Instrument(instrument), record_class, library_type, age)
    return strictest(demand, each, TODAY, library=library, confirmation=word)


# state, party, instrument, age, outcome unconfirmed, outcome confirmed
TABLE = [
    ("WI", "law_enforcement", "informal_request", None, MUST_NOT, MUST_NOT),
    ("WI", "law_enforcement", "administrative_warrant", None, MUST_NOT, MUST_NOT),
    ("WI", "public", "public_records_request", None, MUST_NOT, MUST_NOT),
    ("WI", "guardian", "guardian_request", 15, COUNSEL, MUST),
    ("WI", "guardian", "guardian_request", 16, MUST_NOT, MUST_NOT),
    ("WI", "guardian", "guardian_request", None, COUNSEL, COUNSEL),
    (
        "VT",
        "guardian",
        "guardian_request",
        15,
        MUST_NOT,
        MUST_NOT,
    ),  # a statute that allows does not loosen policy
    ("CT", "guardian", "guardian_request", 10, MUST_NOT, MUST_NOT),
    (
        "MA",
        "guardian",
        "guardian_request",
        10,
        COUNSEL,
        COUNSEL,
    ),  # silent on parents: a duty may exist elsewhere
    ("LA", "guardian", "guardian_request", 10, COUNSEL, COUNSEL),  # the parent clause was never read
    ("AL", "guardian", "guardian_request", 10, COUNSEL, COUNSEL),  # a duty, but no age was read
    ("NY", "law_enforcement", "attorney_subpoena", None, COUNSEL, COUNSEL),
    ("CA", "law_enforcement", "attorney_subpoena", None, COUNSEL, COUNSEL),
    ("DC", "law_enforcement", "court_subpoena", None, COUNSEL, COUNSEL),
    ("AR", "law_enforcement", "court_order", None, COUNSEL, COUNSEL),
    ("IL", "law_enforcement", "exigent_request", None, COUNSEL, COUNSEL),
    ("CA", "law_enforcement", "exigent_request", None, MUST_NOT, MUST_NOT),
    ("IL", "law_enforcement", "national_security_letter", None, COUNSEL, COUNSEL),
    ("ME", "consented", "consent", None, COUNSEL, MAY),
    ("PA", "consented", "consent", None, COUNSEL, MUST_NOT),  # as quoted, one exception only
    ("WI", "subject", "own_request", None, MAY, MAY),
    ("FL", "collector", "collection", None, COUNSEL, COUNSEL),
]


@pytest.mark.parametrize(("state", "party", "instrument", "age", "draft", "confirmed"), TABLE)
def test_decision_table(
    state: str, party: str, instrument: str, age: int | None, draft: Outcome, confirmed: Outcome
) -> None:
    assert ask(state, party, instrument, age=age).outcome is draft
    assert ask(state, party, instrument, age=age, confirmed=True).outcome is confirmed


def every_demand() -> list[tuple[Pack, Demand]]:
    kinds = (LOANS, RecordClass.SURVEILLANCE)
    parts = product(PACKS.values(), Party, Instrument, kinds, ("public", "public school"), (None, 12, 40))
    return [(each, Demand(party, paper, kind, library, age)) for each, party, paper, kind, library, age in parts]


def test_an_unconfirmed_or_expired_pack_never_permits_an_outsider() -> None:
    """It may deny or send to counsel; a subject's own view rests on policy, not on the pack."""
    for each, demand in every_demand():
        if demand.party is Party.SUBJECT:
            continue
        for day, word in (
            (TODAY, None),
            (each.review_by + timedelta(days=1), Confirmation(each.digest, TODAY)),
        ):
            answer = strictest(demand, each, day, confirmation=word)
            assert answer.outcome in (MUST_NOT, COUNSEL), (each.jurisdiction, demand)


def test_paper_that_can_compel_always_goes_to_counsel() -> None:
    """Never obeyed and never refused by software, whatever policy, library or statute says."""
    no = Ground("library", MUST_NOT, "board rule", "never")
    for each, demand in every_demand():
        if demand.instrument in COMPULSORY:
            for word in (None, Confirmation(each.digest, TODAY)):
                assert strictest(demand, each, TODAY, library=no, confirmation=word).outcome is COUNSEL


def test_age_matters_only_to_a_guardian_and_is_then_shown() -> None:
    """Equal protection: the one trait, in the one cited exception (R21)."""
    for each, demand in every_demand():
        other = Demand(demand.party, demand.instrument, demand.record_class, demand.library_type, 15)
        word = Confirmation(each.digest, TODAY)
        first, second = (strictest(d, each, TODAY, confirmation=word) for d in (demand, other))
        if demand.party is not Party.GUARDIAN:
            assert first == second
        if first.outcome is not second.outcome:
            assert first.age_exception or second.age_exception


def test_the_library_can_only_be_stricter() -> None:
    for each, demand in every_demand():
        word = Confirmation(each.digest, TODAY)
        alone = strictest(demand, each, TODAY, confirmation=word).outcome
        loose = strictest(demand, each, TODAY, library=Ground("library", MAY, "rule", ""), confirmation=word).outcome
        assert loose is alone
        forced = strictest(demand, each, TODAY, library=Ground("possible duty", MUST, "rule", ""), confirmation=word)
        assert forced.outcome is alone, "only a statute makes a duty"
        if alone is MAY:
            strict = strictest(demand, each, TODAY, library=Ground("library", MUST_NOT, "rule", ""), confirmation=word)
            assert strict.outcome is MUST_NOT


def test_every_answer_cites_policy_and_statute() -> None:
    """R30: two grounds for each decision, the subject's own view and silent statutes excepted."""
    for each, demand in every_demand():
        grounds = strictest(demand, each, TODAY).grounds
        assert grounds[0].source == "policy"
        assert grounds[0].cite.startswith("R")
        assert demand.party is Party.SUBJECT or any(ground.source != "policy" for ground in grounds)


def test_a_clerks_subpoena_in_a_strict_state_names_the_ground_to_challenge_it() -> None:
    challenge = ask("CA", "law_enforcement", "attorney_subpoena").challenge
    assert any("7927.105" in ground for ground in challenge)
    assert not any("4509" in ground for ground in ask("NY", "law_enforcement", "attorney_subpoena").challenge)


def test_emergency_is_identity_only_in_illinois() -> None:
    """R45."""
    assert ask("IL", "law_enforcement", "exigent_request").fields == ("identity",)


def test_clock_and_findings_travel_with_the_answer() -> None:
    assert ask("DC", "litigant", "court_subpoena").clocks[0].wait_days == 10
    assert "public safety" in ask("MO", "law_enforcement", "court_order").findings[0]


def test_surveillance_duty_of_wisconsin_reaches_video_only() -> None:
    """R46."""
    video = ask("WI", "law_enforcement", "informal_request", confirmed=True, record_class=RecordClass.SURVEILLANCE)
    assert (video.outcome, video.fields) == (MUST, ("surveillance",))
    assert ask("WI", "law_enforcement", "informal_request", confirmed=True).outcome is MUST_NOT


def test_a_school_rule_does_not_reach_a_public_library() -> None:
    assert ask("AK", "guardian", "guardian_request", age=10, library_type="public school").outcome is COUNSEL
    assert ask("AK", "guardian", "guardian_request", age=10).outcome is MUST_NOT


def test_a_statute_that_forbids_is_heard() -> None:
    rule = Rule.model_validate(
        {
            "to": ["consented"],
            "instruments": ["consent"],
            "effect": "must_not",
            "cite": "x",
            "reading": "read",
        }
    )
    each = PACKS["US-ME"].model_copy(update={"rule": (rule,)})
    demand = Demand(Party.CONSENTED, Instrument.CONSENT, LOANS)
    answer = strictest(demand, each, TODAY, confirmation=Confirmation(each.digest, TODAY))
    assert (answer.outcome, answer.standing) == (MUST_NOT, Standing.CONFIRMED)
