"""The ledger's tables as queries name them; the migrations make them."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Date, DateTime, Integer, MetaData, Numeric, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

_METADATA = MetaData()

ATTEMPTS = Table(
    "ledger_attempts",
    _METADATA,
    Column("attempt_id", Text),
    Column("request_id", Text),
    Column("tenant", Text),
    Column("key_id", Text),
    Column("route", Text),
    Column("model", Text),
    Column("sequence", Integer),
    Column("backend", Text),
    Column("target", Text),
    Column("country", Text),
    Column("began_at", DateTime(timezone=True)),
    Column("ended_at", DateTime(timezone=True)),
    Column("catalog", Text),
    Column("tags", JSONB),
    Column("outcome", Text),
    Column("fault", Text),
    Column("served", Boolean),
    Column("provider", Text),
    Column("upstream_id", Text),
    Column("usage", JSONB),
    Column("usage_source", Text),
    Column("payer", Text),
    Column("use", Text),
    Column("held_pico", Numeric(38, 0)),
    Column("held_currency", Text),
    Column("first_ms", Integer),
    Column("revision", Text),
    Column("evidence", JSONB),
    Column("written_at", DateTime(timezone=True)),
)

ENTRIES = Table(
    "ledger_entries",
    _METADATA,
    Column("id", BigInteger),
    Column("attempt_id", Text),
    Column("line", Integer),
    Column("at", DateTime(timezone=True)),
    Column("tenant", Text),
    Column("account", Text),
    Column("kind", Text),
    Column("meter", Text),
    Column("quantity", Numeric(38, 0)),
    Column("unit", Text),
    Column("price_id", Text),
    Column("currency", Text),
    Column("amount_pico", Numeric(38, 0)),
    Column("certainty", Text),
    Column("fx_rate", Numeric),
    Column("fx_date", Date),
    Column("billed_currency", Text),
    Column("billed_pico", Numeric(38, 0)),
    Column("saved_pico", Numeric(38, 0)),
    Column("period", Text),
    Column("backend", Text),
    Column("reason", Text),
    Column("written_at", DateTime(timezone=True)),
)

CALENDAR = Table(
    "ledger_calendar",
    _METADATA,
    Column("time_zone", Text),
    Column("first_open", Text),
)

CLOSINGS = Table(
    "ledger_closings",
    _METADATA,
    Column("month", Text),
    Column("closed_at", DateTime(timezone=True)),
    Column("totals", JSONB),
    Column("digest", Text),
)

CAPACITY = Table(
    "ledger_capacity",
    _METADATA,
    Column("backend", Text),
    Column("at", DateTime(timezone=True)),
    Column("state", Text),
    Column("replicas", Integer),
    Column("per_hour_pico", Numeric(38, 0)),
    Column("currency", Text),
    Column("price_id", Text),
    Column("payee", Text),
    Column("sharing", JSONB),
)

ALERTS = Table(
    "ledger_alerts",
    _METADATA,
    Column("tenant", Text),
    Column("budget", Text),
    Column("period", Text),
    Column("event", Text),
    Column("at", DateTime(timezone=True)),
)

OUTBOX = Table(
    "ledger_outbox",
    _METADATA,
    Column("event_id", Text),
    Column("webhook", Text),
    Column("event", Text),
    Column("tenant", Text),
    Column("payload", JSONB),
    Column("created_at", DateTime(timezone=True)),
    Column("next_at", DateTime(timezone=True)),
    Column("tries", Integer),
    Column("delivered_at", DateTime(timezone=True)),
    Column("given_up_at", DateTime(timezone=True)),
    Column("problem", Text),
)

RECONCILIATIONS = Table(
    "ledger_reconciliations",
    _METADATA,
    Column("id", Text),
    Column("at", DateTime(timezone=True)),
    Column("provider", Text),
    Column("month", Text),
    Column("currency", Text),
    Column("ours_pico", Numeric(38, 0)),
    Column("theirs_pico", Numeric(38, 0)),
    Column("source", Text),
    Column("source_sha256", Text),
)
