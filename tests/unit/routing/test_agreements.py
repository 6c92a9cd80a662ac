"""What is said about money in the file leads somewhere, is in one currency, and is enforced; else it is refused."""

from __future__ import annotations

from decimal import Decimal

import pytest

from passerelle.domain.billing import Idle, OnExceed
from passerelle.domain.money import PICO
from tests.unit.routing.files import SMALL, changed, loaded

_KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def _found(text: str, **environment: str) -> dict[str, str]:
    """Errors and warnings by their rule."""
    outcome = loaded(text, environment=environment)
    return {each.rule: f"{each.message} {each.cure}" for each in outcome.findings if each.severity != "info"}


def _tenant(words: str) -> str:
    return changed("demo: ", f"demo: {words}", SMALL)


def _backend(words: str) -> str:
    return changed("{kind: builtin}", "{kind: vllm, url: 'http://gpu:8000', " + words + "}", SMALL)


def test_what_is_agreed_is_a_value_of_the_tenant() -> None:
    words = (
        "{budget: {amount: 20.5, on_exceed: notify, keys: {laptop: {amount: 1, on_exceed: block}}},"
        " resale: {markup_percent: 12.5}, tax: {name: TVA, percent: 20}, tags: [project]}"
    )
    catalog = loaded(_tenant(words)).catalog
    assert catalog is not None
    tenant = catalog.tenants["demo"]
    assert tenant.budget is not None
    assert tenant.budget.tenant is not None
    assert (tenant.budget.tenant.amount, tenant.budget.tenant.on_exceed) == (
        205 * PICO // 10,
        OnExceed.NOTIFY,
    )
    assert tenant.budget.keys["laptop"].on_exceed is OnExceed.BLOCK
    assert tenant.terms is not None
    assert tenant.terms.markup == Decimal("12.5")
    assert tenant.tax is not None
    assert (tenant.tags, tenant.tax.name) == (("project",), "TVA")


def test_defaults_hold_for_tenants_that_say_nothing() -> None:
    catalog = loaded(SMALL + "defaults: {budget: {amount: 7}}\n").catalog
    assert catalog is not None
    budget = catalog.tenants["demo"].budget
    assert budget is not None
    assert budget.tenant is not None
    assert budget.tenant.amount == 7 * PICO


@pytest.mark.parametrize(
    ("text", "rule", "said"),
    [
        (_tenant("{budget: {amount: 1, currency: USD}}"), "C31", "The budget is in USD"),
        (
            _tenant(
                "{resale: {prices: {assistant: {input_per_million: 1, output_per_million: 1, currency: USD}}}}"
            ),
            "C31",
            "The price is in USD",
        ),
        (_tenant("{budget: {models: {asistant: {amount: 1}}}}"), "C20", "Did you mean assistant?"),
        (
            SMALL + "webhooks: {ops: {url: 'http://ops.example', secret: env:HOOK}}\n",
            "C32",
            "can be read on its way",
        ),
        (SMALL + "webhooks: {ops: {url: 'https://ops.example', secret: env:NONE}}\n", "C10", "switched off"),
        (
            SMALL + "webhooks: {ops: {url: 'https://ops.example', secret: env:SHORT}}\n",
            "C34",
            "24 to 512 bytes",
        ),
        (
            SMALL
            + "webhooks: {ops: {url: 'https://o.example', secret: env:HOOK, events: [budget.treshold]}}\n",
            "C20",
            "budget.threshold",
        ),
        (
            SMALL + "webhooks: {ops: {url: 'https://o.example', secret: env:HOOK, tenants: [other]}}\n",
            "C20",
            "no tenant 'other'",
        ),
        (_backend("capacity: {idle: users}"), "C35", "no hours to share"),
        (_backend("power: {watts: 350}"), "C36", "not paid by the hour"),
        (
            _backend("cost: {per_hour: 1, currency: EUR}, capacity: {idle: {other: 1}}"),
            "C20",
            "no tenant 'other'",
        ),
    ],
)
def test_what_leads_nowhere_is_refused_with_the_way_out(text: str, rule: str, said: str) -> None:
    assert said in _found(text, HOOK=_KEY, SHORT="too-short")[rule]


def test_no_secret_is_quoted() -> None:
    found = _found(
        SMALL + "webhooks: {ops: {url: 'https://ops.example', secret: env:SHORT}}\n", SHORT="hunter2"
    )
    assert "hunter2" not in str(found)


def test_prices_for_some_models_only_are_warned_of() -> None:
    text = changed(
        "models: {assistant: {targets: [{backend: offline, model: extractive}]}}",
        "models: {assistant: {targets: [{backend: offline, model: extractive}]},"
        " other: {targets: [{backend: offline, model: extractive}]}}",
        _tenant(
            "{resale: {prices: {assistant: {input_per_million: 1, output_per_million: 1, currency: EUR}}}}"
        ),
    )
    assert "some of its models only" in _found(text)["C37"]


def test_how_hours_are_shared_is_a_value_of_the_backend() -> None:
    words = "cost: {per_hour: 1, currency: EUR}, capacity: {weights: {output: 2.5}, idle: {demo: 3}}, power: {watts: 350}"
    catalog = loaded(_backend(words)).catalog
    assert catalog is not None
    spec = catalog.backends["offline"]
    assert (spec.sharing.idle, spec.sharing.shares, spec.sharing.weights) == (
        Idle.FIXED,
        {"demo": 3},
        {"output": Decimal("2.5")},
    )
    assert spec.power is not None
    assert spec.power.watts == 350
