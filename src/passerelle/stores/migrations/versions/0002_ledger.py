"""The ledger: a row for every try, two entries for everything it used, and no way to change either."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0002"
down_revision = "0001"

_REFUSE = """
CREATE FUNCTION ledger_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the ledger is append-only: % on % is refused', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation', HINT = 'Book a correcting entry.';
END $$
"""
_GUARD = """
CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_append_only()
"""


def upgrade() -> None:
    """Make the tables and their guards."""
    _make_attempts()
    _make_entries()
    op.execute(_REFUSE)
    for table in ("ledger_attempts", "ledger_entries"):
        op.execute(_GUARD.format(table=table))
        # Also in a session that replays what another server did.
        op.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {table}_append_only")


def downgrade() -> None:
    """Drop the tables and their guards."""
    op.drop_table("ledger_entries")
    op.drop_table("ledger_attempts")
    op.execute("DROP FUNCTION ledger_is_append_only()")


def _make_attempts() -> None:
    op.create_table(
        "ledger_attempts",
        sa.Column("attempt_id", sa.Text, primary_key=True),
        sa.Column("request_id", sa.Text, nullable=False, index=True),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("key_id", sa.Text, nullable=False),
        sa.Column("route", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("backend", sa.Text, nullable=False),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("country", sa.Text),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("catalog", sa.Text, nullable=False),
        sa.Column("tags", JSONB),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("fault", sa.Text),
        sa.Column("served", sa.Boolean, nullable=False),
        sa.Column("provider", sa.Text),
        sa.Column("upstream_id", sa.Text),
        sa.Column("usage", JSONB),
        sa.Column("usage_source", sa.Text, nullable=False),
        sa.Column("payer", sa.Text, nullable=False),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.CheckConstraint("usage_source IN ('provider', 'estimate', 'none')", name="ledger_attempts_source"),
    )
    op.create_index("ledger_attempts_tenant_at", "ledger_attempts", ["tenant", "ended_at"])
    # What a provider's invoice is compared by.
    op.create_index(
        "ledger_attempts_upstream", "ledger_attempts", ["upstream_id"],
        postgresql_where=sa.text("upstream_id IS NOT NULL"),
    )  # fmt: skip


def _make_entries() -> None:
    op.create_table(
        "ledger_entries",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("attempt_id", sa.Text, nullable=False),
        sa.Column("line", sa.Integer, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("account", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("meter", sa.Text, nullable=False),
        sa.Column("quantity", sa.Numeric(38, 0), nullable=False),
        sa.Column("unit", sa.Text, nullable=False),
        sa.Column("price_id", sa.Text),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("amount_pico", sa.Numeric(38, 0), nullable=False),
        sa.Column("certainty", sa.Text, nullable=False),
        sa.Column("fx_rate", sa.Numeric),
        sa.Column("fx_date", sa.Date),
        sa.Column("billed_currency", sa.Text),
        sa.Column("billed_pico", sa.Numeric(38, 0)),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.UniqueConstraint("attempt_id", "kind", "line", "account", name="ledger_entries_once"),
        sa.CheckConstraint(
            "kind IN ('settle', 'adjust', 'allocate', 'credit', 'void')", name="ledger_entries_kind"
        ),
        sa.CheckConstraint(
            "certainty IN ('exact', 'estimated', 'unpriced', 'reconciled')", name="ledger_entries_certainty"
        ),
    )
    op.create_index("ledger_entries_tenant_at", "ledger_entries", ["tenant", "at"])
