"""Whoever asks whatever: nobody is given an answer that another tenant, user, key, model or prompt has had."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from passerelle.domain.caller import Caller, Role
from tests.fakes.openai_like import OPENAI, OpenAiLike
from tests.fakes.wire import Received
from tests.models import shared_models
from tests.serving import Served, one_backend, serving

_PATH = "/v1/chat/completions"
_SCOPES = {"alpha": "user", "beta": "key", "gamma": "tenant", "delta": "tenant"}
_KEYS = {
    f"key-{number}-of-{tenant}".ljust(32, "0"): (tenant, number) for tenant in _SCOPES for number in (1, 2)
}
_QUESTIONS = {
    "password": ("How do I reset my password?", "how do I reset my password", "How do I reset my password !"),
    "invoice": (
        "Where can I find my invoice?",
        "where can I find my invoice",
        "Where can I find my invoice !",
    ),
}
_SYSTEMS = (None, "You help the customers of a bank.", "You help the customers of a shop.")
_EXTRAS: tuple[dict[str, Any], ...] = (
    {},
    {"temperature": 0.1},
    {"seed": 7},
    {"max_tokens": 400},
    {"stop": ["END"]},
    {"response_format": {"type": "text"}},
    {"a_parameter_of_tomorrow": "left"},
    {"a_parameter_of_tomorrow": "right"},
)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shared_models(tmp_path_factory)


@dataclass(frozen=True)
class _Question:
    """Somebody's question, and what tells its answer from those of others."""

    key: str
    user: str | None = None
    model: str = "assistant"
    topic: str = "password"
    wording: int = 0
    system: str | None = None
    extra: int = 0
    history: str | None = None
    namespace: str | None = None
    stream: bool = False

    @property
    def identity(self) -> str:
        """All that may not be crossed, in words; what the scope lets pass is left out."""
        tenant, number = _KEYS[self.key]
        shared = {
            "user": [self.user],
            "key": [number, self.user],
            "tenant": [],
        }[_SCOPES[tenant]]
        parted = [tenant, shared, self.model, self.topic, self.system, self.extra, self.history]
        return "Answer for " + orjson.dumps([*parted, self.namespace]).decode()

    @property
    def body(self) -> dict[str, Any]:
        """What is sent. Engines are told `metadata`, which is no part of any question."""
        said = [{"role": "system", "content": self.system}] if self.system else []
        if self.history:
            said += [{"role": "user", "content": "Hello."}, {"role": "assistant", "content": self.history}]
        said.append({"role": "user", "content": _QUESTIONS[self.topic][self.wording]})
        body = {"model": self.model, "messages": said, "metadata": {"told": self.identity}}
        body |= _EXTRAS[self.extra]
        body |= {"user": self.user} if self.user else {}
        body |= {"cache": {"namespace": self.namespace}} if self.namespace else {}
        return body | ({"stream": True} if self.stream else {})


_FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "key": st.sampled_from(sorted(_KEYS)),
    "user": st.sampled_from((None, "one", "two")),
    "model": st.sampled_from(("assistant", "expert")),
    "topic": st.sampled_from(sorted(_QUESTIONS)),
    "wording": st.integers(0, 2),
    "system": st.sampled_from(_SYSTEMS),
    "extra": st.integers(0, len(_EXTRAS) - 1),
    "history": st.sampled_from((None, "Good day.", "Good evening.")),
    "namespace": st.sampled_from((None, "left", "right")),
    "stream": st.booleans(),
}
_CHANGES = st.lists(
    st.one_of([st.tuples(st.just(name), value) for name, value in _FIELDS.items()]), max_size=10
)


@st.composite
def _conversations(draw: st.DrawFn) -> list[_Question]:
    """Questions of which each differs from one before it in one thing only, or in how it is worded or sent."""
    known = [_Question(draw(_FIELDS["key"]), draw(_FIELDS["user"]))]
    for name, value in draw(_CHANGES):
        like = draw(st.sampled_from(known))
        known += [replace(like, **{name: value}), replace(like, wording=draw(_FIELDS["wording"]))]
    return known


def _who(request: Received) -> str:
    """The engine says for whom it answers."""
    return str(request.body["metadata"]["told"])


def _configuration(engine: OpenAiLike) -> dict[str, Any]:
    configuration: dict[str, Any] = one_backend("openai", engine.url, model=engine.model)
    configuration["models"]["expert"] = dict(configuration["models"]["assistant"])
    semantic = {"max_error_rate": 0.05}
    configuration["tenants"] = {
        tenant: {"cache": {"scope": scope, "semantic": semantic}} for tenant, scope in _SCOPES.items()
    }
    return configuration


@dataclass
class _House:
    """A gateway with its tenants; `seen` counts how answers came."""

    served: Served
    http: aiohttp.ClientSession
    seen: Counter[str] = field(default_factory=Counter)

    async def ask(self, question: _Question) -> str:
        """What is answered."""
        headers = {"Authorization": f"Bearer {question.key}"}
        async with self.http.post(_PATH, json=question.body, headers=headers) as reply:
            raw = await reply.read()
            assert reply.status == 200, raw
            self.seen[reply.headers["x-passerelle-cache"]] += 1
        if not question.stream:
            return str(orjson.loads(raw)["choices"][0]["message"]["content"])
        events = [line[6:] for line in raw.split(b"\n") if line.startswith(b"data: {")]
        choices = [choice for event in events for choice in orjson.loads(event)["choices"]]
        return "".join(choice["delta"].get("content") or "" for choice in choices)

    async def idle(self) -> None:
        """Wait until everything is learned."""
        assert self.served.remembering.opened is not None
        await self.served.remembering.opened.keeper.idle()

    async def empty(self) -> None:
        """Forget everything."""
        assert self.served.remembering.opened is not None
        for tenant in _SCOPES:
            await self.served.remembering.opened.commons.shelf.purge(tenant, everything=True)


@asynccontextmanager
async def _house(models: Path) -> AsyncIterator[_House]:
    callers = {
        key.encode(): Caller(f"key_{tenant}_{number}", tenant, Role.MEMBER)
        for key, (tenant, number) in _KEYS.items()
    }
    async with (
        OpenAiLike(OPENAI, answer=_who) as engine,
        serving(_configuration(engine), models=models, callers=callers) as served,
        served.client(None) as http,
    ):
        opened = await served.remembering.open()
        # The model is loaded by its first text, which may take longer than a look may.
        embedding = opened.commons.semantics.embedding(served.editions.catalog.tenants["alpha"])
        assert embedding is not None
        await embedding.vector("warm")
        yield _House(served, http)


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


def test_no_answer_ever_crosses_to_where_it_was_not_given(
    models: Path, runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One after the other, so that everything is learned; then all at once, so that identical ones meet in flight."""
    monkeypatch.setattr("passerelle.cache.visit.DEADLINE", 5.0)  # so that a busy machine finds as much
    house = _house(models)
    here = runner.run(house.__aenter__())

    @settings(max_examples=20, deadline=None)
    @given(_conversations())
    def asked(questions: list[_Question]) -> None:
        runner.run(_all_of(questions))

    async def _all_of(questions: list[_Question]) -> None:
        await here.empty()
        for question in questions:
            assert await here.ask(question) == question.identity
            await here.idle()
        await here.empty()
        told = await asyncio.gather(*map(here.ask, questions))
        assert told == [question.identity for question in questions]
        await here.idle()

    try:
        asked()
        assert here.seen["hit"] > 0
        assert here.seen["semantic-hit"] > 0
    finally:
        runner.run(house.__aexit__(None, None, None))
