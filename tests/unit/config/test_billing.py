"""The words about money mean what is written, or say in one sentence what to write instead."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from passerelle.config.billing import (
    BudgetFields,
    CapacityFields,
    PowerFields,
    ResaleFields,
    Tags,
    TaxFields,
    TimeZone,
    WebhookFields,
)
from passerelle.domain.billing import Budget, Ceiling, Idle, OnExceed, Power, Sharing, Tax, Terms, Webhook
from passerelle.domain.money import PICO
from passerelle.domain.prices import Cost

NAN, INFINITE = float("nan"), float("inf")
TAGS: TypeAdapter[list[str]] = TypeAdapter(Tags)
ZONE: TypeAdapter[str] = TypeAdapter(TimeZone)
HOOK: dict[str, Any] = {"url": "https://finance.example.com/hooks", "secret": "env:HOOK"}
TOKENS = {"input_per_million": 0.2, "output_per_million": 0.6, "currency": "EUR"}


def read(model: type[BaseModel] | TypeAdapter[Any], written: Any) -> Any:
    return (model if isinstance(model, TypeAdapter) else TypeAdapter(model)).validate_python(written)


def refusal(model: type[BaseModel] | TypeAdapter[Any], written: Any) -> str:
    """What is said of the first thing that is wrong."""
    with pytest.raises(ValidationError) as caught:
        read(model, written)
    return str(caught.value.errors()[0]["msg"])


def test_a_budget_is_read_as_it_is_written() -> None:
    written = {
        "amount": 200,
        "currency": "EUR",
        "period": "month",
        "on_exceed": "notify",
        "alerts": [100, 50, 80],
        "forecast": False,
        "keys": {"laptop": {"amount": 0.1}},
        "models": {"assistant": {"amount": 20, "on_exceed": "block"}},
    }
    budget = read(BudgetFields, written)
    assert budget.currency == "EUR"
    assert budget.value() == Budget(
        "EUR",
        Ceiling(200 * PICO, OnExceed.NOTIFY),
        {"laptop": Ceiling(PICO // 10, OnExceed.NOTIFY)},
        {"assistant": Ceiling(20 * PICO, OnExceed.BLOCK)},
        alerts=(50, 80, 100),
        forecast=False,
    )


def test_the_smallest_budget_blocks_warns_and_is_in_the_operator_s_currency() -> None:
    budget = read(BudgetFields, {"amount": 5})
    assert budget.currency is None
    assert budget.value("CHF") == Budget("CHF", Ceiling(5 * PICO), {}, {}, (50, 80, 100), forecast=True)
    assert read(BudgetFields, {"models": {"assistant": {"amount": 0}}}).value().tenant is None
    assert read(BudgetFields, {"amount": 5, "alerts": []}).value().alerts == ()


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ({}, "bounds nothing; write an amount"),
        ({"currency": "EUR", "alerts": [50]}, "bounds nothing"),
        ({"amount": -1}, "is negative"),
        ({"amount": NAN}, "is more than anything costs"),
        ({"amount": INFINITE}, "is more than anything costs"),
        ({"amount": 1_000_001}, "is more than anything costs"),
        ({"amount": "200"}, "is not a number"),
        ({"amount": True}, "is not a number"),
        ({"amount": 1e-13}, "too many decimals"),
        ({"amount": Decimal("0.1234567890123")}, "too many decimals"),
        ({"amount": 5, "currency": "€"}, "is not a currency"),
        ({"amount": 5, "period": "week"}, "'month'"),
        ({"amount": 5, "on_exceed": "stop"}, "'block' or 'notify'"),
        ({"amount": 5, "alerts": [50, 80, 50]}, "names 50 twice; write each once"),
        ({"amount": 5, "alerts": [0]}, "is not a threshold; write whole percents"),
        ({"amount": 5, "alerts": [1001]}, "is not a threshold"),
        ({"amount": 5, "alerts": [-50]}, "is not a threshold"),
        ({"amount": 5, "alerts": [50.5]}, "is not a threshold"),
        ({"amount": 5, "alerts": [True]}, "is not a threshold"),
        ({"amount": 5, "alerts": 50}, "list"),
        ({"amount": 5, "alerts": list(range(1, 30))}, "at most 20"),
        ({"amount": 5, "forecast": "yes"}, "boolean"),
        ({"amount": 5, "keys": {"": {"amount": 1}}}, "is not a name"),
        ({"amount": 5, "keys": {"lap\ntop": {"amount": 1}}}, "is not a name"),
        ({"amount": 5, "keys": {"laptop": {}}}, "required"),
        ({"amount": 5, "models": {"assistant": {"amount": -1}}}, "is negative"),
        ({"amount": 5, "limit": 7}, "not permitted"),
    ],
)
def test_a_budget_that_cannot_be_meant_is_refused(written: dict[str, Any], said: str) -> None:
    assert said in refusal(BudgetFields, written)


def test_a_markup_or_prices_of_its_own_are_what_a_tenant_is_charged() -> None:
    assert read(ResaleFields, {"markup_percent": 12.5}).value() == Terms(Decimal("12.5"))
    own = read(
        ResaleFields,
        {"markup_percent": 0, "prices": {"assistant": TOKENS, "art": {"per_image": 1, "currency": "USD"}}},
    )
    assert own.value() == Terms(
        Decimal(0),
        {
            "assistant": Cost("EUR", Decimal("0.2"), Decimal("0.6")),
            "art": Cost("USD", per_image=Decimal(1)),
        },
    )


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ({}, "says nothing; write markup_percent or prices"),
        ({"markup_percent": -5}, "is out of range; write a number from 0 to 10000"),
        ({"markup_percent": 10_001}, "is out of range"),
        ({"markup_percent": NAN}, "is out of range"),
        ({"markup_percent": INFINITE}, "is out of range"),
        ({"markup_percent": "20%"}, "is not a number"),
        ({"markup_percent": 0.00001}, "too many decimals; write at most 4"),
        ({"prices": {"assistant": {"per_hour": 1, "currency": "EUR"}}}, "is a price per hour"),
        ({"prices": {"assistant": "auto"}}, "is no price; write {input_per_million"),
        ({"prices": {"assistant": 3}}, "is no price"),
        ({"prices": {"assistant": TOKENS | {"input_per_million": -1}}}, "is negative"),
        ({"prices": {"assistant": TOKENS | {"per_image": 1}}}, "mixes"),
        ({"prices": {"assistant": {"input_per_million": 1, "currency": "EUR"}}}, "lacks output_per_million"),
        ({"prices": {"": TOKENS}}, "is not a name"),
    ],
)
def test_terms_that_cannot_be_meant_are_refused(written: dict[str, Any], said: str) -> None:
    assert said in refusal(ResaleFields, written)


def test_a_tax_has_a_name_and_a_rate() -> None:
    assert read(TaxFields, {"name": "TVA", "percent": 5.5}).value() == Tax("TVA", Decimal("5.5"))
    assert read(TaxFields, {"name": "VAT", "percent": 0}).value() == Tax("VAT", Decimal(0))


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ({"percent": 20}, "required"),
        ({"name": "", "percent": 20}, "is not a name"),
        ({"name": "T\x1b[0mVA", "percent": 20}, "is not a name"),
        ({"name": "TVA", "percent": 101}, "is out of range; write a number from 0 to 100"),
        ({"name": "TVA", "percent": -0.1}, "is out of range"),
        ({"name": "TVA", "percent": "20"}, "is not a number"),
    ],
)
def test_a_tax_that_cannot_be_meant_is_refused(written: dict[str, Any], said: str) -> None:
    assert said in refusal(TaxFields, written)


@pytest.mark.parametrize(
    "written", [[], ["project", "team"], ["cost-centre.fr", "hostname", "project_name", "step_2"]]
)
def test_tags_are_names_of_what_is_paid_for(written: list[str]) -> None:
    assert read(TAGS, written) == written


@pytest.mark.parametrize(
    "name",
    [
        "user", "user_id", "user-name", "email", "e-mail", "e_mail", "contact.email", "name", "first_name", "full-name",
        "phone", "phone_number", "customer_email", "ip", "iban", "nir", "nom", "e.mail.s",
    ],
)  # fmt: skip
def test_a_tag_that_promises_personal_data_is_refused_with_the_reason(name: str) -> None:
    assert "promises personal data, which no report may hold" in refusal(TAGS, [name])


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (["Project"], "is not a tag; use at most 64 of a-z"),
        (["é"], "is not a tag"),
        ([""], "is not a tag"),
        (["a" * 65], "is not a tag"),
        (["a b"], "is not a tag"),
        (["team\n"], "is not a tag"),
        (["team", "project", "team"], "names team twice"),
        ([f"tag{n}" for n in range(9)], "names 9 tags; write at most 8"),
        ("team", "list"),
        ([1], "string"),
    ],
)
def test_tags_that_cannot_be_meant_are_refused(written: Any, said: str) -> None:
    assert said in refusal(TAGS, written)


def test_capacity_is_shared_by_weights_and_idle_time_borne_by_somebody() -> None:
    weights = {"input": 1, "cached_input": 0.1, "output": 4}
    exact = {"input": Decimal(1), "cached_input": Decimal("0.1"), "output": Decimal(4)}
    assert read(CapacityFields, {}).value() == Sharing()
    assert read(CapacityFields, {"weights": weights, "idle": "users"}).value() == Sharing(exact, Idle.USERS)
    assert read(CapacityFields, {"weights": {"cached_input": 0}}).value() == Sharing(
        {"cached_input": Decimal(0)}
    )
    shares = {"client-a": 2, "client-b": 1}
    assert read(CapacityFields, {"idle": shares}).value() == Sharing({}, Idle.FIXED, shares)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (
            {"weights": {"prompt": 1}},
            "weighs prompt, which is no kind of token; there are input, cached_input",
        ),
        ({"weights": {"input": -1}}, "is out of range"),
        ({"weights": {"input": 1001}}, "is out of range"),
        ({"weights": {"input": NAN}}, "is out of range"),
        ({"weights": {"output": 0.0000001}}, "too many decimals"),
        ({"weights": {"input": 0, "output": 0}}, "weighs neither input nor output"),
        ({"idle": "nobody"}, "is not who bears idle time; write operator, users, or shares"),
        ({"idle": "fixed"}, "is not who bears idle time"),
        ({"idle": {}}, "is not who bears idle time"),
        ({"idle": None}, "is not who bears idle time"),
        ({"idle": ["client-a"]}, "is not who bears idle time"),
        ({"idle": {"client-a": 0}}, "gives client-a no share"),
        ({"idle": {"client-a": 1.5}}, "gives client-a no share"),
        ({"idle": {"client-a": True}}, "gives client-a no share"),
        ({"idle": {"client-a": 10**7}}, "gives client-a no share"),
        ({"idle": {"": 1}}, "has no name"),
        ({"idle": {1: 1}}, "has no name"),
    ],
)
def test_capacity_that_cannot_be_meant_is_refused(written: dict[str, Any], said: str) -> None:
    assert said in refusal(CapacityFields, written)


def test_power_is_watts_and_what_the_room_adds() -> None:
    assert read(PowerFields, {"watts": 350.5, "pue": 1.2}).value() == Power(Decimal("350.5"), Decimal("1.2"))
    assert read(PowerFields, {"watts": 350}).value() == Power(Decimal(350))


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ({}, "required"),
        ({"watts": 0}, "draws nothing"),
        ({"watts": -350}, "is out of range"),
        ({"watts": 1_000_001}, "is out of range"),
        ({"watts": INFINITE}, "is out of range"),
        ({"watts": 1, "pue": 0.9}, "is out of range; write a number from 1 to 5"),
        ({"watts": 1, "pue": 120}, "is out of range"),
        ({"watts": 1, "pue": 1.23456}, "too many decimals"),
    ],
)
def test_power_that_cannot_be_meant_is_refused(written: dict[str, Any], said: str) -> None:
    assert said in refusal(PowerFields, written)


def test_a_webhook_is_told_of_everything_or_of_what_it_asks_for() -> None:
    hook = read(WebhookFields, HOOK)
    assert hook.secrets() == {"secret": "env:HOOK"}
    assert not hook.plain
    assert hook.value("finance", "s3cret") == Webhook("finance", HOOK["url"], "s3cret")
    some = read(
        WebhookFields,
        HOOK | {"url": "http://hooks:8080/a/", "events": ["budget.threshold"], "tenants": ["client-a"]},
    )
    assert some.plain
    assert some.value("finance", "s3cret") == Webhook(
        "finance", "http://hooks:8080/a/", "s3cret", frozenset({"budget.threshold"}), frozenset({"client-a"})
    )


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ({"url": HOOK["url"]}, "required"),
        (HOOK | {"secret": "hunter2"}, "holds no reference to a secret"),
        (HOOK | {"url": "ftp://host/x"}, "is not the URL of a webhook"),
        (HOOK | {"url": "https://me:pw@host/x"}, "is not the URL of a webhook"),
        (HOOK | {"url": "https://host/x?key=1"}, "is not the URL of a webhook"),
        (HOOK | {"url": "https://host/x\n"}, "is not the URL of a webhook"),
        (HOOK | {"url": "https://"}, "is not the URL of a webhook"),
        (HOOK | {"url": "https://host:99999/x"}, "is not the URL of a webhook"),
        (HOOK | {"url": "https://[::1/x"}, "is not the URL of a webhook"),
        (HOOK | {"events": ["Budget"]}, "is not an event"),
        (HOOK | {"events": ["a", "a"]}, "names a twice"),
        (HOOK | {"tenants": []}, "at least 1"),
        (HOOK | {"tenants": ["a", "a"]}, "names a twice"),
        (HOOK | {"retries": 3}, "not permitted"),
    ],
)
def test_a_webhook_that_cannot_be_meant_is_refused(written: dict[str, Any], said: str) -> None:
    message = refusal(WebhookFields, written)
    assert said in message
    assert "hunter2" not in message
    assert "pw@" not in message


@pytest.mark.parametrize("name", ["Europe/Paris", "UTC", "America/Argentina/Buenos_Aires"])
def test_a_time_zone_is_one_of_the_database(name: str) -> None:
    assert read(ZONE, name) == name


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Paris", "did you mean Europe/Paris?"),
        ("Europe/paris", "did you mean Europe/Paris?"),
        ("Amerika/New York", "did you mean America/New_York?"),
        ("CEST", "write a name such as Europe/Paris, or UTC"),
        ("Europe", "is no time zone"),
        ("", "is no time zone"),
        ("../etc/passwd", "is no time zone"),
        ("/etc/localtime", "is no time zone"),
        ("right/Europe/Paris", "did you mean Europe/Paris?"),
        ("localtime", "is no time zone"),
        ("a\0b", "is no time zone"),
        ("é" * 300, "is no time zone"),
    ],
)
def test_what_is_no_time_zone_is_refused_with_a_near_one(name: str, said: str) -> None:
    assert said in refusal(ZONE, name)


@pytest.mark.parametrize(
    "model", [BudgetFields, ResaleFields, TaxFields, PowerFields, CapacityFields, WebhookFields, TAGS, ZONE]
)
def test_every_word_has_a_schema_for_editors(model: type[BaseModel] | TypeAdapter[Any]) -> None:
    schema = (model if isinstance(model, TypeAdapter) else TypeAdapter(model)).json_schema()
    assert schema.get("additionalProperties") is False or schema["type"] in ("array", "string")
    for name, told in schema.get("properties", {}).items():
        assert told.get("description"), name
