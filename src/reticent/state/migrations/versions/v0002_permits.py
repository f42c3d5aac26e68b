"""Used permits."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create the table of used permits."""
    op.create_table(
        "permits",
        sa.Column("serial", sa.String(64), primary_key=True, nullable=False),
        sa.Column("expires", sa.String(32), nullable=False),
    )
