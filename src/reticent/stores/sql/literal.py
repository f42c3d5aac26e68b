"""What a statement reads and writes, by table: from its text, never from the database."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

_PLACEHOLDER = re.compile(r"%\(\w+\)s|%s")


@dataclass(frozen=True)
class Touched:
    """Table -> columns read, table -> columns written, and the tables whose rows are deleted, added or locked."""

    read: Mapping[str, frozenset[str]]
    written: Mapping[str, frozenset[str]]
    deleted: frozenset[str] = frozenset()
    inserted: frozenset[str] = frozenset()
    locked: frozenset[str] = frozenset()


def touched(sql: str, dialect: str) -> Touched:
    """Return what one statement touches; ``dialect`` as SQLAlchemy calls it. Raises ValueError if it cannot be told.

    A column without a table belongs to the first table of the statement, and an alias may be used once: true of
    what SQLAlchemy compiles and demanded of the queries in a map.
    """
    tree = _parsed(sql, dialect)
    tables = {table.alias_or_name: _named(table) for table in tree.find_all(exp.Table)}
    main = next(iter(tables), "")
    targets = {id(pair.this) for pair in tree.expressions if isinstance(tree, exp.Update)}
    read: dict[str, set[str]] = defaultdict(set)
    written: dict[str, set[str]] = defaultdict(set)
    for column in tree.find_all(exp.Column):
        table = tables.get(column.table or main, "")
        (written if id(column) in targets else read)[table].add(column.name)
    return Touched(
        _frozen(read),
        _frozen(written),
        frozenset({tables[main]} if isinstance(tree, exp.Delete) and main else ()),
        frozenset({tables[main]} if isinstance(tree, exp.Insert) and main else ()),
        frozenset({tables[main]} if tree.find(exp.Lock) and main else ()),
    )


def _named(table: exp.Table) -> str:
    return f"{table.db}.{table.name}" if table.db else table.name


def _parsed(sql: str, dialect: str) -> exp.Expr:
    text = _PLACEHOLDER.sub("1", sql).replace("%%", "%")
    try:
        return sqlglot.parse_one(text, dialect={"postgresql": "postgres", "mariadb": "mysql"}.get(dialect, dialect))
    except (SqlglotError, RecursionError):
        raise ValueError("not a statement sqlglot reads") from None


def _frozen(found: Mapping[str, set[str]]) -> dict[str, frozenset[str]]:
    return {table: frozenset(columns) for table, columns in found.items() if table}
