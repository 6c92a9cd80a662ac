"""Where data has been is told by tenant, month and place; what the cache answered was sent to nobody."""

from __future__ import annotations

from collections.abc import AsyncIterator, MutableMapping
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from passerelle.domain.errors import BadRequest, NotFound
from passerelle.gateway.edition import Editions
from passerelle.http.access import OPERATOR_SCOPE
from passerelle.http.residency import router
from passerelle.ledger.exchange import Exchanger
from passerelle.ledger.reference_rates import packaged_rates
from passerelle.reports.desk import Desk
from passerelle.reports.residency import operators_of
from passerelle.stores.database import Database
from tests.books import pricing
from tests.serving import catalog_of

_NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
_ATTEMPT = text(
    """INSERT INTO ledger_attempts (attempt_id, request_id, tenant, key_id, route, model, sequence, backend, target,
        country, provider, began_at, ended_at, catalog, outcome, served, usage_source, payer)
    VALUES (:id, :id, :tenant, 'k', 'chat', 'm', 1, :backend, 't', :country, :provider, :at, :at, 'c', :outcome, true,
        'provider', 'tenant:acme')"""
)
_CONFIGURATION: dict[str, object] = {
    "operator": {"name": "Formation SAS", "currency": "EUR", "time_zone": "Europe/Paris"},
    "backends": {
        "gpu": {"kind": "openai", "url": "http://gpu:80", "location": {"country": "FR", "operator": "self"}},
        "hub": {"kind": "hf-providers", "provider": "cheapest", "token": "env:HF_TOKEN"},
        "one": {"kind": "hf-providers", "provider": "scaleway", "token": "env:HF_TOKEN"},
    },
    "models": {
        "assistant": {"targets": [{"backend": name, "model": "a/b"} for name in ("gpu", "hub", "one")]}
    },
    "tenants": {"acme": {}, "rival": {}},
}


class _Nothing:
    async def aclose(self) -> None:
        pass


@pytest.fixture
async def desk(database: Database) -> AsyncIterator[Desk]:
    catalog = catalog_of(_CONFIGURATION, environment={"HF_TOKEN": "hf_x"}, models=Path("nowhere"))
    editions = Editions(catalog, lambda _: _Nothing(), pricing)  # type: ignore[arg-type, return-value]
    rates = Exchanger(packaged_rates())
    yield Desk(database, editions, exchanger=lambda: rates, now=lambda: _NOW)
    await editions.aclose()


async def _went(database: Database, *rows: tuple[str, str, str | None, str | None, datetime, str]) -> None:
    async with database.begin() as connection:
        for number, (tenant, backend, provider, country, at, outcome) in enumerate(rows):
            given = {"id": f"a{number}", "tenant": tenant, "backend": backend, "provider": provider}
            await connection.execute(_ATTEMPT, {**given, "country": country, "at": at, "outcome": outcome})


def _at(day: int, hour: int = 12, month: int = 11) -> datetime:
    return datetime(2026, month, day, hour, tzinfo=UTC)


async def test_tries_are_counted_by_place_and_month_of_the_operators_calendar(
    database: Database, desk: Desk
) -> None:
    await _went(
        database,
        ("acme", "gpu", None, "FR", _at(2), "answered"),
        ("acme", "gpu", None, "FR", _at(3), "failed"),
        ("acme", "gpu", None, "FR", _at(31, 23, month=10), "answered"),  # in Paris it is November
        ("acme", "hub", "scaleway", "FR", _at(4), "answered"),
        ("acme", "hub", "scaleway", "FR", _at(5), "cached"),
        ("acme", "hub", "novita", None, _at(30, month=9), "answered"),
        ("rival", "gpu", None, "FR", _at(6), "answered"),
    )

    first, last, rows = await desk.residency("acme", "2026-09", None)

    assert (str(first), str(last)) == ("2026-09", "2026-11")
    assert [(row.month, row.backend, row.provider, row.country, row.calls) for row in rows] == [
        ("2026-09", "hub", "novita", None, 1),
        ("2026-11", "gpu", None, "FR", 3),
        ("2026-11", "hub", "scaleway", "FR", 1),
    ]
    assert (rows[1].first, rows[1].last) == (_at(31, 23, month=10), _at(3))
    assert rows[1].operators == ("self",)
    assert rows[2].operators == ("Hugging Face, Inc.", "Scaleway SAS")
    assert {row.tenant for row in (await desk.residency(None, None, None))[2]} == {"acme", "rival"}


async def test_months_and_tenants_that_cannot_be_are_refused(desk: Desk) -> None:
    with pytest.raises(NotFound, match="no tenant"):
        await desk.residency("nobody", None, None)
    with pytest.raises(BadRequest, match="comes after"):
        await desk.residency(None, "2026-11", "2026-10")
    assert (await desk.residency(None, "2020-01", "2020-02"))[2] == ()


async def test_everybody_behind_a_backend_is_named(desk: Desk) -> None:
    catalog = desk._editions.catalog

    assert operators_of(catalog, "one", "scaleway") == ("Hugging Face, Inc.", "Scaleway SAS")
    assert operators_of(catalog, "hub", "nobody") == ("Hugging Face, Inc.",)
    assert operators_of(catalog, "gone", None) == ()


async def test_the_route_tells_the_operator(database: Database, desk: Desk) -> None:
    await _went(database, ("acme", "gpu", None, "FR", _at(2), "answered"))
    app = FastAPI()
    app.include_router(router)
    app.state.services = SimpleNamespace(money=SimpleNamespace(desk=desk))

    async def as_operator(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        await app({**scope, OPERATOR_SCOPE: True}, receive, send)

    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(as_operator), base_url="http://here"
    ) as client:
        told = (await client.get("/admin/residency", params={"tenant": "acme"})).json()

    assert (told["object"], told["since"], told["until"]) == ("residency", "2026-11", "2026-11")
    assert [(row["country"], row["calls"], row["operators"]) for row in told["rows"]] == [("FR", 1, ["self"])]
