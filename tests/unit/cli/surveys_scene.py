"""The verbs of `passerelle surveys` before the real routes, whose bureau is in memory; jobs are over when they are watched."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import replace
from importlib import import_module
from typing import Any

import pytest

from passerelle.cli.operator_here import Here
from passerelle.domain.survey_work import SurveyState
from passerelle.http.front import App
from tests.fakes.rag import RagFake
from tests.fakes.surveys import BureauFake
from tests.serving import one_backend, serving
from tests.unit.cli.test_progress import Told, finished
from tests.unit.http.surveys_scene import only_surveys

_MODULES = ("surveys_codebook", "surveys_files", "surveys_report", "surveys_runs", "rag_ask")


class Estate(Here):
    """An operator of that application. `watched` are jobs that were waited for, `ends` how they do."""

    def __init__(self, runner: asyncio.Runner, bureau: BureauFake, rag: RagFake) -> None:
        self._runner = runner
        self._stack = AsyncExitStack()
        self.bureau, self.rag = bureau, rag
        self.watched: list[str] = []
        self.ends = "done"
        self.works = 0

    def open(self) -> None:
        """Serve it."""
        configuration = one_backend("vllm", "http://localhost:1")
        serves = serving(configuration, whole=True, surveys=self.bureau, rag=self.rag, wrap=self._taken)
        self._runner.run(self._stack.enter_async_context(serves))

    def close(self) -> None:
        """Close it."""
        self._runner.run(self._stack.aclose())

    def work(self) -> None:
        """A service does."""
        self.works += 1

    def follow(self, method: str, path: str, body: Any = None) -> Iterator[Told]:
        """Events of a job that is over, or of what is asked."""
        if not path.startswith("/v1/jobs/"):
            yield from super().follow(method, path, body)
            return
        self.watched.append(path.split("/")[3])
        yield "created", {"items": 1}
        yield finished(self.ends, done=1)

    def fail(self) -> None:
        """What is kept cannot be read."""
        for held in self.bureau.held.values():
            held.survey = replace(held.survey, state=SurveyState.FAILED)

    def _taken(self, app: App) -> App:
        self._app = only_surveys(app)
        return app


@contextmanager
def estate_of(monkeypatch: pytest.MonkeyPatch) -> Iterator[Estate]:
    """The estate, which the verbs ask instead of a service."""
    with asyncio.Runner() as runner:
        found = Estate(runner, BureauFake(), RagFake())
        found.open()
        try:
            _given(monkeypatch, found)
            yield found
        finally:
            found.close()


def _given(monkeypatch: pytest.MonkeyPatch, estate: Estate) -> None:
    @contextmanager
    def operating(settings: object) -> Iterator[Estate]:
        yield estate

    def order(settings: object, method: str, path: str, body: Any = None) -> Any:
        return estate.order(method, path, body)

    def fetch(settings: object, method: str, path: str, body: Any = None) -> bytes:
        return estate.fetch(method, path, body)

    for name in _MODULES:
        module = import_module(f"passerelle.cli.{name}")
        for ours in (operating, order, fetch):
            if hasattr(module, ours.__name__):
                monkeypatch.setattr(module, ours.__name__, ours)
