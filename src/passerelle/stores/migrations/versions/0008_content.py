"""Content enrichment: recipes, brand profiles, jobs of texts, what was written, decisions, and what each text was."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0008"
down_revision = "0007"

_MOMENT = sa.DateTime(timezone=True)
_NOW = sa.func.clock_timestamp()
_EMPTY = sa.text("'{}'")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "content_recipe",
        sa.Column("tenant", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True),
        sa.Column("recipe", JSONB, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False, server_default=""),
        sa.Column("created_at", _MOMENT, nullable=False, server_default=_NOW),
    )
    op.create_table(
        "content_brand",
        sa.Column("tenant", sa.Text, primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True),
        sa.Column("brand", JSONB, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False, server_default=""),
        sa.Column("created_at", _MOMENT, nullable=False, server_default=_NOW),
    )
    _make_jobs()
    _make_outputs()
    _make_versions()


def _make_jobs() -> None:
    op.create_table(  # outlives the job of the same id, which is forgotten a month after its end
        "content_job",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("recipe", JSONB, nullable=False),  # as it was
        sa.Column("brand", JSONB, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("preview", sa.Boolean, nullable=False, server_default=sa.false()),
        # In pico-units. What is held of it stands with the pieces under way.
        sa.Column("budget", sa.Numeric(38, 0)),
        sa.Column("spent", sa.Numeric(38, 0), nullable=False, server_default="0"),
        sa.Column("currency", sa.Text, nullable=False, server_default=""),
        sa.Column("unpriced", sa.Integer, nullable=False, server_default="0"),
        sa.Column("estimate", JSONB, nullable=False, server_default=_EMPTY),
        sa.Column("created_by", sa.Text, nullable=False, server_default=""),
        sa.Column("created_at", _MOMENT, nullable=False, server_default=_NOW),
        sa.Column("finished_at", _MOMENT),
    )
    op.create_index("content_job_newest", "content_job", ["tenant", "created_at", "id"])
    op.create_table(
        "content_piece",
        sa.Column("job", sa.Text, sa.ForeignKey("content_job.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("piece", JSONB, nullable=False),
        # Of everything that what is written depends on.
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("standing", sa.Text, nullable=False, server_default="queued"),
        sa.Column("written", JSONB),
        sa.Column("code", sa.Text),
        sa.Column("message", sa.Text),
        # The most that its run may still cost, in pico-units, and which run that is; it counts while its item runs.
        sa.Column("held", sa.Numeric(38, 0), nullable=False, server_default="0"),
        sa.Column("run", sa.Text),
        sa.UniqueConstraint("job", "key"),
    )
    op.create_index("content_piece_digest", "content_piece", ["tenant", "digest"])
    op.create_index("content_piece_key", "content_piece", ["tenant", "key"])
    op.create_index("content_piece_held", "content_piece", ["job"], postgresql_where=sa.text("held > 0"))
    op.create_index("content_piece_standing", "content_piece", ["job", "standing", "number"])
    op.create_table(
        "content_choice",
        sa.Column("job", sa.Text, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("field", sa.Text, primary_key=True),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("decision", sa.Text, nullable=False),
        sa.Column("value", JSONB),
        sa.Column("by", sa.Text, nullable=False, server_default=""),
        sa.Column("at", _MOMENT, nullable=False, server_default=_NOW),
        sa.ForeignKeyConstraint(
            ["job", "number"], ["content_piece.job", "content_piece.number"], ondelete="CASCADE"
        ),
    )


def _make_outputs() -> None:
    op.create_table(  # what was written once is not paid twice; also what estimates are learned from
        "content_output",
        sa.Column("tenant", sa.Text, primary_key=True),
        sa.Column("digest", sa.LargeBinary, primary_key=True),
        sa.Column("recipe", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("characters", sa.Integer, nullable=False),  # of the source
        # What one course without repairs asks: characters of its prompts, and calls.
        sa.Column("asked", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("calls", sa.Integer, nullable=False, server_default="0"),
        sa.Column("language", sa.Text, nullable=False, server_default=""),
        sa.Column("written", JSONB, nullable=False),
        sa.Column("at", _MOMENT, nullable=False, server_default=_NOW),
    )
    op.create_index("content_output_learned", "content_output", ["tenant", "recipe", "model", "at"])


def _make_versions() -> None:
    op.create_table(
        "content_version",
        sa.Column("tenant", sa.Text, primary_key=True),
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("field", sa.Text, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("value", JSONB, nullable=False),
        sa.Column("job", sa.Text),
        sa.Column("back_to", sa.Integer),
        sa.Column("by", sa.Text, nullable=False, server_default=""),
        sa.Column("at", _MOMENT, nullable=False, server_default=_NOW),
    )


def downgrade() -> None:
    """Drop them."""
    for table in ("version", "output", "choice", "piece", "job", "brand", "recipe"):
        op.drop_table(f"content_{table}")
