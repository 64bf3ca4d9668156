"""Alembic's entry: the connection comes from ``store.database``, which applies the migrations at start."""

from alembic import context

from modelforge.store.tables import Table

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Table.metadata,
    render_as_batch=True,
    # SQLite can, and store.database begins the transaction that makes it so.
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
