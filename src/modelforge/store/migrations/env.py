"""Alembic's entry: the connection comes from ``store.database``, which applies the migrations at start."""

from alembic import context

from modelforge.store.tables import Table

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Table.metadata,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
