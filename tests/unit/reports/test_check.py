"""Of any ledger, the report adds up in every way and a straightforward recomputation finds the same figures."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from sqlalchemy import text

from passerelle.domain.billing import Budget, Ceiling, Tax
from passerelle.domain.calendar import Month
from passerelle.domain.errors import Unavailable
from passerelle.ledger.book import verify
from passerelle.reports.build import build
from passerelle.reports.check import recompute
from passerelle.reports.document import DIMENSIONS, Report
from passerelle.reports.read import read
from passerelle.stores.database import Database
from tests.ledger_month import PARIS, TENANTS, make_hours, make_month, write_hours, write_month
from tests.unit.reports.months import NOW, built, corrections, hardly_possible

_MARCH, _OCTOBER = Month(2026, 3), Month(2026, 10)  # a day of 23 hours, one of 25


async def report(database: Database, month: Month, tenant: str | None = "client-a", **other: Any) -> Report:
    rows = await read(database, tenant=tenant, month=month, zone=PARIS)
    known: dict[str, Any] = {
        "operator": "Formation SAS", "currency": "EUR", "zone": PARIS, "now": NOW, "closed": True, "tags": ("course",),
    }  # fmt: skip
    return build(rows, tenant=tenant, month=month, **(known | other))


@pytest.mark.parametrize(
    ("seed", "month"), [(1, _MARCH), (2, _OCTOBER), (3, Month(2026, 12)), (4, Month(2028, 2))]
)
async def test_any_ledger_adds_up_in_every_way_and_twice(database: Database, seed: int, month: Month) -> None:
    random = Random(seed)
    events = make_month(seed, month, requests=150)
    before = make_month(seed, month.previous, requests=20)
    await write_month(database, [*before, *(hardly_possible(random, events) if seed % 2 else events)])
    await write_hours(database, [*make_hours(events, month), *corrections(random, month, TENANTS)])

    if seed % 2 == 0:
        assert await verify(database) == []
    whole = [await report(database, month, tenant) for tenant in (*TENANTS, None)]
    for each in whole:
        assert set(DIMENSIONS) <= set(each.by)
        for parts in each.by.values():
            assert sum(part.billed for part in parts) == each.totals.billed
            assert sum(part.cost for part in parts) == each.totals.cost
            assert sum(part.requests for part in parts) >= each.totals.requests
        assert sum(day.billed for day in each.days) == each.totals.billed
        assert sum(day.requests for day in each.days) == each.totals.requests
        assert await recompute(database, each) == []
    assert sum(each.totals.billed for each in whole[:-1]) == whole[-1].totals.billed
    assert sum(each.totals.requests for each in whole) == 300


async def test_a_figure_that_was_tampered_with_is_found(database: Database) -> None:
    events = make_month(7, _OCTOBER, requests=60)
    await write_month(database, events)
    await write_hours(database, make_hours(events, _OCTOBER))
    budget = Budget("EUR", Ceiling(10**15), {"key_a1": Ceiling(1)}, {"assistant": Ceiling(1)})
    good = await report(database, _OCTOBER, budget=budget, tax=Tax("TVA", Decimal(20)))
    part, day, hours, price = good.by["model"][0], good.days[5], good.hours[0], good.prices[0]

    assert await recompute(database, good) == []
    for wrong, named in (
        (replace(good, totals=replace(good.totals, billed=good.totals.billed + 1)), "totals.billed"),
        (replace(good, totals=replace(good.totals, failed_tries=99)), "totals.failed_tries"),
        (replace(good, by={**good.by, "model": good.by["model"][1:]}), f"by.model.{part.name}.billed"),
        (replace(good, days=(*good.days[:5], replace(day, requests=77), *good.days[6:])), f"days.{day.day}"),
        (replace(good, hours=(replace(hours, share=1), *good.hours[1:])), f"hours.{hours.backend}.share"),
        (replace(good, prices=(replace(price, amount=1), *good.prices[1:])), f"prices.{price.price_id}"),
        (replace(good, budget=(replace(good.budget[0], spent=1), *good.budget[1:])), "budget.tenant"),
        (replace(good, corrections=1), "corrections"),
    ):
        found = await recompute(database, wrong)
        assert [said for said in found if said.startswith(named)], named


async def test_what_passerelle_asks_itself_is_no_request_but_is_paid(database: Database) -> None:
    events = make_month(9, _OCTOBER, requests=120)
    uses = ("cache-embed", "cache-judge", "cache-shadow", "moderation")
    ours = [
        (replace(began, use=uses[i % 4], key_id=f"internal:{uses[i % 4]}"), ended)
        for i, (began, ended) in enumerate(events)
        if i % 3 == 0
    ]
    callers = [event for i, event in enumerate(events) if i % 3]
    await write_month(database, [*ours, *callers])

    whole = [await report(database, _OCTOBER, tenant) for tenant in (*TENANTS, None)]

    for each in whole:
        by_use = {part.name: part for part in each.by["use"]}
        assert await recompute(database, each) == []
        assert each.totals.requests == sum(part.requests for part in by_use.values())
        assert not any(by_use[use].requests for use in uses if use in by_use)
        of_cache = [part.billed for name, part in by_use.items() if name.startswith("cache-")]
        assert each.totals.cache_cost == sum(of_cache)
        assert each.totals.saved_net == each.totals.saved - sum(of_cache)
    everything = whole[-1].totals
    assert everything.requests == sum(ended.served for _, ended in callers)
    assert everything.tries == len(callers)
    assert everything.cache_cost == sum(each.totals.cache_cost for each in whole[:-1]) > 0
    wrong = replace(whole[-1], totals=replace(everything, cache_cost=everything.cache_cost + 1))
    assert [said.split()[0] for said in await recompute(database, wrong)] == ["totals.cache_cost"]


async def test_what_is_written_down_after_its_month_was_closed_is_in_the_next_on_its_first_day(
    database: Database,
) -> None:
    async with database.begin() as connection:
        await connection.execute(text("UPDATE ledger_calendar SET first_open = '2026-11'"))
    await write_month(database, make_month(5, _OCTOBER, requests=40))

    october, november = await report(database, _OCTOBER), await report(database, _OCTOBER.next)

    assert october.totals.billed == 0
    assert november.totals.billed == november.days[0].billed > 0
    assert await recompute(database, october) == await recompute(database, november) == []


async def test_the_last_moment_of_a_month_in_paris_is_of_that_month(database: Database) -> None:
    events = make_month(6, _OCTOBER, requests=2)
    await write_month(database, events)

    first, last = await report(database, _OCTOBER, None), await report(database, _OCTOBER.next, None)

    assert first.totals.requests == 2
    assert first.days[0].requests == first.days[-1].requests == 1
    assert last.totals.tries == 0


async def test_a_month_without_anything_is_a_report_of_noughts(database: Database) -> None:
    empty = await report(database, _OCTOBER, "nobody")

    assert (empty.totals.billed, empty.totals.requests, len(empty.days)) == (0, 0, 31)
    assert await recompute(database, empty) == []


async def test_a_database_that_is_away_is_said_so() -> None:
    away = Database("postgresql://nobody@127.0.0.1:1/none")
    try:
        with pytest.raises(Unavailable):
            await read(away, tenant=None, month=_OCTOBER, zone=PARIS)
        with pytest.raises(Unavailable):
            await recompute(away, built())
    finally:
        await away.aclose()
