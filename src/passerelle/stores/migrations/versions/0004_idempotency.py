"""Answers kept for requests that are sent again: sealed, and gone after a day."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "idempotency_answers",
        sa.Column("digest", sa.LargeBinary, primary_key=True),  # of tenant, role, route and the caller's key
        sa.Column("tenant", sa.Text),  # null: the operator
        sa.Column("fingerprint", sa.LargeBinary, nullable=False),  # of the request
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("holder", sa.LargeBinary, nullable=False),  # the run that may write here
        sa.Column("leased_until", _MOMENT, nullable=False),
        sa.Column("expires_at", _MOMENT, nullable=False, index=True),
        sa.Column("sealed", sa.LargeBinary),
        sa.CheckConstraint("state IN ('running', 'kept', 'not_kept')", name="idempotency_answers_state"),
        sa.CheckConstraint("(state = 'kept') = (sealed IS NOT NULL)", name="idempotency_answers_sealed"),
        sa.CheckConstraint("octet_length(digest) = 32", name="idempotency_answers_digest"),
    )
    # What is sealed cannot be made shorter, and trying costs.
    op.execute("ALTER TABLE idempotency_answers ALTER COLUMN sealed SET STORAGE EXTERNAL")
    op.create_index("idempotency_answers_tenant", "idempotency_answers", ["tenant"])


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("idempotency_answers")
