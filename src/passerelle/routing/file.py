"""The shape of `providers.yaml`: strict models, the union of backends built from the kinds that exist."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Union

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, create_model

from passerelle.config.base import Strict
from passerelle.config.billing import (
    BudgetFields,
    ResaleFields,
    Tags,
    TaxFields,
    TimeZone,
    WebhookFields,
)
from passerelle.config.cache import CacheWords
from passerelle.config.cost import CostWords, Currency, cost_field
from passerelle.config.fields import BackendOptions
from passerelle.config.guardrails import GuardrailFields
from passerelle.config.identity import IssuerFields
from passerelle.config.limits import CorsFields, LimitFields
from passerelle.config.parties import Country
from passerelle.config.pipelines import ContentWords, SurveyWords
from passerelle.config.policies import PolicyFields, SystemFields
from passerelle.config.privacy import PrivacyFields
from passerelle.config.rag import RagWords
from passerelle.domain.ask import Capability, Task

# Tenants stand in API_KEYS=tenant:key,... and backends in headers, so their names hold no separators. Models may be
# Hub ids or carry a tag.
_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
_MODEL_NAME = r"^[A-Za-z0-9][A-Za-z0-9._/:@-]{0,127}$"
_VISIBLE = r"^[!-~]{1,256}$"


def _name(value: str) -> str:
    if not re.fullmatch(_NAME, value):
        raise ValueError("is not a name; use at most 64 letters, digits and . _ -, a letter or a digit first")
    return value


def _model_name(value: str) -> str:
    if not re.fullmatch(_MODEL_NAME, value):
        raise ValueError(
            "is not a name of a model; use at most 128 letters, digits and . _ / : @ -, a letter or a digit first"
        )
    return value


def _model_id(value: str) -> str:
    if not re.fullmatch(_VISIBLE, value):
        raise ValueError("is not a model id; use at most 256 ASCII characters without spaces")
    return value


def _version(value: Any) -> Any:
    if type(value) is not int or value != 1:
        raise ValueError("is not one this Passerelle reads; write 1")
    return value


def _text(pattern: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern})


Name = Annotated[str, AfterValidator(_name), _text(_NAME)]
ModelName = Annotated[str, AfterValidator(_model_name), _text(_MODEL_NAME)]
ModelId = Annotated[str, AfterValidator(_model_id), _text(_VISIBLE)]


class OperatorFields(Strict):
    """Who runs this Passerelle; named in /v1/models and in reports."""

    name: str = Field(default="", max_length=200, description="The company's name.")
    country: Country | None = Field(default=None, description="Where it is established: an ISO 3166-1 code.")
    currency: Currency = Field(default="EUR", description="The currency of its reports, an ISO 4217 code.")
    time_zone: TimeZone = Field(
        default="UTC",
        description="Of its months, an IANA name: when one ends and the next begins.",
        examples=["Europe/Paris"],
    )


class TargetFields(Strict):
    """One place where a model can be asked."""

    backend: str = Field(description="A backend of this file.", examples=["gpu"])
    model: ModelId = Field(
        description="The model's id as that backend knows it.", examples=["Qwen/Qwen2.5-7B-Instruct"]
    )
    rank: int = Field(
        default=1, ge=0, le=1000, description="Lower is tried first; equal ranks share the load."
    )
    weight: int = Field(default=1, ge=1, le=1000, description="The share of the load among equal ranks.")
    degraded: bool = Field(
        default=False, description="Only when all else fails, and only where the tenant allows it."
    )
    lacks: list[Literal["tools", "structured_output", "vision", "completions"]] = Field(
        default_factory=list,
        description="What this model cannot do here; requests that need it go elsewhere.",
    )
    offers: list[Literal["tools", "structured_output", "vision", "completions"]] = Field(
        default_factory=list,
        description="What this model can do here, whatever the engine says of itself.",
    )
    context: int | None = Field(
        default=None,
        ge=1,
        description="The model's context length, in tokens; without it, what the engine says.",
    )
    cost: CostWords | None = cost_field(
        "What it costs here, in place of what its backend costs; hours are the backend's alone.",
        {"input_per_million": 0.06, "output_per_million": 0.18, "currency": "USD"},
    )

    def missing(self) -> frozenset[Capability]:
        """What the file says it lacks."""
        return frozenset(Capability(name) for name in self.lacks)

    def offered(self) -> frozenset[Capability]:
        """What the file says it can do."""
        return frozenset(Capability(name) for name in self.offers)


class ModelFields(Strict):
    """A name that clients ask for."""

    task: Literal["chat", "embed", "rerank", "classify"] = Field(
        default="chat", description="What it is asked to do."
    )
    targets: list[TargetFields] = Field(
        min_length=1,
        description="Where it can be asked: tried by rank, equal ranks share the load by weight.",
        examples=[[{"backend": "gpu", "model": "Qwen/Qwen2.5-7B-Instruct"}]],
    )
    created: int = Field(
        default=0, ge=0, le=4_102_444_800, description="What /v1/models gives as its date, in Unix seconds."
    )

    def kind_of_task(self) -> Task:
        """The task."""
        return Task(self.task)


class TenantModels(Strict):
    """Which models a tenant may use."""

    allow: list[str] | None = Field(
        default=None,
        min_length=1,
        description="Models it may use; without it, every model of the file.",
        examples=[["assistant"]],
    )
    default: str | None = Field(
        default=None,
        description="The model that the name `default` means for this tenant; without it, the first for chat.",
        examples=["assistant"],
    )


class TenantBackends(Strict):
    """The switch per tenant."""

    prefer: list[str] | None = Field(
        default=None, description="Backends tried before all others, in this order.", examples=[["gpu"]]
    )
    deny: list[str] | None = Field(
        default=None, description="Backends never used for this tenant.", examples=[["gpu"]]
    )


class TenantFields(Strict):
    """A client company."""

    models: TenantModels | None = Field(default=None, description="Which models it may use.")
    policy: str | None = Field(
        default=None, description="The policy that binds it; without one it is unrestricted."
    )
    backends: TenantBackends | None = Field(default=None, description="Backends it prefers and denies.")
    degraded: bool | None = Field(
        default=None, description="May targets marked degraded answer it? No, if unsaid."
    )
    bill_to: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,95}$",
        description="Its own organisation on the Hub, which pays for its Inference Providers.",
        examples=["client-a-org"],
    )
    attempts: int | None = Field(
        default=None, ge=1, le=10, description="Most tries of one request over all its targets; 3 if unsaid."
    )
    budget: BudgetFields | None = Field(default=None, description="What it may spend in a month.")
    resale: ResaleFields | None = Field(
        default=None, description="What it is charged, apart from what its calls cost."
    )
    tax: TaxFields | None = Field(
        default=None, description="A line of tax under its report; all other amounts are net."
    )
    tags: Tags | None = Field(
        default=None,
        description="Keys of a request's `metadata` that reports are divided by; all others are not kept.",
        examples=[["project"]],
    )
    limits: LimitFields | None = Field(default=None, description="How much it may use at once and a minute.")
    guardrails: list[GuardrailFields] | None = Field(
        default=None, description="What may not be asked or answered; rules are asked in this order."
    )
    oidc: list[IssuerFields] | None = Field(
        default=None, min_length=1, description="OpenID providers whose tokens are taken in place of keys."
    )
    cache: CacheWords | None = Field(
        default=None, description="Which answers are kept and given again; none, if unsaid or `false`."
    )
    rag: RagWords | None = Field(
        default=None,
        description="How its documents are indexed and answered from; as is best, if unsaid or `true`.",
    )
    content: ContentWords | None = Field(
        default=None,
        description="How its texts are worked on by recipes; by its default model, if unsaid or `true`.",
    )
    surveys: SurveyWords | None = Field(
        default=None,
        description="How comments of its surveys are read; by its default model, if unsaid or `true`.",
    )
    privacy: PrivacyFields | None = Field(
        default=None,
        description="People's data: what is replaced, kept and marked; nothing is kept of prompts, if unsaid.",
    )


class FileFields(Strict):
    """The file, apart from its backends."""

    version: Annotated[int, BeforeValidator(_version), WithJsonSchema({"const": 1})] = Field(
        description="The version of this format.", examples=[1]
    )
    operator: OperatorFields = Field(default=OperatorFields(), description="Who runs this Passerelle.")
    models: dict[ModelName, ModelFields] = Field(min_length=1, description="The names that clients ask for.")
    policies: dict[Name, PolicyFields] = Field(
        default_factory=dict,
        description="Rules that tenants are bound to; those of the package have names of their own.",
    )
    systems: dict[Name, SystemFields] = Field(
        default_factory=dict,
        description="What Passerelle itself stands on and somebody else runs; the operator's own, if unsaid.",
    )
    defaults: TenantFields = Field(
        default=TenantFields(),
        description="What holds for tenants that do not say otherwise; each field is overridden on its own.",
    )
    tenants: dict[Name, TenantFields | None] = Field(min_length=1, description="The client companies.")
    webhooks: dict[Name, WebhookFields] = Field(
        default_factory=dict, description="Who is told of budgets and prices by HTTP."
    )
    cors: CorsFields | None = Field(
        default=None, description="Pages in browsers that may call; none, if unsaid."
    )


def file_model(kinds: Mapping[str, type[BackendOptions]]) -> type[FileFields]:
    """The model of a whole file in which backends may be of these kinds."""
    options: Any = Union[tuple(kinds.values())] if len(kinds) > 1 else next(iter(kinds.values()))  # noqa: UP007
    union: Any = Annotated[options, Field(discriminator="kind")] if len(kinds) > 1 else options
    made: type[FileFields] = create_model(
        "Providers",
        __base__=FileFields,
        __doc__="The backends, models and tenants of a Passerelle.",
        backends=(
            dict[Name, union],
            Field(min_length=1, description="Where models run: a configured instance of a kind each."),
        ),
    )
    return made
