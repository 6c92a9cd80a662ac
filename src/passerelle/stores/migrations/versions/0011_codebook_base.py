"""Versions of a codebook say which version they were made from."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Add the column."""
    op.add_column("survey_codebook", sa.Column("base", sa.Integer))  # None: the one before


def downgrade() -> None:
    """Drop it."""
    op.drop_column("survey_codebook", "base")
