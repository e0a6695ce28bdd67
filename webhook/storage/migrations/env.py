"""Alembic's entry: runs over the connection, and inside the transaction, that `webhook.storage.migrate` holds."""

from alembic import context

from webhook.storage.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
