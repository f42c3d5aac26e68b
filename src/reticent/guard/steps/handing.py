"""The steps of handing over: approved, searched, released; compelled; a search warrant being executed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from reticent.guard import conditions as need
from reticent.guard import effects
from reticent.guard.case import FOUR
from reticent.guard.steps.rule import ANY_OFFICER, COUNSEL, OFFICER, PENDING, REVIEWS, TWO, Rule, at
from reticent.guard.words import Duty, Ending, Instrument, LawAnswer, Standing, State, Step

RULES: Mapping[Step, Rule] = {
    Step.APPROVE: Rule(
        "Approve the release", at(State.COUNSEL_REVIEW, State.NOTICE_CLOCK, State.APPROVED, State.SEARCHED, *REVIEWS),
        State.APPROVED, TWO, "R25 to R29, R34", ("scope", "policy"),
        needs=(
            need.COUNSELLED,
            need.BASIS,
            need.NO_DEFECT,
            need.NOT_FORBIDDEN,
            need.FINDINGS,
            need.PARTICULAR,
            need.NOTICE,
            need.IN_FORCE,
            need.CONFIRMED,
            need.SCOPED,
        ),
        effect=effects.approve,
    ),
    Step.SEARCH: Rule(
        "Search the systems", at(State.APPROVED), State.SEARCHED, OFFICER, "R29", ("worksheet", "policy"),
        needs=(
            need.BASIS,
            need.APPROVED,
            need.NO_DEFECT,
            need.IN_FORCE,
            (lambda case, taken: case.policy == taken.word("policy"), "The policy has changed since approval."),
        ),
    ),
    Step.PREPARE: Rule(
        "Prepare what is handed over", at(State.SEARCHED), State.PREPARED, OFFICER, "R29", ("package",),
        ("places_not_searched",), (need.BASIS, need.APPROVED, need.NO_DEFECT),
    ),
    Step.RETURN_NIL: Rule(
        "Answer that nothing is held", at(State.SEARCHED), State.NIL_RETURN, OFFICER, "R29, R39",
        ("places_not_searched",), ("letter",),
        (need.APPROVED, need.NO_DEFECT, need.NOT_FORBIDDEN, need.NOTICE, need.CLOCK_OVER, need.IN_FORCE), effects.nil,
    ),
    Step.RELEASE: Rule(
        "Release", at(State.PREPARED), State.DISCLOSED, OFFICER, "R25 to R29, R43, R47", ("package", "witness"),
        ("checkpoint", "receipt"),
        (
            need.BASIS,
            need.APPROVED,
            need.NO_DEFECT,
            need.NOT_FORBIDDEN,
            need.NOTICE,
            need.CLOCK_OVER,
            need.IN_FORCE,
            (
                lambda _, taken: taken.word("witness") == "witnessed" or len({p for _, p in taken.by}) > 1,
                "Without a witness two officers sign the checkpoint on paper.",
            ),
            (
                lambda _, taken: taken.word("witness") == "witnessed" or bool(taken.word("checkpoint")),
                "The checkpoint that two officers signed on paper is not attached.",
            ),
        ),
        effects.release,
    ),
    Step.COSIGN: Rule(
        "A witness cosigns later", at(State.DISCLOSED, State.AFTERWARDS), None, ANY_OFFICER, "R49", ("checkpoint",),
        needs=(need.owed(Duty.COSIGN, "Nothing waits for a cosignature."),), effect=effects.paid(Duty.COSIGN),
    ),
    Step.COMPLY: Rule(
        "Counsel complies under compulsion", PENDING - {State.INSTRUMENT_RECEIVED}, State.DISCLOSED, COUNSEL,
        "R25, R34", ("reason", "receipt"), ("classes",),
        ((lambda case, _: case.instrument, "There is no paper that compels."),), effects.comply,
    ),
    Step.DISCLOSE_BY_DUTY: Rule(
        "Counsel discloses by duty although the pack cannot vouch for it",
        at(State.COUNSEL_REVIEW, State.GUARDIAN_REVIEW, State.EXIGENT_REVIEW), State.DISCLOSED, COUNSEL, "R46",
        ("reason", "receipt"), ("classes",),
        (
            (lambda case, _: case.standing is not Standing.CONFIRMED, "The pack is confirmed; approve instead."),
            (lambda case, _: case.law is LawAnswer.NEEDS_COUNSEL, "The law's answer does not need counsel."),
            (lambda case, _: case.exception, "Whoever asks has shown nothing the statute asks for."),
        ),
        effects.by_duty,
    ),
    Step.BEGIN_WARRANT: Rule(
        "A search warrant is being executed", at(State.TRIAGED), State.WARRANT_EXECUTION, OFFICER, "R25, R29",
        ("has_judge", "court", "counsel_called", "waited", "scope", "issued", "valid_until", *FOUR[1:]),
        ("gag", "gag_until", "document", "classes"),
        (
            need.kind(Instrument.SEARCH_WARRANT),
            need.true("has_judge", "No judge signed it: an agency's own paper is no search warrant."),
            (lambda _, taken: taken.word("court") != "none", "A judge needs a court."),
        ),
        effects.begin_warrant,
    ),
    Step.LIST_INVENTORY: Rule(
        "List what was viewed and taken", at(State.WARRANT_EXECUTION), None, ANY_OFFICER, "R29, R38",
        ("viewed", "taken", "machines", "inventory"), effect=lambda case, _: replace(case, listed=True),
    ),
    Step.PRODUCE_UNDER_WARRANT: Rule(
        "Hand over what the warrant names", at(State.WARRANT_EXECUTION), None, OFFICER, "R29", ("scope",),
        ("package", "library_closed"),
        needs=(
            (lambda case, taken: taken.word("scope") == case.scope, "This is not the warrant's scope."),
            need.IN_FORCE,
        ),
        effect=effects.under_warrant,
    ),
    Step.COUNTERSIGN: Rule(
        "Another officer countersigns", at(State.WARRANT_EXECUTION, State.AFTERWARDS), None, ANY_OFFICER, "R29, R34",
        needs=(
            need.owed(Duty.COUNTERSIGN, "Nothing waits for a countersignature."),
            (
                lambda case, taken: not case.produced_by & {person for _, person in taken.by},
                "Whoever handed over cannot countersign.",
            ),
        ),
        effect=effects.countersign,
    ),
    Step.END_WARRANT: Rule(
        "The officers have left", at(State.WARRANT_EXECUTION), State.AFTERWARDS, OFFICER, "R29, R38", ("receipt",),
        needs=((lambda case, _: case.listed, "What was viewed and taken is not listed."),),
        effect=effects.ends(Ending.WARRANT_EXECUTED),
    ),
}  # fmt: skip
