"""The queries of a report. `{mine:e}` and `{mine:a}` narrow entries and tries to one tenant, or to none in particular."""

from __future__ import annotations

from passerelle.domain.caller import INTERNAL

# Whose account it is. What an engine or a provider is owed is the other side of everything.
_SIDE = r"""CASE
        WHEN e.account LIKE 'provider:%' OR e.account = 'operator:capacity' OR e.account LIKE '%\:contra' THEN 'payee'
        WHEN e.account LIKE 'tenant:%' THEN 'tenant' WHEN e.account = 'operator:margin' THEN 'margin'
        ELSE 'operator' END"""
_PAYER = (
    """CASE WHEN a.payer IS NULL THEN '' WHEN a.payer LIKE 'tenant:%' THEN 'tenant' ELSE 'operator' END"""
)
_INPUT = "'input', 'cached_input', 'cache_write', 'audio_input'"
_OUTPUT = "'output', 'reasoning', 'audio_output'"
_ASKED = f"a.key_id NOT LIKE '{INTERNAL}%'"  # a caller's own request
_MOST_VALUES = 200  # of one tag; the others are put together

# By what entries are grouped: a row's columns and the SQL of each, all of them text or nothing.
_KEYS = {
    "kind": "e.kind",
    "side": _SIDE,
    "payer": _PAYER,
    "served": "coalesce(a.served, false)::text",
    "tenant": "e.tenant",
    "model": "coalesce(a.model, '')",
    "backend": "coalesce(a.backend, e.backend, '')",
    "target": "coalesce(a.target, '')",
    "provider": "coalesce(a.provider, '')",
    "country": "coalesce(a.country, '')",
    "meter": "e.meter",
    "unit": "e.unit",
    "use": "coalesce(a.use, '')",
    "key_id": "coalesce(a.key_id, '')",
    "certainty": "e.certainty",
    "price_id": "e.price_id",
    "currency": "e.currency",
    "fx_rate": "e.fx_rate::text",
    "fx_date": "e.fx_date::text",
    "billed_currency": "e.billed_currency",
}
GROUP_KEYS = tuple(_KEYS)

# One array to group by, out of the planner's sight: it takes twenty columns to be different in every row, and would
# sort all of them instead of hashing.
GROUPS = f"""
SELECT keys, count(*) AS lines, sum(quantity) AS quantity, sum(amount_pico) AS amount, sum(billed_pico) AS billed,
    sum(saved_pico) AS saved, max(rate_age) AS rate_age
FROM (
    SELECT ARRAY[{", ".join(_KEYS.values())}] AS keys, e.quantity, e.amount_pico, e.billed_pico, e.saved_pico,
        (e.at AT TIME ZONE 'UTC')::date - e.fx_date AS rate_age
    FROM ledger_entries e LEFT JOIN ledger_attempts a ON e.kind = 'settle' AND a.attempt_id = e.attempt_id
    WHERE e.period = :month {{mine:e}} OFFSET 0
) AS keyed GROUP BY keys
"""  # noqa: S608 - all of it is ours

# The month's tries: those whose entries are in it, and those without an entry that ended in it.
_TRIES = """
WITH settled AS (
    SELECT e.attempt_id,
        bool_or(e.certainty = 'unpriced' OR (e.billed_pico IS NULL AND e.amount_pico <> 0)) AS unpriced,
        coalesce(sum(e.saved_pico), 0) > 0 AS saves
    FROM ledger_entries e WHERE e.period = :month AND e.kind = 'settle' {mine:e} GROUP BY 1
), tries AS (
    SELECT a.*, s.unpriced, s.saves FROM settled s JOIN ledger_attempts a USING (attempt_id)
    UNION ALL
    SELECT a.*, false, false FROM ledger_attempts a
    WHERE a.ended_at >= :begins AND a.ended_at < :ends {mine:a} AND NOT EXISTS (
        SELECT FROM ledger_entries e WHERE e.attempt_id = a.attempt_id AND e.kind = 'settle'
            AND e.at >= :begins AND e.at < :ends)
)
"""

TRIES = f"""{_TRIES}
SELECT tenant, model, backend, target, coalesce(provider, '') AS provider, coalesce(country, '') AS country, use,
    key_id, served, count(*) AS tries, count(*) FILTER (WHERE unpriced) AS unpriced,
    count(*) FILTER (WHERE outcome = 'cached' OR saves) AS cached,
    count(*) FILTER (WHERE outcome = 'unknown') AS unknown
FROM tries GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9
"""  # noqa: S608 - all of it is ours

SERVED_DAYS = f"""{_TRIES}
SELECT greatest((ended_at AT TIME ZONE CAST(:zone AS text))::date, CAST(:first AS date)) AS day, count(*) AS requests
FROM tries a WHERE served AND {_ASKED} GROUP BY 1
"""  # noqa: S608 - all of it is ours

SPEEDS = f"""{_TRIES}
SELECT backend, target, coalesce(provider, '') AS provider, count(*) AS served,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY first_ms) AS median,
    percentile_cont(0.95) WITHIN GROUP (ORDER BY first_ms) AS p95
FROM tries WHERE served AND first_ms IS NOT NULL GROUP BY 1, 2, 3
"""  # noqa: S608 - all of it is ours

DAYS = """
SELECT greatest((e.at AT TIME ZONE CAST(:zone AS text))::date, CAST(:first AS date)) AS day, sum(e.billed_pico) AS billed
FROM ledger_entries e WHERE e.period = :month AND e.account LIKE 'tenant:%' {mine:e} GROUP BY 1
"""

HOURS = """
SELECT date_trunc('hour', e.at, CAST(:zone AS text)) AS hour, e.kind, sum(e.billed_pico) AS billed
FROM ledger_entries e
WHERE e.at >= :since AND e.at < :ends AND e.account LIKE 'tenant:%' {mine:e} GROUP BY 1, 2 ORDER BY 1, 2
"""

TAGS = f"""
WITH per_try AS (
    SELECT e.attempt_id,
        sum(e.billed_pico) FILTER (WHERE e.account LIKE 'tenant:%') AS billed,
        sum(e.billed_pico) FILTER (WHERE {_SIDE} <> 'payee') AS cost,
        sum(e.quantity) FILTER (WHERE {_SIDE} <> 'payee' AND {_SIDE} <> 'margin' AND e.meter IN ({_INPUT})) AS read,
        sum(e.quantity) FILTER (WHERE {_SIDE} <> 'payee' AND {_SIDE} <> 'margin' AND e.meter IN ({_OUTPUT})) AS made
    FROM ledger_entries e WHERE e.period = :month AND e.kind = 'settle' {{mine:e}} GROUP BY 1
), valued AS (
    SELECT tag.key AS name, tag.value, count(*) FILTER (WHERE a.served AND {_ASKED}) AS requests,
        sum(t.read) FILTER (WHERE a.served) AS input_tokens, sum(t.made) FILTER (WHERE a.served) AS output_tokens,
        sum(t.cost) FILTER (WHERE {{named}} = '' OR a.payer LIKE 'tenant:%') AS cost, sum(t.billed) AS billed
    FROM per_try t JOIN ledger_attempts a USING (attempt_id)
        CROSS JOIN LATERAL jsonb_each_text(CASE WHEN jsonb_typeof(a.tags) = 'object' THEN a.tags END) AS tag
    GROUP BY 1, 2
), ranked AS (
    SELECT *, row_number() OVER (PARTITION BY name ORDER BY coalesce(billed, 0) DESC, requests DESC, value) AS place
    FROM valued
)
SELECT name, CASE WHEN place <= {_MOST_VALUES} THEN value END AS value, sum(requests) AS requests,
    sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens, sum(cost) AS cost, sum(billed) AS billed
FROM ranked GROUP BY 1, 2
"""  # noqa: S608 - all of it is ours

# The whole hours of which the month's tenants have a share, whoever bears the rest.
CAPACITY = """
SELECT coalesce(e.backend, '') AS backend, e.account, e.tenant, e.meter,
    coalesce(e.reason = 'idle', false) AS idle, count(DISTINCT e.attempt_id) AS hours,
    coalesce(sum(abs(e.quantity)) FILTER (WHERE e.unit = 'milliseconds'), 0) AS milliseconds,
    coalesce(sum(e.billed_pico), 0) AS billed
FROM ledger_entries e WHERE e.period = :month AND e.kind = 'allocate' GROUP BY 1, 2, 3, 4, 5
"""

SHARING = """
SELECT DISTINCT ON (backend) backend, sharing FROM ledger_capacity WHERE at < :ends ORDER BY backend, at DESC
"""
