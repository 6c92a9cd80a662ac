"""Does the ledger add up? Every rule that its entries keep, asked of all of them in one snapshot."""

from __future__ import annotations

from sqlalchemy import text

from passerelle.domain.errors import Unavailable
from passerelle.stores.database import Database, Outage

_LIMIT = 600_000  # milliseconds; a year of entries may take longer than any other query
_SHOWN = 20  # findings of one rule

# What is said of each row found: the rule, then the row's columns in its braces.
_RULES = (
    (
        "The entries in {0} add up to {1} pico-units, not to 0.",
        "SELECT currency, sum(amount_pico) FROM ledger_entries GROUP BY 1 HAVING sum(amount_pico) <> 0",
    ),
    (
        "The {1} entries of {0} in {2} add up to {3} pico-units, not to 0.",
        """SELECT attempt_id, kind, currency, sum(amount_pico) FROM ledger_entries
           GROUP BY 1, 2, 3 HAVING sum(amount_pico) <> 0""",
    ),
    (
        "Line {1} of the try {0} has {2} entries, not 2.",
        """SELECT attempt_id, line, count(*) FROM ledger_entries WHERE kind = 'settle'
           GROUP BY 1, 2 HAVING count(*) <> 2""",
    ),
    (
        "The try {0} has entries and no row of its own.",
        """SELECT DISTINCT attempt_id FROM ledger_entries e WHERE kind = 'settle'
           AND NOT EXISTS (SELECT FROM ledger_attempts a WHERE a.attempt_id = e.attempt_id)""",
    ),
    (
        "The try {0} is {1}'s and has entries of {2}.",
        """SELECT DISTINCT a.attempt_id, a.tenant, e.tenant FROM ledger_attempts a
           JOIN ledger_entries e USING (attempt_id) WHERE a.tenant <> e.tenant AND e.kind = 'settle'""",
    ),
    (
        "The try {0} has an unknown outcome and no entry.",
        """SELECT attempt_id FROM ledger_attempts a WHERE outcome = 'unknown'
           AND NOT EXISTS (SELECT FROM ledger_entries e WHERE e.attempt_id = a.attempt_id)""",
    ),
    (
        "The entry {0} of the try {1} has no price and the amount {2}.",
        """SELECT id, attempt_id, amount_pico FROM ledger_entries
           WHERE certainty = 'unpriced' AND amount_pico <> 0""",
    ),
    (
        "The request {0} was served by {1} tries.",
        """SELECT request_id, count(*) FROM ledger_attempts WHERE served AND request_id <> ''
           GROUP BY 1 HAVING count(*) > 1""",
    ),
)


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
