"""What the router's catalogue and the Hub say of models at Inference Providers."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from typing import Any

import orjson

from passerelle.backends.probes import served
from passerelle.backends.provider_catalog import is_provider, known_of
from passerelle.domain.catalog import Party
from passerelle.domain.errors import UpstreamFailed
from passerelle.domain.facts import Host, Known, State, Survey
from passerelle.wire.provider_mappings import ProviderMappings, Serving
from passerelle.wire.upstream import Upstream

_SECONDS = 10.0  # for the catalogue, which is long
_HUB_SECONDS = 8.0  # for the Hub, on all models that are not in it


async def survey(
    models: Collection[str],
    *,
    catalog: Upstream | None,
    mappings: ProviderMappings,
    provider: str | None,
    parties: Mapping[str, Party],
) -> Survey:
    """The survey of a backend; `catalog` is the router, where it is asked, `provider` the one that is named."""
    listed: Mapping[str, Mapping[str, Any]] = {}
    if catalog is not None:
        try:
            listed = served(orjson.loads(await catalog.get("/models", limit=_SECONDS)))
        except UpstreamFailed as failure:
            return Survey(State.DOWN, problems=(f"The router's catalogue: {failure.message}",))
        except orjson.JSONDecodeError:
            return Survey(State.UNKNOWN, problems=("The router's catalogue is not JSON.",))
    elsewhere = [model for model in sorted(models) if model not in listed]
    known: dict[str, Known] = {}
    problems: list[str] = []
    for model in sorted(models):
        if model in listed:
            known[model] = known_of(listed[model], parties, provider=provider)
            if not known[model].hosts:
                problems.append(_nobody(model, provider))
    asked = await asyncio.gather(*(_at_the_hub(model, mappings) for model in elsewhere))
    for model, answer in zip(elsewhere, asked, strict=True):
        if isinstance(answer, str):
            problems.append(answer)
            continue
        serving = {each.provider for each in answer if each.live and provider in (None, each.provider)}
        hosts = (Host(name, parties.get(name) or Party(name)) for name in sorted(serving))
        known[model] = Known(hosts=tuple(host for host in hosts if is_provider(host.provider)))
        if not any(provider in (None, each.provider) for each in answer):
            problems.append(_nobody(model, provider))
    if catalog is not None and not listed:
        problems.append("The router's catalogue lists no models.")
    about = (("catalogue", f"{len(listed)} models"),) if listed else ()
    return Survey(State.READY if listed else State.UNKNOWN, known, about, tuple(problems))


def _nobody(model: str, provider: str | None) -> str:
    return f"{provider} does not serve {model} now." if provider else f"No provider serves {model} now."


async def _at_the_hub(model: str, mappings: ProviderMappings) -> tuple[Serving, ...] | str:
    """Who serves a model that is not in the catalogue for chat, or why that is not known."""
    try:
        async with asyncio.timeout(_HUB_SECONDS):
            return await mappings.of(model)
    except TimeoutError:
        return f"Who serves {model} is not known: the Hub did not answer within the limit."
    except UpstreamFailed as failure:
        return f"Who serves {model} is not known: {failure.message}"
