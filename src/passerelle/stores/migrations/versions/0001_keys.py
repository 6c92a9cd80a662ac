"""Keys: who may call, never the key itself."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "api_key",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("tenant", sa.Text),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False, server_default=""),
        sa.Column("digest", sa.LargeBinary, nullable=False, unique=True),
        sa.Column("hint", sa.Text, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("expires_at", sa.DateTime(timezone=True)),
        sa.Column("revoked_at", sa.DateTime(timezone=True)),
        sa.Column("rotated_to", sa.Text, sa.ForeignKey("api_key.id")),
        sa.Column(
            "changed_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now(), index=True
        ),
        sa.CheckConstraint("role IN ('admin', 'tenant-admin', 'member')", name="api_key_role"),
        sa.CheckConstraint("(role = 'admin') = (tenant IS NULL)", name="api_key_tenant"),
        sa.CheckConstraint("octet_length(digest) = 32", name="api_key_digest"),
    )
    op.create_index("api_key_tenant_created", "api_key", ["tenant", "created_at"])


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("api_key")
