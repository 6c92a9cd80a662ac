"""Hugging Face's router for Inference Providers: a chat route, suffixes that choose a provider, errors of many forms.

Its answers come from whichever provider was chosen; a stream reports usage only when it is asked to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from typing_extensions import override

from tests.fakes import openai_shape as shape
from tests.fakes.engine import Answers
from tests.fakes.openai_like import OpenAiLike
from tests.fakes.openai_shape import PROBLEMS, Json, Problem, Turn, Variant
from tests.fakes.script import Plan
from tests.fakes.wire import Received, Reply, dump, json_reply


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider of a model, as the catalogue lists it. Prices are USD per million tokens.

    None leaves the field out, which real entries do.
    """

    provider: str
    status: str = "live"
    input: float | None = None
    output: float | None = None
    throughput: float | None = None  # tokens a second
    first_token_latency_ms: float | None = None
    context_length: int | None = None
    supports_tools: bool | None = None
    supports_structured_output: bool | None = None
    is_model_author: bool = False


@dataclass(frozen=True, slots=True)
class Listed:
    """A model of the catalogue."""

    id: str
    providers: tuple[Provider, ...]
    created: int = 1_700_000_000
    modalities: tuple[str, ...] = ("text",)


CATALOGUE = (
    Listed(
        "Qwen/Qwen2.5-7B-Instruct",
        (
            Provider("together", "live", 0.3, 0.3, 95.0, 400.0, 32_768, supports_tools=True),
            Provider("scaleway", "live", 0.2, 0.25, 60.0, 300.0, 32_768, supports_tools=True),
            Provider("featherless-ai"),
        ),
    ),
    Listed(
        "openai/gpt-oss-120b",
        (
            Provider("groq", "live", 0.15, 0.75, 480.0, 210.0, 131_072, True, True),
            Provider("ovhcloud", "live", 0.09, 0.47, 110.0, 600.0, 131_072, supports_tools=True),
            Provider("cerebras", "error", 0.25, 0.69, 2100.0, 150.0, 131_072),
            Provider("fireworks-ai"),
        ),
    ),
)


def _told(problem: Problem) -> Json:
    """Some of the router's errors are a string, some are OpenAI's form: the ones with a code."""
    return shape.nested(problem) if problem.code else {"error": problem.message}


ROUTER = Variant(
    "router",
    server="",
    opening={"role": "assistant", "content": ""},
    choice={"logprobs": None},
    ended={"logprobs": None},
    problems={
        **PROBLEMS,
        "unauthorized": Problem(401, "Invalid username or password."),
        "credits": Problem(
            402,
            "You have exceeded your monthly included credits for Inference Providers. "
            "Subscribe to PRO to get 20x more monthly included credits.",
        ),
        "rate_limited": Problem(429, "Too Many Requests"),
        "overloaded": Problem(503, "Service Unavailable"),
        "server": Problem(500, "Internal Error - We're working hard to fix this as soon as possible!"),
        "generation": Problem(500, "Internal Server Error"),
        "timeout": Problem(504, "Gateway Timeout"),
        "validation": Problem(400, "Bad Request"),
        "model": Problem(
            400,
            "The requested model '{model}' is not supported by any provider you have enabled.",
            "invalid_request_error",
            "model_not_supported",
            "model",
        ),
        "provider": Problem(
            400,
            "the provider you attempted to explicitly specify '{provider}' is not a valid provider.",
            "invalid_request_error",
            "model_not_supported",
            "model",
        ),
        "wrong_provider": Problem(400, "Model not supported by provider {provider}"),
    },
    error=_told,
    stream_error=lambda problem: b"data: " + dump(_told(problem)) + b"\n\n",
)


@dataclass(frozen=True, slots=True)
class Account:
    """Whose token it is: `preference` orders providers, `disabled` switches some off."""

    token: str = "hf_test"
    preference: tuple[str, ...] = ()
    disabled: frozenset[str] = frozenset()
    bill_to: tuple[str, ...] = ("formation",)  # organisations the token may bill


class RouterFake(OpenAiLike):
    """The router. `served` lists the provider that answered each request, `billed` who was billed for it."""

    routes: ClassVar[Mapping[tuple[str, str], str]] = {
        ("POST", "/v1/chat/completions"): "chat",
        ("GET", "/v1/models"): "models",
    }

    def __init__(
        self,
        answer: Answers = "Bonjour le monde.",
        *,
        catalogue: tuple[Listed, ...] = CATALOGUE,
        account: Account | None = None,
    ) -> None:
        super().__init__(ROUTER, answer=answer, model="")
        self.catalogue = {model.id: model for model in catalogue}
        self.account = account or Account()
        self.served: list[str] = []
        self.billed: list[str | None] = []

    @override
    async def reply(self, request: Received, plan: Plan) -> Reply:
        if request.method == "POST" and request.bearer != self.account.token:
            return self.variant.refusal("unauthorized")
        model, provider = (
            request.path.removeprefix("/v1/models/"),
            request.path.removesuffix("/v1/chat/completions")[1:],
        )
        if request.method == "GET" and model in self.catalogue:
            return json_reply(_entry(self.catalogue[model]))
        if request.method == "POST" and provider and request.path.endswith("/v1/chat/completions"):
            return self._direct(request, plan, provider)
        return await super().reply(request, plan)

    def _direct(self, request: Received, plan: Plan, provider: str) -> Reply:
        """POST /{provider}/v1/chat/completions: that provider or none, and its errors are strings."""
        body = request.body
        listed = self.catalogue.get(str(body.get("model"))) if isinstance(body, dict) else None
        if listed is None or provider not in {each.provider for each in listed.providers}:
            return self.variant.refusal("wrong_provider", provider=provider)
        return self._serve(request, plan, provider)

    @override
    def chat(self, request: Received, plan: Plan) -> Reply:
        body = request.body
        if not isinstance(body, dict):
            return self.variant.refusal("validation")
        model, _, suffix = str(body.get("model")).partition(":")
        listed = self.catalogue.get(model)
        known = {each.provider for entry in self.catalogue.values() for each in entry.providers}
        if suffix and suffix not in _POLICIES and suffix not in known:
            return self.variant.refusal("provider", provider=suffix)
        usable = [p for p in listed.providers if p.provider not in self.account.disabled] if listed else []
        chosen = self._choose(usable, suffix)
        if chosen is None:
            return self.variant.refusal("model", model=str(body.get("model")))
        return self._serve(request, plan, chosen.provider)

    def _choose(self, usable: list[Provider], suffix: str) -> Provider | None:
        if suffix and suffix not in _POLICIES:
            return next((each for each in usable if each.provider == suffix), None)
        live = [each for each in usable if each.status == "live"]
        if not live:
            return None
        order = {name: rank for rank, name in enumerate(self.account.preference)}
        keys: Mapping[str, Any] = {
            "cheapest": lambda each: each.output if each.output is not None else float("inf"),
            "preferred": lambda each: order.get(each.provider, len(order)),
        }
        return min(live, key=keys.get(suffix, lambda each: -(each.throughput or 0.0)))

    def _serve(self, request: Received, plan: Plan, provider: str) -> Reply:
        organisation = request.headers.get("x-hf-bill-to")
        if organisation is not None and organisation not in self.account.bill_to:
            return json_reply({"error": f"You are not allowed to bill to {organisation}"}, 403)
        self.served.append(provider)
        self.billed.append(organisation)
        return super().chat(request, plan)

    @override
    def refuse(self, request: Received) -> Reply | None:
        return None  # the model was looked up before a provider was chosen

    @override
    def turn(self, request: Received, plan: Plan, prompt: str) -> Turn:
        return replace(
            super().turn(request, plan, prompt), model=str(request.body["model"]).partition(":")[0]
        )

    @override
    def headers(self, request: Received) -> dict[str, str]:
        return {"x-inference-provider": self.served[-1], "x-request-id": f"Root=1-{len(self.requests):08x}"}

    @override
    def models(self, request: Received, plan: Plan) -> Reply:
        return json_reply({"object": "list", "data": [_entry(model) for model in self.catalogue.values()]})


_POLICIES = frozenset({"fastest", "cheapest", "preferred"})


def _entry(model: Listed) -> Json:
    return {
        "id": model.id,
        "object": "model",
        "created": model.created,
        "owned_by": model.id.partition("/")[0],
        "architecture": {"input_modalities": list(model.modalities), "output_modalities": ["text"]},
        "providers": [_offer(provider) for provider in model.providers],
    }


def _offer(provider: Provider) -> Json:
    offer: Json = {
        "provider": provider.provider,
        "status": provider.status,
        "is_model_author": provider.is_model_author,
    }
    if provider.input is not None and provider.output is not None:
        offer["pricing"] = {"input": provider.input, "output": provider.output}
    for name in _OPTIONAL:
        if (value := getattr(provider, name)) is not None:
            offer[name] = value
    return offer


_OPTIONAL = (
    "context_length",
    "throughput",
    "first_token_latency_ms",
    "supports_tools",
    "supports_structured_output",
)
