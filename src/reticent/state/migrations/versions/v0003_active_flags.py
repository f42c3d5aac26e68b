"""Flags of active borrowers."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create the table of flags: keyed, of one period each, gone with the period's key."""
    op.create_table(
        "active_flags",
        sa.Column("system", sa.String(30), primary_key=True, nullable=False),
        sa.Column("period", sa.String(4), primary_key=True, nullable=False),
        sa.Column("flag", sa.String(32), primary_key=True, nullable=False),
    )
