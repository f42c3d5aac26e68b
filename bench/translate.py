"""The gate's rules printed mechanically for two peers, Rego and Casbin, so that all answer the same questions.

Each rule's condition is brought into a disjunction of conjunctions of plain tests; that is all
both peers need, and neither gets a hand-tuned text.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from cedarpy import pst

from reticent.policy.bundle import Bundle, Rule
from reticent.policy.request import Request
from reticent.policy.terms import Uid

Bodies = list[list["Test"]]


@dataclass(frozen=True)
class Test:
    """One plain test: ``op`` over paths (tuples of names) and constants; ``holds`` is False when negated."""

    op: str
    left: Any
    right: Any = None
    holds: bool = True


def bodies(rule: Rule) -> Bodies:
    """Return a rule's condition as alternatives of tests that must all hold."""
    found: Bodies = [list(_head(rule.tree))]
    for clause in rule.tree.clauses:
        found = _and(found, _expr(clause.expr, holds=isinstance(clause, pst.When)))
    return found


def _head(tree: pst.Template) -> Iterator[Test]:
    for name, scope in (("principal", tree.principal), ("resource", tree.resource)):
        if isinstance(scope, pst.ScopeIs):
            yield Test("eq", (name, "type"), str(scope.entity_type))
    if isinstance(tree.action, pst.ActionEq):
        yield Test("eq", ("action",), tree.action.entity.id)
    if isinstance(tree.action, pst.ActionIn):
        yield Test("among", ("action",), tuple(uid.id for uid in tree.action.entities))


def _and(left: Bodies, right: Bodies) -> Bodies:
    return [[*a, *b] for a in left for b in right]


def _expr(node: pst.Expr, *, holds: bool) -> Bodies:
    match node:
        case pst.BoolLit(value=truth):
            return [[]] if truth is holds else []
        case pst.UnaryOp(op="not", arg=arg):
            return _expr(arg, holds=not holds)
        case pst.BinaryOp(op="and" | "or" as op, left=left, right=right):
            first, second = _expr(left, holds=holds), _expr(right, holds=holds)
            return _and(first, second) if (op == "and") is holds else [*first, *second]
        case pst.BinaryOp(op="contains_any", left=left, right=pst.Set(elements=elements)):
            return _many([Test("in", _side(one), _side(left), holds) for one in elements], holds=holds)
    return [[_test(node, holds=holds)]]


def _many(tests: list[Test], *, holds: bool) -> Bodies:
    return [[test] for test in tests] if holds else [tests]


def _test(node: pst.Expr, *, holds: bool) -> Test:
    match node:
        case pst.BinaryOp(op="contains", left=pst.Set(elements=elements), right=right):
            return Test("among", _side(right), tuple(_side(one) for one in elements), holds)
        case pst.BinaryOp(op="contains", left=left, right=right):
            return Test("in", _side(right), _side(left), holds)
        case pst.BinaryOp(op="eq" | "not_eq" as op, left=left, right=right):
            return Test("eq", _side(left), _side(right), holds is (op == "eq"))
        case pst.BinaryOp(op=op, left=left, right=right):
            return Test(op, _side(left), _side(right), holds)
        case pst.HasAttr(base=base, attrs=attrs):
            return Test("has", (*_path(base), *attrs), None, holds)
        case pst.Is(base=base, entity_type=wanted):
            return Test("eq", (*_path(base), "type"), str(wanted), holds)
    return Test("eq", _path(node), right=True, holds=holds)


def _side(node: pst.Expr) -> Any:
    match node:
        case pst.EntityLit(value=uid):
            return uid.id
        case pst.BoolLit(value=value) | pst.LongLit(value=value) | pst.StringLit(value=value):
            return value
        case pst.Var(name="principal" | "resource" as name):
            return (name, "id")
    return _path(node)


def _path(node: pst.Expr) -> tuple[str, ...]:
    match node:
        case pst.Var(name=name):
            return (name,)
        case pst.GetAttr(base=base, attr=attr):
            return (*_path(base), attr)
    raise ValueError(type(node).__name__)


def document(bundle: Bundle, request: Request) -> dict[str, Any]:
    """Return a request as one nested document: each entity is an object with its type, id and attributes."""

    def entity(uid: Uid) -> Any:
        if uid.type in bundle.schema.enums:
            return uid.id
        facts = request.entities.get(uid, {})
        return {"type": uid.type, "id": uid.id, **{name: value_of(value) for name, value in facts.items()}}

    def value_of(value: Any) -> Any:
        if isinstance(value, frozenset):
            return sorted(member.id for member in value)
        return entity(value) if isinstance(value, Uid) else value

    return {
        "principal": entity(request.principal),
        "action": request.action,
        "resource": entity(request.resource),
        "context": {name: value_of(value) for name, value in request.context.items()},
    }


_OPS = {"eq": "==", "less": "<", "less_eq": "<=", "greater": ">", "greater_eq": ">="}


def rego(bundle: Bundle) -> str:
    """Return all rules as one Rego module with ``data.gate.allow``."""
    lines = ["package gate", "import rego.v1", "default allow := false"]
    for effect in ("permit", "forbid"):
        lines.append(f"default {effect}s := false")
        for rule in bundle.rules:
            if rule.tree.effect == effect:
                for body in bodies(rule):
                    tests = "\n  ".join(_rego(bundle, test) for test in body) or "true"
                    lines.append(f"{effect}s if {{\n  {tests}\n}}")
    lines.append("allow if {\n  permits\n  not forbids\n}")
    return "\n".join(lines) + "\n"


def _rego(bundle: Bundle, test: Test) -> str:
    left, right = _rego_side(bundle, test.left), _rego_side(bundle, test.right)
    match test.op:
        case "has":
            said = left
        case "among":
            said = f"{left} in {json.dumps(list(test.right))}"
        case "in":
            said = f"{left} in {right}"
        case op:
            said = f"{left} {_OPS[op]} {right}"
    return said if test.holds else f"not {said}"


def _rego_side(bundle: Bundle, side: Any) -> str:
    if isinstance(side, tuple) and all(isinstance(part, str) for part in side):
        return "input" + "".join(f'["{part}"]' for part in _reaching(bundle, side))
    return json.dumps(side)


def _reaching(bundle: Bundle, path: tuple[str, ...]) -> tuple[str, ...]:
    """Compare entities by id: a path that ends at an entity reads its id."""
    entities = {
        "instrument",
        "custodianApproval",
        "counselApproval",
        "patron",
        "item",
        "inquiry",
        "recipient",
        "ward",
    }
    return (*path, "id") if path[-1] in entities else path


def casbin_rules(bundle: Bundle) -> list[tuple[str, str]]:
    """Return (effect, expression) for each rule, over ``v(r.q, "path")`` and ``h(r.q, "path")``."""
    found = []
    for rule in bundle.rules:
        parts = [" && ".join(_casbin(bundle, test) for test in body) or "True" for body in bodies(rule)]
        effect = "allow" if rule.tree.effect == "permit" else "deny"
        found.append((effect, " || ".join(f"({part})" for part in parts)))
    return found


def _casbin(bundle: Bundle, test: Test) -> str:
    left, right = _casbin_side(bundle, test.left), _casbin_side(bundle, test.right)
    match test.op:
        case "has":
            said = f'h(r.q, "{".".join(test.left)}")'
        case "among":
            said = f"{left} in {json.dumps(list(test.right))}".replace("[", "(").replace("]", ",)")
        case "in":
            said = f"{left} in {right}"
        case op:
            said = f"{left} {_OPS[op]} {right}"
    return said if test.holds else f"!({said})"


def _casbin_side(bundle: Bundle, side: Any) -> str:
    if isinstance(side, tuple) and all(isinstance(part, str) for part in side):
        return f'v(r.q, "{".".join(_reaching(bundle, side))}")'
    return repr(side) if isinstance(side, bool) else json.dumps(side)


def look(document: dict[str, Any], path: str) -> Any:
    """Follow a dotted path in a document; an empty tuple where it ends early."""
    here: Any = document
    for name in path.split("."):
        if not isinstance(here, dict) or name not in here:
            return ()
        here = here[name]
    return here
