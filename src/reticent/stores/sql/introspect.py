"""Reads a database's structure into ``systems.structure``. Nothing but names, types and keys leaves it."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from reticent.systems.structure import ColumnInfo, Folded, ForeignKey, Structure, TableInfo

OWN_TABLE = "reticent_receipts"


def read_structure(connection: sa.Connection, qualified: bool = False, schemas: str = "") -> Structure:
    """Return every table of the connection's database but Reticent's own. MariaDB, MySQL, PostgreSQL, SQLite.

    ``qualified`` (PostgreSQL): of every schema whose name matches ``schemas`` (a regular expression), named
    ``schema.table``; else of the first of the search path.
    """
    if connection.dialect.name == "sqlite":
        found = _sqlite(connection)
    else:
        found = _information_schema(connection, qualified, schemas)
    return Structure({name: table for name, table in found.tables.items() if table.bare != OWN_TABLE})


def _digest(text: object) -> str:
    return hashlib.sha256(str(text).encode()).hexdigest()[:16]


def _shape(text: str, *names: str) -> str:
    """Return the text of a trigger that is the same for every tenant and every table it was made for."""
    for number, name in enumerate(map(re.escape, names)):
        # A table may be called like a word of a message: request.
        text = re.sub(rf"(?<=[_.'{{]){name}|\b{name}(?=[_.'])", f"<{number}>", text)
    return "".join(text.split())


def _sqlite(connection: sa.Connection) -> Structure:
    inspector = sa.inspect(connection)
    triggers: dict[str, dict[str, str]] = defaultdict(dict)
    for table, name, text in connection.exec_driver_sql(
        "SELECT tbl_name, name, sql FROM sqlite_master WHERE type = 'trigger'"
    ):
        triggers[table][name] = _digest(text)
    tables = {name: _sqlite_table(connection, inspector, name, triggers[name]) for name in inspector.get_table_names()}
    views = "SELECT name, sql FROM sqlite_master WHERE type = 'view'"
    return Structure(
        tables | {name: _sqlite_view(connection, name, sql) for name, sql in connection.exec_driver_sql(views)}
    )


def _sqlite_view(connection: sa.Connection, name: str, sql: str) -> TableInfo:
    try:
        columns = _sqlite_columns(connection, name)
    except OperationalError:  # what it reads is not there
        columns = {}
    return TableInfo(name, columns, kind="view", text=_digest(sql))


def _sqlite_columns(connection: sa.Connection, name: str) -> dict[str, ColumnInfo]:
    # The inspector gives "NULL" for types SQLite does not know; the declared word is what we need.
    rows = connection.exec_driver_sql('SELECT name, type, "notnull" FROM pragma_table_info(?)', (name,))
    return {column: ColumnInfo(column, kind, not required) for column, kind, required in rows}


def _sqlite_table(
    connection: sa.Connection, inspector: sa.Inspector, name: str, triggers: Mapping[str, str]
) -> TableInfo:
    columns = _sqlite_columns(connection, name)
    keys = tuple(
        ForeignKey(k["constrained_columns"][0], k["referred_table"], k["referred_columns"][0], _on_delete(k))
        for k in inspector.get_foreign_keys(name)
        if len(k["constrained_columns"]) == 1
    )
    primary = tuple(inspector.get_pk_constraint(name)["constrained_columns"])
    leading = {i["column_names"][0] for i in inspector.get_indexes(name) if i["column_names"]}
    return TableInfo(name, columns, primary, keys, frozenset(filter(None, leading | set(primary[:1]))), triggers)


def _on_delete(key: object) -> str:
    options = key["options"] if isinstance(key, dict) else {}
    return str(options.get("ondelete", "NO ACTION")).upper()


_MYSQL = {
    "tables": "SELECT table_name, 'view' FROM information_schema.tables "
    "WHERE table_schema = DATABASE() AND table_type = 'VIEW'",
    "columns": "SELECT table_name, column_name, column_type, is_nullable, extra FROM information_schema.columns "
    "WHERE table_schema = DATABASE() ORDER BY table_name, ordinal_position",
    "keys": "SELECT k.table_name, k.column_name, k.constraint_name, k.referenced_table_name, "
    "k.referenced_column_name, r.delete_rule, k.ordinal_position FROM information_schema.key_column_usage k "
    "LEFT JOIN information_schema.referential_constraints r ON r.constraint_schema = k.constraint_schema "
    "AND r.constraint_name = k.constraint_name AND r.table_name = k.table_name "
    "WHERE k.table_schema = DATABASE() ORDER BY k.table_name, k.constraint_name, k.ordinal_position",
    "indexes": "SELECT table_name, column_name FROM information_schema.statistics "
    "WHERE table_schema = DATABASE() AND seq_in_index = 1",
    "triggers": "SELECT event_object_table, trigger_name, action_statement FROM information_schema.triggers "
    "WHERE trigger_schema = DATABASE()",
}
# PostgreSQL's information_schema hides what the account has no right on; its catalogue hides nothing.
# A partition's rows are its parent's. ``c.oid::regclass`` would leave out schemas of the search path.
_POSTGRESQL = {
    "tables": "SELECT {name}, {schema}, c.relkind <> 'p' AND EXISTS (SELECT 1 FROM pg_inherits i "
    "WHERE i.inhparent = c.oid), coalesce((SELECT min(r.rulename) FROM pg_rewrite r WHERE r.ev_class = c.oid "
    "AND r.ev_type = '4' AND r.is_instead), ''), CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' "
    "WHEN 'f' THEN 'foreign table' ELSE 'table' END, "
    "CASE WHEN c.relkind IN ('v', 'm') THEN md5(pg_get_viewdef(c.oid)) ELSE '' END FROM pg_class c WHERE {here} "
    "AND c.relkind IN ('r', 'p', 'v', 'm', 'f')",
    "columns": "SELECT {name}, a.attname, CASE (SELECT typtype FROM pg_type WHERE oid = a.atttypid) "
    "WHEN 'e' THEN 'enum' ELSE format_type(a.atttypid, NULL) END, "
    "CASE WHEN a.attnotnull THEN 'NO' ELSE 'YES' END, '' FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid "
    "WHERE {here} AND c.relkind IN ('r', 'p', 'v', 'm', 'f') "
    "AND a.attnum > 0 AND NOT a.attisdropped ORDER BY 1, a.attnum",
    "keys": "SELECT {name}, a.attname, CASE k.contype WHEN 'p' THEN 'PRIMARY' ELSE k.conname END, "
    "{target}, fa.attname, CASE k.confdeltype WHEN 'c' THEN 'CASCADE' WHEN 'n' THEN 'SET NULL' "
    "WHEN 'r' THEN 'RESTRICT' ELSE 'NO ACTION' END, array_position(k.conkey, a.attnum) "
    "FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid "
    "JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY(k.conkey) "
    "LEFT JOIN pg_class f ON f.oid = k.confrelid "
    "LEFT JOIN pg_attribute fa ON fa.attrelid = k.confrelid "
    "AND fa.attnum = k.confkey[array_position(k.conkey, a.attnum)] "
    "WHERE k.contype IN ('p', 'f') AND {here} ORDER BY 1, 3, 7",
    "indexes": "SELECT {name}, a.attname FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid "
    "JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0] WHERE {here} AND i.indpred IS NULL",
    "folded": "SELECT {name}, pg_get_indexdef(i.indexrelid, 1, false) FROM pg_index i "
    "JOIN pg_class c ON c.oid = i.indrelid WHERE {here} AND i.indkey[0] = 0 AND i.indpred IS NULL AND i.indisvalid",
    "triggers": "SELECT {name}, g.tgname, "
    "g.tgenabled::text || pg_get_triggerdef(g.oid) || pg_get_functiondef(g.tgfoid) "
    "FROM pg_trigger g JOIN pg_class c ON c.oid = g.tgrelid WHERE NOT g.tgisinternal AND {here} "
    "UNION ALL SELECT {name}, r.rulename, r.ev_enabled::text || pg_get_ruledef(r.oid) FROM pg_rewrite r "
    "JOIN pg_class c ON c.oid = r.ev_class WHERE r.rulename <> '_RETURN' AND {here}",
}
_SCHEMA = "c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %(current)s) AND NOT c.relispartition"
_SCHEMAS = (
    "EXISTS (SELECT 1 FROM pg_namespace n WHERE n.oid = c.relnamespace AND n.nspname !~ '^(pg_|information_schema)' "
    "AND n.nspname ~ %(schemas)s) AND NOT c.relispartition"
)


def _postgresql(question: str, qualified: bool) -> str:
    """Return a question over one schema's bare names, or over every schema's qualified ones."""
    schema = "(SELECT nspname FROM pg_namespace WHERE oid = {}.relnamespace)"
    qualify = schema + " || '.' || {}.relname" if qualified else "{}.relname"
    return _POSTGRESQL[question].format(
        name=qualify.format("c", "c") if qualified else "c.relname",
        target=qualify.format("f", "f") if qualified else "f.relname",
        schema=schema.format("c") if qualified else "''",
        here=_SCHEMAS if qualified else _SCHEMA,
    )


def _information_schema(connection: sa.Connection, qualified: bool, schemas: str) -> Structure:
    postgresql = connection.dialect.name == "postgresql"
    # Asked first: while triggers are looked for, the search path is empty.
    current = str(connection.exec_driver_sql("SELECT current_schema()").scalar_one()) if postgresql else ""

    def ask(question: str) -> Sequence[Any]:
        if not postgresql:
            return connection.exec_driver_sql(_MYSQL[question]).all()
        named = {"schemas": schemas} if qualified else {"current": current}
        return connection.exec_driver_sql(_postgresql(question, qualified), named).all()

    columns: dict[str, dict[str, ColumnInfo]] = defaultdict(dict)
    for table, name, kind, nullable, extra in ask("columns"):
        touches = "on update" in str(extra).lower()
        columns[table][name] = ColumnInfo(name, str(kind), nullable == "YES", touches)
    primary, foreign = _keys(ask("keys"))
    indexed: dict[str, set[str]] = defaultdict(set)
    for table, column in ask("indexes"):
        indexed[table].add(column)
    triggers: dict[str, dict[str, str]] = defaultdict(dict)
    with _bare_path(connection):
        found, tables = ask("triggers"), ask("tables")
    shapes: dict[str, dict[str, str]] = defaultdict(dict)
    for table, name, text in found:
        triggers[table][name], shapes[table][name] = _digest(text), _digest(_shape(str(text), *table.split(".")))
    names = ("schema", "parent", "undeletable", "kind", "text") if postgresql else ("kind",)
    standing: dict[str, dict[str, Any]] = {name: dict(zip(names, facts, strict=True)) for name, *facts in tables}
    folded: dict[str, dict[str, Folded]] = defaultdict(dict)
    for table, expression in ask("folded") if postgresql else ():
        folded[table] |= _folded(str(expression))
    return Structure(
        {
            name: TableInfo(
                name, there, tuple(primary[name]), tuple(foreign[name]), frozenset(indexed[name]), triggers[name],
                shapes[name], **standing.get(name, {}), folded=folded[name],
            )
            for name, there in columns.items()
        }
    )  # fmt: skip


_FOLDED = re.compile(
    r'^(?P<cut>"left"\()?lower\((?:(?P<schema>\w+)\.)?(?P<unaccent>f_unaccent\()?\(*(?P<column>\w+)'
    r"(?P<steps>(?: ->>? '\w+'::text\)*)+)\)*(?:, 600\))?\)*$"
)


def _folded(expression: str) -> dict[str, Folded]:
    """Read an index on a path: ``lower(f_unaccent((jsonb ->> 'loanId'::text)))``, cut to 600 letters or not."""
    match = _FOLDED.match(expression)
    if match is None:
        return {}
    steps = re.findall(r"'(\w+)'::text", match["steps"])
    unaccent = (match["schema"] or "") if match["unaccent"] else None
    return {".".join([match["column"], *steps]): Folded(unaccent, 600 if match["cut"] else 0)}


@contextmanager
def _bare_path(connection: sa.Connection) -> Iterator[None]:
    """Have PostgreSQL name everything with its schema: a digest must not depend on who looks."""
    if connection.dialect.name != "postgresql":
        yield
        return
    path = connection.exec_driver_sql("SHOW search_path").scalar_one()
    setting = sa.text("SELECT set_config('search_path', :path, false)")
    connection.execute(setting, {"path": ""})
    try:
        yield
    finally:
        connection.execute(setting, {"path": path})


def _keys(rows: Iterable[Sequence[object]]) -> tuple[dict[str, list[str]], dict[str, list[ForeignKey]]]:
    primary: dict[str, list[str]] = defaultdict(list)
    foreign: dict[str, list[ForeignKey]] = defaultdict(list)
    for table, column, constraint, target, target_column, rule, _ in rows:
        if constraint == "PRIMARY":
            primary[str(table)].append(str(column))
        elif target is not None:
            foreign[str(table)].append(ForeignKey(str(column), str(target), str(target_column), str(rule).upper()))
    return primary, foreign
