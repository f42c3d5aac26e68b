"""Wrong compilers. Each has one mistake a compiler of Cedar could have; the fuzzer must tell every one.

They stand beside the fuzzer because a comparison that cannot fail proves nothing: when the generator
loses its teeth, a mutant lives and the test names it.
"""

# Each class says what its overriding method gets wrong.

from __future__ import annotations

from collections.abc import Callable, Iterable

from cedarpy import pst

from reticent.policy.bundle import Rule
from reticent.policy.compiler import Compiler, Typed, Verdict
from reticent.policy.schema import Bool, Rec


class AndReadsOn(Compiler):
    """``&&`` errs when its right side errs, whatever the left side says."""

    def and_(self, left: Typed, right: Typed) -> Typed:
        found = super().and_(left, right)
        return Typed(Bool(), found.value, self.terms.either(left.err, right.err))


class OrReadsOn(Compiler):
    """``||`` errs when its right side errs, whatever the left side says."""

    def or_(self, left: Typed, right: Typed) -> Typed:
        found = super().or_(left, right)
        return Typed(Bool(), found.value, self.terms.either(left.err, right.err))


class AndForgets(Compiler):
    """``&&`` never sees its right side err."""

    def and_(self, left: Typed, right: Typed) -> Typed:
        return Typed(Bool(), super().and_(left, right).value, left.err)


class OrForgets(Compiler):
    """``||`` never sees its right side err."""

    def or_(self, left: Typed, right: Typed) -> Typed:
        return Typed(Bool(), super().or_(left, right).value, left.err)


class NotForgets(Compiler):
    """``!`` turns an error into an answer."""

    def not_(self, arg: Typed) -> Typed:
        return Typed(Bool(), super().not_(arg).value)


class UnlessIsWhen(Compiler):
    """``unless`` is read as ``when``."""

    def rule(self, rule: Rule) -> Verdict:
        clauses = tuple(pst.When(clause.expr) for clause in rule.tree.clauses)
        return super().rule(_with(rule, clauses))


class LastClauseLost(Compiler):
    """A rule's last clause is dropped."""

    def rule(self, rule: Rule) -> Verdict:
        return super().rule(_with(rule, rule.tree.clauses[:-1]))


class ForbidLost(Compiler):
    """Forbids decide nothing."""

    def decision(self, rules: Iterable[Rule]) -> Verdict:
        rules = tuple(rules)
        found = super().decision(rule for rule in rules if rule.tree.effect == "permit")
        return Verdict(found.applies, super().decision(rules).errs)


class ErrorsLost(Compiler):
    """No rule ever errs."""

    def rule(self, rule: Rule) -> Verdict:
        return Verdict(super().rule(rule).applies, errs=False)


class AbsentEntityRead(Compiler):
    """Reading an entity that is not there gives an answer."""

    def get(self, base: Typed, name: str) -> Typed:
        return _sure(self, super().get, base, name)


class AbsentAttributeRead(Compiler):
    """Reading an optional attribute that is not there gives an answer."""

    def get(self, base: Typed, name: str) -> Typed:
        found, attribute = super().get(base, name), self._declared(base, name)
        if attribute is None or attribute.required or isinstance(base.type, Rec):
            return found
        there = self.terms.exists(str(getattr(base.type, "name", "")), base.value)
        return Typed(found.type, found.value, self.terms.either(base.err, self.terms.negate(there)))


class AbsentContextRead(Compiler):
    """Reading an optional field of the context that is not there gives an answer."""

    def get(self, base: Typed, name: str) -> Typed:
        found = super().get(base, name)
        return Typed(found.type, found.value, base.err) if isinstance(base.type, Rec) else found


class HasIsBlind(Compiler):
    """``has`` answers yes for every attribute of the schema."""

    def has(self, base: Typed, name: str) -> Typed:
        return Typed(Bool(), value=True, err=super().has(base, name).err)


class LessIsLessOrEqual(Compiler):
    """``<`` holds of equal numbers."""

    def _compare(self, op: str, left: Typed, right: Typed) -> Typed:
        return super()._compare({"less": "less_eq", "greater": "greater_eq"}.get(op, op), left, right)


class NumbersNeverEnd(Compiler):
    """Whole numbers do not overflow."""

    def _number(self, op: Callable[[int, int], int], left: Typed, right: Typed) -> Typed:
        found = super()._number(op, left, right)
        return Typed(found.type, found.value, self.terms.either(left.err, right.err))


class AllIsAny(Compiler):
    """``containsAll`` is read as ``containsAny``."""

    def _contains_many(self, op: str, left: Typed, right: Typed) -> Typed:
        return super()._contains_many("contains_any", left, right)


class IfIsSwapped(Compiler):
    """``if`` takes the wrong branch."""

    def _if(self, cond: Typed, then: pst.Expr, other: pst.Expr) -> Typed:
        return super()._if(cond, other, then)


class EqualityErrsLess(Compiler):
    """``==`` does not see its right side err."""

    def eq(self, left: Typed, right: Typed) -> Typed:
        return Typed(Bool(), super().eq(left, right).value, left.err)


MUTANTS: tuple[type[Compiler], ...] = (
    AndReadsOn, OrReadsOn, AndForgets, OrForgets, NotForgets, UnlessIsWhen, LastClauseLost, ForbidLost,
    ErrorsLost, AbsentEntityRead, AbsentAttributeRead, AbsentContextRead, HasIsBlind, LessIsLessOrEqual,
    NumbersNeverEnd, AllIsAny, IfIsSwapped, EqualityErrsLess,
)  # fmt: skip
"""Every mutant; the test asks the fuzzer about each."""


def _with(rule: Rule, clauses: tuple[pst.Clause, ...]) -> Rule:
    tree = pst.Template(
        rule.tree.id, rule.tree.effect, rule.tree.principal, rule.tree.action, rule.tree.resource, clauses, {}
    )
    return Rule(rule.id, tree, rule.cite, rule.says, rule.since, rule.file, rule.line)


def _sure(compiler: Compiler, get: Callable[[Typed, str], Typed], base: Typed, name: str) -> Typed:
    """Read as if the entity existed; an optional attribute still has to be there."""
    found, attribute = get(base, name), compiler._declared(base, name)
    if attribute is None or isinstance(base.type, Rec):
        return found
    if attribute.required:
        return Typed(found.type, found.value, base.err)
    present = compiler.terms.present(str(getattr(base.type, "name", "")), base.value, attribute)
    return Typed(found.type, found.value, compiler.terms.either(base.err, compiler.terms.negate(present)))
