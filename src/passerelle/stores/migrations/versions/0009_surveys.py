"""Surveys: files of answers, codebooks, corrections, runs over comments, themes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

revision = "0009"
down_revision = "0008"

_MOMENT = sa.DateTime(timezone=True)
_NOW = sa.func.clock_timestamp()
_EMPTY = sa.text("'{}'")


def upgrade() -> None:
    """Make the tables."""
    _make_surveys()
    _make_answers()
    _make_codebooks()
    _make_runs()
    _make_themes()


def _owner() -> sa.ForeignKey:
    return sa.ForeignKey("survey.id", ondelete="CASCADE")


def _make_surveys() -> None:
    op.create_table(
        "survey",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False, server_default=""),  # of its file
        sa.Column("language", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("columns", JSONB, nullable=False),
        sa.Column("sheet", sa.Text, nullable=False, server_default=""),
        sa.Column("tally", JSONB, nullable=False, server_default=_EMPTY),
        sa.Column("codebook", sa.Text),
        sa.Column("code", sa.Text),
        sa.Column("message", sa.Text),
        sa.Column("job", sa.Text),
        sa.Column("digest", sa.LargeBinary, nullable=False),  # of the file and of what its columns are
        sa.Column("collection", sa.Text),  # in which its comments are asked as documents are
        sa.Column("collected", sa.Text),  # which run and corrections that one shows
        sa.Column("collecting_at", _MOMENT),  # when somebody began to fill it; None: nobody does
        sa.Column("claim", sa.Text),  # of the run that reads the file
        sa.Column("created_by", sa.Text, nullable=False, server_default=""),
        sa.Column("created_at", _MOMENT, nullable=False, server_default=_NOW),
        sa.Column("updated_at", _MOMENT, nullable=False, server_default=_NOW),
    )
    op.create_index("survey_newest", "survey", ["tenant", "created_at", "id"])
    op.create_index("survey_digest", "survey", ["tenant", "digest"])
    op.create_table(  # until it is read
        "survey_content",
        sa.Column("survey", sa.Text, _owner(), primary_key=True),
        sa.Column("content", sa.LargeBinary, nullable=False),
    )


def _make_answers() -> None:
    op.create_table(
        "survey_answer",
        sa.Column("survey", sa.Text, _owner(), primary_key=True),
        sa.Column("row", sa.Integer, primary_key=True),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("answer", JSONB, nullable=False),  # without its comments
    )
    op.create_table(
        "survey_comment",
        sa.Column("survey", sa.Text, _owner(), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),  # in the file's order
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("answer", sa.Text, nullable=False),
        sa.Column("row", sa.Integer, nullable=False),
        sa.Column("column", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("language", sa.Text),
        sa.Column("masked", JSONB, nullable=False, server_default=_EMPTY),
        sa.Column("cut", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.UniqueConstraint("survey", "id"),
    )
    op.create_table(
        "survey_trouble",
        sa.Column("survey", sa.Text, _owner(), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("row", sa.Integer, nullable=False),
        sa.Column("last", sa.Integer, nullable=False),
        sa.Column("trouble", sa.Text, nullable=False),
        sa.Column("column", sa.Text, nullable=False, server_default=""),
        sa.Column("detail", sa.Text, nullable=False, server_default=""),
    )


def _make_codebooks() -> None:
    op.create_table(
        "survey_codebook",
        sa.Column("tenant", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True),
        sa.Column("language", sa.Text, nullable=False),
        sa.Column("categories", JSONB, nullable=False),
        sa.Column("merged", JSONB, nullable=False, server_default=_EMPTY),
        sa.Column("note", sa.Text, nullable=False, server_default=""),
        sa.Column("created_by", sa.Text, nullable=False, server_default=""),
        sa.Column("created_at", _MOMENT, nullable=False, server_default=_NOW),
        sa.Column("promoted_by", sa.Text, nullable=False, server_default=""),
        sa.Column("promoted_at", _MOMENT),
        sa.Column("checked", JSONB),
    )
    op.create_table(
        "survey_correction",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("codebook", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("language", sa.Text, nullable=False),
        sa.Column("right", ARRAY(sa.Text)),
        sa.Column("wrong", ARRAY(sa.Text), nullable=False, server_default=_EMPTY),
        sa.Column("right_polarity", sa.Text),
        sa.Column("wrong_polarity", sa.Text),
        sa.Column("confirmed", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("survey", sa.Text),
        sa.Column("comment", sa.Text),
        sa.Column("run", sa.Text),
        sa.Column("created_by", sa.Text, nullable=False, server_default=""),
        sa.Column("created_at", _MOMENT, nullable=False, server_default=_NOW),
        sa.Column("revoked_at", _MOMENT),
        sa.Column("revoked_revision", sa.Integer),
        sa.Column("revoked_by", sa.Text, nullable=False, server_default=""),
        sa.Column(
            "indexed", sa.Boolean, nullable=False, server_default=sa.false()
        ),  # as it stands, in Qdrant
        sa.Column("indexed_by", sa.Text),  # what embedded it there; None: it is not there
        sa.UniqueConstraint("tenant", "codebook", "revision"),
    )
    op.create_index("survey_correction_comment", "survey_correction", ["tenant", "survey", "comment"])


def _make_runs() -> None:
    op.create_table(
        "survey_run",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("survey", sa.Text, _owner(), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("codebook", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("model", sa.Text, nullable=False, server_default=""),
        sa.Column("engine", sa.Text, nullable=False, server_default=""),
        sa.Column("offline", sa.Boolean, nullable=False),
        sa.Column("job", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),  # its job's, once that is over; jobs are forgotten
        sa.Column("comments", sa.Integer, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False, server_default=""),
        sa.Column("created_at", _MOMENT, nullable=False, server_default=_NOW),
        sa.Column("finished_at", _MOMENT),
        sa.UniqueConstraint("survey", "number"),
    )
    op.create_table(
        "survey_reading",
        sa.Column("run", sa.Text, sa.ForeignKey("survey_run.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),  # the comment's
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("comment", sa.Text, nullable=False),
        sa.Column("analysed", JSONB),
        # Of it, to be asked by.
        sa.Column("categories", ARRAY(sa.Text), nullable=False, server_default=_EMPTY),
        sa.Column("polarity", sa.Text),
        sa.Column("review", ARRAY(sa.Text), nullable=False, server_default=_EMPTY),
        sa.Column("doubt", sa.Float, nullable=False, server_default="0"),
        sa.Column("reviewed_by", sa.Text),
        sa.Column("engine", sa.Text, nullable=False, server_default=""),
        sa.Column("offline", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("code", sa.Text),
        sa.Column("message", sa.Text),
        sa.Column("usage", JSONB, nullable=False, server_default=_EMPTY),
        sa.Column("cost", sa.Numeric(38, 0)),
        sa.Column("currency", sa.Text, nullable=False, server_default=""),
    )
    op.create_index("survey_reading_comment", "survey_reading", ["run", "comment"])


def _make_themes() -> None:
    op.create_table(
        "survey_theme",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("survey", sa.Text, _owner(), nullable=False),
        sa.Column("theme", JSONB, nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("merged", JSONB),
        sa.Column("created_at", _MOMENT, nullable=False, server_default=_NOW),
    )
    op.create_index("survey_theme_survey", "survey_theme", ["survey", "size"])


def downgrade() -> None:
    """Drop them."""
    for table in (
        "theme",
        "reading",
        "run",
        "correction",
        "codebook",
        "trouble",
        "comment",
        "answer",
        "content",
    ):
        op.drop_table(f"survey_{table}")
    op.drop_table("survey")
