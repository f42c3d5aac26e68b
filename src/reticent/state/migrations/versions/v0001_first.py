"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def _text(name: str, size: int, *, key: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String(size), primary_key=key, nullable=False)


def _margins() -> list[sa.Column[str]]:
    sizes = {"system": 30, "measure": 40, "month": 7, "margin": 40, "value": 80}
    return [_text(name, size, key=True) for name, size in sizes.items()]


def _count(name: str = "rows_counted", *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, nullable=nullable)


def upgrade() -> None:
    """Create them."""
    op.create_table("facts", _text("name", 80, key=True), sa.Column("value", sa.Text, nullable=False))
    op.create_table(
        "plans", _text("digest", 64, key=True), _text("made", 32), sa.Column("body", sa.Text, nullable=False)
    )
    op.create_table(
        "runs",
        _text("id", 32, key=True),
        sa.Column("sequence", sa.Integer, nullable=False, unique=True),
        _text("plan", 64),
        _text("started", 32),
        sa.Column("ended", sa.String(32)),
        _text("outcome", 200),
    )
    steps = (_text("run", 32, key=True), _text("step", 80, key=True))
    op.create_table("run_steps", *steps, _count("planned"), _count("severed"), _count("still_due", nullable=True))
    chunk = sa.Column("chunk", sa.Integer, primary_key=True, autoincrement=False)
    op.create_table("receipts", _text("run", 40, key=True), _text("step", 80, key=True), chunk, _count("rows_severed"))
    op.create_table("tallies", *_margins(), _count())
    op.create_table("totals", *_margins(), _count())
    partly = (_count("partly"), _text("partly_cutoff", 32))
    op.create_table("severed_until", _text("step", 80, key=True), _text("cutoff", 32), *partly)
    op.create_table(
        "arming",
        _text("step", 80, key=True),
        _text("state", 10),
        _text("fingerprint", 64),
        _count("usual"),
        _text("changed", 32),
        _text("why", 200),
    )
    op.create_table("schedule", _text("step", 80, key=True), _text("item", 200), _text("recorded", 32))
    op.create_table(
        "holds",
        sa.Column("id", sa.Integer, primary_key=True),
        _text("scope", 80),
        _text("placed", 32),
        _text("until", 32),
        sa.Column("released", sa.String(32)),
    )
