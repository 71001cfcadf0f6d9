"""Alembic's environment: the connection is that of `open_database`, whose transaction is used."""

from __future__ import annotations

from alembic import context

from bgremoval_mm.pipeline.tables import Base

context.configure(
    connection=context.config.attributes['connection'],
    target_metadata=Base.metadata,
    render_as_batch=True,  # SQLite alters tables by copying them
)
context.run_migrations()
