"""What is kept of a tenant's answers, from the file to values: the models it names must exist, and fit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from passerelle.config.cache import CacheFields
from passerelle.domain.ask import Needs, Task
from passerelle.domain.cache import Caching
from passerelle.domain.catalog import Catalog, Model, Tenant
from passerelle.routing.agreements import Get
from passerelle.routing.notes import Notes
from passerelle.routing.plan import make_plan
from passerelle.routing.source import Path


def caching(get: Get, *, models: Mapping[str, Model], notes: Notes) -> dict[str, Any]:
    """The field of a tenant that says what is kept; `get` gives the value of a word and where it stands."""
    asked, place = get("cache")
    if not isinstance(asked, CacheFields):
        return {"cache": None}
    for index, name in enumerate(asked.models or ()):
        _fits(name, Task.CHAT, (*place, "models", index), models=models, notes=notes)
    semantic = asked.semantic
    if semantic is not None and semantic.embedder is not None:
        _fits(semantic.embedder, Task.EMBED, (*place, "semantic", "embedder"), models=models, notes=notes)
    if semantic is not None and semantic.judge is not None:
        path = (*place, "semantic", "judge", "model")
        _fits(semantic.judge.model, Task.CHAT, path, models=models, notes=notes)
    return {"cache": asked.value()}


def _fits(name: str, task: Task, place: Path, *, models: Mapping[str, Model], notes: Notes) -> None:
    if notes.known(name, models, place, what="model") and models[name].task is not task:
        able = sorted(other for other, model in models.items() if model.task is task)
        message = f"The task of {name!r} is {models[name].task.value}, and {task.value} is needed here."
        cure = (
            f"Choose another model: {', '.join(able[:12])}." if able else f"Define a model for {task.value}."
        )
        notes.add("error", "C43", place, message, cure)


def check_caching(catalog: Catalog, tenant: Tenant, notes: Notes) -> None:
    """Note what keeps a tenant's cache from working: models that are not its own, and models that nobody may answer."""
    kept = tenant.cache
    if kept is None:
        return
    path = ("tenants", tenant.name, "cache")
    if kept.models is not None and not kept.models & set(tenant.models):
        message = f"{tenant.name!r} keeps answers of models that it may not use, and of no other."
        notes.add("warning", "C44", path, message, "Name a model of its own in `cache.models`.")
    if kept.semantic is None:
        return
    judge = kept.semantic.judge
    asked = {"embedder": kept.semantic.embedder, "judge": judge.model if judge else None}
    for word, name in asked.items():
        if name is not None and not make_plan(catalog, tenant, catalog.models[name], Needs()).targets:
            message = (
                f"The {word} {name!r} of the cache of {tenant.name!r} has no target that may answer it now."
            )
            cure = (
                f"`passerelle explain --tenant {tenant.name} --model {name}` says why, where it may use it."
            )
            notes.add("warning", "C45", path, message, cure)


def cached(tenant: Tenant) -> dict[str, Any]:
    """What is kept of a tenant's answers, by the words of the file; what is not set is None."""
    kept = tenant.cache
    if kept is None:
        return {"cache": None}
    told: dict[str, Any] = {
        "cache": "on",
        "cache.exact": kept.exact,
        "cache.scope": kept.scope.value,
        "cache.ttl": _seconds(kept.ttl),
        "cache.temperature": kept.temperature,
        "cache.models": sorted(kept.models) if kept.models is not None else None,
        "cache.fresh": list(kept.fresh) or None,
        "cache.actions": list(kept.actions) or None,
    }
    semantic = kept.semantic
    if semantic is not None:
        judge = semantic.judge
        told |= {
            "cache.semantic": "on",
            "cache.semantic.max_error_rate": semantic.max_error_rate,
            "cache.semantic.shadow": semantic.shadow,
            "cache.semantic.ttl": _seconds(semantic.ttl),
            "cache.semantic.embedder": semantic.embedder,
            "cache.semantic.judge": f"{judge.model}, {judge.calls_per_day} calls a day" if judge else None,
            "cache.semantic.evaluator": semantic.evaluator,
        }
    return told


def in_words(kept: Caching | None, model: Model) -> str | None:
    """What is kept of this model's answers, in a line; None where nothing is."""
    if (
        kept is None
        or model.task is not Task.CHAT
        or (kept.models is not None and model.name not in kept.models)
    ):
        return None
    shared = {"user": "by `user`", "key": "by key and `user`", "tenant": "by the whole tenant"}[
        kept.scope.value
    ]
    parts = [f"the same question, {_seconds(kept.ttl)}"] if kept.exact else []
    if kept.semantic is not None:
        rate = f"{100 * kept.semantic.max_error_rate:g} %"
        parts.append(f"the same meaning, {_seconds(kept.semantic.ttl)}, at most {rate} wrong")
    return f"{'; '.join(parts)}; shared {shared}"


def _seconds(value: float) -> str:
    return f"{value:g}s"
