"""The words under `cost:`: one form of price, in numbers that mean exactly what is written, or `auto`."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    SerializerFunctionWrapHandler,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    WrapValidator,
    model_serializer,
    model_validator,
)
from pydantic_core import CoreSchema

from passerelle.domain.prices import Cost, Listed, Stated

_DEAREST = 1_000_000
_EXACT_DIGITS = 15  # of a double: what has more may have been changed when the file was read
_FORMS = "write per_hour, or input_per_million and output_per_million, or per_image, or per_second"
_CURRENCY = "^[A-Z]{3}$"
_TOKENS = ("input_per_million", "output_per_million")
_FINER = ("cached_input_per_million", "cache_write_per_million", "reasoning_per_million")


def _decimal(value: Any, places: int) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise ValueError("is not a number; write one such as 0.06, without quotes or a currency's sign")  # noqa: TRY004  # pydantic reports these alone
    number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    if not number.is_finite() or number > _DEAREST:
        raise ValueError(f"is more than anything costs; write at most {_DEAREST}")
    if number < 0:
        raise ValueError("is negative; write what it costs, 0 where it costs nothing")
    number = abs(number).normalize()  # of a -0 too
    exponent = int(number.as_tuple().exponent)
    if -exponent > places:
        raise ValueError(f"has too many decimals to be counted exactly; write at most {places}")
    if len(number.as_tuple().digits) > _EXACT_DIGITS:
        raise ValueError(f"has too many digits to be read exactly; write at most {_EXACT_DIGITS}")
    return number.quantize(Decimal(1)) if exponent > 0 else number


def _number(places: int) -> Any:
    return BeforeValidator(lambda value: _decimal(value, places))


def _currency(value: str) -> str:
    if not re.fullmatch(_CURRENCY, value):
        raise ValueError("is not a currency; write ISO 4217's three capitals, such as EUR")
    return value


_SCHEMA = WithJsonSchema({"type": "number", "minimum": 0, "maximum": _DEAREST})
# A price per million tokens is whole in pico-units per token with six decimals; other amounts with twelve.
PerMillion = Annotated[Decimal, _number(6), _SCHEMA]
Amount = Annotated[Decimal, _number(12), _SCHEMA]
Currency = Annotated[str, AfterValidator(_currency), WithJsonSchema({"type": "string", "pattern": _CURRENCY})]


class CostFields(BaseModel):
    """What it costs: tokens, or hours of capacity, or images, or seconds."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        hide_input_in_errors=True,
        json_schema_extra={
            "oneOf": [
                {"required": ["per_hour"]},
                {"required": list(_TOKENS)},
                {"required": ["per_image"]},
                {"required": ["per_second"]},
            ],
        },
    )

    currency: Currency = Field(description="An ISO 4217 code.", examples=["EUR"])
    per_hour: Amount | None = Field(default=None, description="One hour of its capacity, used or not.")
    input_per_million: PerMillion | None = Field(default=None, description="A million tokens of prompts.")
    output_per_million: PerMillion | None = Field(default=None, description="A million tokens of answers.")
    cached_input_per_million: PerMillion | None = Field(
        default=None, description="A million tokens read from the engine's cache; as input, if unsaid."
    )
    cache_write_per_million: PerMillion | None = Field(
        default=None, description="A million tokens written to the engine's cache; as input, if unsaid."
    )
    reasoning_per_million: PerMillion | None = Field(
        default=None, description="A million tokens of reasoning; as output, if unsaid."
    )
    per_image: Amount | None = Field(default=None, description="One image.")
    per_second: Amount | None = Field(
        default=None, description="One second of a try; a second that has begun counts."
    )

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        given = {name for name in CostFields.model_fields if getattr(self, name) is not None} - {"currency"}
        tokens = given & {*_TOKENS, *_FINER}
        forms = sorted(given - tokens) + (["prices of tokens"] if tokens else [])
        if not forms:
            raise ValueError(f"has a currency and no price; {_FORMS}")
        if len(forms) > 1:
            raise ValueError(f"mixes {' and '.join(forms)}; {_FORMS}, one of these")
        lacking = [name for name in _TOKENS if tokens and name not in given]
        if lacking:
            raise ValueError(
                f"lacks {' and '.join(lacking)}; write it too, 0 where those tokens cost nothing"
            )
        return self

    @model_serializer(mode="wrap")
    def _as_written(self, handler: SerializerFunctionWrapHandler) -> Any:
        if isinstance(self, _Auto):
            return "auto"
        return {name: value for name, value in handler(self).items() if value is not None}

    def value(self) -> Cost:
        """The frozen value."""
        return Cost(**{name: getattr(self, name) for name in CostFields.model_fields})


def _word(value: Any, read: ValidatorFunctionWrapHandler) -> Any:
    """`auto` as the word it is; anything else that is no mapping is refused in one sentence."""
    if value == "auto":
        return _AUTO
    if not isinstance(value, dict | CostFields):
        raise ValueError(f"is neither auto nor a price; write auto, or {{currency: EUR, ...}}: {_FORMS[6:]}")  # noqa: TRY004
    return read(value)


class _Auto(CostFields):
    """What stands for `auto` among the fields: it is made here only, never read from a mapping."""


_AUTO = _Auto.model_construct(currency="")


class _OrAuto:
    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"anyOf": [{"const": "auto"}, handler(schema)]}


def cost_field(description: str, example: dict[str, Any]) -> Any:
    """A field that need not stand; null, which the file does not take, is left out of its schema."""

    def tell(schema: dict[str, Any]) -> None:
        schema["anyOf"] = [choice for choice in schema["anyOf"] if choice != {"type": "null"}]

    return Field(default=None, description=description, examples=[example], json_schema_extra=tell)


CostWords = Annotated[CostFields, WrapValidator(_word), _OrAuto()]


def stated(fields: CostFields | None) -> Stated | None:
    """The frozen value of what stands under `cost:`; None where nothing does."""
    if fields is None:
        return None
    return Listed.AUTO if isinstance(fields, _Auto) else fields.value()
