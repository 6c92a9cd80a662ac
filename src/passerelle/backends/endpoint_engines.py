"""The engines that Inference Endpoints offer, each with the dialect it speaks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from passerelle.backends import gauges, openai, probes, tgi, vllm
from passerelle.backends.dialects import SERVERS
from passerelle.backends.gauges import Gauges
from passerelle.backends.http_backend import Probe, Sent
from passerelle.domain.ask import Ask
from passerelle.domain.catalog import Target
from passerelle.domain.errors import UpstreamFailed
from passerelle.wire.upstream import Rewrite


@dataclass(frozen=True, slots=True)
class Engine:
    """What runs in an endpoint. `named`: it only answers to the name it was started with."""

    name: str
    request: Callable[[Ask, Target], Sent]
    reply: Callable[[Ask, dict[str, Any]], bool] = openai.reply
    rewrite: Callable[[Ask], Rewrite] | None = None
    probe: Probe | None = probes.OPENAI
    named: bool = True
    gauges: Gauges | None = None
    meant: Callable[[UpstreamFailed], UpstreamFailed] = lambda failure: failure


def _like(name: str) -> Engine:
    """An engine that is a server of kind `openai` elsewhere."""
    server = SERVERS[name]
    request, reply = openai.speaking(server)
    return Engine(name, request, reply, server.rewrite, server.probe, meant=server.meant)


ENGINES: Mapping[str, Engine] = {
    "openai": Engine("openai", openai.request),
    "vllm": Engine("vllm", vllm.request, gauges=gauges.VLLM),
    "sglang": _like("sglang"),
    "llama.cpp": Engine("llama.cpp", openai.request, named=False),
    "transformers": _like("transformers"),
    "tgi": Engine("tgi", tgi.request, tgi.reply, tgi.rewrite, probes.TGI, named=False, gauges=gauges.TGI),
    "tei": Engine("tei", openai.request, probe=None, named=False),
}

# How the API names the variants of a container image.
_VARIANTS = {
    "vLLM": "vllm",
    "sGLang": "sglang",
    "llamacpp": "llama.cpp",
    "hfServe": "transformers",
    "tgi": "tgi",
    "tgiNeuron": "tgi",
    "tei": "tei",
}


def engine_of(stated: str, variant: str) -> Engine:
    """The engine the configuration states, else the one the API tells of; OpenAI's dialect for any other."""
    return ENGINES[_VARIANTS.get(variant, "openai") if stated == "auto" else stated]
