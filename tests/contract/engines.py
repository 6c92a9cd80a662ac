"""Every kind of backend beside the engines it is said to speak to: the rows of the contract suites."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.anthropic import AnthropicFake
from tests.fakes.endpoint import EndpointFake
from tests.fakes.engine import Engine
from tests.fakes.gemini import GeminiFake
from tests.fakes.hub import DirectFake
from tests.fakes.openai_like import LLAMA_CPP, LM_STUDIO, OLLAMA, OPENAI, SGLANG, OpenAiLike
from tests.fakes.router import RouterFake
from tests.fakes.serve import ServeFake
from tests.fakes.tei import TeiFake
from tests.fakes.tgi import TgiFake
from tests.fakes.vllm import VllmFake
from tests.serving import Served, one_backend

SECRETS = {"ENGINE_TOKEN": "hf_test", "PROVIDER_KEY": "scw-test-key"}


@dataclass(frozen=True)
class Row:
    """An engine, the kind that speaks to it, and what this engine cannot do."""

    name: str
    kind: str
    make: Callable[..., Engine]
    model: str = "qwen2.5-7b-instruct"
    options: Mapping[str, Any] = field(default_factory=dict)
    url: Callable[[str], str] = lambda url: url
    cannot: frozenset[str] = frozenset()

    async def known(self, served: Served) -> None:
        """Have the gateway learn what it asks of a cloud before its first request, which the scout does at start."""
        if self.kind == "hf-endpoint" or self.options.get("via") == "direct":
            await served.editions.current.backend("engine").survey({self.model})

    def configuration(self, engine: Engine, **more: Any) -> dict[str, Any]:
        """The smallest `providers.yaml` that leads to this engine."""
        url = self.url(engine.url)
        if self.kind == "litellm":
            return one_backend(self.kind, "", model=self.model, api_base=url, **self.options, **more)
        if self.kind == "hf-endpoint":
            return one_backend(self.kind, "", model=self.model, **self.options, **more)
        return one_backend(self.kind, url, model=self.model, **self.options, **more)


def _openai(variant: Any) -> Callable[..., Engine]:
    return lambda answer="Bonjour le monde.": OpenAiLike(variant, answer=answer)


ROWS = [
    Row("openai", "openai", _openai(OPENAI)),
    Row("llama.cpp", "openai", _openai(LLAMA_CPP)),
    Row("ollama", "openai", _openai(OLLAMA)),
    Row("sglang", "openai", _openai(SGLANG), options={"dialect": "sglang"}),
    Row("lm-studio", "openai", _openai(LM_STUDIO)),
    Row(
        "vllm",
        "vllm",
        lambda answer="Bonjour le monde.": VllmFake(answer=answer, model="qwen2.5-7b-instruct"),
    ),
    Row(
        "tgi-silent-tools",
        "tgi",
        lambda answer="Bonjour le monde.": TgiFake(answer, tool_finish=None),
        model="tgi",
        cannot=frozenset({"n", "embeddings", "stop"}),
    ),
    Row(
        "tgi",
        "tgi",
        lambda answer="Bonjour le monde.": TgiFake(answer),
        model="tgi",
        cannot=frozenset({"n", "embeddings", "stop"}),
    ),
    Row(
        "transformers",
        "openai",
        lambda answer="Bonjour le monde.": ServeFake(answer),
        model="/models/tiny",
        options={"dialect": "transformers"},
        cannot=frozenset({"n", "embeddings", "response_format"}),
    ),
]


def router_row() -> Row:
    """Hugging Face's router, which wants a token and speaks of providers."""
    return Row(
        "router",
        "hf-providers",
        lambda answer="Bonjour le monde.": RouterFake(answer=answer),
        model="Qwen/Qwen2.5-7B-Instruct",
        options={"token": "env:ENGINE_TOKEN"},
        url=lambda url: f"{url}/v1",
        cannot=frozenset({"completions", "embeddings"}),
    )


ROWS.append(router_row())
ROWS.append(
    Row(
        "litellm-anthropic",
        "litellm",
        AnthropicFake,
        model="claude-sonnet-4-5",
        options={"provider": "anthropic", "api_key": "env:ENGINE_TOKEN"},
        cannot=frozenset({"n", "completions", "embeddings", "stream_options"}),
    )
)
ROWS.append(
    Row(
        "litellm-gemini",
        "litellm",
        GeminiFake,
        model="gemini-2.5-flash",
        options={"provider": "gemini", "api_key": "env:ENGINE_TOKEN"},
        url=lambda url: f"{url}/v1beta",
        cannot=frozenset({"completions", "embeddings", "stream_options"}),
    )
)

# Engines that serve one model for one task which is not chat.
_DEDICATED = {"endpoint": "formation/qwen-eu", "token": "env:ENGINE_TOKEN"}
ROWS += [
    Row(
        "endpoint-vllm",
        "hf-endpoint",
        lambda answer="Bonjour le monde.": EndpointFake(VllmFake(answer=answer, model="served-name")),
        model="Qwen/Qwen2.5-7B-Instruct",
        options=_DEDICATED,
    ),
    Row(
        "endpoint-tgi",
        "hf-endpoint",
        lambda answer="Bonjour le monde.": EndpointFake(TgiFake(answer), image="tgi"),
        model="Qwen/Qwen2.5-7B-Instruct",
        options=_DEDICATED,
        cannot=frozenset({"n", "embeddings", "stop"}),
    ),
    Row(
        "direct",
        "hf-providers",
        lambda answer="Bonjour le monde.": DirectFake(answer),
        model="Qwen/Qwen2.5-7B-Instruct",
        options={"token": "env:PROVIDER_KEY", "provider": "scaleway", "via": "direct"},
        cannot=frozenset({"completions", "embeddings"}),
    ),
]

EMBEDDERS = [Row("tei", "tei", TeiFake, model="intfloat/multilingual-e5-small", cannot=frozenset({"chat"}))]
RERANKERS = [Row("tei", "tei", lambda: TeiFake(kind="reranker"), model="BAAI/bge-reranker-v2-m3")]
CLASSIFIERS = [Row("tei", "tei", lambda: TeiFake(kind="classifier"), model="cmarkea/distilcamembert-base")]
