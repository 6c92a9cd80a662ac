"""The kinds of backend: one line each. A new kind is a file beside this one and a line below."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from passerelle.backends import hf_endpoint, hf_providers, openai, tei, tgi, vllm
from passerelle.backends.base import Backend
from passerelle.backends.builtin import engine
from passerelle.backends.litellm import engine as litellm
from passerelle.backends.litellm.options import LiteLLMOptions
from passerelle.config.fields import BackendOptions
from passerelle.domain.catalog import BackendSpec


@dataclass(frozen=True, slots=True)
class Kind:
    """How a kind is configured and opened."""

    options: type[BackendOptions]
    open: Callable[[BackendSpec], Backend]


def kinds(models_folder: Path) -> Mapping[str, Kind]:
    """Every kind by its name; `models_folder` is where models that run in this process are kept."""
    return {
        "builtin": Kind(engine.BuiltinOptions, functools.partial(engine.open_backend, models=models_folder)),
        "hf-endpoint": Kind(hf_endpoint.HfEndpointOptions, hf_endpoint.open_backend),
        "hf-providers": Kind(hf_providers.HfProvidersOptions, hf_providers.open_backend),
        "litellm": Kind(LiteLLMOptions, litellm.open_backend),
        "openai": Kind(openai.OpenAIOptions, openai.open_backend),
        "tei": Kind(tei.TeiOptions, tei.open_backend),
        "tgi": Kind(tgi.TgiOptions, tgi.open_backend),
        "vllm": Kind(vllm.VllmOptions, vllm.open_backend),
    }
