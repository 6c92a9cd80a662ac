"""Does the ledger add up? Every rule that its entries keep, asked of all of them in one snapshot."""

from __future__ import annotations

from sqlalchemy import text

from passerelle.domain.errors import Unavailable
from passerelle.ledger.drain_rows import MARGIN
from passerelle.stores.database import Database, Outage

_LIMIT = 600_000  # milliseconds; a year of entries may take longer than any other query
_SHOWN = 20  # findings of one rule

# Entries written so soon after a closing may have been in flight beside it: both tell when they began, not ended.
_IN_FLIGHT = "interval '1 minute'"

# Half to even, as `domain.money` rounds: PostgreSQL's own `round` goes away from nought.
_EXCHANGED = (
    """CASE WHEN abs(x.cost - trunc(x.cost)) = 0.5 THEN 2 * round(x.cost * 0.5) ELSE round(x.cost) END"""
)
_OF_A_TRY = """FROM ledger_entries e JOIN ledger_attempts a USING (attempt_id)"""

# What is said of each row found: the rule, then the row's columns in its braces.
_RULES = (
    (
        "The entries in {0} add up to {1} pico-units, not to 0.",
        "SELECT currency, sum(amount_pico) FROM ledger_entries GROUP BY 1 HAVING sum(amount_pico) <> 0",
    ),
    (
        "What is billed in {0} adds up to {1} pico-units, not to 0.",
        "SELECT billed_currency, sum(billed_pico) FROM ledger_entries GROUP BY 1 HAVING sum(billed_pico) <> 0",
    ),
    (
        "The {1} entries of {0} in {2} add up to {3} pico-units, not to 0.",
        """SELECT attempt_id, kind, currency, sum(amount_pico) FROM ledger_entries
           GROUP BY 1, 2, 3 HAVING sum(amount_pico) <> 0""",
    ),
    (
        "What the {1} entries of {0} bill in {2} adds up to {3} pico-units, not to 0.",
        """SELECT attempt_id, kind, billed_currency, sum(billed_pico) FROM ledger_entries
           GROUP BY 1, 2, 3 HAVING sum(billed_pico) <> 0""",
    ),
    (
        "Line {1} of the try {0} has {2} entries beside its margin, not 2.",
        f"""SELECT attempt_id, line, count(*) FILTER (WHERE account NOT LIKE '{MARGIN}%') FROM ledger_entries
            WHERE kind = 'settle' GROUP BY 1, 2 HAVING count(*) FILTER (WHERE account NOT LIKE '{MARGIN}%') <> 2""",  # noqa: S608 - names are ours
    ),
    (
        "Line {1} of the try {0} has {2} entries of its payer {3}, not 1.",
        f"""SELECT attempt_id, line, count(*) FILTER (WHERE account = a.payer), a.payer {_OF_A_TRY}
            WHERE kind = 'settle' GROUP BY 1, 2, 4 HAVING count(*) FILTER (WHERE account = a.payer) <> 1""",
    ),
    (
        "The try {0} has entries and no row of its own.",
        """SELECT DISTINCT attempt_id FROM ledger_entries e WHERE kind = 'settle'
           AND NOT EXISTS (SELECT FROM ledger_attempts a WHERE a.attempt_id = e.attempt_id)""",
    ),
    (
        "The try {0} is {1}'s and has entries of {2}.",
        f"""SELECT DISTINCT attempt_id, a.tenant, e.tenant {_OF_A_TRY}
            WHERE a.tenant <> e.tenant AND e.kind = 'settle'""",
    ),
    (
        "The try {0} has an unknown outcome and {1} entries, not 2.",
        """SELECT a.attempt_id, count(e.id) FROM ledger_attempts a
           LEFT JOIN ledger_entries e ON e.attempt_id = a.attempt_id AND e.kind = 'settle'
           WHERE a.outcome = 'unknown' GROUP BY 1 HAVING count(e.id) <> 2""",
    ),
    (
        "The entry {0} of the try {1} has no price and the amount {2}.",
        """SELECT id, attempt_id, amount_pico FROM ledger_entries
           WHERE certainty = 'unpriced' AND amount_pico <> 0""",
    ),
    (
        "Line {1} of the try {0} has the amount {2} for {3} at the price {4}.",
        f"""SELECT attempt_id, line, amount_pico, quantity, price_id {_OF_A_TRY}
            WHERE kind = 'settle' AND account = a.payer AND certainty <> 'unpriced' AND price_id IS NOT NULL
            AND amount_pico IS DISTINCT FROM quantity * substring(price_id FROM '=([0-9]{{1,37}})$')::numeric""",  # noqa: S608 - names are ours
    ),
    (
        "Line {1} of the try {0} owes {2} for {3} exchanged at {4}, not {5}.",
        f"""SELECT attempt_id, line, billed_pico, amount_pico, fx_rate, {_EXCHANGED} {_OF_A_TRY}
            CROSS JOIN LATERAL (SELECT amount_pico * fx_rate AS cost) x
            WHERE kind = 'settle' AND account <> a.payer AND account NOT LIKE '{MARGIN}%'
            AND billed_currency IS NOT NULL AND billed_pico IS DISTINCT FROM {_EXCHANGED}""",  # noqa: S608 - names are ours
    ),
    (
        "The request {0} was served by {1} tries.",
        # A caller may give several requests one name: each of them has a first try.
        """SELECT request_id, count(*) FILTER (WHERE served) FROM ledger_attempts WHERE request_id <> ''
           GROUP BY 1 HAVING count(*) FILTER (WHERE served) > greatest(count(*) FILTER (WHERE sequence = 1), 1)""",
    ),
    (
        "The entry {0} of {1} is in {2} and was written after {3} was closed.",
        f"""SELECT e.id, e.attempt_id, e.period, max(c.month) FROM ledger_entries e
            JOIN ledger_closings c ON e.period <= c.month AND e.written_at > c.closed_at + {_IN_FLIGHT}
            GROUP BY 1, 2, 3""",  # noqa: S608 - names are ours
    ),
)  # fmt: skip


async def verify(database: Database) -> list[str]:
    """What is wrong, one sentence each, at most twenty of a kind; empty when the ledger adds up.

    Raises Unavailable while the database does not answer.
    """
    found: list[str] = []
    try:
        async with database.begin() as connection:
            await connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
            await connection.execute(text(f"SET LOCAL statement_timeout = {_LIMIT}"))
            for said, query in _RULES:
                wrong = (await connection.execute(text(f"{query} ORDER BY 1 LIMIT {_SHOWN}"))).all()
                found += [said.format(*row) for row in wrong]
    except Outage as error:
        raise Unavailable("The ledger's database does not answer.", code="ledger_unavailable") from error
    return found
