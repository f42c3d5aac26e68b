"""Reticent's one table on a severed server: receipts written in the severing transaction itself."""

from __future__ import annotations

import json
from collections.abc import Iterator

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from reticent.errors import SystemRefused
from reticent.model import Receipt
from reticent.stores.sql.connect import NO_RIGHT, NO_TABLE, code, explain
from reticent.stores.sql.introspect import OWN_TABLE as TABLE

MARK = "mark"
_metadata = sa.MetaData()
receipts = sa.Table(
    TABLE,
    _metadata,
    sa.Column("run", sa.String(40), primary_key=True),
    sa.Column("step", sa.String(80), primary_key=True),
    sa.Column("chunk", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("rows_severed", sa.Integer, nullable=False),
    sa.Column("hold_epoch", sa.Integer, nullable=False),
    sa.Column("tally", sa.Text, nullable=False),
    mysql_engine="InnoDB",
)


def ddl(dialect: sa.Dialect) -> str:
    """Return the CREATE TABLE statement, for the database's own administrator to run."""
    return str(sa.schema.CreateTable(receipts).compile(dialect=dialect)).strip()


def ensure(engine: sa.Engine, system: str) -> None:
    """Make sure the table is there. Raises SystemRefused with the statements that mend it."""
    try:
        with engine.begin() as connection:
            if not sa.inspect(connection).has_table(TABLE):
                receipts.create(connection)
            connection.execute(sa.select(receipts.c.run).limit(1)).all()
    except DBAPIError as error:
        refused = explain(error, system)
        if code(error) not in NO_TABLE and code(error) not in NO_RIGHT:
            raise refused from None
        raise SystemRefused(
            f"There is no table {TABLE}, or the sever account may not use it.",
            where=f"system {system}",
            do=f"As the database's administrator run: {' '.join(ddl(engine.dialect).split())}; then GRANT SELECT, "
            f"INSERT, DELETE ON {TABLE} TO the sever account. If the table is not allowed, set "
            f"receipts = false in [systems.{system}]: severing then repeats safely, and tallies are approximate.",
        ) from None


def write(connection: sa.Connection, receipt: Receipt, hold_epoch: int) -> None:
    """Insert a receipt in the transaction that severs."""
    connection.execute(
        receipts.insert().values(
            run=receipt.run,
            step=receipt.step,
            chunk=receipt.chunk,
            rows_severed=receipt.rows,
            hold_epoch=hold_epoch,
            tally=json.dumps(receipt.tally, sort_keys=True),
        )
    )


def find(connection: sa.Connection, run: str, step: str, chunk: int) -> Receipt | None:
    """Return one receipt if its transaction was committed."""
    where = (receipts.c.run == run, receipts.c.step == step, receipts.c.chunk == chunk)
    row = connection.execute(sa.select(receipts).where(*where)).first()
    return _receipt(row) if row else None


def read(connection: sa.Connection) -> Iterator[Receipt]:
    """Yield every receipt on the server."""
    for row in connection.execute(sa.select(receipts).where(receipts.c.run != MARK).order_by(*receipts.primary_key)):
        yield _receipt(row)


def forget(connection: sa.Connection, imported: list[Receipt]) -> None:
    """Delete receipts that Reticent's own state has imported."""
    for receipt in imported:
        connection.execute(
            receipts.delete().where(
                receipts.c.run == receipt.run, receipts.c.step == receipt.step, receipts.c.chunk == receipt.chunk
            )
        )


def mark(connection: sa.Connection, state: str) -> int:
    """Return the last run of a state this server remembers; a restored copy remembers an older one."""
    where = (receipts.c.run == MARK, receipts.c.step == state)
    return connection.execute(sa.select(receipts.c.rows_severed).where(*where)).scalar() or 0


def set_mark(connection: sa.Connection, state: str, sequence: int) -> None:
    """Remember the number of a state's last run; another state's mark stays."""
    connection.execute(receipts.delete().where(receipts.c.run == MARK, receipts.c.step == state))
    connection.execute(
        receipts.insert().values(run=MARK, step=state, chunk=0, rows_severed=sequence, hold_epoch=0, tally="{}")
    )


def _receipt(row: sa.Row[tuple[str, str, int, int, int, str]]) -> Receipt:
    return Receipt(row.run, row.step, row.chunk, row.rows_severed, json.loads(row.tally))
