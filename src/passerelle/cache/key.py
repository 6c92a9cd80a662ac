"""What of a question must be equal before anything may be alike. Pure.

Everything a caller sends is part of it unless it is known to change nothing of the answer: what is not known parts
callers, never joins them. Only digests of it under a secret of the tenant leave the process (`secrets.py`), so that
whoever reads a store cannot test guesses at what was asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import orjson

from passerelle.domain.ask import Ask, Route
from passerelle.domain.cache import Caching, Scope
from passerelle.domain.catalog import Target, Tenant

VERSION = 1  # of what goes into the keys; another one forgets every answer

# How an answer is sent, or whom it is counted for, but not what it says. `user` is the scope's to take in.
_APART = frozenset(
    {"model", "stream", "stream_options", "user", "metadata", "cache", "store", "service_tier"}
)


@dataclass(frozen=True, slots=True)
class Ground:
    """What all questions of a tenant to a model have in common, in bytes."""

    content: bytes

    @classmethod
    def of(cls, tenant: Tenant, model: str, targets: Iterable[Target]) -> Ground:
        """The ground under these permitted targets: rules of the tenant that change what may be answered are in it."""
        said = [
            VERSION,
            tenant.name,
            model,
            sorted({f"{target.backend}\n{target.model}\n{target.degraded}" for target in targets}),
            tenant.policy,
            tenant.guardrails,
            tenant.cache
            and [tenant.cache.scope, tenant.cache.temperature, tenant.cache.fresh, tenant.cache.actions],
        ]
        return cls(orjson.dumps(said, default=_plain, option=orjson.OPT_SORT_KEYS))


def whose(ask: Ask, caching: Caching, key_id: str) -> list[str]:
    """Who shares the answer, inside the tenant."""
    if caching.scope is Scope.TENANT:
        return []
    user = person_of(ask)
    named = [user] if user else []
    return ["key", key_id, *named] if caching.scope is Scope.KEY else ["user", *named]


def person_of(ask: Ask) -> str:
    """Whom the answer is for, "" where nobody says: a pseudonym, wherever the question came through the gateway."""
    user = ask.subject or ask.body.get("user")
    return user if isinstance(user, str) else ""


def same(ground: Ground, ask: Ask, *, whose: Sequence[str], generation: str) -> bytes | None:
    """What is equal for the very same question only; None for a body that no JSON writer takes."""
    return _written(ground, [ask.route, whose, ask.wishes.namespace, generation, _body(ask.body)])


def alike(
    ground: Ground, ask: Ask, *, whose: Sequence[str], generation: str, embedder: str, language: str
) -> bytes | None:
    """What is equal for all questions that differ in the text of their last message only."""
    body = _body(ask.body)
    if ask.route is Route.CHAT:
        *before, last = ask.body["messages"]
        body["messages"] = [*before, {name: value for name, value in last.items() if name != "content"}]
    else:
        body.pop("prompt", None)
    apart = [ask.route, whose, ask.wishes.namespace, generation, body, embedder, language]
    return _written(ground, apart)


def labels_of(ask: Ask, model: str) -> tuple[str, ...]:
    """What invalidates an answer as a whole: its tenant, its model, its documents, and its application's prompt."""
    labels = ["tenant", f"model:{model}"]
    if ask.collection:
        labels.append(f"collection:{ask.collection}")
    if (prompt := prompt_version(ask)) is not None:
        labels.append(f"prompt:{prompt}")
    return tuple(labels)


def prompt_version(ask: Ask) -> str | None:
    """A short digest of what the application itself says before its user does; None where it says nothing."""
    if ask.route is not Route.CHAT:
        return None
    said = [
        message.get("content")
        for message in ask.body["messages"]
        if message.get("role") in ("system", "developer")
    ]
    return sha256(orjson.dumps(said)).hexdigest()[:16] if said else None


def _body(body: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in body.items() if name not in _APART and value is not None}
    if kept.get("n") == 1:
        del kept["n"]
    return kept


def _written(ground: Ground, said: object) -> bytes | None:
    try:
        written = orjson.dumps(said, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # orjson's word for all it does not write
        return None
    return b"%d:%b%b" % (len(ground.content), ground.content, written)


def _plain(value: object) -> object:
    """Sets as sorted lists, so that each process writes the same."""
    if isinstance(value, frozenset):
        return sorted(value)
    raise TypeError
