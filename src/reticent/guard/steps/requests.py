"""The steps of what is asked without a paper: contact, own record, guardian, emergency, consent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from reticent.guard import conditions as need
from reticent.guard import effects
from reticent.guard.steps.rule import ANYONE, COUNSEL, OFFICER, REVIEWS, Rule, at
from reticent.guard.words import Duty, Ending, Instrument, LawAnswer, State, Step

RULES: Mapping[Step, Rule] = {
    Step.RECORD: Rule(
        "Record a contact", at(State.IDLE), State.CONTACT, ANYONE, "R16, R18, R38", ("channel", "party", "level"),
        ("classes", "paper_shown", "threat"), effect=effects.record,
    ),
    Step.TRIAGE: Rule(
        "Triage", at(State.CONTACT), State.TRIAGED, ANYONE, "R33", ("kind", "law", "standing"),
        ("emergency_clause", "classes", "library_closed"), effect=effects.triage,
    ),
    Step.CLOSE_WITHOUT_REQUEST: Rule(
        "Nothing was asked", at(State.TRIAGED), State.AFTERWARDS, OFFICER, "R18",
        needs=((lambda case, _: case.kind is None, "Something was asked."),), effect=effects.ends(Ending.NO_REQUEST),
    ),
    Step.REFER: Rule(
        "Take it over from the front line", at(State.TRIAGED), State.REFERRED, OFFICER, "R33",
        needs=((lambda case, _: case.kind is not None, "Nothing was asked."), need.NO_COMPULSION),
    ),
    Step.REFUSE: Rule(
        "Refuse", at(State.REFERRED, *REVIEWS), State.REFUSED, OFFICER, "R24, R33", ("reason",), ("letter",),
        (
            need.NO_COMPULSION,
            (lambda case, _: case.kind is not Instrument.OWN_REQUEST, "A patron's own record is not refused."),
            (
                lambda case, _: case.law in (LawAnswer.MUST_NOT, LawAnswer.MAY) or case.state in REVIEWS,
                "The law may command it, so only counsel can say no.",
            ),
            (lambda case, _: case.law is not LawAnswer.MUST or not case.exception, "The statute commands it."),
        ),
        effects.ends(Ending.REFUSED),
    ),
    Step.OPEN_OWN_ACCESS: Rule(
        "Take up a patron's request for their own record", at(State.TRIAGED, State.REFERRED), State.SUBJECT_ACCESS,
        OFFICER, "R50", needs=(need.kind(Instrument.OWN_REQUEST),),
    ),
    Step.HAND_TO_SUBJECT: Rule(
        "Hand a patron their own record", at(State.SUBJECT_ACCESS), State.DISCLOSED, OFFICER, "R50",
        ("identity", "package"), effect=effects.ends(Ending.PRODUCED),
    ),
    Step.OPEN_GUARDIAN: Rule(
        "Take up a guardian's request", at(State.TRIAGED, State.REFERRED), State.GUARDIAN_REVIEW, OFFICER, "R21, R46",
        needs=(need.kind(Instrument.GUARDIAN_REQUEST), need.NOT_FORBIDDEN),
    ),
    Step.VERIFY_RELATION: Rule(
        "Verify the guardian's relation", at(State.GUARDIAN_REVIEW), None, OFFICER, "R46", ("proofs", "scope"),
        ("law", "standing"), ((lambda _, taken: bool(taken.some("proofs")), "The relation was not shown."),),
        effects.excepted,
    ),
    Step.OPEN_EXIGENT: Rule(
        "Take up an emergency request", at(State.TRIAGED, State.REFERRED), State.EXIGENT_REVIEW, OFFICER, "R24, R45",
        ("emergency_clause",),
        needs=(
            need.kind(Instrument.EXIGENT_REQUEST),
            need.true("emergency_clause", "The law here has no emergency clause."),
            need.NOT_FORBIDDEN,
        ),
    ),
    Step.TAKE_OFFICERS_FORM: Rule(
        "Take the officer's statement of the emergency", at(State.EXIGENT_REVIEW), None, OFFICER, "R45",
        ("document", "fields", "scope"), ("law", "standing"),
        ((lambda _, taken: taken.some("fields") == {"identity"}, "An emergency opens identity only."),),
        effects.excepted,
    ),
    Step.REVIEW_EMERGENCY: Rule(
        "Review an emergency afterwards", at(State.AFTERWARDS), None, COUNSEL, "R45",
        needs=(need.owed(Duty.REVIEW_EMERGENCY, "There is none to review."),),
        effect=effects.paid(Duty.REVIEW_EMERGENCY),
    ),
    Step.OPEN_CONSENT: Rule(
        "Take up a patron's consent", at(State.TRIAGED, State.REFERRED), State.CONSENT_REVIEW, OFFICER, "R4",
        ("from_patron", "identity", "expires", "document", "scope"),
        needs=(
            need.kind(Instrument.CONSENT),
            need.true("from_patron", "Consent comes from the patron alone, never through the asker."),
            (lambda _, taken: (taken.date("expires") or taken.day) >= taken.day, "The consent has expired."),
        ),
        effect=lambda case, taken: (
            replace(case, exception=True, scope=taken.word("scope"), valid_until=taken.date("expires"))
        ),
    ),
    Step.WITHDRAW_CONSENT: Rule(
        "The patron withdraws consent",
        at(State.CONSENT_REVIEW, State.COUNSEL_REVIEW, State.APPROVED, State.SEARCHED, State.PREPARED), State.REFUSED,
        OFFICER, "R4", needs=(need.kind(Instrument.CONSENT),),
        effect=lambda case, _: replace(effects.unapproved(case), exception=False, ending=Ending.CONSENT_WITHDRAWN),
    ),
}  # fmt: skip
