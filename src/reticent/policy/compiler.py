"""The one compiler: Cedar's typed tree to (value, error) pairs, for any back end of ``terms``.

It follows Cedar's semantics exactly: ``&&`` and ``||`` stop early, reading what is not there
errs, whole numbers overflow, a rule that errs decides nothing. It models a closed list of
constructs; anything else raises ``Unmodelled`` with the construct and the rule, so a proof is
never claimed over something that was not understood.

Source of the semantics: the Cedar language reference, and comparison with the engine (``fuzz``).
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import assert_never

from cedarpy import pst

from reticent.errors import ReticentError
from reticent.policy.bundle import Rule
from reticent.policy.schema import Attribute, Bool, Ent, Kind, Long, Rec, Schema, SetOf, Text, Type
from reticent.policy.terms import Term, Terms, Uid


class Unmodelled(ReticentError):
    """A rule uses something the prover does not model; no proof is claimed."""

    def __init__(self, construct: str, rule: str, where: str = "") -> None:
        super().__init__(
            f"Rule {rule!r} uses {construct}, which the prover does not model.",
            where=where,
            do="Say it with comparisons, has, contains, &&, || and !; see docs/how-to/change-the-policy.md.",
        )
        self.construct, self.rule = construct, rule


@dataclass(frozen=True, slots=True)
class Typed:
    """A compiled expression: its type, its value, and whether evaluating it errs."""

    type: Type
    value: Term
    err: Term = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """A compiled rule: whether it applies, and whether it errs."""

    applies: Term
    errs: Term


class Compiler:
    """Compiles the rules of one kind of request over one back end; ``notes`` collects lint."""

    def __init__(self, schema: Schema, terms: Terms, kind: Kind) -> None:
        self.schema, self.terms, self.kind = schema, terms, kind
        self.notes: list[tuple[str, str]] = []
        self._rule = ""
        self._where = ""

    def decision(self, rules: Iterable[Rule]) -> Verdict:
        """Return whether a permit applies and no forbid does (Cedar), and whether any rule errs."""
        t = self.terms
        permitted, forbidden, errs = False, False, False
        for rule in rules:
            verdict = self.rule(rule)
            errs = t.either(errs, verdict.errs)
            if rule.tree.effect == "permit":
                permitted = t.either(permitted, verdict.applies)
            else:
                forbidden = t.either(forbidden, verdict.applies)
        return Verdict(t.both(permitted, t.negate(forbidden)), errs)

    def strict(self, rules: Iterable[Rule]) -> Term:
        """Return the strict gate's answer: Cedar's Allow, and no rule errs."""
        verdict = self.decision(rules)
        return self.terms.both(verdict.applies, self.terms.negate(verdict.errs))

    def rule(self, rule: Rule) -> Verdict:
        """Compile one rule."""
        self._rule, self._where = rule.id, rule.where
        if not self.in_scope(rule):
            return Verdict(applies=False, errs=False)
        so_far = Typed(Bool(), value=True)
        for clause in rule.tree.clauses:
            if so_far.value is False:
                break
            part = self._bool(self.expr(clause.expr))
            if isinstance(clause, pst.Unless):
                part = self.not_(part)
            so_far = self.and_(so_far, part)
        return Verdict(self.terms.both(so_far.value, self.terms.negate(so_far.err)), so_far.err)

    def in_scope(self, rule: Rule) -> bool:
        """Whether a rule's head can meet this kind of request at all."""
        tree = rule.tree
        return (
            self._type_scope(tree.principal, self.kind.principal)
            and self._action_scope(tree.action)
            and self._type_scope(tree.resource, self.kind.resource)
        )

    def _type_scope(self, scope: pst.PrincipalOrResourceConstraint, found: str) -> bool:
        match scope:
            case pst.ScopeAny():
                return True
            case pst.ScopeIs(entity_type=wanted):
                return str(wanted) == found
            case pst.ScopeEq() | pst.ScopeIn() | pst.ScopeIsIn():
                raise self.unmodelled("one named entity in its head")
        assert_never(scope)

    def _action_scope(self, scope: pst.ActionConstraint) -> bool:
        match scope:
            case pst.ScopeAny():
                return True
            case pst.ActionEq(entity=wanted):
                return wanted.id == self.kind.action
            case pst.ActionIn(entities=wanted_any):
                return any(wanted.id == self.kind.action for wanted in wanted_any)
        assert_never(scope)

    def expr(self, node: pst.Expr) -> Typed:
        """Compile one expression."""
        match node:
            case pst.BoolLit(value=truth):
                return Typed(Bool(), truth)
            case pst.LongLit(value=number):
                return Typed(Long(), number)
            case pst.EntityLit(value=uid):
                return self._literal(uid)
            case pst.Var(name=name):
                return self._var(name)
            case pst.GetAttr(base=base, attr=attr):
                return self.get(self.expr(base), attr)
            case pst.HasAttr(base=base, attrs=attrs):
                return self._has_path(self.expr(base), attrs)
            case pst.UnaryOp():
                return self._unary(node)
            case pst.BinaryOp():
                return self._logic(node) if node.op in ("and", "or") else self._binary(node)
        return self._rarer(node)

    def _rarer(self, node: pst.Expr) -> Typed:
        match node:
            case pst.StringLit(value=text):
                return Typed(Text(), text)
            case pst.Is(base=base, entity_type=wanted, in_expr=None):
                found = self.expr(base)
                return Typed(Bool(), found.type == Ent(str(wanted)), found.err)
            case pst.Set(elements=elements):
                return self._set([self.expr(element) for element in elements])
            case pst.IfThenElse(cond=cond, then_expr=then, else_expr=other):
                return self._if(self._bool(self.expr(cond)), then, other)
        raise self.unmodelled(type(node).__name__.lower())

    def _literal(self, uid: pst.EntityUid) -> Typed:
        name = str(uid.type)
        if name == "Action":
            return Typed(Ent("Action"), Uid("Action", uid.id))
        if name not in self.schema.enums:
            raise self.unmodelled(f"one named {name}; a rule may name roles, classes and kinds, no one person or thing")
        return Typed(Ent(name), Uid(name, uid.id))

    def _var(self, name: str) -> Typed:
        if name == "context":
            return Typed(Rec(), None)
        if name == "action":
            return Typed(Ent("Action"), Uid("Action", self.kind.action))
        found = self.kind.principal if name == "principal" else self.kind.resource
        return Typed(Ent(found), self.terms.var(name, self.kind))

    def get(self, base: Typed, name: str) -> Typed:
        """Read an attribute: errs when the entity or an optional attribute is not there."""
        t, attribute = self.terms, self._declared(base, name)
        if attribute is None:
            raise self.unmodelled(f"the attribute {name!r}, which is not declared for every request it meets")
        if isinstance(base.type, Rec):
            missing = False if attribute.required else t.negate(t.context_present(attribute))
            return Typed(attribute.type, t.context_attr(attribute), t.either(base.err, missing))
        owner = _owner(base)
        there = t.exists(owner, base.value)
        if not attribute.required:
            there = t.both(there, t.present(owner, base.value, attribute))
        return Typed(attribute.type, t.attr(owner, base.value, attribute), t.either(base.err, t.negate(there)))

    def has(self, base: Typed, name: str) -> Typed:
        """Ask whether an attribute is there; never errs of itself."""
        t, attribute = self.terms, self._declared(base, name)
        if attribute is None:
            self.note(f"asks for {name!r}, which the schema does not declare, so the answer is always no")
            return Typed(Bool(), value=False, err=base.err)
        if isinstance(base.type, Rec):
            return Typed(Bool(), True if attribute.required else t.context_present(attribute), base.err)
        owner = _owner(base)
        there = t.exists(owner, base.value)
        if not attribute.required:
            there = t.both(there, t.present(owner, base.value, attribute))
        return Typed(Bool(), there, base.err)

    def _has_path(self, base: Typed, names: tuple[str, ...]) -> Typed:
        answer = self.has(base, names[0])
        for before, name in pairwise(names):
            if answer.value is False:
                return answer
            base = self.get(base, before)
            answer = self.and_(answer, self.has(base, name))
        return answer

    def _declared(self, base: Typed, name: str) -> Attribute | None:
        if isinstance(base.type, Rec):
            return self.schema.context.get(name)
        return self.schema.attribute(_owner(base), name) if isinstance(base.type, Ent) else None

    def _set(self, elements: list[Typed]) -> Typed:
        kinds = {element.type for element in elements}
        values = frozenset(element.value for element in elements if isinstance(element.value, Uid | int | str))
        if len(values) < len({e.value for e in elements}) or len(kinds) > 1:
            raise self.unmodelled("a set literal that is not a list of constants of one type")
        kind = kinds.pop() if kinds else None
        if isinstance(kind, SetOf | Rec):
            raise self.unmodelled("a set of sets")
        return Typed(SetOf(kind), values)

    def _if(self, cond: Typed, then: pst.Expr, other: pst.Expr) -> Typed:
        if isinstance(cond.value, bool) and cond.err is False:
            return self.expr(then if cond.value else other)
        t, left, right = self.terms, self.expr(then), self.expr(other)
        if left.type != right.type or not isinstance(left.type, Bool | Long):
            raise self.unmodelled("if-then-else over two types, entities or sets")
        err = t.either(cond.err, t.choose(cond.value, left.err, right.err))
        return Typed(left.type, t.choose(cond.value, left.value, right.value), err)

    def _unary(self, node: pst.UnaryOp) -> Typed:
        arg = self.expr(node.arg)
        match node.op, arg.type:
            case "not", Bool():
                return self.not_(arg)
            case "neg", Long():
                return self._number(operator.sub, Typed(Long(), 0), arg)
        raise self.unmodelled(node.op)

    def _logic(self, node: pst.BinaryOp) -> Typed:
        """Compile ``&&`` and ``||``; what a constant left side hides is never even typed."""
        left = self._bool(self.expr(node.left))
        if left.value is (node.op == "or"):
            return left
        join = self.and_ if node.op == "and" else self.or_
        return join(left, self._bool(self.expr(node.right)))

    def _binary(self, node: pst.BinaryOp) -> Typed:
        left, right = self.expr(node.left), self.expr(node.right)
        match node.op:
            case "eq":
                return self.eq(left, right)
            case "not_eq":
                return self.not_(self.eq(left, right))
            case "less" | "less_eq" | "greater" | "greater_eq":
                return self._compare(node.op, left, right)
            case "add" | "sub":
                return self._number(getattr(operator, node.op), left, right)
            case "mul":
                if not isinstance(left.value, int) and not isinstance(right.value, int):
                    raise self.unmodelled("a product of two unknowns")
                return self._number(operator.mul, left, right)
            case "contains":
                return self.contains(left, right)
            case "contains_any" | "contains_all":
                return self._contains_many(node.op, left, right)
        raise self.unmodelled(node.op)

    def and_(self, left: Typed, right: Typed) -> Typed:
        """Cedar's ``&&``: the right side errs only where the left side holds."""
        t = self.terms
        err = t.either(left.err, t.both(left.value, right.err))
        return Typed(Bool(), t.both(left.value, right.value), err)

    def or_(self, left: Typed, right: Typed) -> Typed:
        """Cedar's ``||``: the right side errs only where the left side does not hold."""
        t = self.terms
        err = t.either(left.err, t.both(t.negate(left.value), right.err))
        return Typed(Bool(), t.either(left.value, right.value), err)

    def not_(self, arg: Typed) -> Typed:
        """Cedar's ``!``."""
        return Typed(Bool(), self.terms.negate(arg.value), arg.err)

    def eq(self, left: Typed, right: Typed) -> Typed:
        """Cedar's ``==``; two types are never equal, which is noted as a likely slip."""
        t, err = self.terms, self.terms.either(left.err, right.err)
        if left.type != right.type:
            self.note(f"compares {_type_name(left.type)} with {_type_name(right.type)}, which are never equal")
            return Typed(Bool(), value=False, err=err)
        if isinstance(left.type, SetOf | Rec):
            raise self.unmodelled("equality of two sets or records")
        return Typed(Bool(), t.same(left.value, right.value, left.type), err)

    def _compare(self, op: str, left: Typed, right: Typed) -> Typed:
        self._longs(left, right)
        t, err = self.terms, self.terms.either(left.err, right.err)
        if op in ("greater", "greater_eq"):
            left, right, op = right, left, "less" if op == "greater" else "less_eq"
        if op == "less":
            return Typed(Bool(), t.less(left.value, right.value), err)
        return Typed(Bool(), t.negate(t.less(right.value, left.value)), err)

    def _number(self, op: Callable[[int, int], int], left: Typed, right: Typed) -> Typed:
        self._longs(left, right)
        t = self.terms
        value = t.arithmetic(op, left.value, right.value)
        err = t.either(t.either(left.err, right.err), t.overflows(value))
        return Typed(Long(), value, err)

    def contains(self, members: Typed, element: Typed) -> Typed:
        """Cedar's ``contains``."""
        if not isinstance(members.type, SetOf):
            raise self.unmodelled("contains on something that is no set")
        t, err = self.terms, self.terms.either(members.err, element.err)
        if members.type.element is None:
            return Typed(Bool(), value=False, err=err)
        if members.type.element != element.type:
            self.note(f"looks for {_type_name(element.type)} in a set of {_type_name(members.type.element)}")
            return Typed(Bool(), value=False, err=err)
        return Typed(Bool(), t.member(members.value, element.value, element.type), err)

    def _contains_many(self, op: str, left: Typed, right: Typed) -> Typed:
        if not isinstance(right.value, frozenset) or not isinstance(right.type, SetOf):
            raise self.unmodelled(f"{op} over a set that is not written out")
        answer = Typed(Bool(), op == "contains_all", self.terms.either(left.err, right.err))
        for element in sorted(right.value):
            found = self.contains(left, Typed(right.type.element or Bool(), element))
            join = self.terms.both if op == "contains_all" else self.terms.either
            answer = Typed(Bool(), join(answer.value, found.value), answer.err)
        return answer

    def _bool(self, arg: Typed) -> Typed:
        if not isinstance(arg.type, Bool):
            raise self.unmodelled("a condition that is no truth value")
        return arg

    def _longs(self, *args: Typed) -> None:
        if any(not isinstance(arg.type, Long) for arg in args):
            raise self.unmodelled("arithmetic or an ordering of something that is no whole number")

    def note(self, text: str) -> None:
        """Keep one remark for lint."""
        self.notes.append((self._rule, text))

    def unmodelled(self, construct: str) -> Unmodelled:
        """Return the error that names construct and rule."""
        return Unmodelled(construct, self._rule, self._where)


def _owner(base: Typed) -> str:
    return base.type.name if isinstance(base.type, Ent) else ""


def _type_name(kind: Type) -> str:
    match kind:
        case Ent(name=name):
            return f"a {name}"
        case SetOf(element=element):
            return f"a set of {_type_name(element)}" if element else "an empty set"
    return {Bool: "a truth value", Long: "a number", Text: "a text", Rec: "a record"}[type(kind)]
