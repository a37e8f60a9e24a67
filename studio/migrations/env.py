"""Run by alembic: apply the revisions on the connection that the studio has open, inside its transaction."""

from alembic import context

from studio.schema import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
