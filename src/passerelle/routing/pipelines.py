"""Texts that are worked on and surveys that are read, from the file to values: the models they name must be the tenant's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from passerelle.config.rag import NONE
from passerelle.domain.ask import Task
from passerelle.domain.caller import Role
from passerelle.domain.catalog import Model, Tenant
from passerelle.domain.content import ContentRules
from passerelle.domain.survey_work import SurveyRules
from passerelle.routing.agreements import Get
from passerelle.routing.named import first_embedder, named_model
from passerelle.routing.notes import Notes

_CONTENT, _SURVEYS = ContentRules(), SurveyRules()


def pipelines(get: Get, *, own: tuple[str, ...], models: Mapping[str, Model], notes: Notes) -> dict[str, Any]:
    """The fields of a tenant that speak of its texts and surveys; `own` are the models that it may use."""
    known = {"own": own, "models": models, "notes": notes}
    return {"content": _content(get, known), "surveys": _surveys(get, known)}


def _content(get: Get, known: Mapping[str, Any]) -> ContentRules | None:
    if get("content", "enabled")[0] is False:
        return None
    return ContentRules(
        model=named_model(get, "content", "model", Task.CHAT, **known),
        writers=Role(_or(get("content", "writers")[0], _CONTENT.writers)),
        pieces=_or(get("content", "limits", "pieces")[0], _CONTENT.pieces),
        characters=_or(get("content", "limits", "characters")[0], _CONTENT.characters),
        keep=get("content", "keep")[0] or None,
    )


def _surveys(get: Get, known: Mapping[str, Any]) -> SurveyRules | None:
    if get("surveys", "enabled")[0] is False:
        return None
    embedder = named_model(get, "surveys", "embedder", Task.EMBED, **known)
    said = get("surveys", "embedder")[0]
    if said is None:
        embedder = first_embedder(known["own"], known["models"])
    return SurveyRules(
        model=named_model(get, "surveys", "model", Task.CHAT, **known),
        embedder=None if said == NONE else embedder,
        languages=tuple(_or(get("surveys", "languages")[0], _SURVEYS.languages)),
        minimum=_or(get("surveys", "minimum")[0], _SURVEYS.minimum),
        examples=_or(get("surveys", "examples")[0], _SURVEYS.examples),
        writers=Role(_or(get("surveys", "writers")[0], _SURVEYS.writers)),
        rows=_or(get("surveys", "limits", "rows")[0], _SURVEYS.rows),
        surveys=_or(get("surveys", "limits", "surveys")[0], _SURVEYS.surveys),
        keep=get("surveys", "keep")[0] or None,
    )


def _or(said: Any, unsaid: Any) -> Any:
    return unsaid if said is None else said


def worked(tenant: Tenant) -> dict[str, Any]:
    """What is done with a tenant's texts and surveys, by the words of the file; what is as if nothing were said is None."""
    told: dict[str, Any] = {}
    content, surveys = tenant.content, tenant.surveys
    if content is None:
        told["content"] = "off"
    else:
        told |= {
            "content.model": content.model,
            "content.writers": _other(content.writers.value, _CONTENT.writers.value),
            "content.keep": _seconds(content.keep),
            "content.limits.pieces": _other(content.pieces, _CONTENT.pieces),
            "content.limits.characters": _other(content.characters, _CONTENT.characters),
        }
    if surveys is None:
        return {**told, "surveys": "off"}
    return {
        **told,
        "surveys.model": surveys.model,
        "surveys.embedder": surveys.embedder,
        "surveys.languages": _other(list(surveys.languages), list(_SURVEYS.languages)),
        "surveys.minimum": _other(surveys.minimum, _SURVEYS.minimum),
        "surveys.examples": _other(surveys.examples, _SURVEYS.examples),
        "surveys.writers": _other(surveys.writers.value, _SURVEYS.writers.value),
        "surveys.keep": _seconds(surveys.keep),
        "surveys.limits.surveys": _other(surveys.surveys, _SURVEYS.surveys),
        "surveys.limits.rows": _other(surveys.rows, _SURVEYS.rows),
    }


def _other(value: Any, usual: Any) -> Any:
    return None if value == usual else value


def _seconds(value: float | None) -> str | None:
    return f"{value:.10g}s" if value is not None else None
