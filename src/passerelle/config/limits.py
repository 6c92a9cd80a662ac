"""The words about limits: of tenants, keys and models, of calls in flight on a backend, and of pages that may call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from passerelle.config.base import Strict, is_url
from passerelle.config.billing import Label
from passerelle.config.durations import Duration
from passerelle.domain.limits import Concurrency, Limits, Rates

_MOST = 10_000_000_000  # a minute; more is no limit

Count = Annotated[int, Field(ge=1, le=_MOST)]


class RateFields(Strict):
    """Limits of one subject; what is not written is unlimited."""

    rpm: Count | None = Field(
        default=None, description="Requests a minute; as many may come at once.", examples=[600]
    )
    tpm: Count | None = Field(
        default=None, description="Tokens a minute, of input and output together.", examples=[200_000]
    )
    concurrency: Count | None = Field(
        default=None, description="Calls under way at once, streams included.", examples=[16]
    )

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("limits nothing; write rpm, tpm or concurrency")
        return self

    def rates(self) -> Rates:
        """The frozen value."""
        return Rates(self.rpm, self.tpm, self.concurrency)


class LimitFields(RateFields):
    """What limits a tenant: as a whole, by key and by model. A call must pass every limit that covers it."""

    each_key: RateFields | None = Field(
        default=None,
        description="For every key of its own that `keys` does not name.",
        examples=[{"rpm": 60}],
    )
    keys: Mapping[Label, RateFields] = Field(
        default_factory=dict,
        description="For single keys, by id or name.",
        examples=[{"key-name": {"rpm": 60}}],
    )
    models: Mapping[Label, RateFields] = Field(
        default_factory=dict, description="For single models.", examples=[{"assistant": {"tpm": 50_000}}]
    )
    share: int = Field(
        default=1,
        ge=1,
        le=100,
        description="Its share of a backend that is full, beside those of the other tenants who wait.",
        examples=[2],
    )
    tokens_per_second: int | None = Field(
        default=None,
        ge=1,
        le=100_000,
        description="Tokens a second that one stream is sent at most.",
        examples=[80],
    )

    def value(self) -> Limits:
        """The frozen value."""
        return Limits(
            tenant=self.rates(),
            each_key=self.each_key.rates() if self.each_key else Rates(),
            keys={name: each.rates() for name, each in self.keys.items()},
            models={name: each.rates() for name, each in self.models.items()},
            share=self.share,
            tokens_per_second=self.tokens_per_second,
        )


class ConcurrencyFields(Strict):
    """How many calls a backend is sent at once, and how long others wait for a place."""

    most: Count | None = Field(default=None, description="Never more than this at once.", examples=[64])
    least: int = Field(default=4, ge=1, le=10_000, description="An engine that queues is never sent fewer.")
    adaptive: bool = Field(
        default=True, description="Send fewer while the engine says that calls wait in its own queue."
    )
    waiting: int = Field(
        default=1_000, ge=0, le=100_000, description="Calls that may wait here; more are refused at once."
    )
    wait: Duration = Field(default=10.0, description="How long a call waits at most.", examples=["10s"])

    @model_validator(mode="after")
    def _can_be(self) -> Self:
        if self.most is not None and self.least > self.most and "least" in self.model_fields_set:
            raise ValueError("has a `least` above its `most`; lower the one or raise the other")
        return self

    def value(self) -> Concurrency:
        """The frozen value."""
        least = min(self.least, self.most) if self.most is not None else self.least
        return Concurrency(self.most, least, self.adaptive, self.waiting, self.wait)


def _origin(value: str) -> str:
    scheme, _, rest = value.partition("://")
    if not is_url(value) or "/" in rest or scheme not in ("http", "https"):
        raise ValueError(
            "is not an origin; write http(s)://host or http(s)://host:port, and nothing after it"
        )
    return value.lower()


class CorsFields(Strict):
    """Pages in browsers that may call; keys in a page are read by whoever sees the page."""

    origins: list[
        Annotated[
            str,
            AfterValidator(_origin),
            WithJsonSchema({"type": "string", "pattern": r"^https?://[A-Za-z0-9.\-_\[\]:]+$"}),
        ]
    ] = Field(
        min_length=1, description="Origins of those pages.", examples=[["https://app.client-a.example"]]
    )
