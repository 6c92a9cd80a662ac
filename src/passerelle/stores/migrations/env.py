"""Alembic's entry: runs the steps on the connection, and inside the transaction, of `Database.migrate`."""

from __future__ import annotations

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
