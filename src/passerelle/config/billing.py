"""The words about money beside prices: budgets, resale, tax, tags, shared capacity, power, webhooks, time zones."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, WrapValidator, model_validator
from pydantic import ValidatorFunctionWrapHandler as Reader

from passerelle.config.base import URL, SecretReference, Strict, is_url, matching, written
from passerelle.config.cost import Amount, CostFields, Currency
from passerelle.config.parties import PartyFields
from passerelle.domain.billing import Budget, Ceiling, Idle, OnExceed, Power, Sharing, Tax, Terms, Webhook
from passerelle.domain.ledger import TokenKind
from passerelle.domain.money import pico
from passerelle.domain.people import is_about_people
from passerelle.domain.prices import Basis

_MOST_TAGS = 8
_TAG = r"^[a-z0-9_.-]{1,64}$"
_EVENT = r"^[a-z][a-z0-9_]*(\.[a-z0-9_]+)*$"
_LABEL = r"^[^\x00-\x1f\x7f]{1,200}$"
_DIRECTORIES = ("posix/", "right/")  # copies of the database; the second counts leap seconds
_NOWHERE = frozenset({"localtime", "posixrules", "Factory"})


def _exact(value: Any, *, most: int, places: int, least: int = 0) -> Decimal:
    """A number that means what is written, within bounds."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise ValueError("is not a number; write one such as 20, without quotes or a sign")  # noqa: TRY004 - pydantic reports these alone
    number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    if not number.is_finite() or not least <= number <= most:
        raise ValueError(f"is out of range; write a number from {least} to {most}")
    number = abs(number).normalize()  # of a -0 too
    exponent = int(number.as_tuple().exponent)
    if -exponent > places:
        raise ValueError(f"has too many decimals; write at most {places}")
    return number.quantize(Decimal(1)) if exponent > 0 else number


def _number(most: int, places: int, least: int = 0) -> Any:
    return BeforeValidator(lambda value: _exact(value, most=most, places=places, least=least))


def _from(least: int, most: int) -> WithJsonSchema:
    return WithJsonSchema({"type": "number", "minimum": least, "maximum": most})


def _once(values: Sequence[Any]) -> Sequence[Any]:
    twice = sorted({str(value) for value in values if values.count(value) > 1})
    if twice:
        raise ValueError(f"names {' and '.join(twice)} twice; write each once")
    return values


def _threshold(value: Any) -> Any:
    if type(value) is not int or not 1 <= value <= 1000:
        raise ValueError("is not a threshold; write whole percents of the amount, from 1 to 1000, such as 80")
    return value


def _tag(value: str) -> str:
    if not re.fullmatch(_TAG, value):
        raise ValueError("is not a tag; use at most 64 of a-z, 0-9, _ . and -")
    if is_about_people(value):
        raise ValueError(
            "promises personal data, which no report may hold; name what is paid for, such as project or team"
        )
    return value


def _tags(values: list[str]) -> list[str]:
    if len(values) > _MOST_TAGS:
        raise ValueError(f"names {len(values)} tags; write at most {_MOST_TAGS}")
    _once(values)
    return values


def _hook_url(value: str) -> str:
    if not is_url(value):
        raise ValueError(
            "is not the URL of a webhook; write https://host[:port][/path], without query or credentials"
        )
    return value


def _zone(value: str) -> str:
    try:
        if value.startswith(_DIRECTORIES) or value in _NOWHERE:
            raise ZoneInfoNotFoundError(value)
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # no name of a file, or one of a folder
        city = value.rpartition("/")[2].strip().replace(" ", "_").lower()
        near = sorted(name for name in available_timezones() if name.rpartition("/")[2].lower() == city)
        cure = f"did you mean {near[0]}?" if near else "write a name such as Europe/Paris, or UTC"
        raise ValueError(f"is no time zone; {cure}") from None
    return value


Label = Annotated[
    str, matching(_LABEL, "is not a name; use 1 to 200 characters, all of them visible"), written(_LABEL)
]
Event = Annotated[
    str, matching(_EVENT, "is not an event; write a name such as budget.threshold"), written(_EVENT)
]
HookUrl = Annotated[str, AfterValidator(_hook_url), written(URL)]
Markup = Annotated[Decimal, _number(10_000, 4), _from(0, 10_000)]
Percent = Annotated[Decimal, _number(100, 4), _from(0, 100)]
Watts = Annotated[Decimal, _number(1_000_000, 3), _from(0, 1_000_000)]
Pue = Annotated[Decimal, _number(5, 4, 1), _from(1, 5)]
Weight = Annotated[Decimal, _number(1000, 6), _from(0, 1000)]
Threshold = Annotated[
    int,
    BeforeValidator(_threshold),
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": 1000}),
]
TagName = Annotated[str, AfterValidator(_tag), written(_TAG)]
Tags = Annotated[
    list[TagName],
    AfterValidator(_tags),
    Field(json_schema_extra={"maxItems": _MOST_TAGS, "uniqueItems": True}),
]
TimeZone = Annotated[str, AfterValidator(_zone), WithJsonSchema({"type": "string", "minLength": 1})]
OnExceedWord = Literal["block", "notify"]


class CeilingFields(Strict):
    """What may be charged in a calendar month, for one key or model."""

    amount: Amount = Field(description="The most that is charged in a month.", examples=[20])
    on_exceed: OnExceedWord | None = Field(
        default=None, description="`block` or `notify`; what the budget itself says, if unsaid."
    )

    def value(self, otherwise: OnExceed) -> Ceiling:
        """The frozen value."""
        return Ceiling(pico(self.amount), OnExceed(self.on_exceed) if self.on_exceed else otherwise)


class BudgetFields(Strict):
    """What a tenant may spend in a calendar month of the operator's time zone: in all, by one key, on one model."""

    amount: Amount | None = Field(
        default=None, description="The most that the tenant is charged in a month.", examples=[200]
    )
    currency: Currency | None = Field(
        default=None, description="The operator's currency, which is meant if unsaid.", examples=["EUR"]
    )
    period: Literal["month"] = Field(default="month", description="A calendar month.")
    on_exceed: OnExceedWord = Field(
        default="block",
        description="`block`: a call that there is no money left for is refused; `notify`: people are told.",
    )
    alerts: Annotated[list[Threshold], AfterValidator(_once)] = Field(
        default=[50, 80, 100],
        max_length=20,
        description="People are told when so many percent of an amount are spent.",
    )
    forecast: bool = Field(
        default=True, description="Tell people too when the month's forecast passes an amount."
    )
    keys: dict[Label, CeilingFields] = Field(
        default_factory=dict, description="By id or name of a key.", examples=[{"laptop": {"amount": 20}}]
    )
    models: dict[Label, CeilingFields] = Field(
        default_factory=dict,
        description="By the name of a model that clients ask for.",
        examples=[{"assistant": {"amount": 50}}],
    )

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.amount is None and not self.keys and not self.models:
            raise ValueError("bounds nothing; write an amount, such as {amount: 200}, or leave budget out")
        return self

    def value(self, currency: str = "EUR") -> Budget:
        """The frozen value, in the operator's currency where the file names none."""
        otherwise = OnExceed(self.on_exceed)
        return Budget(
            currency=self.currency or currency,
            tenant=None if self.amount is None else Ceiling(pico(self.amount), otherwise),
            keys={name: each.value(otherwise) for name, each in self.keys.items()},
            models={name: each.value(otherwise) for name, each in self.models.items()},
            alerts=tuple(sorted(self.alerts)),
            forecast=self.forecast,
        )


def _resold(fields: CostFields) -> CostFields:
    if fields.value().basis is Basis.HOUR:
        raise ValueError(
            "is a price per hour; a client is charged for what it used: write prices of tokens, images or seconds"
        )
    return fields


def _price(value: Any, read: Reader) -> Any:
    if not isinstance(value, dict | CostFields):
        raise ValueError(  # noqa: TRY004 - pydantic reports these alone
            "is no price; write {input_per_million: .., output_per_million: .., currency: EUR}"
        )
    return read(value)


class ResaleFields(Strict):
    """What a tenant is charged, apart from what its calls cost."""

    markup_percent: Markup = Field(
        default=Decimal(0), description="Added to the cost of what has no price below.", examples=[20]
    )
    prices: dict[Label, Annotated[CostFields, AfterValidator(_resold), WrapValidator(_price)]] = Field(
        default_factory=dict,
        description="What is charged for a model, whatever its calls cost, by the name that clients ask for.",
        examples=[{"assistant": {"input_per_million": 0.2, "output_per_million": 0.6, "currency": "EUR"}}],
    )

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError(
                "says nothing; write markup_percent or prices, or leave resale out to charge the cost"
            )
        return self

    def value(self) -> Terms:
        """The frozen value."""
        return Terms(self.markup_percent, {name: each.value() for name, each in self.prices.items()})


class TaxFields(Strict):
    """A line of tax under a tenant's report; all other amounts are net."""

    name: Label = Field(description="As the report shows it.", examples=["TVA"])
    percent: Percent = Field(description="Of the net amount.", examples=[20])

    def value(self) -> Tax:
        """The frozen value."""
        return Tax(self.name, self.percent)


class PowerFields(Strict):
    """What a machine draws while it is on, measured at its socket."""

    watts: Watts = Field(description="On average.", examples=[350])
    pue: Pue = Field(
        default=Decimal(1),
        description="Power usage effectiveness of the room around it (ISO/IEC 30134-2).",
        examples=[1.2],
    )

    @model_validator(mode="after")
    def _draws(self) -> Self:
        if not self.watts:
            raise ValueError("draws nothing; write the watts that were measured, or leave power out")
        return self

    def value(self) -> Power:
        """The frozen value."""
        return Power(self.watts, self.pue)


def _idle(value: Any) -> Any:
    """Two words, or shares by tenant, told apart here for the sake of one clear sentence."""
    if isinstance(value, str):
        if value not in ("operator", "users"):
            raise ValueError(
                "is not who bears idle time; write operator, users, or shares such as {client-a: 2}"
            )
        return value
    if not isinstance(value, dict) or not value:
        raise ValueError("is not who bears idle time; write operator, users, or shares such as {client-a: 2}")
    for tenant, share in value.items():
        if not isinstance(tenant, str) or not re.fullmatch(_LABEL, tenant):
            raise ValueError("shares with a tenant that has no name; write {client-a: 2, client-b: 1}")
        if type(share) is not int or not 0 < share <= 1_000_000:
            raise ValueError(f"gives {tenant} no share; write a whole number from 1 to 1000000")
    return dict(value)


_IDLE_SCHEMA = WithJsonSchema(
    {
        "anyOf": [
            {"enum": ["operator", "users"]},
            {
                "type": "object",
                "minProperties": 1,
                "patternProperties": {_LABEL: {"type": "integer", "minimum": 1, "maximum": 1_000_000}},
                "additionalProperties": False,
            },
        ]
    }
)
_KINDS = ", ".join(TokenKind)
Kind = Annotated[str, written(f"^({'|'.join(TokenKind)})$")]


def _weights(value: Mapping[str, Decimal]) -> Mapping[str, Decimal]:
    unknown = sorted(set(value) - set(TokenKind))
    if unknown:
        raise ValueError(f"weighs {unknown[0]}, which is no kind of token; there are {_KINDS}")
    if value.get("input", 1) == 0 == value.get("output", 1):
        raise ValueError("weighs neither input nor output; one of both costs the engine something")
    return value


class CapacityFields(Strict):
    """How an hour of a backend's capacity is shared among those who used it."""

    weights: Annotated[dict[Kind, Weight], AfterValidator(_weights)] = Field(
        default_factory=dict,
        description=f"What a token costs the engine, beside one of input: {_KINDS}.",
        examples=[{"input": 1, "cached_input": 0.1, "output": 4}],
    )
    idle: Annotated[Any, BeforeValidator(_idle), _IDLE_SCHEMA] = Field(
        default="operator",
        description="Who bears the time in which it did nothing: `operator`, `users`, or tenants by fixed shares.",
        examples=["operator"],
    )

    def value(self) -> Sharing:
        """The frozen value."""
        if isinstance(self.idle, str):
            return Sharing(dict(self.weights), Idle(self.idle))
        return Sharing(dict(self.weights), Idle.FIXED, dict(self.idle))


class WebhookFields(PartyFields):
    """Somebody who is told of events by HTTP."""

    url: HookUrl = Field(
        description="Where events are posted to.", examples=["https://finance.example.com/hooks"]
    )
    secret: SecretReference = Field(
        description="Signs what is sent, by reference: env:NAME or file:/path.", examples=["env:NAME"]
    )
    events: Annotated[list[Event], AfterValidator(_once)] = Field(
        default_factory=list, description="What it is told of; everything, if unsaid."
    )
    tenants: Annotated[list[str], AfterValidator(_once)] | None = Field(
        default=None,
        min_length=1,
        description="Whose events; everybody's, if unsaid.",
        examples=[["client-a"]],
    )

    @property
    def plain(self) -> bool:
        """Is what is sent readable on its way?"""
        return not self.url.startswith("https:")

    def secrets(self) -> dict[str, str]:
        """Field name to secret reference."""
        return {"secret": self.secret}

    def value(self, name: str, secret: str) -> Webhook:
        """The frozen value; `secret` is what its reference led to."""
        tenants = None if self.tenants is None else frozenset(self.tenants)
        return Webhook(name, self.url, secret, frozenset(self.events), tenants)
