"""The predicate language of maps: a closed subset of SQL conditions over field names.

Null tests, comparisons, AND, OR, NOT, IN, TRUE/FALSE and ``exists(link, predicate)``; the only
parameter is ``:sentinel``. No functions, no variables, no patron attributes. The tree is read by
two programs that share nothing else: ``stores/sql/compile.py`` turns it into SQL, and
``prove/evaluate.py`` evaluates it in Python with three-valued logic.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError


@dataclass(frozen=True)
class Field:
    """A named field of the table the predicate is about."""

    name: str


@dataclass(frozen=True)
class Literal:
    """A number, a string, TRUE or FALSE written in the map."""

    value: str | int | bool


@dataclass(frozen=True)
class Sentinel:
    """The system's stand-in patron. Where none is set nobody is it: ``= :sentinel`` is FALSE of every value
    and ``<> :sentinel`` TRUE; other comparisons, and those with NULL, are UNKNOWN."""


Operand = Field | Literal | Sentinel


@dataclass(frozen=True)
class Constant:
    """TRUE or FALSE."""

    value: bool


@dataclass(frozen=True)
class IsNull:
    """``field IS NULL``; never UNKNOWN."""

    field: Field


@dataclass(frozen=True)
class Compare:
    """``left op right``; UNKNOWN if either side is NULL."""

    op: str
    left: Operand
    right: Operand


@dataclass(frozen=True)
class In:
    """``field IN (literals)``; UNKNOWN if the field is NULL."""

    field: Field
    values: tuple[str | int, ...]


@dataclass(frozen=True)
class Not:
    """Negation; UNKNOWN stays UNKNOWN."""

    part: Predicate


@dataclass(frozen=True)
class And:
    """TRUE if all parts are, FALSE if one is."""

    parts: tuple[Predicate, ...]


@dataclass(frozen=True)
class Or:
    """TRUE if one part is, FALSE if all are."""

    parts: tuple[Predicate, ...]


@dataclass(frozen=True)
class Exists:
    """A row joined by the link for which the inner predicate (over the link's table) holds.

    TRUE if one joined row satisfies it, FALSE if every joined row falsifies it, else UNKNOWN.
    """

    link: str
    inner: Predicate


Predicate = Constant | IsNull | Compare | In | Not | And | Or | Exists

TRUE = Constant(value=True)
_OPS: dict[type[exp.Expr], str] = {exp.EQ: "=", exp.NEQ: "<>", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">="}
COMPLEMENT = {"=": "<>", "<>": "=", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}


class NotInLanguage(ValueError):
    """The text is not a predicate of the map language; the message says which part is not."""


def parse(text: str) -> Predicate:
    """Parse one predicate. Raises NotInLanguage with the offending part."""
    try:
        return _predicate(sqlglot.parse_one(text))
    except (SqlglotError, RecursionError):
        raise NotInLanguage(f"`{text[:200]}` is not a condition") from None


def _predicate(node: exp.Expr) -> Predicate:
    if type(node) in _OPS:
        return Compare(_OPS[type(node)], _operand(node.this), _operand(node.expression))
    builder = _BUILDERS.get(type(node))
    if builder is None:
        raise NotInLanguage(f"`{node.sql()}` is not allowed in a map")
    return builder(node)


def _paren(node: exp.Expr) -> Predicate:
    return _predicate(node.this)


def _boolean(node: exp.Expr) -> Predicate:
    return Constant(bool(node.this))


def _not(node: exp.Expr) -> Predicate:
    return Not(_predicate(node.this))


def _and(node: exp.Expr) -> Predicate:
    return And((_predicate(node.this), _predicate(node.expression)))


def _or(node: exp.Expr) -> Predicate:
    return Or((_predicate(node.this), _predicate(node.expression)))


def _is(node: exp.Expr) -> Predicate:
    if not isinstance(node.expression, exp.Null):
        raise NotInLanguage(f"`{node.sql()}`: only IS NULL and IS NOT NULL are allowed")
    return IsNull(_field(node.this))


def _in(node: exp.Expr) -> Predicate:
    values = [_operand(value) for value in node.expressions]
    literals = tuple(value.value for value in values if isinstance(value, Literal))
    if not values or len(literals) != len(values) or node.args.get("query"):
        raise NotInLanguage(f"`{node.sql()}`: IN takes a list of numbers or quoted words")
    return In(_field(node.this), literals)


def _exists(node: exp.Expr) -> Predicate:
    if not isinstance(node.this, exp.Column):
        raise NotInLanguage(f"`{node.sql()}`: write exists(link, condition)")
    inner = node.args.get("expression")
    return Exists(_field(node.this).name, _predicate(inner) if inner is not None else TRUE)


_BUILDERS: dict[type[exp.Expr], Callable[[exp.Expr], Predicate]] = {
    exp.Paren: _paren,
    exp.Boolean: _boolean,
    exp.Not: _not,
    exp.And: _and,
    exp.Or: _or,
    exp.Is: _is,
    exp.In: _in,
    exp.Exists: _exists,
}


def _field(node: exp.Expr) -> Field:
    if not isinstance(node, exp.Column) or node.table or node.this.quoted:
        raise NotInLanguage(f"`{node.sql()}` is not a field name")
    return Field(node.name)


def _operand(node: exp.Expr) -> Operand:
    if isinstance(node, exp.Boolean):
        return Literal(bool(node.this))
    if isinstance(node, exp.Literal):
        return Literal(node.this if node.is_string else _integer(node))
    if isinstance(node, exp.Boolean):
        return Literal(bool(node.this))
    if isinstance(node, exp.Neg) and isinstance(node.this, exp.Literal):
        return Literal(-_integer(node.this))
    if isinstance(node, exp.Placeholder):
        if node.name != "sentinel":
            raise NotInLanguage(f"`{node.sql()}`: the only parameter is :sentinel")
        return Sentinel()
    return _field(node)


def _integer(node: exp.Expr) -> int:
    try:
        return int(node.name)
    except ValueError:
        raise NotInLanguage(f"`{node.sql()}`: only whole numbers are allowed") from None


def fields(predicate: Predicate) -> Iterator[str]:
    """Yield the fields of the predicate's own table (not those inside ``exists``)."""
    match predicate:
        case IsNull(field) | In(field, _):
            yield field.name
        case Compare(_, left, right):
            yield from (side.name for side in (left, right) if isinstance(side, Field))
        case Not(part):
            yield from fields(part)
        case And(parts) | Or(parts):
            for part in parts:
                yield from fields(part)
        case _:
            return


def links(predicate: Predicate) -> Iterator[Exists]:
    """Yield every ``exists`` of the predicate's own table, outermost only."""
    match predicate:
        case Exists():
            yield predicate
        case Not(part):
            yield from links(part)
        case And(parts) | Or(parts):
            for part in parts:
                yield from links(part)
        case _:
            return
