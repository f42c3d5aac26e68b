"""What a database is made of, as far as Reticent must know it: columns, keys, triggers."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

_FAMILIES = {
    "whole": ("tinyint", "smallint", "mediumint", "bigint", "integer", "int", "boolean", "serial", "bit"),
    "when": ("datetime", "timestamp", "date"),
    "number": ("decimal", "double", "float", "numeric", "real"),
    "binary": ("tinyblob", "mediumblob", "longblob", "blob", "bytea", "varbinary", "binary"),
    "text": (
        "varchar",
        "uuid",
        "char",
        "tinytext",
        "mediumtext",
        "longtext",
        "text",
        "enum",
        "character",
        "clob",
        "set",
    ),
}


def family(type_name: str) -> str:
    """Return the family of a column type ("int(11)" -> "whole"); "" for an unknown one."""
    word = type_name.lower().split("(")[0].split(" ")[0]
    return next((name for name, words in _FAMILIES.items() if word in words), "")


@dataclass(frozen=True)
class ColumnInfo:
    """A column. ``touches`` is true if the server rewrites it on every UPDATE (ON UPDATE current_timestamp)."""

    name: str
    type: str
    nullable: bool
    touches: bool = False


@dataclass(frozen=True)
class ForeignKey:
    """A single-column foreign key; ``on_delete`` in capitals."""

    column: str
    table: str
    target: str
    on_delete: str


@dataclass(frozen=True)
class Folded:
    """How an index folds a text before it looks it up: to lower case, without accents (by whose function), cut."""

    unaccent: str | None = None
    """The schema of ``f_unaccent``; None where accents stay."""
    cut: int = 0


@dataclass(frozen=True)
class TableInfo:
    """A table or view as it stands. ``indexed`` holds the leading columns of its indexes.

    ``name`` is ``schema.table`` where the map names schemas; ``parent`` is true if other tables inherit
    from it (PostgreSQL), so that only ONLY reads its own rows.
    """

    name: str
    columns: Mapping[str, ColumnInfo]
    primary_key: tuple[str, ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    indexed: frozenset[str] = frozenset()
    triggers: Mapping[str, str] = field(default_factory=dict)
    """Trigger name -> digest of its text."""
    shapes: Mapping[str, str] = field(default_factory=dict)
    """Trigger name -> digest of its text without white space and the names of schema and table."""
    schema: str = ""
    parent: bool = False
    undeletable: str = ""
    """The rule that makes something else of every DELETE."""
    folded: Mapping[str, Folded] = field(default_factory=dict)
    """Path into a document -> the index on its folded text."""
    kind: Literal["table", "view", "materialized view", "foreign table"] = "table"
    text: str = ""
    """The digest of what a view is made of, where the server shows it."""

    @property
    def keeps_rows(self) -> bool:
        """Whether rows stand here: a view shows other tables' rows, a foreign table another server's."""
        return self.kind in ("table", "materialized view")

    @property
    def bare(self) -> str:
        """The name without its schema."""
        return self.name[len(self.schema) + 1 :] if self.schema else self.name

    def trigger_digest(self) -> str:
        """Return a digest over triggers and rules; "" where there are none."""
        lines = [f"{name} {digest}" for name, digest in sorted(self.triggers.items())]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16] if lines else ""

    def column(self, name: str) -> ColumnInfo | None:
        """Return a column, whatever the case of its name."""
        return self.columns.get(name) or next(
            (info for key, info in self.columns.items() if key.lower() == name.lower()), None
        )

    def digest(self) -> str:
        """Return a digest over columns, types, keys and triggers."""
        lines = [f"{c.name} {c.type} {c.nullable} {c.touches}" for c in self.columns.values()]
        lines += sorted(f"{k.column}>{k.table}.{k.target} {k.on_delete}" for k in self.foreign_keys)
        lines += [f"key {' '.join(self.primary_key)}"]
        lines += [f"trigger {name} {digest}" for name, digest in sorted(self.triggers.items())]
        lines += [f"{self.kind} {self.text}"] if self.kind != "table" else []
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()


@dataclass(frozen=True)
class Structure:
    """A whole database."""

    tables: Mapping[str, TableInfo]

    def digest(self) -> str:
        """Return a digest over every table."""
        lines = [f"{name} {table.digest()}" for name, table in sorted(self.tables.items())]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()
