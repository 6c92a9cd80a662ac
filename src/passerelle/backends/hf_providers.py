"""Kind `hf-providers`: Hugging Face Inference Providers through Hugging Face's router.

The router chooses among providers by a suffix of the model's id; `auto` is the absence of one (the suffix
`:auto` is refused there).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from passerelle.backends import openai
from passerelle.backends.http_backend import Dialect, HttpBackend, Sent
from passerelle.config.fields import BackendOptions, SecretReference, Url
from passerelle.domain.ask import Ask, Capability
from passerelle.domain.catalog import BackendSpec, Location, Party, Target
from passerelle.wire.upstream import Upstream

ROUTER = "https://router.huggingface.co/v1"

# Who may be named. `openai` is known to huggingface_hub and refused by the router; a test compares the rest.
PROVIDERS = frozenset(
    [
        "baseten",
        "cerebras",
        "cohere",
        "deepinfra",
        "fal-ai",
        "featherless-ai",
        "fireworks-ai",
        "groq",
        "hf-inference",
        "novita",
        "nscale",
        "ovhcloud",
        "publicai",
        "replicate",
        "scaleway",
        "together",
        "wavespeed",
        "zai-org",
    ]
)
POLICIES = frozenset({"auto", "fastest", "cheapest", "preferred"})


def _known(provider: str) -> str:
    if provider not in PROVIDERS | POLICIES:
        raise ValueError(
            f"is not a provider; write auto, fastest, cheapest, preferred or one of {', '.join(sorted(PROVIDERS))}"
        )
    return provider


class HfProvidersOptions(BackendOptions):
    """Options of kind `hf-providers`. `bill_to` is the organisation that pays."""

    lacks: ClassVar[frozenset[Capability]] = frozenset({Capability.COMPLETIONS})

    kind: Literal["hf-providers"]
    provider: Annotated[str, AfterValidator(_known)] = Field(
        default="auto", description="auto, fastest, cheapest, preferred, or a provider's name."
    )
    token: SecretReference = Field(description="A Hugging Face token that may call Inference Providers.")
    bill_to: str | None = Field(default=None, description="The organisation that pays.")
    url: Url = Field(default=ROUTER, description="The router's address; only for a proxy in front of it.")

    def secrets(self) -> dict[str, str]:
        """Field name to secret reference, for every secret that is set."""
        return {"token": self.token}

    def contradiction(self, values: Mapping[str, str]) -> str | None:
        """The router only takes Hugging Face's own tokens."""
        if values["token"].startswith("hf_"):
            return None
        return "the token does not begin with hf_, so it is not one of Hugging Face, which is all the router takes"

    def parties(self, name: str) -> tuple[Party, ...]:
        """The router, then the provider: both see every request.

        The router's location is not documented by its operator, a company in the United States; it states that
        it stores no bodies and trains on nothing.
        """
        router = Party(
            f"{name} (router)", Location("US", "Hugging Face, Inc."), trains=False, retention_days=0
        )
        return (router, *super().parties(name))


def open_backend(spec: BackendSpec) -> HttpBackend:
    """A backend of this kind, from its checked configuration."""
    options: HfProvidersOptions = spec.options
    suffix = "" if options.provider == "auto" else f":{options.provider}"
    headers = {"Authorization": f"Bearer {spec.secrets['token']}"}
    if options.bill_to:
        headers["X-HF-Bill-To"] = options.bill_to
    upstream = Upstream(options.url, headers=headers, connect=spec.limits.connect)

    def request(ask: Ask, target: Target) -> Sent:
        sent = openai.request(ask, target)
        sent.body["model"] = f"{target.model}{suffix}"
        return sent

    def provider(reply_headers: Mapping[str, str]) -> str:
        return reply_headers.get("x-inference-provider") or options.provider

    return HttpBackend(Dialect(request, openai.reply, None, provider), upstream)
