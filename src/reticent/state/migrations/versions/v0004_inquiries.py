"""The register of inquiries."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Create the table of sealed steps."""
    op.create_table(
        "inquiries",
        sa.Column("case_id", sa.String(32), primary_key=True, nullable=False),
        sa.Column("place", sa.Integer, primary_key=True, autoincrement=False, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
