"""Who answers from given passages, over a fake engine or the builtin one."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from passerelle.backends.registry import kinds
from passerelle.domain.caller import Caller, Role
from passerelle.domain.catalog import Tenant
from passerelle.domain.rag import Answered, Found, Happened, Question, Seeking, Turn
from passerelle.gateway.edition import Editions
from passerelle.pipelines.rag.answering import Answering, Evidence, Judge
from passerelle.text.words import Language
from tests.books import Ledger, pricing
from tests.fakes.openai_like import OPENAI, OpenAiLike
from tests.serving import catalog_of, gateway_of, one_backend
from tests.unit.gateway.internal import Inside, inside

CALLER = Caller("key_test", "acme", Role.MEMBER)


@dataclass
class Keeping:
    """Keeps answers, and what was said before, in memory."""

    before: tuple[Turn, ...] = ()
    kept: list[Answered] = field(default_factory=list)

    async def turns(self, caller: Caller, question: Question, *, keep: float | None) -> Sequence[Turn]:
        return self.before

    async def keep(
        self, caller: Caller, question: Question, answered: Answered, *, keep: float | None
    ) -> str | None:
        self.kept.append(answered)
        return "conv_1"


@dataclass
class Desk:
    """Answers from the passages it holds, and remembers what was looked for."""

    answering: Answering
    inside: Inside
    found: list[Found]
    sought: list[Seeking]
    keeping: Keeping

    async def ask(self, *said: str, stream: bool = True, **fields: Any) -> tuple[list[Happened], Answered]:
        """The events, and the last of them; `said` are the turns, the user's first."""
        events = [
            event async for event in self.answering.answer(CALLER, asked(*said, **fields), stream=stream)
        ]
        last = events[-1]
        assert isinstance(last, Answered)
        return events, last


def asked(*said: str, **fields: Any) -> Question:
    """A question after the turns before it, the user's and the assistant's in turn."""
    turns = tuple(Turn("assistant" if index % 2 else "user", text) for index, text in enumerate(said))
    return Question("docs", turns, **fields)


def relevant(
    question: str, found: Sequence[Found], *, language: Language, extractive: bool, most: int
) -> Evidence:
    """Everything is shown."""
    return Evidence(tuple(found), refused=False)


def desk_of(
    gateway: Inside,
    found: Sequence[Found],
    *,
    judge: Judge = relevant,
    search: Callable[[Tenant, Seeking], Awaitable[Sequence[Found]]] | None = None,
) -> Desk:
    """Who answers over that gateway."""
    held, sought, keeping = list(found), list[Seeking](), Keeping()

    async def find(tenant: Tenant, seeking: Seeking) -> Sequence[Found]:
        sought.append(seeking)
        return tuple(held)

    answering = Answering(
        gateway.gateway,
        gateway.editions,
        search=search or find,
        judge=judge,
        secret=b"s" * 32,
        keeper=keeping,
    )
    return Desk(answering, gateway, held, sought, keeping)


@asynccontextmanager
async def over_engine(
    found: Sequence[Found], tenant: Mapping[str, object] | None = None, **options: Any
) -> AsyncIterator[tuple[OpenAiLike, Desk]]:
    """A fake engine that words its answers."""
    async with OpenAiLike(OPENAI) as engine:
        configuration = one_backend("openai", engine.url, model=engine.model)
        configuration["tenants"] = {"acme": dict(tenant or {})}
        async with inside(configuration) as gateway:
            yield engine, desk_of(gateway, found, **options)
            assert not gateway.ledger.open()  # every try that began has ended
        await engine.until(lambda: engine.live == 0)


@asynccontextmanager
async def over_builtin(models: Path, found: Sequence[Found] = (), **options: Any) -> AsyncIterator[Desk]:
    """The engine of the package, which quotes."""
    registry = kinds(models)
    configuration = one_backend("builtin", "", model="extractive")
    catalog = catalog_of(configuration, environment={}, models=models)
    editions = Editions(catalog, lambda spec: registry[spec.kind].open(spec), pricing)
    ledger = Ledger()
    gateway = gateway_of(editions, books=ledger.books, sinks=[], draw=random.Random(7).random, models=models)
    try:
        yield desk_of(Inside(gateway, editions, ledger, [], models), found, **options)
    finally:
        await gateway.aclose()
        await editions.aclose()
