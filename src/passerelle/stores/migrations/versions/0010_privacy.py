"""People's data: keys that tenants' content is sealed with, who saw what, what people asked for, what was audited."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

revision = "0010"
down_revision = "0009"

_MOMENT = sa.DateTime(timezone=True)
_NOW = sa.func.clock_timestamp()
_EMPTY = sa.text("'{}'")

_INSERT_ONLY = """
CREATE FUNCTION audit_is_insert_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the audit log is insert-only' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER audit_event_insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_event
  FOR EACH STATEMENT EXECUTE FUNCTION audit_is_insert_only();
ALTER TABLE audit_event ENABLE ALWAYS TRIGGER audit_event_insert_only;
"""


def upgrade() -> None:
    """Make the tables."""
    # Apart from all others, so that a backup may leave it out: a destroyed key must not live on there.
    op.execute("CREATE SCHEMA passerelle_keys")
    op.create_table(
        "tenant_key",
        sa.Column("tenant", sa.Text, primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True),
        sa.Column("wrapped", sa.LargeBinary),  # None: destroyed
        sa.Column("wrapped_by", sa.Text, nullable=False),  # fingerprint of the key-encryption key
        sa.Column("created_at", _MOMENT, nullable=False, server_default=_NOW),
        sa.Column("destroyed_at", _MOMENT),
        schema="passerelle_keys",
    )
    # By which rules a try was permitted, to whom it went, and which rules left out whom; None: nothing binds its tenant.
    op.add_column("ledger_attempts", sa.Column("evidence", JSONB))
    # Pseudonyms of those whom a repeated request names, so that its answer goes with them.
    op.add_column(
        "idempotency_answers",
        sa.Column("subjects", ARRAY(sa.Text), nullable=False, server_default=_EMPTY),
    )
    _make_subjects()
    _make_prompts()
    _make_audit()


def _make_subjects() -> None:
    op.create_table(  # which engines saw what a person sent; the ledger knows nothing of people
        "subject_sighting",
        sa.Column("tenant", sa.Text, primary_key=True),
        sa.Column("subject", sa.Text, primary_key=True),  # a pseudonym
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("backend", sa.Text, primary_key=True),
        sa.Column("provider", sa.Text, primary_key=True),
        sa.Column("country", sa.Text, primary_key=True),  # "" = unknown
        sa.Column("calls", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "subject_restriction",
        sa.Column("tenant", sa.Text, primary_key=True),
        sa.Column("subject", sa.Text, primary_key=True),
        sa.Column("since", _MOMENT, nullable=False, server_default=_NOW),
        sa.Column("asked_by", sa.Text, nullable=False, server_default=""),
    )
    op.create_table(  # what was asked for, and the receipt of it
        "privacy_request",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("subject", sa.Text),  # a pseudonym; None: the whole tenant
        sa.Column("deed", sa.Text, nullable=False),
        sa.Column("asked_by", sa.Text, nullable=False, server_default=""),
        sa.Column("asked_at", _MOMENT, nullable=False, server_default=_NOW),
        sa.Column("due_at", _MOMENT, nullable=False),  # one month (GDPR, article 12(3))
        sa.Column("job", sa.Text),
        sa.Column("finished_at", _MOMENT),
        sa.Column("receipt", JSONB),
        sa.Column("signature", sa.LargeBinary),
        # By store, what it had before anything of it was deleted: a receipt's, also after an interruption.
        sa.Column("found", JSONB, nullable=False, server_default=_EMPTY),
    )
    op.create_index("privacy_request_tenant", "privacy_request", ["tenant", "asked_at"])
    op.create_index("privacy_request_job", "privacy_request", ["job"])
    op.create_table(  # what was exported, in parts of about a megabyte, until it is too old
        "privacy_export",
        sa.Column(
            "request", sa.Text, sa.ForeignKey("privacy_request.id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("store", sa.Text, primary_key=True),
        sa.Column("part", sa.Integer, primary_key=True),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),  # sealed
        sa.Column("ends_at", _MOMENT, nullable=False),
    )
    op.create_index("privacy_export_ends", "privacy_export", ["ends_at"])


def _make_prompts() -> None:
    op.create_table(  # only of tenants that said why, and until when
        "prompt_log",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False, server_default=""),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("backend", sa.Text, nullable=False, server_default=""),
        sa.Column("at", _MOMENT, nullable=False, server_default=_NOW),
        sa.Column("ends_at", _MOMENT, nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),  # sealed: what was asked and answered
    )
    op.create_index("prompt_log_tenant", "prompt_log", ["tenant", "at"])
    op.create_index("prompt_log_ends", "prompt_log", ["ends_at"])
    op.create_index("prompt_log_subject", "prompt_log", ["tenant", "subject"])


def _make_audit() -> None:
    op.create_table(
        "audit_event",
        sa.Column("chain", sa.Text, primary_key=True),  # a tenant's name; "" = the installation's
        sa.Column("number", sa.BigInteger, primary_key=True),  # from 1, without a gap
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),  # a key's id, or `operator`
        sa.Column("action", sa.Text, nullable=False),  # such as `key.created`
        sa.Column("object", sa.Text, nullable=False, server_default=""),  # an id or a pseudonym, never a name
        sa.Column("detail", JSONB, nullable=False, server_default=_EMPTY),
        sa.Column("previous", sa.LargeBinary, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
    )
    op.create_index("audit_event_at", "audit_event", ["chain", "at"])
    op.execute(_INSERT_ONLY)
    op.create_table(  # counted until its hour is over, and then one event
        "audit_tally",
        sa.Column("chain", sa.Text, primary_key=True),
        sa.Column("hour", _MOMENT, primary_key=True),
        sa.Column("actor", sa.Text, primary_key=True),
        sa.Column("action", sa.Text, primary_key=True),
        sa.Column("object", sa.Text, primary_key=True),
        sa.Column("calls", sa.BigInteger, nullable=False),
    )
    op.create_table(  # what the Hub says of the models that are served
        "model_provenance",
        sa.Column("model", sa.Text, primary_key=True),  # its id there
        sa.Column("found", JSONB, nullable=False),
        sa.Column("checked_at", _MOMENT, nullable=False),
    )


def downgrade() -> None:
    """Drop them."""
    for table in (
        "model_provenance",
        "audit_tally",
        "audit_event",
        "prompt_log",
        "privacy_export",
        "privacy_request",
        "subject_restriction",
        "subject_sighting",
    ):
        op.drop_table(table)
    op.execute("DROP FUNCTION audit_is_insert_only()")
    op.drop_column("idempotency_answers", "subjects")
    op.drop_column("ledger_attempts", "evidence")
    op.execute("DROP SCHEMA passerelle_keys CASCADE")
