"""The strictest of ALA policy, the library's own rule and the jurisdiction pack.

The answer is MUST_NOT, MAY, MUST or NEEDS_COUNSEL, with every ground that led to it:

- paper that can compel (a subpoena of any kind, an order, a warrant) always goes to counsel, whatever
  policy or statute says of it: the software neither obeys it nor ignores it, so nobody is put in
  contempt by a program, and a ground to challenge it is named instead;
- a duty to disclose in a confirmed pack is MUST; a duty in a pack that nobody confirmed, or one that
  may exist but was never read, is NEEDS_COUNSEL;
- everything else is the strictest of the three; a pack that is not confirmed, or has expired, can
  deny or send to counsel, never permit.

Nothing here reads who the patron is. The age of a minor is asked for in one place, the rule to a
guardian, and an answer that used it says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from reticent.law.packs import (
    SUBPOENAS,
    Clock,
    Confirmation,
    Effect,
    Instrument,
    Pack,
    Party,
    Reading,
    Rule,
    Standing,
)
from reticent.model import RecordClass


class Outcome(StrEnum):
    """What may be done with a demand."""

    MUST_NOT = "MUST_NOT"
    MAY = "MAY"
    MUST = "MUST"
    NEEDS_COUNSEL = "NEEDS_COUNSEL"


@dataclass(frozen=True)
class Demand:
    """What is asked, by whom, on what. ``subject_age`` in years is given for a guardian's request only."""

    party: Party
    instrument: Instrument
    record_class: RecordClass
    library_type: str = "public"
    subject_age: int | None = None


@dataclass(frozen=True)
class Ground:
    """One reason: whose it is (policy, library, statute), what it answers and the clause it cites."""

    source: str
    outcome: Outcome
    cite: str
    says: str


@dataclass(frozen=True)
class Answer:
    """The outcome and all that counsel and custodian must see with it.

    ``fields`` names the only things a rule lets out, empty when it sets no limit. ``challenge`` lists
    where the paper falls short of what the statute asks. ``age_exception`` is true when a statute made
    the age of a minor matter.
    """

    outcome: Outcome
    grounds: tuple[Ground, ...]
    standing: Standing
    reading: Reading
    findings: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    clocks: tuple[Clock, ...] = ()
    challenge: tuple[str, ...] = ()
    age_exception: bool = False


COMPULSORY = SUBPOENAS | {
    Instrument.COURT_ORDER,
    Instrument.SEARCH_WARRANT,
    Instrument.FISA_ORDER,
    Instrument.NATIONAL_SECURITY_LETTER,
    Instrument.PRESERVATION_LETTER,
}
"""Paper that can carry a duty. A national security letter has no judge, yet only counsel may answer it."""

_COUNSEL_FIRST = "only a court order on good cause, specific facts and competent jurisdiction; counsel examines it"
_BASELINE = {
    Instrument.OWN_REQUEST: (Outcome.MAY, "R2, R50", "a patron may see what is held about them"),
    Instrument.CONSENT: (Outcome.MAY, "R4", "the patron named who may see it"),
    Instrument.COLLECTION: (Outcome.NEEDS_COUNSEL, "R4", "a use outside the catalogue of purposes"),
    Instrument.EXIGENT_REQUEST: (
        Outcome.NEEDS_COUNSEL,
        "R24, R45",
        "belief is not enough; only a statute opens this",
    ),
    Instrument.GUARDIAN_REQUEST: (Outcome.MUST_NOT, "R21", "minors have the same right as everyone"),
    Instrument.ADMINISTRATIVE_WARRANT: (
        Outcome.MUST_NOT,
        "R22, R25",
        "an agency's own warrant is no court order",
    ),
    Instrument.INFORMAL_REQUEST: (Outcome.MUST_NOT, "R24, R33", "referred to the custodian and refused"),
    Instrument.PUBLIC_RECORDS_REQUEST: (Outcome.MUST_NOT, "R2", "aggregates only, never who"),
}


def strictest(
    demand: Demand,
    pack: Pack,
    today: date,
    *,
    library: Ground | None = None,
    confirmation: Confirmation | None = None,
) -> Answer:
    """Answer one demand. ``library`` is the library's own rule, which may be stricter, never looser."""
    standing = pack.standing(today, confirmation)
    rules = _matching(demand, pack)
    statute = _statute(demand, pack, standing, rules)
    own = [_policy(demand)] if library is None else [_policy(demand), library]
    return Answer(
        outcome=_combine(demand, statute, own),
        grounds=(*own, *statute),
        standing=standing,
        reading=pack.reading,
        findings=_all(rule.findings for rule in rules),
        conditions=_all(rule.conditions for rule in rules),
        fields=_all(rule.fields for rule in rules),
        clocks=tuple(rule.clock for rule in rules if rule.clock),
        challenge=_challenge(demand, pack, rules),
        age_exception=any(rule.to == (Party.GUARDIAN,) for rule in rules),
    )


def _policy(demand: Demand) -> Ground:
    if demand.instrument in COMPULSORY:
        return Ground("policy", Outcome.NEEDS_COUNSEL, "R25 to R28, R34", _COUNSEL_FIRST)
    outcome, cite, says = _BASELINE[demand.instrument]
    return Ground("policy", outcome, cite, says)


def _matching(demand: Demand, pack: Pack) -> Sequence[Rule]:
    return [rule for rule in pack.rule if _fits(demand, rule)]


def _fits(demand: Demand, rule: Rule) -> bool:
    """Whether a rule speaks of this demand. An unknown age fits every age limit: counsel settles it."""
    age = demand.subject_age
    return (
        (not rule.to or demand.party in rule.to)
        and (demand.instrument in rule.instruments or _as_subpoena(demand, rule))
        and (not rule.record_classes or demand.record_class in rule.record_classes)
        and (not rule.library_types or demand.library_type in rule.library_types)
        and (rule.age_below is None or age is None or age < rule.age_below)
    )


def _as_subpoena(demand: Demand, rule: Rule) -> bool:
    """A statute that says no more than "subpoena" speaks of every kind of it."""
    return demand.instrument in SUBPOENAS and Instrument.SUBPOENA in rule.instruments


def _statute(demand: Demand, pack: Pack, standing: Standing, rules: Sequence[Rule]) -> Sequence[Ground]:
    """Return what the pack says; a subject's own view does not rest on it unless a rule names the subject."""
    if rules:
        return [_by_rule(demand, rule, standing) for rule in rules]
    if demand.party is Party.SUBJECT:
        return []
    cite = pack.citations[0]
    if demand.instrument is Instrument.GUARDIAN_REQUEST and _parents_open(pack):
        says = "what the statute gives a parent was not read or is not clear"
        return [Ground("possible duty", Outcome.NEEDS_COUNSEL, cite, says)]
    if pack.court_order != "no" and (pack.reading is Reading.READ or standing is Standing.CONFIRMED):
        return [Ground("statute", Outcome.MUST_NOT, cite, "the text names its exceptions and this is none of them")]
    if standing is not Standing.CONFIRMED:
        return [Ground("statute", Outcome.NEEDS_COUNSEL, cite, f"no rule was read, and the pack is {standing}")]
    return []


def _parents_open(pack: Pack) -> bool:
    named = any(Party.GUARDIAN in rule.to for rule in pack.rule)
    return pack.parents == "unclear" or (pack.parents == "yes" and not named)


def _by_rule(demand: Demand, rule: Rule, standing: Standing) -> Ground:
    if rule.effect is Effect.MUST_NOT:
        return Ground("statute", Outcome.MUST_NOT, rule.cite, "the statute forbids it")
    if rule.effect is Effect.MUST:
        settled = standing is Standing.CONFIRMED and _age_settled(demand, rule)
        says = "the statute commands it" if settled else f"the statute may command it; the pack is {standing}"
        return Ground("possible duty", Outcome.MUST if settled else Outcome.NEEDS_COUNSEL, rule.cite, says)
    if standing is Standing.CONFIRMED and _age_settled(demand, rule):
        return Ground("statute", Outcome.MAY, rule.cite, "the statute allows it")
    return Ground("statute", Outcome.NEEDS_COUNSEL, rule.cite, f"the statute may allow it; the pack is {standing}")


def _age_settled(demand: Demand, rule: Rule) -> bool:
    """A guardian's rule is settled only when the statute sets an age and the patron's is known."""
    if Party.GUARDIAN not in rule.to:
        return True
    return rule.age_below is not None and demand.subject_age is not None


def _combine(demand: Demand, statute: Sequence[Ground], own: Sequence[Ground]) -> Outcome:
    """Combine what the statute says with policy and the library's rule. Only a statute makes a duty."""
    if demand.instrument in COMPULSORY:
        return Outcome.NEEDS_COUNSEL
    if any(ground.outcome is Outcome.MUST for ground in statute):
        return Outcome.MUST
    if any(ground.source == "possible duty" for ground in statute):
        return Outcome.NEEDS_COUNSEL
    outcomes = {ground.outcome for ground in (*statute, *own)}
    for strict in (Outcome.MUST_NOT, Outcome.NEEDS_COUNSEL):
        if strict in outcomes:
            return strict
    return Outcome.MAY


def _challenge(demand: Demand, pack: Pack, rules: Sequence[Rule]) -> tuple[str, ...]:
    """Name where compulsory paper falls short of the statute: grounds for counsel, never a refusal."""
    if demand.instrument not in COMPULSORY:
        return ()
    short = []
    if not rules and pack.court_order != "no":
        short.append(f"{pack.citations[0]} does not name this kind of paper; insist on what it names")
    if demand.instrument in SUBPOENAS:
        short.append("policy asks for a court order on a showing of good cause; a subpoena may be none")
    return tuple(short)


def _all(groups: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(item for group in groups for item in group)
