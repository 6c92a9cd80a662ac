"""Looks at budgets every few seconds, at forecasts every hour, and has people told of what is due."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from time import monotonic
from zoneinfo import ZoneInfo

import structlog

from passerelle.domain.calendar import Month
from passerelle.domain.catalog import Catalog
from passerelle.domain.errors import Unavailable
from passerelle.gateway.edition import Editions
from passerelle.ledger.alerts import Alerts, Standing, Unpriced
from passerelle.ledger.budgets import Budgets
from passerelle.ledger.forecast import Forecast, forecast
from passerelle.ledger.hourly import hourly, unpriced
from passerelle.stores.database import Database

_log = structlog.get_logger(__name__)

_HISTORY = timedelta(weeks=8)
_LOOK_SECONDS = 60.0  # at what has no price
_FORECAST_SECONDS = 3600.0


class Alerting:
    """What is spent comes from the budgets in memory, so that nobody waits for the database to hear of it."""

    def __init__(self, database: Database, editions: Editions, budgets: Budgets, alerts: Alerts) -> None:
        self._database = database
        self._editions = editions
        self._budgets = budgets
        self._alerts = alerts
        self._unpriced: list[Unpriced] = []
        self._forecasts: dict[tuple[str, str], Forecast] = {}
        self._look_at = self._forecast_at = float("-inf")

    async def run(self, seconds: float = 5.0) -> None:
        """Check every `seconds` until cancelled; while the database is away, it is checked again later."""
        away = False
        while True:
            try:
                await self.check(datetime.now(UTC))
                away = False
            except Unavailable:
                if not away:
                    _log.warning("alerts_wait")
                away = True
            await asyncio.sleep(seconds)

    async def check(self, now: datetime) -> None:
        """Have everything told that is due now. Raises Unavailable while the database does not answer."""
        catalog = self._editions.catalog
        zone = ZoneInfo(catalog.time_zone)
        month = Month.of(now, zone)
        if monotonic() >= self._look_at:
            self._unpriced = await unpriced(self._database, month)
            self._look_at = monotonic() + _LOOK_SECONDS
        if monotonic() >= self._forecast_at:
            self._forecasts = await self._foresee(catalog, now, month, zone)
            self._forecast_at = monotonic() + _FORECAST_SECONDS
        await self._alerts.check(
            self._standings(catalog, now),
            month,
            currency=catalog.currency,
            forecasts=self._forecasts,
            unpriced=[each for each in self._unpriced if each.tenant in catalog.tenants],
        )

    def _standings(self, catalog: Catalog, now: datetime) -> list[Standing]:
        at = int(now.timestamp() * 1000)
        return [
            Standing(tenant.name, state.name, state.ceiling.amount, state.spent, tenant.budget.alerts)
            for tenant in catalog.tenants.values()
            if tenant.budget is not None
            for state in self._budgets.state(tenant, now=at)
        ]

    async def _foresee(
        self, catalog: Catalog, now: datetime, month: Month, zone: ZoneInfo
    ) -> dict[tuple[str, str], Forecast]:
        wanted = [
            tenant.name
            for tenant in catalog.tenants.values()
            if tenant.budget is not None and tenant.budget.forecast and tenant.budget.tenant is not None
        ]
        if not wanted:
            return {}
        known = await hourly(self._database, since=now - _HISTORY, currency=catalog.currency)

        def foresee(history: Mapping[datetime, int]) -> Forecast:
            return forecast(history, now=now, month=month, zone=zone)

        return {
            (name, "tenant"): await asyncio.to_thread(foresee, known[name])
            for name in wanted
            if known.get(name)
        }
