"""The rows of tries made in PostgreSQL of the spool's own JSON: what costs this process much costs it little there.

The rows are those that `drain_rows` makes, for every pair of lines that the spool calls plain.
"""

from __future__ import annotations

from collections.abc import Iterable

from passerelle.ledger.drain_rows import (
    ATTEMPT_COLUMNS,
    CACHED,
    ENTRY_COLUMNS,
    MARGIN,
    SIGHTING_COLUMNS,
    UNKNOWN,
    UNSEEN,
)

_ATTEMPTS = ", ".join(ATTEMPT_COLUMNS)
_ENTRIES = ", ".join(ENTRY_COLUMNS)
_LONGEST_NAME = 250  # characters, as in `drain_rows`
_UNSEEN = ", ".join([f"'{fault}'" for fault in sorted(UNSEEN)])

# Whoever closes a month locks the row and waits for us, or we for them.
_CALENDAR = "calendar AS MATERIALIZED (SELECT time_zone, first_open FROM ledger_calendar FOR SHARE)"
_PERIOD = "greatest(to_char({at} AT TIME ZONE time_zone, 'YYYY-MM'), first_open)"
# The calendar's row is counted because without it nothing would be written, and nobody told.
_COUNTS = (
    "SELECT (SELECT count(*) FROM fresh), (SELECT count(*) FROM posted), (SELECT count(*) FROM calendar)"
)
_NEW_ATTEMPTS = f"""
fresh AS (
    INSERT INTO ledger_attempts ({_ATTEMPTS}) SELECT {_ATTEMPTS} FROM {{source}}
    ON CONFLICT (attempt_id) DO NOTHING RETURNING attempt_id
)"""  # noqa: S608 - names are ours

# Who has seen what a person sent. Rows in one order, so that two processes never wait for each other in a ring.
_SEEN = """
seen AS (
    INSERT INTO subject_sighting AS there (tenant, subject, day, backend, provider, country, calls)
    SELECT tenant, subject, day, backend, provider, country, count(*) FROM {source}
    GROUP BY tenant, subject, day, backend, provider, country
    ORDER BY tenant, subject, day, backend, provider, country
    ON CONFLICT (tenant, subject, day, backend, provider, country)
        DO UPDATE SET calls = there.calls + excluded.calls
    RETURNING 1
)"""

STAGE = (
    *(
        f"CREATE TEMPORARY TABLE IF NOT EXISTS incoming_{table} ON COMMIT DELETE ROWS"  # noqa: S608 - names are ours
        f" AS SELECT {columns} FROM ledger_{table} WITH NO DATA"
        for table, columns in (("attempts", _ATTEMPTS), ("entries", _ENTRIES))
    ),
    "CREATE TEMPORARY TABLE IF NOT EXISTS incoming_sightings (attempt_id text, tenant text, subject text, day date,"
    " backend text, provider text, country text) ON COMMIT DELETE ROWS",
)
COPY_SIGHTINGS = f"COPY incoming_sightings ({', '.join(SIGHTING_COLUMNS)}) FROM STDIN"
COPY_ATTEMPTS = f"COPY incoming_attempts ({_ATTEMPTS}) FROM STDIN"
COPY_ENTRIES = f"COPY incoming_entries ({_ENTRIES}) FROM STDIN"

# A month that this fails for is the calendar's fault and no try's.
CHECK_CALENDAR = "SELECT to_char(now() AT TIME ZONE time_zone, 'YYYY-MM') FROM ledger_calendar FOR SHARE"

# Entries follow their try's row, and so does who has seen it: where that is there already, so are they.
POST_STAGED = f"""
WITH {_CALENDAR}, {_NEW_ATTEMPTS.format(source="incoming_attempts, calendar")}, posted AS (
    INSERT INTO ledger_entries ({_ENTRIES}, period) SELECT {_ENTRIES}, {_PERIOD.format(at="at")}
    FROM incoming_entries, calendar WHERE attempt_id IN (SELECT attempt_id FROM fresh) RETURNING 1
), {_SEEN.format(source="incoming_sightings WHERE attempt_id IN (SELECT attempt_id FROM fresh)")}
{_COUNTS}"""  # noqa: S608 - names are ours

# One parameter: an array of pairs of a beginning and an end. What is there already is left out first, so that nothing
# is looked for again when it is written; should another process write the same meanwhile, this is refused as a whole, and
# done the careful way.
POST_PLAIN = f"""
WITH {_CALENDAR}, incoming AS MATERIALIZED (
    SELECT b.attempt_id, left(b.request_id, {_LONGEST_NAME}) AS request_id, left(b.tenant, {_LONGEST_NAME}) AS tenant,
        b.key_id, b.route, b.model, b.sequence, left(b.backend, {_LONGEST_NAME}) AS backend, b.target, b.country,
        moment.began_at, moment.ended_at, b.catalog, b.tags, e.outcome, e.fault, e.served, e.provider,
        left(e.upstream_id, {_LONGEST_NAME}) AS upstream_id,
        e.usage, e.usage_source, left(e.payer, {_LONGEST_NAME}) AS payer, b.use, b.held AS held_pico, b.held_currency,
        e.first_ms, e.revision, b.evidence, e.lines, e.exchange, b.subject,
        left(coalesce(
            nullif(e.payee, ''),
            'provider:' || coalesce(nullif(e.provider, ''), nullif(b.backend, ''), '{UNKNOWN}') || ':payable'
        ), {_LONGEST_NAME}) AS payee,
        {_PERIOD.format(at="moment.ended_at")} AS period
    FROM calendar, jsonb_array_elements(%s::jsonb) AS pair(events),
        jsonb_to_record(events->0) AS b(
            attempt_id text, request_id text, tenant text, key_id text, route text, model text, sequence integer,
            backend text, target text, country text, at bigint, catalog text, tags jsonb, use text, held numeric,
            held_currency text, subject text, evidence jsonb
        ),
        jsonb_to_record(events->1) AS e(
            at bigint, outcome text, fault text, served boolean, provider text, upstream_id text, usage jsonb,
            usage_source text, payer text, lines jsonb, payee text, exchange jsonb, first_ms integer, revision text
        ),
        LATERAL (SELECT timestamptz 'epoch' + b.at * interval '1 millisecond' AS began_at,
            timestamptz 'epoch' + e.at * interval '1 millisecond' AS ended_at) AS moment
    WHERE NOT EXISTS (SELECT FROM ledger_attempts there WHERE there.attempt_id = b.attempt_id)
), fresh AS (
    INSERT INTO ledger_attempts ({_ATTEMPTS}) SELECT {_ATTEMPTS} FROM incoming RETURNING 1
), posted AS (
    INSERT INTO ledger_entries ({_ENTRIES}, period)
    SELECT attempt_id, each.number, ended_at, tenant, side.account, 'settle', line.meter, line.quantity, line.unit,
        line.price_id, line.currency, side.amount, line.certainty, fx.rate, fx.day, fx.currency,
        CASE WHEN fx.currency IS NOT NULL THEN side.billed END, side.saved, nullif(backend, ''), period
    FROM incoming,
        LATERAL (SELECT (exchange->>'rate')::numeric AS rate, (exchange->>'on')::date AS day,
            exchange->>'currency' AS currency OFFSET 0) AS fx,
        jsonb_array_elements(lines) WITH ORDINALITY AS each(line, number),
        jsonb_to_record(each.line) AS line(
            meter text, quantity numeric, unit text, currency text, amount numeric, certainty text, price_id text,
            cost numeric, billed numeric, saved numeric
        ),
        LATERAL (VALUES
            (payer, line.amount, line.billed, nullif(line.saved, 0)),
            (CASE WHEN payee = payer THEN payee || ':contra' ELSE payee END, -line.amount, -line.cost, NULL),
            ('{MARGIN}', 0, line.cost - line.billed, NULL)
        ) AS side(account, amount, billed, saved)
    WHERE side.account <> '{MARGIN}' OR (fx.currency IS NOT NULL AND side.billed <> 0)
    RETURNING 1
), sightings AS (
    SELECT tenant, subject, (began_at AT TIME ZONE 'UTC')::date AS day, backend,
        left(coalesce(nullif(provider, ''), nullif(backend, ''), '{UNKNOWN}'), {_LONGEST_NAME}) AS provider,
        left(coalesce(country, ''), {_LONGEST_NAME}) AS country
    FROM incoming WHERE subject <> '' AND outcome <> '{CACHED}' AND coalesce(fault, '') NOT IN ({_UNSEEN})
), {_SEEN.format(source="sightings")}
{_COUNTS}"""  # noqa: S608 - names are ours


def paired(pairs: Iterable[tuple[bytes, bytes]]) -> str:
    """The parameter of `POST_PLAIN`. Raises UnicodeDecodeError, which no line of ours gives cause for."""
    return (b"[%b]" % b",".join([b"[%b,%b]" % pair for pair in pairs])).decode()
