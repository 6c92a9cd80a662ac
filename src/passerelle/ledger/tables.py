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
    Column("written_at", DateTime(timezone=True)),
)
