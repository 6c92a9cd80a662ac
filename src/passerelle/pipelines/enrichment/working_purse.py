"""`Purse`: what one run of a piece may spend of its job's budget, held before it is asked and settled call by call.

What is spent and what is held never exceed the budget together, however many workers there are: both are looked at
under the job's lock. What a run holds counts while its item runs, so that a lost run holds nothing for ever. A call
that might cost more than is left of the hold is made only once the hold was raised.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.domain.ask import Ask
from passerelle.domain.caller import Caller
from passerelle.domain.catalog import Tenant
from passerelle.domain.errors import Refused
from passerelle.domain.money import pico
from passerelle.jobs.kinds import ItemFailed, Later
from passerelle.pipelines.enrichment.estimating_prices import Answerer, Prices
from passerelle.pipelines.models.asker import Asker
from passerelle.stores.database import Database, Outage

if TYPE_CHECKING:
    from passerelle.gateway.recalled import Given

OVER_BUDGET, UNPRICED = "over_budget", "price_unknown"
_SAID = {
    OVER_BUDGET: "The job's budget would not have held it. Raise the budget, and it is begun.",
    UNPRICED: "What the model costs is no longer known. State its price, or leave the budget out.",
}
_PAUSE = 1.0  # seconds until another run may have given back what it held

_log = structlog.get_logger(__name__)

_LOCK = text("SELECT budget, spent FROM content_job WHERE tenant = :tenant AND id = :job FOR UPDATE")
_OTHERS = text("""
SELECT coalesce(sum(piece.held), 0) FROM content_piece AS piece
    JOIN job_item AS item ON item.job_id = piece.job AND item.key = piece.key AND item.state = 'running'
WHERE piece.tenant = :tenant AND piece.job = :job AND piece.held > 0 AND piece.number <> :number
""")
_BEGIN = text("""
UPDATE content_piece SET held = :held, run = :run WHERE tenant = :tenant AND job = :job AND number = :number
""")
# A run that was lost may have been answered, and nobody knows for how much.
_LOST = text("""
UPDATE content_job SET unpriced = unpriced + 1 WHERE tenant = :tenant AND id = :job AND EXISTS (SELECT
    FROM content_piece WHERE tenant = :tenant AND job = :job AND number = :number AND run IS NOT NULL)
""")
_RAISE = text("""
UPDATE content_piece SET held = held + :held
WHERE tenant = :tenant AND job = :job AND number = :number AND run = :run RETURNING held
""")
_SPEND = text("""
UPDATE content_job SET spent = spent + :cost, unpriced = unpriced + :unpriced WHERE tenant = :tenant AND id = :job
""")
_TAKE = text("""
UPDATE content_piece SET held = greatest(0, held - :cost)
WHERE tenant = :tenant AND job = :job AND number = :number AND run = :run
""")
_END = text("""
UPDATE content_piece SET held = 0, run = NULL
WHERE tenant = :tenant AND job = :job AND number = :number AND run = :run
""")
_HELD = text(
    "SELECT held FROM content_piece WHERE tenant = :tenant AND job = :job AND number = :number AND run = :run"
)


class _Refusal(Refused):
    """A call that the purse does not make."""


class Purse:
    """One run's. `begin` it, ask through `asker`, and `end` it, whatever happens."""

    def __init__(
        self,
        database: Database,
        prices: Prices,
        *,
        tenant: Tenant,
        answerer: Answerer,
        job: str,
        number: int,
    ) -> None:
        self._database = database
        self._prices = prices
        self._tenant = tenant
        self._answerer = answerer
        self._names = {"tenant": tenant.name, "job": job, "number": number, "run": secrets.token_hex(8)}
        self._bounded = False
        self._left = 0  # of the hold
        self._owed: list[tuple[int, int]] = []  # what could not be written down yet
        self._refused: ItemFailed | Later | None = None

    @property
    def refused(self) -> ItemFailed | Later | None:
        """Why it did not make a call, where that has happened."""
        return self._refused

    async def begin(self, most: int | None) -> None:
        """Hold the most that the run is expected to spend; None: nobody knows.

        Raises ItemFailed `over_budget` where the budget would not hold it, and Later while others hold what is left.
        """
        async with self._database.begin() as connection:
            row = (await connection.execute(_LOCK, self._names)).one_or_none()
            if row is None:
                raise _failed("job_deleted", "The job was deleted.")
            self._bounded = row.budget is not None
            if self._bounded:
                await self._fit(connection, int(row.budget) - int(row.spent), most)
                self._left = most or 0
            await connection.execute(_LOST, self._names)
            await connection.execute(_BEGIN, {**self._names, "held": self._left})

    def asker(self, asker: Asker) -> Asker:
        """The same, whose calls are paid out of this."""
        ask = asker.ask

        async def asked(caller: Caller, question: Ask) -> Given:
            return await self._asked(ask, caller, question)

        return replace(asker, ask=asked)

    async def end(self) -> None:
        """Give back what is held and was not spent. What the database does not take now, nobody counts later."""
        try:
            async with self._database.begin() as connection:
                await self.settle(connection)
                await connection.execute(_END, self._names)
        except Outage as error:
            _log.warning("content_hold_not_given_back", error=type(error).__name__)

    async def settle(self, connection: AsyncConnection) -> None:
        """Write down what was spent and could not be written down before."""
        owed, self._owed = self._owed, []
        if not owed:
            return
        try:
            await self._spend(connection, sum(cost for cost, _ in owed), sum(count for _, count in owed))
        except BaseException:
            self._owed = owed + self._owed
            raise

    async def _asked(
        self, ask: Callable[[Caller, Ask], Awaitable[Given]], caller: Caller, question: Ask
    ) -> Given:
        most = 0
        if self._bounded:
            most = await self._room(self._prices.most_asked(self._tenant, self._answerer, question))
        self._left -= most
        spent = 0
        try:
            given = await ask(caller, question)
            cost = _pico_of(given.cost())
            spent = most if cost is None else cost
        finally:
            self._left += most - spent
        self._owed.append((spent, int(cost is None)))
        try:
            async with self._database.begin() as connection:
                await self.settle(connection)
        except Outage as error:
            # It is written with the result, or when the run ends.
            _log.warning("content_spending_not_written", error=type(error).__name__)
        return given

    async def _room(self, most: int | None) -> int:
        """Have the hold hold that much beside what is under way. Raises Refused."""
        if most is None:
            self._refuse(_failed(UNPRICED))
        missing = max(0, (most or 0) - self._left)
        try:
            async with self._database.begin() as connection:
                await self._raise(connection, missing)
        except (ItemFailed, Later) as error:
            self._refuse(error)
        self._left += missing
        return most or 0

    async def _raise(self, connection: AsyncConnection, missing: int) -> None:
        """Raises Later where the hold is no longer this run's: it was given up for lost."""
        if not missing:
            held = (await connection.execute(_HELD, self._names)).scalar()
        else:
            row = (await connection.execute(_LOCK, self._names)).one_or_none()
            held = (await connection.execute(_HELD, self._names)).scalar()
            if row is not None and held is not None and row.budget is not None:
                await self._fit(connection, int(row.budget) - int(row.spent), int(held) + missing)
        if held is None:
            raise Later("Another run has taken the piece over.", code="run_replaced")
        if missing:
            await connection.execute(_RAISE, {**self._names, "held": missing})

    async def _fit(self, connection: AsyncConnection, left: int, most: int | None) -> None:
        """May a run hold that much in all, of what is not spent?"""
        if most is None:
            raise _failed(UNPRICED)
        if most > left:
            raise _failed(OVER_BUDGET)
        others = int((await connection.execute(_OTHERS, self._names)).scalar_one())
        if most > left - others:
            raise Later("What is left of the budget is held by others.", code="budget_held", seconds=_PAUSE)

    async def _spend(self, connection: AsyncConnection, cost: int, unpriced: int) -> None:
        await connection.execute(_SPEND, {**self._names, "cost": cost, "unpriced": unpriced})
        await connection.execute(_TAKE, {**self._names, "cost": cost})

    def _refuse(self, error: ItemFailed | Later) -> None:
        self._refused = error
        raise _Refusal(error.trouble.message, code=error.trouble.code)


def _failed(code: str, message: str = "") -> ItemFailed:
    return ItemFailed(code, message or _SAID[code])


def _pico_of(cost: bytes) -> int | None:
    """An amount and a currency as pico-units; None for `unknown`."""
    try:
        return pico(Decimal(cost.decode("ascii").partition(" ")[0]))
    except (InvalidOperation, ValueError):
        return None
