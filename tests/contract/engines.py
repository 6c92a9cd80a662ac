"""Every kind of backend beside the engines it is said to speak to: the rows of the contract suites."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.engine import Engine
from tests.fakes.openai_like import LLAMA_CPP, LM_STUDIO, OLLAMA, OPENAI, SGLANG, OpenAiLike
from tests.fakes.router import RouterFake
from tests.fakes.tgi import TgiFake
from tests.fakes.vllm import VllmFake
from tests.serving import one_backend

SECRETS = {"ENGINE_TOKEN": "hf_test"}


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

    def configuration(self, engine: Engine, **more: Any) -> dict[str, Any]:
        """The smallest `providers.yaml` that leads to this engine."""
        return one_backend(self.kind, self.url(engine.url), model=self.model, **self.options, **more)


def _openai(variant: Any) -> Callable[..., Engine]:
    return lambda answer="Bonjour le monde.": OpenAiLike(variant, answer=answer)


ROWS = [
    Row("openai", "openai", _openai(OPENAI)),
    Row("llama.cpp", "openai", _openai(LLAMA_CPP)),
    Row("ollama", "openai", _openai(OLLAMA)),
    Row("sglang", "openai", _openai(SGLANG)),
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
        cannot=frozenset({"n", "embeddings"}),
    ),
    Row(
        "tgi",
        "tgi",
        lambda answer="Bonjour le monde.": TgiFake(answer),
        model="tgi",
        cannot=frozenset({"n", "embeddings"}),
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
