"""The fuzzer: engine, plain Python, Z3 and SQL must agree on random requests under random rules.

What is compared is the decision and whether any rule erred. Facts go missing, optional
attributes are left out, numbers sit at the ends of 64 bits. Half the requests meet the bundle's
own rules, half meet random ones, because good rules use few constructs and refuse most requests.
``mutants`` holds wrong compilers the fuzzer must tell from the right one.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
import z3

from reticent.policy import plain
from reticent.policy.bundle import RULE_WORDS, Bundle
from reticent.policy.compiler import Compiler, Unmodelled
from reticent.policy.engine import Engine
from reticent.policy.request import Request, Value
from reticent.policy.schema import Attribute, Bool, Ent, Kind, Long, Schema, SetOf, Text, Type
from reticent.policy.solver import NO, TEXTS, YES, Leaf, Sorts, Symbolic
from reticent.policy.terms import HIGHEST, LOWEST, Uid
from reticent.policy.where import where

NUMBERS = (0, 1, 2, 49, 50, HIGHEST, HIGHEST - 1, LOWEST, LOWEST + 1)
WORDS = ("war", "gardens")
PER_RULES = 20
"""Requests asked of one random set of rules."""


@dataclass(frozen=True)
class Disagreement:
    """One request on which two back ends differ, and the rules it met."""

    between: str
    request: Request = field(repr=False)
    rules: str = field(repr=False)


@dataclass(frozen=True)
class Fuzzed:
    """What a run saw. ``allowed`` and ``erred`` show that it met more than refusals."""

    decisions: int
    allowed: int
    erred: int
    rows: int
    seed: int
    disagreements: tuple[Disagreement, ...]


def fuzz(
    bundle: Bundle, decisions: int, seed: int = 1, compiler: type[Compiler] = Compiler, enough: int = 10
) -> Fuzzed:
    """Compare every back end on ``decisions`` random requests; stops at ``enough`` disagreements."""
    rng = random.Random(seed)  # noqa: S311 - a reproducible test, no secret
    found: list[Disagreement] = []
    allowed = erred = rows = done = 0
    formulas: dict[tuple[str, Kind], Compared] = {}
    for subject, kinds in _subjects(bundle, rng):
        engine = Engine(subject)
        for _ in range(min(PER_RULES, decisions - done)):
            request = RandomRequest(subject.schema, rng).request(rng.choice(kinds))
            outcome = engine.ask(request)
            if outcome.unfit:
                raise AssertionError("the fuzzer made a request outside the schema")
            key = (subject.digest, request.kind)
            formulas[key] = formulas.get(key) or Compared(subject, request.kind, compiler)
            answers = formulas[key].answers(request)
            expected = (outcome.allow and not outcome.erred, bool(outcome.erred))
            bad = [name for name, answer in answers.items() if answer != expected[: len(answer)]]
            found += [Disagreement(f"engine and {name}", request, subject.rules_text) for name in bad]
            done, allowed, erred = done + 1, allowed + expected[0], erred + expected[1]
            rows += "SQL" in answers
        formulas = {key: value for key, value in formulas.items() if key[0] == bundle.digest}
        if done >= decisions or len(found) >= enough:
            return Fuzzed(done, allowed, erred, rows, seed, tuple(found))
    raise AssertionError("unreachable: subjects are endless")


def _subjects(bundle: Bundle, rng: random.Random) -> Iterator[tuple[Bundle, Sequence[Kind]]]:
    """The bundle itself and bundles of random rules, in turn, each with the kinds its rules meet."""
    while True:
        yield bundle, bundle.schema.kinds
        kind = rng.choice(bundle.schema.kinds)
        rules = RandomRules(bundle.schema, rng, kind).text()
        yield Bundle({"schema.json": bundle.files["schema.json"], "rules/base.cedar": rules}), (kind,)


class Compared:
    """One set of rules and one kind of request, compiled once, asked many times."""

    def __init__(self, bundle: Bundle, kind: Kind, compiler: type[Compiler]) -> None:
        self.bundle, self.compiler = bundle, compiler
        self.terms = Symbolic(bundle.schema)
        self.verdict = compiler(bundle.schema, self.terms, kind).decision(bundle.rules)

    def answers(self, request: Request) -> dict[str, tuple[bool, ...]]:
        """Return (strict allow, any rule erred) by back end; SQL gives the first only."""
        found: dict[str, tuple[bool, ...]] = {}
        python = plain.decide(self.bundle.schema, self.bundle.rules, request, self.compiler)
        found["Python"] = (python.applies and not python.errs, python.errs)
        pairs = [pair for leaf in self.terms.leaves.values() for pair in _ground(self.terms, leaf, request)]
        allow, errs = (_evaluate(term, pairs) for term in (self.verdict.applies, self.verdict.errs))
        found["Z3"] = (allow and not errs, errs)
        if request.resource in request.entities and self.compiler is Compiler:
            with suppress(Unmodelled):
                found["SQL"] = (_by_row(self.bundle, request),)
        return found


def _evaluate(term: Any, pairs: Sequence[tuple[Any, Any]]) -> bool:
    if isinstance(term, bool):
        return term
    value = z3.simplify(z3.substitute(term, *pairs))
    if not (z3.is_true(value) or z3.is_false(value)):
        raise AssertionError("the formula was not ground")
    return bool(z3.is_true(value))


def _ground(terms: Symbolic, leaf: Leaf, request: Request) -> list[tuple[Any, Any]]:
    """Return the pair (atom, what it is in this request)."""
    value = _at(request, leaf.path)
    if leaf.what in ("exists", "present"):
        return [(leaf.term, z3.BoolVal(bool(value)))]
    return [(leaf.term, _constant(terms, leaf.type, value))]


def _at(request: Request, path: tuple[str, ...]) -> Any:
    """Follow a path of names; None where it ends early. See ``Leaf`` for its marks."""
    mark = path[-1] if path[-1] in ("?", "!") else ""
    names = path[1 : len(path) - len(mark)]
    here: Any = {"principal": request.principal, "resource": request.resource, "context": request.context}[path[0]]
    for number, name in enumerate(names, start=1):
        facts = request.entities.get(here, {}) if isinstance(here, Uid) else here or {}
        if mark == "?" and number == len(names):
            return name in facts
        here = facts.get(name)
    return here in request.entities if mark == "!" else here


def _constant(terms: Symbolic, kind: Type, value: Value | None) -> Any:
    match kind:
        case Bool():
            return z3.BoolVal(value is True)
        case Text():
            return z3.IntVal(TEXTS.setdefault(value, len(TEXTS)) if isinstance(value, str) else -1)
        case Ent(name=name) if name in terms.schema.enums:
            words = Sorts.of(name, terms.schema.enums[name])[1]
            return words[value.id] if isinstance(value, Uid) else next(iter(words.values()))
        case Ent():
            return _number(value)
        case SetOf(element=element) if element is not None:
            array = z3.K(terms.sort(element), NO)
            for member in value if isinstance(value, frozenset) else ():
                array = z3.Store(array, _constant(terms, element, member), YES)
            return array
    return z3.IntVal(value if isinstance(value, int) else 0)


def _number(value: Value | None) -> Any:
    """Return a number for an entity: its text's place among all texts, types kept apart."""
    return z3.IntVal(TEXTS.setdefault(str(value), len(TEXTS)) if isinstance(value, Uid) else -1)


def _by_row(bundle: Bundle, request: Request) -> bool:
    """Ask SQLite about the request's resource as one row of literals."""
    facts, owner = request.entities[request.resource], bundle.schema.entities[request.resource.type]
    columns: dict[str, sa.ColumnElement[Any]] = {"id": _literal(request.resource, Text())}
    columns |= {name: _literal(facts.get(name), attribute.type) for name, attribute in owner.items()}
    statement = sa.select(sa.literal(1)).where(where(bundle, request, columns))
    with _engine().connect() as connection:
        return connection.execute(statement).first() is not None


_ENGINES: list[sa.Engine] = []


def _engine() -> sa.Engine:
    if not _ENGINES:
        _ENGINES.append(sa.create_engine("sqlite://"))
    return _ENGINES[0]


def _literal(value: Value | None, kind: Type) -> sa.ColumnElement[Any]:
    sql = {Bool: sa.Boolean, Long: sa.BigInteger}.get(type(kind), sa.String)()
    return sa.literal(value.id if isinstance(value, Uid) else value, sql)


def likely(words: Sequence[str], rng: random.Random) -> Sequence[str]:
    """Return a short vocabulary most of the time, so that rules and requests meet."""
    return words[:3] if rng.random() < 0.7 else words


class RandomRequest:
    """A small random world: two entities of each type, some of them missing."""

    def __init__(self, schema: Schema, rng: random.Random) -> None:
        self.schema, self.rng = schema, rng
        self.universe = {name: [Uid(name, f"{name.lower()}{n}") for n in (1, 2)] for name in schema.entities}

    def request(self, kind: Kind) -> Request:
        """Return one request of a kind that fits the schema, but may lack facts."""
        entities = {
            uid: self._attributes(self.schema.entities[uid.type])
            for uids in self.universe.values()
            for uid in uids
            if self.rng.random() > 0.06
        }
        principal = self.rng.choice(self.universe[kind.principal])
        resource = self.rng.choice(self.universe[kind.resource])
        return Request(principal, kind.action, resource, self._attributes(self.schema.context), entities)

    def _attributes(self, declared: Any) -> dict[str, Value]:
        chosen: list[Attribute] = [a for a in declared.values() if a.required or self.rng.random() < 0.7]
        return {attribute.name: self.value(attribute.type) for attribute in chosen}

    def value(self, kind: Type) -> Value:
        """Return a random value of a type; closed words are drawn from the first few more often."""
        match kind:
            case Bool():
                return self.rng.random() < 0.6
            case Text():
                return self.rng.choice(WORDS)
            case Ent(name=name) if name in self.schema.enums:
                return Uid(name, self.rng.choice(likely(self.schema.enums[name], self.rng)))
            case Ent(name=name):
                return self.rng.choice(self.universe[name])
            case SetOf(element=element) if element is not None:
                return frozenset(self.value(element) for _ in range(self.rng.randrange(4)))
        return self.rng.choice(NUMBERS)


class RandomRules:
    """Random, well-typed rules over one kind of request."""

    def __init__(self, schema: Schema, rng: random.Random, kind: Kind) -> None:
        self.schema, self.rng, self.kind = schema, rng, kind

    def text(self) -> str:
        """Return the text of a few rules with their annotations."""
        heads = []
        for number in range(self.rng.randint(1, 3)):
            notes = "".join(f'@{word}("r{number}")\n' for word in RULE_WORDS)
            clauses = " ".join(
                f"{self.rng.choice(('when', 'when', 'unless'))} {{ {self.truth(self.rng.randrange(3))} }}"
                for _ in range(self.rng.randint(1, 2))
            )
            heads.append(f"{notes}{self._head()} {clauses};")
        return "\n".join(heads)

    def _head(self) -> str:
        effect = self.rng.choice(("permit", "permit", "forbid"))
        return (
            f'{effect} (principal is {self.kind.principal}, action == Action::"{self.kind.action}",'
            f" resource is {self.kind.resource})"
        )

    def truth(self, depth: int) -> str:
        """Return a random condition."""
        if depth == 0:
            return self._atom()
        left, right = (self.truth(depth - 1) for _ in range(2))
        shape = self.rng.randrange(8)
        if shape < 3:
            return f"({left} {('&&', '||', '&&')[shape]} {right})"
        if shape == 3:
            return f"!({left})"
        if shape == 4:
            return f"(if {self._atom()} then {left} else {right})"
        return self._atom()

    def _paths(self) -> list[tuple[str, Attribute]]:
        """Return readable paths of one or two steps, with what they lead to."""
        found = [("context", attribute) for attribute in self.schema.context.values()]
        for name, owner in (("principal", self.kind.principal), ("resource", self.kind.resource)):
            found += [(name, attribute) for attribute in self.schema.entities[owner].values()]
        for base, attribute in list(found):
            if isinstance(attribute.type, Ent) and attribute.type.name in self.schema.entities:
                inner = self.schema.entities[attribute.type.name].values()
                found += [(f"{base}.{attribute.name}", one) for one in inner]
        return found

    def _atom(self) -> str:
        base, attribute = self.rng.choice(self._paths())
        path = f"{base}.{attribute.name}"
        if not attribute.required and self.rng.random() < 0.3:
            return f"({base} has {attribute.name})"
        match attribute.type:
            case Bool():
                return path
            case Long():
                return self._number(path)
            case Text():
                return f'{path} == "{self.rng.choice(WORDS)}"'
            case Ent(name=name):
                return self._entity(path, name)
            case SetOf(element=Ent(name=name)):
                return self._set(path, name)
        return "true"

    def _number(self, path: str) -> str:
        op = self.rng.choice(("<", "<=", ">", ">=", "==", "!="))
        left = self.rng.choice(
            (path, f"{path} + {self.rng.choice((1, HIGHEST))}", f"{path} - 1", f"{path} * 2", f"-{path}")
        )
        return f"{left} {op} {self.rng.choice((0, 1, 50, HIGHEST))}"

    def _entity(self, path: str, name: str) -> str:
        op = self.rng.choice(("==", "!="))
        if name in self.schema.enums:
            words = self.rng.sample(likely(self.schema.enums[name], self.rng), k=2)
            listed = ", ".join(f'{name}::"{word}"' for word in words)
            return self.rng.choice((f"[{listed}].contains({path})", f'{path} {op} {name}::"{words[0]}"'))
        others = [f"{b}.{a.name}" for b, a in self._paths() if a.type == Ent(name)]
        others += [
            n for n, owner in (("principal", self.kind.principal), ("resource", self.kind.resource)) if owner == name
        ]
        return f"{path} {op} {self.rng.choice(others)}"

    def _set(self, path: str, name: str) -> str:
        if name not in self.schema.enums:
            members = [f"{b}.{a.name}" for b, a in self._paths() if a.type == Ent(name)]
            return f"{path}.contains({self.rng.choice(members)})" if members else "true"
        words = self.rng.sample(likely(self.schema.enums[name], self.rng), k=self.rng.randint(1, 3))
        listed = ", ".join(f'{name}::"{word}"' for word in words)
        op = self.rng.choice(("containsAny", "containsAll"))
        return self.rng.choice((f"{path}.{op}([{listed}])", f'{path}.contains({name}::"{words[0]}")'))
