"""Run by Alembic: brings the connection that it was given up to date, in the transaction that is
open on it.
"""

from __future__ import annotations

from alembic import context

context.configure(connection=context.config.attributes["connection"], render_as_batch=True)
context.run_migrations()
