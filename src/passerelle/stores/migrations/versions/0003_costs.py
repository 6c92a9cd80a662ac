"""Months that are closed, what was billed beside what it cost, states of capacity, and events on their way out."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0003"
down_revision = "0002"

_GUARD = """
CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_append_only()
"""
_MOMENT = sa.DateTime(timezone=True)
_PICO = sa.Numeric(38, 0)


def upgrade() -> None:
    """Make them."""
    _make_calendar()
    _widen()
    _make_capacity()
    _make_outbox()
    _make_reconciliations()
    for table in ("ledger_capacity", "ledger_closings", "ledger_reconciliations"):
        op.execute(_GUARD.format(table=table))
        op.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {table}_append_only")


def downgrade() -> None:
    """Forget them."""
    for table in (
        "ledger_reconciliations", "ledger_outbox", "ledger_alerts", "ledger_capacity", "ledger_closings",
    ):  # fmt: skip
        op.drop_table(table)
    op.drop_index("ledger_entries_hours")
    for name in (
        "ledger_entries_period",
        "ledger_entries_at",
        "ledger_attempts_ended_at",
        "ledger_attempts_written_at",
    ):
        op.drop_index(name)
    op.drop_index("ledger_entries_once")
    op.create_unique_constraint(
        "ledger_entries_once", "ledger_entries", ["attempt_id", "kind", "line", "account"]
    )
    op.create_primary_key("ledger_entries_pkey", "ledger_entries", ["id"])
    op.create_index("ix_ledger_attempts_request_id", "ledger_attempts", ["request_id"])
    op.create_index("ledger_attempts_tenant_at", "ledger_attempts", ["tenant", "ended_at"])
    op.create_index(
        "ledger_attempts_upstream", "ledger_attempts", ["upstream_id"],
        postgresql_where=sa.text("upstream_id IS NOT NULL"),
    )  # fmt: skip
    op.create_index("ledger_entries_tenant_at", "ledger_entries", ["tenant", "at"])
    for column in ("period", "backend", "reason", "saved_pico"):
        op.drop_column("ledger_entries", column)
    for column in ("use", "held_pico", "held_currency", "first_ms", "revision"):
        op.drop_column("ledger_attempts", column)
    op.drop_table("ledger_calendar")


def _make_calendar() -> None:
    """One row: the time zone of months, and the first month that is still open. Entries are posted no earlier."""
    op.create_table(
        "ledger_calendar",
        sa.Column("only", sa.Boolean, primary_key=True, server_default=sa.true()),
        sa.Column("time_zone", sa.Text, nullable=False, server_default="UTC"),
        sa.Column("first_open", sa.Text, nullable=False, server_default="1970-01"),
        sa.CheckConstraint('"only"', name="ledger_calendar_one_row"),
    )
    op.execute("INSERT INTO ledger_calendar DEFAULT VALUES")
    op.create_table(
        "ledger_closings",
        sa.Column("month", sa.Text, primary_key=True),
        sa.Column("closed_at", _MOMENT, nullable=False, server_default=sa.func.now()),
        sa.Column("totals", JSONB, nullable=False),  # of accounts, as decimals in text
        sa.Column("digest", sa.Text, nullable=False),  # SHA-256 of the month's entries
    )


def _widen() -> None:
    for column in (
        sa.Column("use", sa.Text, nullable=False, server_default=""),
        sa.Column("held_pico", _PICO),
        sa.Column("held_currency", sa.Text),
        sa.Column("first_ms", sa.Integer),
        sa.Column("revision", sa.Text),
    ):
        op.add_column("ledger_attempts", column)
    for column in (
        sa.Column("period", sa.Text, nullable=False, server_default="1970-01"),
        sa.Column("backend", sa.Text),
        sa.Column("reason", sa.Text),
        sa.Column("saved_pico", _PICO),
    ):
        op.add_column("ledger_entries", column)
    op.alter_column("ledger_entries", "period", server_default=None)
    _index_lightly()


def _index_lightly() -> None:
    """Rows arrive in the order of time and are read by month: block ranges find them, and cost writing next to nothing.

    Five B-trees in place of two made a try four tenths dearer to write.
    """
    for name in ("ix_ledger_attempts_request_id", "ledger_attempts_tenant_at", "ledger_attempts_upstream",
                 "ledger_entries_tenant_at"):  # fmt: skip
        op.drop_index(name)
    op.execute("ALTER TABLE ledger_entries DROP CONSTRAINT ledger_entries_pkey")
    # A try's entries are written with its row, which is unique; other bookings are by a name of their own.
    op.drop_constraint("ledger_entries_once", "ledger_entries")
    op.create_index(
        "ledger_entries_once", "ledger_entries", ["attempt_id", "kind", "line", "account"], unique=True,
        postgresql_where=sa.text("kind <> 'settle'"),
    )  # fmt: skip
    for table, columns in (
        ("ledger_attempts", ("ended_at", "written_at")),
        ("ledger_entries", ("period", "at")),
    ):
        for column in columns:
            op.create_index(
                f"{table}_{column}", table, [column],
                postgresql_using="brin", postgresql_with={"autosummarize": "on", "pages_per_range": 32},
            )  # fmt: skip
    # What hours of capacity were booked last.
    op.create_index(
        "ledger_entries_hours", "ledger_entries", ["backend", "at"],
        postgresql_where=sa.text("kind = 'allocate'"),
    )  # fmt: skip


def _make_capacity() -> None:
    """From `at` on, until the next row of the same backend, so many replicas are paid at this price."""
    op.create_table(
        "ledger_capacity",
        sa.Column("backend", sa.Text, primary_key=True),
        sa.Column("at", _MOMENT, primary_key=True),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("replicas", sa.Integer, nullable=False),  # that are paid; 0 while it sleeps
        sa.Column("per_hour_pico", _PICO, nullable=False),  # of one replica
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("price_id", sa.Text, nullable=False),
        sa.Column("payee", sa.Text, nullable=False),  # the account of whoever is paid
        sa.Column("sharing", JSONB, nullable=False),
    )


def _make_outbox() -> None:
    op.create_table(
        "ledger_alerts",
        sa.Column("tenant", sa.Text, primary_key=True),
        sa.Column("budget", sa.Text, primary_key=True),  # `tenant`, `key:<id>`, `model:<name>`
        sa.Column("period", sa.Text, primary_key=True),
        sa.Column("event", sa.Text, primary_key=True),  # such as `budget.threshold.80`
        sa.Column("at", _MOMENT, nullable=False, server_default=sa.func.now()),
    )
    op.create_table(
        "ledger_outbox",
        sa.Column("event_id", sa.Text, primary_key=True),
        sa.Column("webhook", sa.Text, primary_key=True),
        sa.Column("event", sa.Text, nullable=False),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("payload", JSONB, nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False, server_default=sa.func.now()),
        sa.Column("next_at", _MOMENT, nullable=False, server_default=sa.func.now()),
        sa.Column("tries", sa.Integer, nullable=False, server_default="0"),
        sa.Column("delivered_at", _MOMENT),
        sa.Column("given_up_at", _MOMENT),
        sa.Column("problem", sa.Text),  # of the last try: a status or a word, never a body
    )
    op.create_index(
        "ledger_outbox_due", "ledger_outbox", ["next_at"],
        postgresql_where=sa.text("delivered_at IS NULL AND given_up_at IS NULL"),
    )  # fmt: skip


def _make_reconciliations() -> None:
    op.create_table(
        "ledger_reconciliations",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("at", _MOMENT, nullable=False, server_default=sa.func.now()),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("month", sa.Text, nullable=False),  # that the invoice is of
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("ours_pico", _PICO, nullable=False),
        sa.Column("theirs_pico", _PICO, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("source_sha256", sa.Text, nullable=False),
    )
