"""`cost:` of a backend and of a target: what is taken, and one clear error for what is not."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.domain.prices import Cost, Listed
from tests.unit.routing.files import changed, loaded


def _backend(cost: str) -> str:
    return changed("location: {country: FR, operator: self}}", f"location: {{country: FR}}, cost: {cost}}}")


def _target(cost: str) -> str:
    return changed("rank: 1, weight: 3", f"rank: 1, cost: {cost}")


@pytest.mark.parametrize(
    ("text", "cost"),
    [
        ("{per_hour: 0.76, currency: EUR}", Cost("EUR", per_hour=Decimal("0.76"))),
        ("{per_second: 0.00012, currency: USD}", Cost("USD", per_second=Decimal("0.00012"))),
        (
            "{input_per_million: 0.1, output_per_million: 3, cached_input_per_million: 0.0375, currency: USD}",
            Cost("USD", Decimal("0.1"), Decimal(3), Decimal("0.0375")),
        ),
        ("{per_hour: 1000000, currency: EUR}", Cost("EUR", per_hour=Decimal(1_000_000))),
        ("{per_hour: 1e2, currency: EUR}", Cost("EUR", per_hour=Decimal(100))),
        ("{per_hour: -0.0, currency: EUR}", Cost("EUR", per_hour=Decimal(0))),
    ],
)
def test_a_cost_is_exactly_what_is_written(text: str, cost: Cost) -> None:
    catalog = loaded(_backend(text)).catalog

    assert catalog is not None
    assert catalog.backends["gpu"].cost == cost
    assert str(catalog.backends["gpu"].cost) == str(cost)


@given(st.decimals(0, 1_000_000, places=6), st.decimals(0, 1_000_000, places=6))
def test_any_price_of_six_decimals_is_read_as_it_is_written(into: Decimal, out: Decimal) -> None:
    words = f"{{input_per_million: {into:f}, output_per_million: {out:f}, currency: EUR}}"
    catalog = loaded(_target(words)).catalog

    assert catalog is not None
    assert catalog.models["assistant"].targets[0].cost == Cost("EUR", into, out)


@pytest.mark.parametrize(
    ("cost", "cause", "cure"),
    [
        ("{per_hour: -1, currency: EUR}", "`{}.per_hour` is negative", "0 where it costs nothing"),
        ("{per_hour: 1000001, currency: EUR}", "`{}.per_hour` is more than anything", "at most 1000000"),
        ("{per_hour: 1e300, currency: EUR}", "`{}.per_hour` is more than anything", "at most 1000000"),
        ("{per_hour: '0.76', currency: EUR}", "`{}.per_hour` is not a number", "without quotes"),
        ("{per_hour: true, currency: EUR}", "`{}.per_hour` is not a number", "such as 0.06"),
        ("{per_hour: [1], currency: EUR}", "`{}.per_hour` is not a number", "such as 0.06"),
        ("{per_hour: 1}", "`{}.currency` is missing", "Add `currency:`"),
        ("{per_hour: 1, currency: euro}", "`{}.currency` is not a currency", "EUR"),
        ("{per_hour: 1, currency: 12}", "`{}.currency` is not text", "quotes"),
        ("{currency: EUR}", "`{}` has a currency and no price", "Write per_hour, or"),
        ("{per_hour: 1, per_second: 1, currency: EUR}", "`{}` mixes per_hour and per_second", "one of these"),
        (
            "{per_hour: 1, cached_input_per_million: 1, currency: EUR}",
            "`{}` mixes per_hour and prices of tokens",
            "one of these",
        ),
        ("{input_per_million: 1, currency: EUR}", "`{}` lacks output_per_million", "0 where"),
        (
            "{input_per_million: 0.1234567, output_per_million: 1, currency: EUR}",
            "`{}.input_per_million` has too many decimals",
            "at most 6",
        ),
        ("{per_second: 123456.12345678902, currency: EUR}", "`{}.per_second` has too many digits", "most 15"),
        ("{per_hours: 1, currency: EUR}", "The key 'per_hours' is not known here", "per_hour"),
        ("free", "`{}` is neither auto nor a price", "auto"),
        ("0.76", "`{}` is neither auto nor a price", "per_hour"),
        ("[auto]", "`{}` is neither auto nor a price", "per_hour"),
    ],
)
@pytest.mark.parametrize("where", ["backends.gpu.cost", "models.assistant.targets.0.cost"])
def test_a_cost_that_cannot_be_is_one_error_with_the_way_out(
    where: str, cost: str, cause: str, cure: str
) -> None:
    outcome = loaded(_backend(cost) if where.startswith("backends") else _target(cost))

    assert outcome.exit_code == 2
    assert len(outcome.errors) == 1
    assert cause.format(where) in outcome.errors[0].message
    assert cure in outcome.errors[0].cure
    assert outcome.errors[0].line == (4 if where.startswith("backends") else 12)


@pytest.mark.parametrize("number", [".inf", "-.inf", ".nan", "1e999"])
def test_a_cost_that_is_not_finite_is_refused(number: str) -> None:
    errors = loaded(_backend(f"{{per_hour: {number}, currency: EUR}}")).errors

    assert [error.rule for error in errors] == ["C01"]


def test_a_kind_without_a_list_of_prices_has_no_auto() -> None:
    for text, line in ((_backend("auto"), 4), (_target("auto"), 12)):
        errors = loaded(text).errors
        assert [(error.rule, error.line) for error in errors] == [("C13", line)]
        assert "kind tgi" in errors[0].message


def test_an_hour_is_the_backends_alone() -> None:
    errors = loaded(_target("{per_hour: 1, currency: EUR}")).errors

    assert [(error.rule, error.line) for error in errors] == [("C14", 12)]


def test_a_price_of_images_is_refused_where_none_are_made() -> None:
    for text in (_backend("{per_image: 1, currency: EUR}"), _target("{per_image: 1, currency: EUR}")):
        assert [(error.rule, error.line) for error in loaded(text).errors] == [("C15", 12)]


def test_without_a_word_a_provider_with_a_list_is_asked_and_others_are_not_priced() -> None:
    catalog = loaded(changed("deny: [hub]", "deny: []")).catalog

    assert catalog is not None
    costs = {name: spec.cost for name, spec in catalog.backends.items()}
    assert costs == {"gpu": None, "vllm": None, "hub": Listed.AUTO, "offline": None}
    assert catalog.currency == "EUR"


def test_auto_is_taken_where_there_is_a_list() -> None:
    catalog = loaded(changed("token: env:HF_TOKEN}", "token: env:HF_TOKEN, cost: auto}")).catalog

    assert catalog is not None
    assert catalog.backends["hub"].cost is Listed.AUTO
    assert catalog.backends["hub"].options.model_dump(mode="json")["cost"] == "auto"
