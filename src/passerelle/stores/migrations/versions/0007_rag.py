"""Collections, their documents and what came as them; answers, and conversations where they are kept."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

revision = "0007"
down_revision = "0006"

_MOMENT = sa.DateTime(timezone=True)
_NOW = sa.func.clock_timestamp()
_NONE = sa.text("'{}'")
_SAID = ("tenant", "collection", "key", "origin", "state")
_EMPTY = ("title", "said_title", "said_language", "name", "media_type", "language")
_UNKNOWN = ("url", "code", "message", "duplicate_of", "job", "final_url", "etag", "last_modified")
_COUNTS = ("size", "pages", "characters", "chunks")


def upgrade() -> None:
    """Make the tables, and give keys groups."""
    op.add_column("api_key", sa.Column("groups", ARRAY(sa.Text), nullable=False, server_default=_NONE))
    op.create_table(
        "rag_collection",
        sa.Column("tenant", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("description", sa.Text, nullable=False, server_default=""),
        sa.Column("embedder", sa.Text),
        # The models that stood behind that name when the first vectors were made.
        sa.Column("behind", sa.Text),
        sa.Column("width", sa.Integer, nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("overlap", sa.Integer, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False, server_default="1"),
        sa.Column("dropping", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("created_at", _MOMENT, nullable=False, server_default=_NOW),
        sa.Column("updated_at", _MOMENT, nullable=False, server_default=_NOW),
    )
    _make_documents()
    _make_answers()


def _make_documents() -> None:
    op.create_table(
        "rag_document",
        sa.Column("id", sa.Text, primary_key=True),
        *(sa.Column(name, sa.Text, nullable=False) for name in _SAID),
        # `given` counts what came under its key, `indexed` is which of those is found.
        sa.Column("given", sa.BigInteger, nullable=False, server_default="1"),
        sa.Column("indexed", sa.BigInteger),
        # `said_…` is its sender's word, before what it says itself; `name` is a file's.
        *(sa.Column(name, sa.Text, nullable=False, server_default="") for name in _EMPTY),
        *(sa.Column(name, sa.Text) for name in _UNKNOWN),
        sa.Column("groups", ARRAY(sa.Text), nullable=False, server_default=_NONE),
        sa.Column("metadata", JSONB, nullable=False, server_default=_NONE),
        sa.Column("warnings", ARRAY(sa.Text), nullable=False, server_default=_NONE),
        *(sa.Column(name, sa.BigInteger, nullable=False, server_default="0") for name in _COUNTS),
        # Of what came, and of everything that changes what is indexed of it.
        sa.Column("digest", sa.LargeBinary),
        sa.Column("refresh", sa.Float),
        sa.Column("created_at", _MOMENT, nullable=False, server_default=_NOW),
        sa.Column("updated_at", _MOMENT, nullable=False, server_default=_NOW),
        sa.Column("indexed_at", _MOMENT),
        sa.Column("checked_at", _MOMENT),
        sa.ForeignKeyConstraint(
            ["tenant", "collection"], ["rag_collection.tenant", "rag_collection.name"], ondelete="CASCADE"
        ),
        sa.UniqueConstraint("tenant", "collection", "key"),
    )
    op.create_index("rag_document_newest", "rag_document", ["tenant", "collection", "created_at", "id"])
    op.create_index("rag_document_digest", "rag_document", ["tenant", "collection", "digest"])
    copies = sa.text("duplicate_of IS NOT NULL")
    op.create_index("rag_document_copies", "rag_document", ["duplicate_of"], postgresql_where=copies)
    due = sa.text("refresh IS NOT NULL")
    op.create_index("rag_document_refresh", "rag_document", ["checked_at"], postgresql_where=due)
    owner = sa.ForeignKey("rag_document.id", ondelete="CASCADE")
    op.create_table(  # apart, so that documents are listed without it
        "rag_content",
        sa.Column("document", sa.Text, owner, primary_key=True),
        sa.Column("content", sa.LargeBinary, nullable=False),
    )


def _make_answers() -> None:
    op.create_table(
        "rag_conversation",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("collection", sa.Text, nullable=False),
        sa.Column("key_id", sa.Text, nullable=False),
        sa.Column("user", sa.Text, nullable=False, server_default=""),
        sa.Column("created_at", _MOMENT, nullable=False, server_default=_NOW),
        sa.Column("updated_at", _MOMENT, nullable=False, server_default=_NOW),
        sa.Column("ends_at", _MOMENT, nullable=False),
    )
    op.create_index(
        "rag_conversation_newest", "rag_conversation", ["tenant", "key_id", "user", "updated_at", "id"]
    )
    op.create_index("rag_conversation_ends", "rag_conversation", ["ends_at"])
    op.create_table(  # what is known of an answer without its words; these are with its conversation, if anywhere
        "rag_answer",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("collection", sa.Text, nullable=False),
        sa.Column("key_id", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("refusal", sa.Text),
        sa.Column("citations", sa.Integer, nullable=False),
        sa.Column("supported", sa.Integer, nullable=False),
        sa.Column("cost", sa.Text, nullable=False),
        sa.Column("seconds", JSONB, nullable=False),
        sa.Column("thumb", sa.Text),
        sa.Column("comment", sa.Text, nullable=False, server_default=""),
        sa.Column("conversation", sa.Text, sa.ForeignKey("rag_conversation.id", ondelete="CASCADE")),
        sa.Column("number", sa.Integer),
        sa.Column("question", sa.Text),
        sa.Column("answer", sa.Text),
        sa.Column("at", _MOMENT, nullable=False, server_default=_NOW),
    )
    op.create_index("rag_answer_conversation", "rag_answer", ["conversation", "number"], unique=True)
    op.create_index("rag_answer_tenant", "rag_answer", ["tenant", "collection", "at"])


def downgrade() -> None:
    """Drop them."""
    for table in ("rag_answer", "rag_conversation", "rag_content", "rag_document", "rag_collection"):
        op.drop_table(table)
    op.drop_column("api_key", "groups")
