"""Alembic's entry: runs migrations on the connection state/database.py hands over."""

from alembic import context

from reticent.state.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
