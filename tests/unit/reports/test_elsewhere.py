"""The same month elsewhere: only what the policy permits, at prices that are known, and from when an hour pays."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest

from passerelle.backends.registry import kinds
from passerelle.domain.ask import Needs
from passerelle.domain.catalog import Catalog, Target, Tenant
from passerelle.domain.facts import Facts, Host, Known, Price
from passerelle.domain.money import PICO, pico
from passerelle.gateway.pricing import Pricing
from passerelle.ledger.exchange import Exchanger, Rate
from passerelle.ledger.prices import PriceBook
from passerelle.ledger.quotes import Quote
from passerelle.ledger.reference_rates import packaged_rates
from passerelle.reports.document import BreakEven, Elsewhere
from passerelle.reports.elsewhere import Market, elsewhere
from passerelle.reports.rows import BilledHour, Group, Rows, Speed
from passerelle.routing.load import load
from passerelle.routing.plan import make_plan
from tests.unit.reports.months import group, tries

BEGINS = datetime(2026, 10, 1, tzinfo=UTC)
QWEN = "Qwen/Qwen3-8B"
LEFT = {"price_id": "gpu/hour:input@1=0", "amount": 0, "billed": 0}


def _configuration(**tenant: Any) -> dict[str, Any]:
    own = {"location": {"country": "FR", "operator": "self"}}
    return {
        "version": 1,
        "operator": {"name": "Formation", "currency": "EUR"},
        "backends": {
            "gpu": {
                "kind": "vllm",
                "url": "http://gpu:1",
                "cost": {"per_hour": 0.8, "currency": "USD"},
                **own,
            },
            "endpoint": {
                "kind": "hf-endpoint",
                "endpoint": "formation/qwen",
                "token": "env:HF_TOKEN",
                "location": {"country": "IE"},
                "cost": {"per_hour": 1, "currency": "USD"},
            },
            "cloud": {
                "kind": "openai",
                "url": "http://cloud:1",
                "location": {"country": "US", "operator": "Cloud"},
                "cost": {"input_per_million": 0.11, "output_per_million": 0.11, "currency": "USD"},
            },
            "quiet": {"kind": "openai", "url": "http://quiet:1", **own},
            "hub": {"kind": "hf-providers", "provider": "cheapest", "token": "env:HF_TOKEN"},
            "offline": {"kind": "builtin"},
        },
        "models": {
            "assistant": {
                "targets": [
                    {"backend": name, "model": QWEN} for name in ("gpu", "endpoint", "cloud", "quiet", "hub")
                ]
                + [{"backend": "offline", "model": "extractive", "degraded": True}]
            }
        },
        "policies": {"eu-only": {"countries": ["EEA"]}},
        "tenants": {"client-a": tenant},
    }


def _catalog(**tenant: Any) -> Catalog:
    options = {name: kind.options for name, kind in kinds(Path("models")).items()}
    text = orjson.dumps(_configuration(**tenant)).decode()
    loaded = load(text, kinds=options, environment={"HF_TOKEN": "hf_test"})
    assert loaded.catalog is not None, loaded.errors
    return loaded.catalog


def _market(catalog: Catalog, *, rate: Rate | None = None) -> Market:
    options: Any = catalog.backends["hub"].options
    hosts = tuple(
        Host(name, options.party(name), Facts(price=price), latency=0.5)
        for name, price in (
            ("novita", Price("USD", Decimal("0.02"), Decimal("0.05"))),
            ("scaleway", Price("USD", Decimal("0.2"), Decimal("0.2"))),
        )
    )
    known = {("hub", QWEN): Known(hosts=hosts)}
    pricing = Pricing(
        catalog, PriceBook(currency="EUR", version=catalog.version), Exchanger(packaged_rates())
    )

    def plan(tenant: Tenant, model: str, needs: Needs) -> Any:
        return make_plan(catalog, tenant, catalog.models[model], needs, known=known)

    def quote(target: Target, provider: str | None) -> Quote:
        said = known.get((target.backend, target.model))
        return pricing.quote(target, known=said, at=BEGINS if said else None, provider=provider)

    return Market(catalog, plan, quote, lambda _: rate or Rate("1"), known)


def _rows(*more: Group, tokens: int = 1_000_000, **other: Any) -> Rows:
    read = group(target=QWEN, backend="gpu", provider="self", quantity=tokens * 3 // 4, **LEFT)
    written = replace(read, meter="output", quantity=tokens // 4)
    plain = Rows(groups=(read, written, *more), tries=(tries(backend="gpu", target=QWEN, tries=100),))
    return replace(plain, **other)


def _found(
    rows: Rows | None = None,
    *,
    hours: int = 100,
    rate: Rate | None = None,
    catalog: Catalog | None = None,
) -> tuple[dict[tuple[str, str | None], Elsewhere], tuple[BreakEven, ...]]:
    catalog = catalog or _catalog()
    places, breaks = elsewhere(
        rows or _rows(),
        tenant=catalog.tenants["client-a"],
        begins=BEGINS,
        until=BEGINS + timedelta(hours=hours),
        market=_market(catalog, rate=rate),
    )
    return {(each.backend, each.provider): each for each in places}, breaks


def test_a_place_that_the_policy_forbids_is_never_shown() -> None:
    everywhere, _ = _found()
    allowed, breaks = _found(catalog=_catalog(policy="eu-only"))
    assert {name for name, _ in everywhere} == {"gpu", "endpoint", "cloud", "quiet", "hub"}
    assert set(allowed) == {
        ("gpu", None),
        ("endpoint", None),
        ("quiet", None),
    }  # the Hub's router is not in the EU
    assert breaks == ()  # nothing that is paid by the token is left to compare with


def test_a_place_that_the_tenant_denies_is_never_shown() -> None:
    found, _ = _found(catalog=_catalog(backends={"deny": ["cloud"]}))
    assert ("cloud", None) not in found


def test_what_answers_by_extracts_is_no_place() -> None:
    found, _ = _found(catalog=_catalog(degraded=True))
    assert "offline" not in {name for name, _ in found}


def test_an_unknown_price_is_none_and_comes_last() -> None:
    found, _ = _found()
    assert found["quiet", None].cost is None
    assert (found["quiet", None].price, list(found)[-1]) == ("?", ("quiet", None))


def test_an_unknown_rate_of_exchange_is_an_unknown_cost() -> None:
    catalog = _catalog()
    market = replace(_market(catalog), rate=lambda _: None)
    places, breaks = elsewhere(
        _rows(), tenant=catalog.tenants["client-a"], begins=BEGINS, until=BEGINS, market=market
    )
    assert {place.cost for place in places} == {None}
    assert breaks == ()


def test_tokens_are_priced_by_their_kind_and_a_router_by_each_of_its_providers() -> None:
    found, _ = _found()
    assert found["cloud", None].cost == pico(Decimal("0.11"))
    assert found["hub", "novita"].cost == pico(
        Decimal("0.75") * Decimal("0.02") + Decimal("0.25") * Decimal("0.05")
    )
    assert found["hub", "scaleway"].cost == pico(Decimal("0.2"))
    assert found["hub", "scaleway"].price == "0.2 / 0.2 USD/Mtok"
    assert found["hub", "scaleway"].kind == "provider"
    assert found["hub", "novita"].listed_first_token_ms == 500


def test_a_cost_in_another_currency_is_exchanged() -> None:
    found, _ = _found(rate=Rate("0.5"))
    assert found["cloud", None].cost == pico(Decimal("0.055"))


def test_an_hour_is_paid_by_day_and_night_and_an_endpoint_that_sleeps_when_it_is_asked() -> None:
    asked = tuple(
        BilledHour(BEGINS + timedelta(hours=hour), "settle", 1) for hour in (-30, 1, 5, 9)
    )  # the first of them is of the month before
    found, _ = _found(_rows(hours=asked), hours=100)
    assert found["gpu", None].cost == 80 * PICO
    assert (found["gpu", None].kind, found["gpu", None].price) == ("own", "0.8 USD/h")
    assert found["endpoint", None].cost == 3 * PICO
    assert found["endpoint", None].kind == "endpoint"


def test_where_it_ran_is_here() -> None:
    found, _ = _found()
    assert [place for place, each in found.items() if each.here] == [("gpu", None)]
    served = group(backend="hub", target=QWEN, provider="scaleway", quantity=9_000_000)
    found, _ = _found(_rows(served))
    assert [place for place, each in found.items() if each.here] == [("hub", "scaleway")]


def test_the_time_to_the_first_token_is_the_one_measured_there() -> None:
    speeds = (
        Speed("gpu", QWEN, "self", served=9, median_ms=84, p95_ms=200),
        Speed("hub", QWEN, "novita", served=9, median_ms=910, p95_ms=2000),
    )
    found, _ = _found(_rows(speeds=speeds))
    assert found["gpu", None].first_token_ms == 84
    assert found["hub", "novita"].first_token_ms == 910
    assert found["hub", "scaleway"].first_token_ms is None
    assert found["cloud", None].first_token_ms is None


def test_what_the_cache_answered_would_have_cost_nothing_elsewhere_either() -> None:
    hit = group(target=QWEN, backend="gpu", price_id=None, quantity=5_000_000, amount=0, billed=0, saved=9)
    assert _found(_rows(hit))[0]["cloud", None].cost == _found()[0]["cloud", None].cost


# cost-gdpr.md, 3.3: dollars an hour, dollars for a million tokens, tokens a second.
@pytest.mark.parametrize(
    ("hourly", "million", "level"),
    [
        ("0.80", "0.11", "2020"), ("0.80", "0.05", "4444"), ("1.00", "0.40", "694"), ("1.80", "0.74", "676"),
        ("2.50", "0.20", "3472"), ("5.00", "1.04", "1335"),
    ],
)  # fmt: skip
def test_an_hour_pays_from_so_many_tokens_a_second(hourly: str, million: str, level: str) -> None:
    configuration = _configuration(backends={"deny": ["hub", "endpoint"]})
    configuration["backends"]["gpu"]["cost"]["per_hour"] = float(hourly)
    cloud = {"input_per_million": float(million), "output_per_million": float(million), "currency": "USD"}
    configuration["backends"]["cloud"]["cost"] = cloud
    options = {name: kind.options for name, kind in kinds(Path("models")).items()}
    catalog = load(
        orjson.dumps(configuration).decode(), kinds=options, environment={"HF_TOKEN": "hf_test"}
    ).catalog
    _, (even,) = _found(_rows(tokens=3_600_000), catalog=catalog, hours=10)
    assert abs(even.tokens_per_second - Decimal(level)) <= Decimal("0.5")
    assert even.actual_tokens_per_second == 100
    assert (even.hourly, even.tokens, even.model) == (f"gpu/{QWEN}", f"cloud/{QWEN}", "assistant")


def test_hours_are_compared_with_the_cheapest_that_is_paid_by_the_token() -> None:
    _, breaks = _found()
    assert [even.hourly for even in breaks] == [f"gpu/{QWEN}", f"endpoint/{QWEN}"]
    assert {even.tokens for even in breaks} == {f"hub/{QWEN} (novita)"}


def test_nothing_served_is_nothing_to_compare() -> None:
    assert _found(Rows()) == ({}, ())
    assert _found(Rows(groups=(group(model="gone", target=QWEN),), tries=(tries(model="gone"),))) == ({}, ())
