"""The models that a tenant's pipelines name: each must exist, do what is asked there, and be the tenant's own."""

from __future__ import annotations

from collections.abc import Mapping

from passerelle.config.rag import NONE
from passerelle.domain.ask import Task
from passerelle.domain.catalog import Model
from passerelle.routing.agreements import Get
from passerelle.routing.notes import Notes
from passerelle.routing.plan import DEFAULT
from passerelle.routing.source import Path

_ROOMS = {"rag": "documents", "content": "texts", "surveys": "surveys"}


def named_model(
    get: Get,
    room: str,
    word: str,
    task: Task,
    *,
    own: tuple[str, ...],
    models: Mapping[str, Model],
    notes: Notes,
) -> str | None:
    """The model that a word of a pipeline names; None where it names none, or one that may not stand there."""
    name, place = get(room, word)
    if name is None or name == (DEFAULT if task is Task.CHAT else NONE):
        return None
    if not notes.known(name, models, place, what="model"):
        return None
    able = [other for other in own if other in models and models[other].task is task]
    cure = f"Choose one of: {', '.join(able[:12])}." if able else f"Let it use a model for {task.value}."
    if models[name].task is not task:
        message = f"The task of {name!r} is {models[name].task.value}, and {task.value} is needed here."
        notes.add("error", "C46", place, message, cure)
        return None
    if name not in own:
        message = f"The {word} {name!r} of {_ROOMS[room]} is not among the models that {_who(place)} may use."
        notes.add("error", "C47", place, message, f"Add it to `models.allow`. {cure}")
        return None
    return str(name)


def _who(place: Path) -> str:
    return repr(place[1]) if place[0] == "tenants" else "every tenant"


def first_embedder(own: tuple[str, ...], models: Mapping[str, Model]) -> str | None:
    """The embedder of a tenant that names none: its first whose vectors can all be compared with each other."""
    able = (name for name in own if name in models and models[name].task is Task.EMBED)
    return next((name for name in able if not mixed(models[name])), None)


def mixed(model: Model) -> bool:
    """Are its targets different models?"""
    return len({target.model for target in model.targets}) > 1
