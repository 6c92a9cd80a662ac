"""A reading and a library that say what a test has written for them, and remember what they were asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from passerelle.domain.ask import Usage
from passerelle.domain.caller import Caller
from passerelle.domain.errors import NotFound
from passerelle.domain.rag import Answered, Citation, Happened, Question, Said, Setup, Shelf
from passerelle.pipelines.rag.desk import Library, Reading
from tests.fakes.openai_like import OPENAI, OpenAiLike
from tests.serving import Served, one_backend, serving

TEXT = "Anna built it [1]. It is old [2]."
PAGE = Citation(
    1,
    "doc_1",
    "c1",
    "The bridge",
    "built by Anna",
    0.9,
    url="https://docs.example/bridge",
    places=((14, 17),),
)
FILE = Citation(2, "doc_2", "c7", "Report.pdf", "it is old", 0.4, page=3, start=5, end=14, places=((29, 32),))


def answered(text: str = TEXT, **more: Any) -> Answered:
    given: dict[str, Any] = {
        "id": "ans_1",
        "collection": "docs",
        "model": "assistant",
        "text": text,
        "citations": (PAGE, FILE),
        "refusal": None,
        "nearest": (),
        "searched": "Who built the bridge?",
        "usage": Usage(120, 30, cached_tokens=7),
        "cost": "0.0012 EUR",
        "seconds": {"search": 0.01, "answer": 0.02, "total": 0.04},
        "facts": {"backend": "engine", "target": "fake", "attempts": "2", "cache": "miss"},
        "conversation": "conv_1",
        **more,
    }
    return Answered(**given)


WHOLE: tuple[Happened, ...] = (
    Said("Anna built "),
    Said("it [1]."),
    PAGE,
    Said(" It is old [2]."),
    FILE,
    answered(),
)

Step = Happened | Exception | asyncio.Event | None  # None: for ever


@dataclass
class Scripted:
    """Tells its steps in order; an exception is raised, an event waited for. `left` is set when it is over."""

    steps: Sequence[Step] = WHOLE
    asked: list[tuple[Caller, Question, bool]] = field(default_factory=list)
    told: int = 0
    left: asyncio.Event = field(default_factory=asyncio.Event)
    left_by: list[object] = field(default_factory=list)

    async def answer(
        self, caller: Caller, question: Question, *, stream: bool
    ) -> AsyncGenerator[Happened, None]:
        self.asked.append((caller, question, stream))
        task = asyncio.current_task()
        try:
            for step in self.steps:
                if isinstance(step, Exception):
                    raise step
                if step is None:
                    await asyncio.Event().wait()
                elif isinstance(step, asyncio.Event):
                    await step.wait()
                else:
                    self.told += 1
                    yield step
        finally:
            await asyncio.sleep(0)  # closing takes its time too
            self.left_by.append(asyncio.current_task() is task)
            self.left.set()

    @property
    def question(self) -> Question:
        return self.asked[-1][1]


@dataclass
class Shelves:
    """A library of named collections."""

    names: Sequence[str] = ("docs",)
    error: Exception | None = None

    async def shelves(self, tenant: str) -> Sequence[Shelf]:
        if self.error is not None:
            raise self.error
        return [_shelf(tenant, name) for name in self.names]

    async def shelf(self, tenant: str, name: str) -> Shelf:
        if name not in self.names:
            raise NotFound("There is no such collection.", code="collection_not_found")
        return _shelf(tenant, name)


@dataclass
class Scene:
    """Both."""

    scripted: Scripted = field(default_factory=Scripted)
    kept: Shelves = field(default_factory=Shelves)
    opening: Callable[[], object] = lambda: None

    async def library(self) -> Library:
        self.opening()
        return self.kept  # type: ignore[return-value]  # as much of one as models are listed from

    async def reading(self) -> Reading:
        self.opening()
        return self.scripted  # type: ignore[return-value]  # as much of one as answers


def _shelf(tenant: str, name: str) -> Shelf:
    at = datetime(2026, 1, 2, tzinfo=UTC)
    return Shelf(tenant, name, "", Setup(None, 0, 1200, 150), 1, 3, 30, at, at)


@asynccontextmanager
async def answering(scene: Scene, *, whole: bool = False, **tenant: Any) -> AsyncIterator[Served]:
    """A gateway with one ordinary model, and these documents."""
    async with OpenAiLike(OPENAI) as engine:
        configuration = one_backend("openai", engine.url, model=engine.model)
        configuration["tenants"] = {"acme": tenant}
        async with serving(configuration, rag=scene, whole=whole) as served:
            yield served
