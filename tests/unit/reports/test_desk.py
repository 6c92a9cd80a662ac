"""The desk refuses what it cannot report in one clear error, and gives a month as it stood at one moment."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest
from sqlalchemy import text

from passerelle.domain.errors import BadRequest, NotFound, Unavailable
from passerelle.gateway.edition import Editions
from passerelle.ledger.exchange import Exchanger
from passerelle.ledger.reference_rates import packaged_rates
from passerelle.reports.desk import Desk, Form
from passerelle.stores.database import Database
from tests.books import pricing
from tests.ledger_month import PARIS, TENANTS, make_month, write_month
from tests.serving import catalog_of
from tests.unit.reports.months import OCTOBER

_NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
_FORMS: list[Form] = ["json", "csv", "html", "xlsx", "focus"]


class _Nothing:
    async def aclose(self) -> None:
        pass


def _catalog(**operator: Any) -> Any:
    configuration = {
        "operator": {"name": "Formation SAS", "currency": "EUR", "time_zone": "Europe/Paris", **operator},
        "backends": {"offline": {"kind": "builtin"}},
        "models": {"assistant": {"targets": [{"backend": "offline", "model": "extractive"}]}},
        "tenants": {**{key: {} for key in TENANTS}, "client-b": {"resale": {"markup_percent": 15}}},
    }
    return catalog_of(configuration, environment={}, models=Path("unused"))


@pytest.fixture
async def editions() -> AsyncIterator[Editions]:
    made = Editions(_catalog(), lambda _: _Nothing(), pricing)  # type: ignore[arg-type, return-value]
    yield made
    await made.aclose()


def _desk(database: Database, editions: Editions, *, now: datetime = _NOW) -> Desk:
    rates = Exchanger(packaged_rates())
    return Desk(database, editions, exchanger=lambda: rates, now=lambda: now)


async def _page(desk: Desk, tenant: str | None, month: str | None, form: Form, **other: Any) -> bytes:
    return (await desk.page(tenant, month, form=form, language="en", version="1.4", **other)).content


async def test_the_month_that_is_meant_is_the_one_on_the_operators_calendar(
    database: Database, editions: Editions
) -> None:
    late = datetime(2026, 11, 30, 23, 30, tzinfo=UTC)  # in Paris it is December

    assert (await _desk(database, editions, now=late).report(None, None)).month == "2026-12"
    assert (await _desk(database, editions, now=late).report(None, "2026-12")).month == "2026-12"
    with pytest.raises(BadRequest, match="2027-01 has not begun"):
        await _desk(database, editions, now=late).report(None, "2027-01")


async def test_an_empty_ledger_has_this_month_and_no_other(database: Database, editions: Editions) -> None:
    desk = _desk(database, editions)

    assert (await desk.report("client-a", None)).totals.requests == 0
    for form in _FORMS:
        with pytest.raises(NotFound, match="nothing of 2026-10: it is empty") as refused:
            await _page(desk, "client-a", "2026-10", form)
        assert refused.value.param == "month"


@pytest.mark.parametrize("form", _FORMS)
async def test_every_form_refuses_what_cannot_be_reported(
    database: Database, editions: Editions, form: Form
) -> None:
    await write_month(database, make_month(3, OCTOBER, requests=5))
    desk = _desk(database, editions)

    for tenant in ("nobody", "", "x" * 5000):
        with pytest.raises(NotFound, match="There is no tenant") as unknown:
            await _page(desk, tenant, None, form)
        assert len(str(unknown.value)) < 200
    for month in ("2026-13", "nov", "", "2026-1", "2026-10-01", "٢٠٢٦-١٠"):
        with pytest.raises(BadRequest):
            await _page(desk, None, month, form)
    with pytest.raises(NotFound, match="it begins in 2026-10"):
        await _page(desk, None, "2026-09", form)
    with pytest.raises(BadRequest, match="has not begun"):
        await _page(desk, None, "2026-12", form)


async def test_a_page_for_the_tenant_holds_no_cost_of_the_operators_where_it_has_terms(
    database: Database, editions: Editions
) -> None:
    await write_month(database, make_month(3, OCTOBER, requests=60))
    desk = _desk(database, editions)

    ours = orjson.loads(await _page(desk, "client-b", "2026-10", "json"))
    theirs = orjson.loads(await _page(desk, "client-b", "2026-10", "json", to_tenant=True))

    assert ours["total"]["amount"] == theirs["total"]["amount"] == theirs["total"]["cost"]
    assert ours["total"]["cost"] != theirs["total"]["cost"]
    assert ours["prices"]
    assert theirs["prices"] == []
    plain = [
        orjson.loads(await _page(desk, "client-a", "2026-10", "json", to_tenant=to)) for to in (True, False)
    ]
    assert plain[0]["prices"] == plain[1]["prices"] != []


async def test_every_report_of_a_month_is_what_its_entries_give(
    database: Database, editions: Editions
) -> None:
    await write_month(database, make_month(3, OCTOBER, requests=60))
    desk = _desk(database, editions)

    for tenant in (*TENANTS, None):
        report, wrong = await desk.verify(tenant, "2026-10")
        assert wrong == []
        assert report.totals.requests > 0


async def test_months_that_were_billed_in_another_currency_are_told_and_not_added_up(
    database: Database, editions: Editions
) -> None:
    await write_month(database, make_month(3, OCTOBER, requests=5))
    editions.publish(_catalog(currency="USD"))

    with pytest.raises(BadRequest, match="billed in EUR, not in USD"):
        await _desk(database, editions).report(None, "2026-10")


async def test_a_closed_month_is_said_to_be_closed(database: Database, editions: Editions) -> None:
    await write_month(database, make_month(3, OCTOBER, requests=5))
    desk = _desk(database, editions)
    assert not (await desk.report(None, "2026-10")).closed

    async with database.begin() as connection:
        await connection.execute(text("UPDATE ledger_calendar SET first_open = '2026-11'"))
    assert (await desk.report(None, "2026-10")).closed
    assert not (await desk.report(None, "2026-11")).closed
    assert ZoneInfo((await desk.report(None, None)).time_zone) == PARIS


async def test_a_database_that_is_away_is_an_outage(editions: Editions) -> None:
    away = Database("postgresql+psycopg://nobody@/none?host=/nowhere")
    try:
        for form in ("json", "focus"):
            with pytest.raises(Unavailable):
                await _page(_desk(away, editions), None, None, form)
    finally:
        await away.aclose()
