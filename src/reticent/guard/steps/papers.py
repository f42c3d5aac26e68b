"""The steps of a paper: registered, examined, mended, challenged, refused, and the patron told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta

from reticent.guard import conditions as need
from reticent.guard import effects
from reticent.guard.case import COURT_PAPER, FOUR
from reticent.guard.steps.rule import COUNSEL, OFFICER, PENDING, REVIEWS, Rule, at
from reticent.guard.words import COMPULSORY, Ending, Instrument, Notice, Standing, State, Step

RULES: Mapping[Step, Rule] = {
    Step.REGISTER_INSTRUMENT: Rule(
        "Register a paper",
        at(
            State.TRIAGED, State.REFERRED, State.EXIGENT_REVIEW, State.COUNSEL_REVIEW, State.DEFECT_NOTICE,
            State.CHALLENGED, State.NOTICE_CLOCK, State.APPROVED, State.SEARCHED, State.PREPARED,
        ),
        State.INSTRUMENT_RECEIVED, OFFICER, "R25, R34, R48",
        ("kind", "court", "has_judge", "issued", "served", "served_on", "scope", "instrument", "law", "standing"),
        ("returns", "valid_until", "gag", "gag_until", "document", "breadth", "hold_hours", "has_docket", "classes"),
        (
            (
                lambda _, taken: taken.word("kind") in {*COMPULSORY, Instrument.ADMINISTRATIVE_WARRANT},
                "This kind is no paper that can be registered.",
            ),
            (
                lambda _, taken: not (taken.flag("has_judge") and taken.word("court") == "none"),
                "There is a judge but no court.",
            ),
            (
                lambda _, taken: (taken.date("issued") or date.min) <= (taken.date("served") or date.max),
                "It was served before it was issued.",
            ),
            (
                lambda _, taken: (taken.date("served") or date.max) <= taken.day + timedelta(days=1),
                "It was served in the future.",
            ),
        ),
        effects.register,
    ),
    Step.SEND_TO_COUNSEL: Rule(
        "Send it to counsel", at(State.REFERRED, State.INSTRUMENT_RECEIVED, *REVIEWS), State.COUNSEL_REVIEW, OFFICER,
        "R34",
    ),
    Step.EXAMINE: Rule(
        "Counsel examines", at(State.COUNSEL_REVIEW, State.NOTICE_CLOCK), None, COUNSEL, "R25 to R28, R34, R44",
        (*FOUR, "findings_required", "findings_shown", "notice_required", "advises_requester", "law", "standing"),
        ("reason", "accept_breadth", "fields", "pack_fields", "notice_days", "wait_days", "provider"),
        (
            (
                lambda case, taken: case.kind is not Instrument.NATIONAL_SECURITY_LETTER or "provider" in taken.facts,
                "Counsel answers whether the library is a provider (18 U.S.C. 2709(f)).",
            ),
            (
                lambda case, taken: not taken.flag("court_order") or case.kind in COURT_PAPER,
                "This kind of paper is no court's order.",
            ),
            (
                lambda _, taken: not effects.widens(taken) or taken.word("standing") != Standing.CONFIRMED,
                "Counsel confirmed the pack that keeps these parts closed: correct it and confirm it anew.",
            ),
        ),
        effects.examine,
    ),
    Step.FIND_EXCEPTION: Rule(
        "Counsel finds a statute that commands or allows it", at(State.COUNSEL_REVIEW), None, COUNSEL, "R46",
        ("scope", "law", "standing"),
        needs=(need.NO_COMPULSION, (lambda _, taken: taken.word("law") != "MUST_NOT", "The law forbids it.")),
        effect=effects.excepted,
    ),
    Step.NOTIFY_DEFECT: Rule(
        "Send a defect notice",
        at(State.COUNSEL_REVIEW, State.NOTICE_CLOCK, State.APPROVED, State.SEARCHED, State.PREPARED),
        State.DEFECT_NOTICE, COUNSEL, "R35", ("defects",), ("letter",),
        (need.PAPER, (lambda _, taken: bool(taken.some("defects")), "No defect is named.")), effects.defect,
    ),
    Step.CURE: Rule(
        "Defects are cured", at(State.DEFECT_NOTICE, State.COUNSEL_REVIEW), State.COUNSEL_REVIEW, COUNSEL, "R35",
        ("defects",),
        needs=((lambda case, taken: taken.some("defects") <= case.defects, "Such a defect was not open."),),
        effect=effects.cure,
    ),
    Step.CHALLENGE: Rule(
        "Challenge it in court", at(State.COUNSEL_REVIEW, State.DEFECT_NOTICE, State.NOTICE_CLOCK, State.APPROVED),
        State.CHALLENGED, COUNSEL, "R14, R28, R35", ("motion",), ("letter",), (need.PAPER,),
        lambda case, _: effects.unapproved(case),
    ),
    Step.RULING: Rule(
        "The court has ruled", at(State.CHALLENGED), State.COUNSEL_REVIEW, COUNSEL, "R25, R28", ("ruling", "document"),
        ("scope", "breadth"),
        (
            (
                lambda _, taken: (taken.word("ruling") == "narrowed") == ("scope" in taken.facts),
                "A narrowed demand has a new scope, and only that has one.",
            ),
        ),
        effects.ruling,
    ),
    Step.DECLINE: Rule(
        "Counsel declines", at(State.COUNSEL_REVIEW), State.REFUSED, COUNSEL, "R24, R25, R34", ("reason",), ("letter",),
        effect=lambda case, _: replace(effects.unapproved(case), ending=Ending.REFUSED),
    ),
    Step.WITHDRAW: Rule(
        "The demand is withdrawn or quashed", PENDING, State.AFTERWARDS, COUNSEL, "R25", ("ended",), ("document",),
        effect=lambda case, taken: effects.withdraw(effects.unapproved(case), taken),
    ),
    Step.SEND_NOTICE: Rule(
        "Notify the patron", at(State.COUNSEL_REVIEW, State.APPROVED, State.SEARCHED, State.PREPARED),
        State.NOTICE_CLOCK, OFFICER, "R43", ("sent",), ("letter", "library_closed"),
        (
            need.NO_GAG,
            (lambda case, _: case.notice is Notice.REQUIRED, "Counsel has not said that a notice is due."),
            (
                lambda case, taken: (case.served or date.min) <= (taken.date("sent") or date.min) <= taken.day,
                "It was sent before the paper was served, or in the future.",
            ),
        ),
        effects.send_notice,
    ),
    Step.WAIVE_NOTICE: Rule(
        "A court waives the notice", at(State.COUNSEL_REVIEW, State.NOTICE_CLOCK), None, COUNSEL, "R43", ("document",),
        needs=((lambda case, _: case.notice in (Notice.REQUIRED, Notice.SENT), "No notice is due."),),
        effect=lambda case, _: replace(case, notice=Notice.WAIVED, not_before=None),
    ),
}  # fmt: skip
