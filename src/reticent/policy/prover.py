"""Proves the promises over every possible request, or shows the request that breaks one.

A ceiling ("the gate always refuses this") is proved even where facts are missing; a floor ("the
gate always grants this") where they are complete, since the strict gate refuses to decide on
incomplete ones. A promise that nothing could ever break because its situation cannot occur is
reported as such, not as proved. Counterexamples are replayed on the real engine before they are
shown. Needs the extra ``prove`` (Z3); the gate itself does not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from reticent.policy.bundle import Bundle, Rule, Special, Waiver
from reticent.policy.compiler import Compiler, Unmodelled, Verdict
from reticent.policy.decode import Decoder, fewer
from reticent.policy.engine import Engine
from reticent.policy.explain import story
from reticent.policy.plain import Plain
from reticent.policy.request import Request
from reticent.policy.schema import Bool, Kind
from reticent.policy.solver import Symbolic, check
from reticent.policy.terms import Uid

MILLISECONDS = 5000
_BOOL = Bool()


class Mark(StrEnum):
    """What can be said of a promise. Only the first two let a bundle decide."""

    PROVED = "proved"
    EXCEPTED = "proved except under a cited statute"
    REFUTED = "refuted"
    UNKNOWN = "unknown"
    NOT_CLAIMED = "not claimed"


@dataclass(frozen=True)
class Counterexample:
    """A request that breaks a promise. ``other`` is its twin in the other world, when two are compared.

    ``replayed`` tells whether the real engine gave the answers the solver foresaw.
    """

    kind: Kind
    request: Request = field(repr=False)
    story: str
    deciding: tuple[str, ...]
    replayed: bool
    other: Request | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Line:
    """One promise's line: its sentence, its mark, and why."""

    promise: str
    says: str
    clause: str
    mark: Mark
    kinds: int
    why: str = ""
    counterexample: Counterexample | None = None
    waiver: Waiver | None = None


class Prover:
    """Proves one bundle. Formulas are compiled once for each kind of request and shared."""

    def __init__(self, bundle: Bundle, rules: Sequence[Rule] | None = None) -> None:
        self.bundle = bundle
        self.rules = tuple(bundle.rules if rules is None else rules)
        self.engine = Engine(bundle)
        self._formulas: dict[Kind, Formula] = {}
        self._blank = Symbolic(bundle.schema)

    def lines(self) -> tuple[Line, ...]:
        """Return a line for every promise of the bundle, statutory exceptions applied."""
        found = [self.promise(promise) for promise in self.bundle.promises]
        found += [self.special(special) for special in self.bundle.specials]
        return tuple(self._excepted(line) for line in found)

    def formula(self, kind: Kind) -> Formula:
        """Return the compiled rules of one kind of request."""
        if kind not in self._formulas:
            self._formulas[kind] = Formula(self.bundle, self.rules, kind)
        return self._formulas[kind]

    def promise(self, promise: Rule) -> Line:
        """Prove or refute one promise written as a rule."""
        line = Line(promise.id, promise.says, promise.cite, Mark.PROVED, 0)
        floor, possible = promise.tree.effect == "permit", False
        for kind in self.bundle.schema.kinds:
            if not Compiler(self.bundle.schema, self._blank, kind).in_scope(promise):
                continue
            try:
                formula = self.formula(kind)
                situation = formula.compiler.rule(promise)
                if situation == Verdict(applies=False, errs=False):
                    continue
                possible = possible or formula.can(situation.applies, *formula.complete())
                broken = formula.broken(situation, floor=floor)
            except Unmodelled as unmodelled:
                return _not_claimed(line, unmodelled)
            line = self._judge(line, formula, broken, ())
            if line.mark is not Mark.PROVED:
                return self._tidied(line, promise)
        return line if possible else replace(line, mark=Mark.UNKNOWN, why="its situation can never occur")

    def special(self, special: Special) -> Line:
        """Prove or refute a promise that is no single rule."""
        line = Line(special.id, special.says, special.cite, Mark.PROVED, 0)
        other = frozenset(special.attributes)
        for kind in self.bundle.schema.kinds:
            try:
                formula = self.formula(kind)
                if special.kind == "never errs":
                    line = self._judge(line, formula, [formula.verdict.errs, *formula.complete()], ())
                else:
                    twin = Formula(self.bundle, self.rules, kind, other)
                    line = self._judge(line, formula, formula.differs(twin), (twin,))
            except Unmodelled as unmodelled:
                return _not_claimed(line, unmodelled)
            if line.mark is not Mark.PROVED:
                return line
        return line

    def _judge(self, line: Line, formula: Formula, broken: list[Any], twins: tuple[Formula, ...]) -> Line:
        """Take one more kind of request into a promise's line."""
        line = replace(line, kinds=line.kinds + 1)
        if any(part is False for part in broken):
            return line
        facts = [fact for one in (formula, *twins) for fact in one.terms.facts()]
        answer, model = check([*broken, *facts], MILLISECONDS)
        if answer == "unsat":
            return line
        if answer == "unknown":
            return replace(line, mark=Mark.UNKNOWN, why=f"the solver gave up on {formula.kind} after 5 s")
        tidy, clean = check([*broken, *facts, *formula.complete()], MILLISECONDS)
        model = clean if tidy == "sat" else model
        return replace(line, mark=Mark.REFUTED, counterexample=self._replay(formula, model, twins))

    def _replay(self, formula: Formula, model: Any, twins: tuple[Formula, ...]) -> Counterexample:
        """Ask the real engine about the request the solver found."""
        names: dict[tuple[str, int | str], Uid] = {}
        requests = [
            Decoder(self.bundle.schema, model, one.terms.leaves.values(), names).request(one.kind)
            for one in (formula, *twins)
        ]
        outcomes = [self.engine.ask(request) for request in requests]
        foreseen = [_truth(model, one.allow) for one in (formula, *twins)]
        told = [story(self.bundle, q, outcome) for q, outcome in zip(requests, outcomes, strict=True)]
        text = told[0] if len(told) == 1 else f"{told[0]} But, in everything else the same: {told[1]}"
        agreed = [outcome.strict for outcome in outcomes] == foreseen and not any(o.unfit for o in outcomes)
        deciding = tuple(dict.fromkeys(name for outcome in outcomes for name in outcome.deciding))
        return Counterexample(formula.kind, requests[0], text, deciding, agreed, requests[1] if twins else None)

    def _tidied(self, line: Line, promise: Rule) -> Line:
        """Drop from a counterexample what the story does not need, the breach staying a breach."""
        found = line.counterexample
        if found is None or not found.replayed:
            return line
        answer = self.engine.ask(found.request).strict
        situation = self._situation(promise, found.request)

        def breach(less: Request) -> bool:
            return self.engine.ask(less).strict == answer and self._situation(promise, less) == situation

        request = fewer(found.request, breach)
        outcome = self.engine.ask(request)
        told = story(self.bundle, request, outcome)
        return replace(line, counterexample=replace(found, request=request, story=told, deciding=outcome.deciding))

    def _situation(self, promise: Rule, request: Request) -> Verdict:
        return Compiler(self.bundle.schema, Plain(request), request.kind).rule(promise)

    def _excepted(self, line: Line) -> Line:
        """A refuted promise stands, marked, when cited exceptions account for every way to break it."""
        waivers = [waiver for waiver in self.bundle.exceptions if waiver.promise == line.promise]
        if line.mark is not Mark.REFUTED or not waivers:
            return line
        excused = frozenset(rule for waiver in waivers for rule in waiver.rules)
        again = Prover(self.bundle, self.bundle.without(excused))
        rest = [*map(again.promise, self.bundle.promises), *map(again.special, self.bundle.specials)]
        if all(other.mark is Mark.PROVED for other in rest if other.promise == line.promise):
            return replace(line, mark=Mark.EXCEPTED, waiver=waivers[0], why=f"{waivers[0].cite}: {waivers[0].says}")
        return line

    def reads(self) -> tuple[str, ...]:
        """Return every attribute that any decision depends on, as ``Type.attribute``."""
        found: set[str] = set()
        for kind in self.bundle.schema.kinds:
            formula = self.formula(kind)
            if not isinstance(formula.allow, bool):
                found |= {leaf.term.decl().name() for leaf in formula.terms.leaves.values() if leaf.what == "attr"}
        return tuple(sorted(found))

    def dead(self) -> Iterator[Rule]:
        """Yield the rules that no request whatever can make apply: likely slips."""
        for rule in self.rules:
            if not any(self._applies(rule, kind) for kind in self.bundle.schema.kinds):
                yield rule

    def idle(self) -> Iterator[Rule]:
        """Yield the permits without which every decision would be the same."""
        for rule in self.rules:
            rest = tuple(other for other in self.rules if other is not rule)
            if rule.tree.effect == "permit" and not any(self._matters(rule, rest, kind) for kind in self.kinds(rule)):
                yield rule

    def kinds(self, rule: Rule) -> Iterable[Kind]:
        """Return the kinds of request a rule's head can meet."""
        return [kind for kind in self.bundle.schema.kinds if self.formula(kind).compiler.in_scope(rule)]

    def _applies(self, rule: Rule, kind: Kind) -> bool:
        formula = self.formula(kind)
        return formula.compiler.in_scope(rule) and formula.can(formula.compiler.rule(rule).applies)

    def _matters(self, rule: Rule, rest: Sequence[Rule], kind: Kind) -> bool:
        formula = self.formula(kind)
        without = formula.compiler.strict(rest)
        return formula.can(formula.allow, formula.terms.negate(without), *formula.complete())


class Formula:
    """The rules of one kind of request as formulas."""

    def __init__(self, bundle: Bundle, rules: Sequence[Rule], kind: Kind, other: frozenset[str] = frozenset()) -> None:
        self.kind = kind
        self.terms = Symbolic(bundle.schema, other)
        self.compiler = Compiler(bundle.schema, self.terms, kind)
        self.verdict = self.compiler.decision(rules)
        self.allow = self.terms.both(self.verdict.applies, self.terms.negate(self.verdict.errs))

    def complete(self) -> list[Any]:
        """Return the assumption that the gate was handed every entity the formula reads."""
        return self.terms.complete()

    def can(self, *parts: Any) -> bool:
        """Whether all parts can hold together."""
        if any(part is False for part in parts):
            return False
        return check([*parts, *self.terms.facts()], MILLISECONDS)[0] == "sat"

    def broken(self, situation: Verdict, *, floor: bool) -> list[Any]:
        """Return what it takes to break a promise with this situation."""
        t = self.terms
        if floor:
            return [situation.applies, t.negate(self.allow), *self.complete()]
        # A ceiling whose situation cannot be evaluated must be refused as well.
        return [t.either(situation.applies, situation.errs), self.allow]

    def differs(self, twin: Formula) -> list[Any]:
        """Return what it takes for two worlds to get two answers."""
        mine, theirs = self.allow, twin.allow
        if isinstance(mine, bool) and isinstance(theirs, bool):
            return [mine != theirs]
        if not isinstance(mine, bool) and not isinstance(theirs, bool) and mine.eq(theirs):
            return [False]
        return [self.terms.lift(mine, _BOOL) != self.terms.lift(theirs, _BOOL)]


def _truth(model: Any, term: Any) -> bool:
    return term if isinstance(term, bool) else str(model.eval(term, model_completion=True)) == "True"


def _not_claimed(line: Line, unmodelled: Unmodelled) -> Line:
    why = f"rule {unmodelled.rule} uses {unmodelled.construct}"
    return replace(line, mark=Mark.NOT_CLAIMED, why=why + (f" ({unmodelled.where})" if unmodelled.where else ""))
