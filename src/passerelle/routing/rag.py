"""What is done with a tenant's documents, from the file to values: the models it names must exist, fit, and be its own.

Each word holds on its own: what a tenant does not say is as `defaults` say it. The embedder is settled here, so that
a collection is made with one that the file names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from passerelle.config.rag import ANY_HOST, NONE, ChunkFields
from passerelle.domain.ask import Needs, Task
from passerelle.domain.caller import Role
from passerelle.domain.catalog import Catalog, Model, Tenant
from passerelle.domain.rag import MODEL_PREFIX, Rag, Urls
from passerelle.domain.retrieval import Mode
from passerelle.routing.agreements import Get
from passerelle.routing.file import TenantFields
from passerelle.routing.named import first_embedder, mixed, named_model
from passerelle.routing.notes import Notes
from passerelle.routing.plan import make_plan
from passerelle.routing.reasons import Why
from passerelle.routing.source import Path
from passerelle.wire.fetched import FetchRefused
from passerelle.wire.foreign_urls import permitted_host

# By the words of a comparison: what follows from another value, which nobody would guess.
_STAYS = "collections keep theirs until they are indexed again"
CONSEQUENCES: Mapping[str, str] = {
    "rag.embedder": _STAYS,
    "rag.chunks.size": _STAYS,
    "rag.chunks.overlap": _STAYS,
    "rag.conversations.keep": "holds for questions asked from then on",
}
_DEFAULT = Rag()


def documents(get: Get, *, own: tuple[str, ...], models: Mapping[str, Model], notes: Notes) -> dict[str, Any]:
    """The field of a tenant that speaks of documents; `get` gives the value of a word and where it stands.

    `own` are the models that the tenant may use.
    """
    if get("rag", "enabled")[0] is False:
        return {"rag": None}
    named = {
        word: named_model(get, "rag", word, task, own=own, models=models, notes=notes)
        for word, task in (("model", Task.CHAT), ("embedder", Task.EMBED), ("reranker", Task.RERANK))
    }
    embedder = get("rag", "embedder")[0]
    if embedder is None:
        named["embedder"] = first_embedder(own, models)
    mode, place = get("rag", "mode")
    if mode in (Mode.DENSE, Mode.HYBRID) and named["embedder"] is None and embedder in (None, NONE):
        message = f"Nothing can be found by the mode {mode!r} without an embedder."
        cure = "Name an embedding model in `rag.embedder`, or write `mode: text`."
        notes.add("error", "C48", place, message, cure)
    chunks = get("rag", "chunks")[0]
    chunks = chunks if isinstance(chunks, ChunkFields) else ChunkFields()
    rag = Rag(
        **named,
        mode=Mode(mode) if mode not in (None, "auto") else None,
        passages=_or(get("rag", "passages")[0], _DEFAULT.passages),
        rewrite=_or(get("rag", "rewrite")[0], _DEFAULT.rewrite),
        size=chunks.size,
        overlap=chunks.overlap,
        urls=_urls(get, notes),
        links=_hosts(*get("rag", "links"), notes=notes),
        keep=get("rag", "conversations", "keep")[0] or None,
        writers=Role(_or(get("rag", "writers")[0], _DEFAULT.writers)),
        collections=_or(get("rag", "limits", "collections")[0], _DEFAULT.collections),
        documents=_or(get("rag", "limits", "documents")[0], _DEFAULT.documents),
        file_size=_or(get("rag", "limits", "file_size")[0], _DEFAULT.file_size),
    )
    return {"rag": rag}


def _or(said: Any, unsaid: Any) -> Any:
    return unsaid if said is None else said


def _urls(get: Get, notes: Notes) -> Urls:
    hosts, place = get("rag", "urls", "hosts")
    anywhere = hosts is None or ANY_HOST in hosts
    return Urls(
        hosts=None if anywhere else _hosts(hosts, place, notes=notes),
        denied=frozenset(get("rag", "urls", "deny")[0] or ()),
        plain_http=_or(get("rag", "urls", "plain_http")[0], _DEFAULT.urls.plain_http),
        refresh=get("rag", "urls", "refresh")[0] or None,
    )


def _hosts(names: Iterable[str] | None, place: Path, *, notes: Notes) -> frozenset[str]:
    """Hosts in the form in which URLs are compared with them."""
    found: set[str] = set()
    for index, name in enumerate(names or ()):
        try:
            found.add(permitted_host(name))
        except FetchRefused:
            message = f"{name!r} is not the name of a host."
            cure = "Write one such as example.org, or *.example.org for all below it, without scheme, port and path."
            notes.add("error", "C49", (*place, index), message, cure)
    return frozenset(found)


def check_names(models: Mapping[str, Model], notes: Notes) -> None:
    """Note models whose names are those of collections."""
    for name in models:
        if name.startswith(MODEL_PREFIX):
            message = f"The model {name!r} is called like a collection of documents."
            cure = f"Choose a name that does not begin with `{MODEL_PREFIX}`."
            notes.add("error", "C50", ("models", name), message, cure)


def check_documents(
    catalog: Catalog, tenant: Tenant, notes: Notes, *, given: TenantFields | None, defaults: TenantFields
) -> None:
    """Note what keeps a tenant's documents from being found or answered from, by what it and the defaults say.

    Models that its policy leaves no target for are errors of the tenant already: all named here are its own.
    """
    rag = tenant.rag
    if rag is None:
        return
    own, shared = given.rag if given else None, defaults.rag
    said: Path | None = ("tenants", tenant.name, "rag") if own else ("defaults", "rag") if shared else None
    chosen = any(words is not None and words.embedder is not None for words in (own, shared))
    _check_embedder(catalog, tenant, notes, place=said or ("tenants", tenant.name), chosen=chosen)
    if said is None:
        return
    answering = rag.model or tenant.default_model
    if answering is None or catalog.models[answering].task is not Task.CHAT:
        message = (
            f"Nothing answers from the documents of {tenant.name!r}: its default model is none for chat."
        )
        notes.add("warning", "C52", said, message, "Name one in `rag.model`, or in `models.default`.")
    for word, name in (("model", rag.model), ("embedder", rag.embedder), ("reranker", rag.reranker)):
        plan = make_plan(catalog, tenant, catalog.models[name], Needs()) if name is not None else None
        if plan is None or plan.targets or not any(left.why is Why.OFF for left in plan.left_out):
            continue
        message = (
            f"The {word} {name!r} of the documents of {tenant.name!r} has no target that may answer it now."
        )
        cure = f"`passerelle explain --tenant {tenant.name} --model {name}` says why."
        notes.add("warning", "C53", said, message, cure)


def _check_embedder(catalog: Catalog, tenant: Tenant, notes: Notes, *, place: Path, chosen: bool) -> None:
    """Vectors of different models have nothing to say about each other."""
    embedder = tenant.rag.embedder if tenant.rag else None
    if embedder is not None and mixed(catalog.models[embedder]):
        message = (
            f"The targets of {embedder!r} are different models, and documents of {tenant.name!r} that one of them "
            f"has indexed are not found by another."
        )
        cure = "Give it targets of one model, and the others a name of their own."
        notes.add("warning", "C51", place, message, cure)
    able = [name for name in tenant.models if catalog.models[name].task is Task.EMBED]
    if able and embedder is None and not chosen:
        message = (
            f"Documents of {tenant.name!r} are found by their words only: the targets of {able[0]!r} are different "
            f"models, whose vectors cannot be compared."
        )
        cure = "Name an embedding model whose targets are one model in `rag.embedder`, or `none`."
        notes.add("info", "C51", place, message, cure)


def documented(tenant: Tenant) -> dict[str, Any]:
    """What is done with a tenant's documents, by the words of the file; what is as if nothing were said is None."""
    rag = tenant.rag
    if rag is None:
        return {"rag": "off"}
    told: dict[str, Any] = {
        "rag.model": rag.model,
        "rag.reranker": rag.reranker,
        "rag.mode": rag.mode.value if rag.mode else None,
        "rag.urls.hosts": sorted(rag.urls.hosts) if rag.urls.hosts is not None else None,
        "rag.urls.deny": sorted(rag.urls.denied) or None,
        "rag.urls.refresh": _seconds(rag.urls.refresh),
        "rag.links": sorted(rag.links) or None,
        "rag.conversations.keep": _seconds(rag.keep),
    }
    plain = {
        "rag.passages": (rag.passages, _DEFAULT.passages),
        "rag.rewrite": (rag.rewrite, _DEFAULT.rewrite),
        "rag.chunks.size": (rag.size, _DEFAULT.size),
        "rag.chunks.overlap": (rag.overlap, _DEFAULT.overlap),
        "rag.urls.plain_http": (rag.urls.plain_http, _DEFAULT.urls.plain_http),
        "rag.writers": (rag.writers.value, _DEFAULT.writers.value),
        "rag.limits.collections": (rag.collections, _DEFAULT.collections),
        "rag.limits.documents": (rag.documents, _DEFAULT.documents),
        "rag.limits.file_size": (rag.file_size, _DEFAULT.file_size),
    }
    told |= {word: value if value != usual else None for word, (value, usual) in plain.items()}
    return {"rag.embedder": rag.embedder, **told}


def _seconds(value: float | None) -> str | None:
    return f"{value:.10g}s" if value is not None else None
