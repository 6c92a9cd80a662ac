"""Where a provider is asked for a task, and in which words: as `huggingface_hub` knows it.

The library's helpers are asked step by step, because their one public method looks the model up each time. They are
private to it: a test says when an upgrade moves them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from passerelle.domain.ask import Route
from passerelle.domain.errors import Fault, UpstreamFailed
from passerelle.wire.provider_mappings import Serving

# The Hub's name of the task that each route asks for.
TASKS: Mapping[Route, str] = {
    Route.CHAT: "conversational",
    Route.COMPLETIONS: "text-generation",
    Route.EMBEDDINGS: "feature-extraction",
    Route.RERANK: "sentence-similarity",
    Route.CLASSIFY: "text-classification",
}
# Headers of the library that are its own: who it is, and what `Upstream` sends anyway.
_OURS = frozenset({"user-agent", "content-type"})


@dataclass(frozen=True, slots=True)
class Way:
    """One model at one provider: where it is asked, with which headers, and how a body is written."""

    provider: str
    url: str
    headers: Mapping[str, str]
    _helper: Any
    _mapping: Any

    def body(self, inputs: Any, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """What is sent, in the provider's words; parameters that are None are left out."""
        body = self._helper._prepare_payload_as_dict(inputs, dict(parameters), self._mapping)
        return dict(body)


def way(serving: Serving, *, model: str, key: str, base: str | None) -> Way:
    """The way to a provider. `base` takes the place of its scheme and host. Raises UpstreamFailed.

    The library reads the key to tell which address is meant: one of Hugging Face's leads through the router.
    """
    from huggingface_hub.hf_api import InferenceProviderMapping  # noqa: PLC0415 - a second
    from huggingface_hub.inference._providers import get_provider_helper  # noqa: PLC0415

    try:
        helper = get_provider_helper(serving.provider, serving.task, model)  # type: ignore[arg-type]
    except ValueError as error:
        message = f"{serving.provider} is not known to do {serving.task}."
        raise UpstreamFailed(Fault.MODEL, message) from error
    mapping = InferenceProviderMapping(  # type: ignore[no-untyped-call]  # untyped in the library
        provider=serving.provider,
        hf_model_id=model,
        providerId=serving.model,
        status="live",
        task=serving.task,
    )
    url = helper._prepare_url(key, serving.model)
    headers = {
        name: value for name, value in helper._prepare_headers({}, key).items() if name.lower() not in _OURS
    }
    return Way(serving.provider, _moved(url, base), headers, helper, mapping)


def _moved(url: str, base: str | None) -> str:
    if base is None:
        return url
    to = urlsplit(base)
    return urlunsplit(urlsplit(url)._replace(scheme=to.scheme, netloc=to.netloc))
