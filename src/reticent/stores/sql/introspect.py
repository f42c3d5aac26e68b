"""Reads a database's structure into ``systems.structure``. Nothing but names, types and keys leaves it."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import sqlalchemy as sa

from reticent.systems.structure import ColumnInfo, ForeignKey, Structure, TableInfo

OWN_TABLE = "reticent_receipts"


def read_structure(connection: sa.Connection) -> Structure:
    """Return every table of the connection's database but Reticent's own. MariaDB, MySQL, PostgreSQL, SQLite."""
    found = _sqlite(connection) if connection.dialect.name == "sqlite" else _information_schema(connection)
    return Structure({name: table for name, table in found.tables.items() if name != OWN_TABLE})


def _digest(text: object) -> str:
    return hashlib.sha256(str(text).encode()).hexdigest()[:16]


def _sqlite(connection: sa.Connection) -> Structure:
    inspector = sa.inspect(connection)
    triggers: dict[str, dict[str, str]] = defaultdict(dict)
    for table, name, text in connection.exec_driver_sql(
        "SELECT tbl_name, name, sql FROM sqlite_master WHERE type = 'trigger'"
    ):
        triggers[table][name] = _digest(text)
    return Structure(
        {name: _sqlite_table(connection, inspector, name, triggers[name]) for name in inspector.get_table_names()}
    )


def _sqlite_table(
    connection: sa.Connection, inspector: sa.Inspector, name: str, triggers: Mapping[str, str]
) -> TableInfo:
    # The inspector gives "NULL" for types SQLite does not know; the declared word is what we need.
    rows = connection.exec_driver_sql('SELECT name, type, "notnull" FROM pragma_table_info(?)', (name,))
    columns = {column: ColumnInfo(column, kind, not required) for column, kind, required in rows}
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


_COLUMNS = {
    "mysql": "SELECT table_name, column_name, column_type, is_nullable, extra FROM information_schema.columns "
    "WHERE table_schema = DATABASE() ORDER BY table_name, ordinal_position",
    # Its information_schema hides what the account has no right on; its catalogue hides nothing.
    "postgresql": "SELECT c.relname, a.attname, format_type(a.atttypid, NULL), "
    "CASE WHEN a.attnotnull THEN 'NO' ELSE 'YES' END, '' FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid "
    "WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f') "
    "AND a.attnum > 0 AND NOT a.attisdropped ORDER BY c.relname, a.attnum",
}
_KEYS = {
    "mysql": "SELECT k.table_name, k.column_name, k.constraint_name, k.referenced_table_name, "
    "k.referenced_column_name, r.delete_rule, k.ordinal_position FROM information_schema.key_column_usage k "
    "LEFT JOIN information_schema.referential_constraints r ON r.constraint_schema = k.constraint_schema "
    "AND r.constraint_name = k.constraint_name AND r.table_name = k.table_name "
    "WHERE k.table_schema = DATABASE() ORDER BY k.table_name, k.constraint_name, k.ordinal_position",
    "postgresql": "SELECT t.relname, a.attname, CASE c.contype WHEN 'p' THEN 'PRIMARY' ELSE c.conname END, "
    "f.relname, fa.attname, CASE c.confdeltype WHEN 'c' THEN 'CASCADE' WHEN 'n' THEN 'SET NULL' "
    "WHEN 'r' THEN 'RESTRICT' ELSE 'NO ACTION' END, array_position(c.conkey, a.attnum) "
    "FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid "
    "JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = ANY(c.conkey) "
    "LEFT JOIN pg_class f ON f.oid = c.confrelid "
    "LEFT JOIN pg_attribute fa ON fa.attrelid = c.confrelid "
    "AND fa.attnum = c.confkey[array_position(c.conkey, a.attnum)] "
    "WHERE c.contype IN ('p', 'f') AND t.relnamespace = current_schema()::regnamespace ORDER BY 1, 3, 7",
}
_INDEXES = {
    "mysql": "SELECT table_name, column_name FROM information_schema.statistics "
    "WHERE table_schema = DATABASE() AND seq_in_index = 1",
    "postgresql": "SELECT t.relname, a.attname FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid "
    "JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = i.indkey[0] "
    "WHERE t.relnamespace = current_schema()::regnamespace AND i.indpred IS NULL",
}
_TRIGGERS = {
    "mysql": "SELECT event_object_table, trigger_name, action_statement FROM information_schema.triggers "
    "WHERE trigger_schema = DATABASE()",
    "postgresql": "SELECT t.relname, g.tgname, pg_get_triggerdef(g.oid) || pg_get_functiondef(g.tgfoid) "
    "FROM pg_trigger g JOIN pg_class t ON t.oid = g.tgrelid "
    "WHERE NOT g.tgisinternal AND t.relnamespace = current_schema()::regnamespace "
    "UNION ALL SELECT t.relname, r.rulename, pg_get_ruledef(r.oid) FROM pg_rewrite r "
    "JOIN pg_class t ON t.oid = r.ev_class WHERE r.rulename <> '_RETURN' "
    "AND t.relnamespace = current_schema()::regnamespace",
}


def _information_schema(connection: sa.Connection) -> Structure:
    dialect = "postgresql" if connection.dialect.name == "postgresql" else "mysql"
    columns: dict[str, dict[str, ColumnInfo]] = defaultdict(dict)
    for table, name, kind, nullable, extra in connection.exec_driver_sql(_COLUMNS[dialect]):
        touches = "on update" in str(extra).lower()
        columns[table][name] = ColumnInfo(name, str(kind), nullable == "YES", touches)
    primary, foreign = _keys(connection.exec_driver_sql(_KEYS[dialect]).all())
    indexed: dict[str, set[str]] = defaultdict(set)
    for table, column in connection.exec_driver_sql(_INDEXES[dialect]):
        indexed[table].add(column)
    triggers: dict[str, dict[str, str]] = defaultdict(dict)
    for table, name, text in connection.exec_driver_sql(_TRIGGERS[dialect]):
        triggers[table][name] = _digest(text)
    return Structure(
        {
            name: TableInfo(
                name, found, tuple(primary[name]), tuple(foreign[name]), frozenset(indexed[name]), triggers[name]
            )
            for name, found in columns.items()
        }
    )


def _keys(rows: Iterable[Sequence[object]]) -> tuple[dict[str, list[str]], dict[str, list[ForeignKey]]]:
    primary: dict[str, list[str]] = defaultdict(list)
    foreign: dict[str, list[ForeignKey]] = defaultdict(list)
    for table, column, constraint, target, target_column, rule, _ in rows:
        if constraint == "PRIMARY":
            primary[str(table)].append(str(column))
        elif target is not None:
            foreign[str(table)].append(ForeignKey(str(column), str(target), str(target_column), str(rule).upper()))
    return primary, foreign
