"""What engines answer when they are asked about themselves, as surveys. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from passerelle.backends.http_backend import Probe
from passerelle.domain.ask import Capability
from passerelle.domain.facts import Facts, Known, State, Survey

_LONGEST = 200  # characters of what an engine says, where people read it


def listing(documents: Mapping[str, Any], models: Collection[str]) -> Survey:
    """`GET /v1/models` of an OpenAI server: which ids it serves and, where it says so, their context.

    vLLM and SGLang state `max_model_len`, llama.cpp `meta.n_ctx_train`, some routers `context_length`.
    """
    return survey_of(served(documents.get("/v1/models")), models)


def survey_of(found: Mapping[str, Mapping[str, Any]], models: Collection[str]) -> Survey:
    """The survey of a server that is there and serves these entries by their id."""
    missing = sorted(set(models) - set(found)) if found else []
    about = (("serves", ", ".join(name[:_LONGEST] for name in sorted(found)[:8])),) if found else ()
    problems = tuple(f"The engine does not list the model {name!r}." for name in missing)
    wanted = set(models) or set(found)  # of a server that is asked about no model in particular: all it has
    known = {name: Known(Facts(context=_context(entry))) for name, entry in found.items() if name in wanted}
    return Survey(State.READY, known, about, problems)


def served(document: Any) -> dict[str, Mapping[str, Any]]:
    """The entries of a listing of models by their id; empty for anything else."""
    entries = document.get("data") if isinstance(document, dict) else None
    return {
        entry["id"]: entry
        for entry in (entries if isinstance(entries, list) else ())
        if isinstance(entry, dict) and isinstance(entry.get("id"), str)
    }


def _context(entry: Mapping[str, Any]) -> int | None:
    meta = entry.get("meta")
    stated = [entry.get("max_model_len"), entry.get("context_length")]
    stated.append(meta.get("n_ctx_train") if isinstance(meta, dict) else None)
    return next((length for length in stated if positive(length)), None)


def positive(value: Any) -> bool:
    """A whole number above nought, which a length must be to mean anything."""
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def tgi_info(documents: Mapping[str, Any], models: Collection[str]) -> Survey:
    """`GET /info` of Text Generation Inference 3: one model, whatever its targets call it."""
    info = documents.get("/info")
    if not isinstance(info, dict):
        return Survey(State.READY)
    own = info.get("model_id")
    models = models or ([own] if isinstance(own, str) else [])
    total = info.get("max_total_tokens")
    # `text-generation` reads no images; a model that does says `image-text-to-text`.
    blind = info.get("model_pipeline_tag") == "text-generation"
    facts = Facts(
        lacks=frozenset({Capability.VISION}) if blind else frozenset(),
        context=total if positive(total) else None,
        revision=sha if isinstance(sha := info.get("model_sha"), str) and sha.isalnum() else None,
    )
    shown = (("model", "model_id"), ("version", "version"), ("most concurrent", "max_concurrent_requests"))
    about = tuple((label, str(info[name])[:_LONGEST]) for label, name in shown if info.get(name) is not None)
    return Survey(State.READY, {name: Known(facts) for name in models}, about)


OPENAI = Probe(("/v1/models",), listing)
TGI = Probe(("/info",), tgi_info)
