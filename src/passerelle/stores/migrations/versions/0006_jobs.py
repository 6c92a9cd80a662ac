"""Jobs, their items and events, whose turn it is; and the tables of procrastinate, which carries them."""

from __future__ import annotations

from importlib.metadata import version

import sqlalchemy as sa
from alembic import op
from procrastinate.schema import SchemaManager
from sqlalchemy.dialects.postgresql import JSONB

revision = "0006"
down_revision = "0005"

_MOMENT = sa.DateTime(timezone=True)
_COUNTS = ("queued", "running", "done", "failed", "cancelled")

# procrastinate tells its workers of new jobs only. Of one that goes back to the queue, and of one that frees the lock
# of the next, they would learn when they look again, seconds later.
_TELL = """
CREATE FUNCTION passerelle_tell_of_turn() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    payload text := json_build_object('type', 'job_inserted', 'job_id', NEW.id)::text;
BEGIN
    PERFORM pg_notify('procrastinate_queue_v1#' || NEW.queue_name, payload);
    PERFORM pg_notify('procrastinate_any_queue_v1', payload);
    RETURN NEW;
END;
$$;
CREATE TRIGGER passerelle_tell_of_turn AFTER UPDATE OF status ON procrastinate_jobs
    FOR EACH ROW WHEN (old.status = 'doing' AND (new.status = 'todo' OR new.lock IS NOT NULL))
    EXECUTE FUNCTION passerelle_tell_of_turn();
CREATE FUNCTION passerelle_tell_of_end() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    payload text := json_build_object('type', 'job_inserted', 'job_id', OLD.id)::text;
BEGIN
    PERFORM pg_notify('procrastinate_queue_v1#' || OLD.queue_name, payload);
    PERFORM pg_notify('procrastinate_any_queue_v1', payload);
    RETURN OLD;
END;
$$;
CREATE TRIGGER passerelle_tell_of_end AFTER DELETE ON procrastinate_jobs
    FOR EACH ROW WHEN (old.status = 'doing' AND old.lock IS NOT NULL)
    EXECUTE FUNCTION passerelle_tell_of_end();
"""


def upgrade() -> None:
    """Make the tables."""
    _make_jobs()
    _make_items()
    op.create_table(
        "job_event",
        sa.Column("job_id", sa.Text, sa.ForeignKey("job.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("at", _MOMENT, nullable=False, server_default=sa.func.clock_timestamp()),
        sa.Column("what", sa.Text, nullable=False),
        sa.Column("data", JSONB, nullable=False),
    )
    op.create_table(  # whoever waits for workers, in a circle
        "job_turn",
        sa.Column("tenant", sa.Text, primary_key=True),
        sa.Column("place", sa.BigInteger, nullable=False),
        sa.Column("credit", sa.BigInteger, nullable=False),
        sa.Column("visited", sa.Boolean, nullable=False),
    )
    _make_carrier()


def downgrade() -> None:
    """Drop the tables, and procrastinate's."""
    for table in ("job_turn", "job_event", "job_item", "job"):
        op.drop_table(table)
    for table in ("events", "periodic_defers", "jobs", "workers"):
        op.drop_table(f"procrastinate_{table}")
    op.execute(
        "DO $$ DECLARE each record; BEGIN FOR each IN SELECT oid::regprocedure AS name FROM pg_proc"
        " WHERE proname LIKE 'procrastinate\\_%' OR proname LIKE 'passerelle\\_tell\\_of\\_%'"
        " LOOP EXECUTE 'DROP FUNCTION ' || each.name; END LOOP; END $$"
    )
    for kind in ("job_to_defer_v1", "job_event_type", "job_status"):
        op.execute(f"DROP TYPE procrastinate_{kind}")
    op.execute("DELETE FROM installation WHERE name = 'procrastinate'")


def _make_jobs() -> None:
    op.create_table(
        "job",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("key", sa.Text),  # its owner's name for it: one at a time of each
        sa.Column("wish", sa.Text, nullable=False, server_default="run"),
        sa.Column("params", JSONB, nullable=False),
        *(sa.Column(name, sa.Integer, nullable=False, server_default="0") for name in _COUNTS),
        sa.Column("news", sa.Integer, nullable=False, server_default="0"),  # the last event's number
        sa.Column("created_at", _MOMENT, nullable=False, server_default=sa.func.clock_timestamp()),
        sa.Column("started_at", _MOMENT),
        sa.Column("finished_at", _MOMENT),
        # Of a tenant's jobs, the one that was served longest ago is next.
        sa.Column("served_at", _MOMENT, nullable=False, server_default=sa.func.clock_timestamp()),
        sa.CheckConstraint("wish IN ('run', 'pause', 'cancel')", name="job_wish"),
        sa.CheckConstraint(f"least({', '.join(_COUNTS)}) >= 0", name="job_counts"),
    )
    op.create_index("job_tenant_created", "job", ["tenant", "created_at"])
    op.create_index("job_finished", "job", ["finished_at"])
    waiting = sa.text("wish = 'run' AND queued > 0")
    op.create_index("job_waiting", "job", ["tenant", "served_at"], postgresql_where=waiting)
    outstanding = sa.text("key IS NOT NULL AND finished_at IS NULL")
    op.create_index("job_key", "job", ["tenant", "kind", "key"], unique=True, postgresql_where=outstanding)


def _make_items() -> None:
    op.create_table(
        "job_item",
        sa.Column("job_id", sa.Text, sa.ForeignKey("job.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("cost", sa.Integer, nullable=False),
        sa.Column("payload", JSONB, nullable=False),
        sa.Column("state", sa.Text, nullable=False, server_default="queued"),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("losses", sa.Integer, nullable=False, server_default="0"),  # of a worker under it
        sa.Column(
            "delays", sa.Integer, nullable=False, server_default="0"
        ),  # put off since it last ran through
        sa.Column("ready_at", _MOMENT, nullable=False, server_default=sa.func.now()),
        sa.Column("claim", sa.Text),  # the run that may write here
        sa.Column("leased_until", _MOMENT),
        sa.Column("result", JSONB),
        sa.Column("code", sa.Text),
        sa.Column("message", sa.Text),
        sa.Column("started_at", _MOMENT),
        sa.Column("finished_at", _MOMENT),
        sa.UniqueConstraint("job_id", "key", name="job_item_key"),
        sa.CheckConstraint(
            "state IN ('queued', 'running', 'done', 'failed', 'cancelled')", name="job_item_state"
        ),
        sa.CheckConstraint("(state = 'running') = (claim IS NOT NULL)", name="job_item_claim"),
        sa.CheckConstraint("(state = 'running') = (leased_until IS NOT NULL)", name="job_item_lease"),
        sa.CheckConstraint("(state = 'done') = (result IS NOT NULL)", name="job_item_result"),
        sa.CheckConstraint("state <> 'failed' OR code IS NOT NULL", name="job_item_code"),
        sa.CheckConstraint("cost >= 1", name="job_item_cost"),
    )
    for state, columns in (
        ("queued", ["job_id", "ready_at", "number"]),
        ("running", ["leased_until"]),
        ("failed", ["job_id", "number"]),
    ):
        where = sa.text(f"state = '{state}'")
        op.create_index(f"job_item_{state}", "job_item", columns, postgresql_where=where)


def _make_carrier() -> None:
    """Procrastinate's schema, and which version it is of: a later step applies what came after it."""
    cursor = op.get_bind().connection.cursor()
    try:
        cursor.execute(SchemaManager.get_schema())  # as it is: its percent signs are no places for values
        cursor.execute(_TELL)
    finally:
        cursor.close()
    noted = sa.text("INSERT INTO installation (name, value) VALUES ('procrastinate', :version)")
    op.get_bind().execute(noted, {"version": version("procrastinate")})
