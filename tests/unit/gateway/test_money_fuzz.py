"""Whatever engines do and whenever callers leave: each try that began ends once, and no money stays set aside."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from passerelle.backends.base import Reply
from passerelle.domain.ask import Ask, Route, Usage
from passerelle.domain.caller import Caller, Role
from passerelle.domain.catalog import BackendSpec, Target
from passerelle.domain.errors import Fault, UpstreamFailed
from passerelle.domain.facts import State, Survey
from passerelle.gateway.edition import Editions
from passerelle.gateway.record import Record
from passerelle.http.inference import Inference
from passerelle.http.intake import Limits
from passerelle.http.vigil import Vigil
from tests.books import Ledger, pricing
from tests.serving import KEY, FixedKeys, catalog_of, gateway_of

_COST = {"input_per_million": 1_000_000, "output_per_million": 1_000_000, "currency": "EUR"}
_CONFIGURATION: dict[str, Any] = {
    "backends": {
        name: {
            "kind": "openai",
            "url": "http://127.0.0.1:1",
            "cost": _COST,
            "timeouts": {"after_hangup": "1s"},
        }
        for name in ("one", "two")
    },
    "models": {
        "assistant": {
            "task": "chat",
            "targets": [
                {"backend": "one", "model": "m", "rank": 1},
                {"backend": "two", "model": "m", "rank": 2},
            ],
        }
    },
    "tenants": {"acme": {"budget": {"amount": 1_000_000}, "attempts": 2}},
}
_CATALOG = catalog_of(_CONFIGURATION, environment={}, models=Path("unused"))

_USAGE = b'{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}'
_BLOCKS = [
    b'data: {"choices":[{"index":0,"delta":{"role":"assistant"},"finish_reason":null}]}\n\n',
    b'data: {"choices":[{"index":0,"delta":{"content":"un"},"finish_reason":null}]}\n\n',
    b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n',
    b'data: {"choices":[],"usage":' + _USAGE + b"}\n\n",
    b'data: {"choices":[{"index":[],"delta":7,"finish_reason":{}}],"usage":{"prompt_tokens":-1}}\n\n',
    b'data: {"choices":7}\n\n',
    b'data: {"error":{"message":"no"}}\n\n',
    b"data: {\n\n",
    b": still here\n\n",
    b"data: [DONE]\n\n",
]
_WHOLE = b'{"choices":[{"index":0,"message":{"content":"un"},"finish_reason":"stop"}]}'


@dataclass
class _Stream:
    """Blocks of a stream, each after so many turns of the loop; None breaks off, a bug is a bug."""

    steps: list[Any]
    closed: int = 0

    async def read(self) -> bytes:
        await asyncio.sleep(0)
        if not self.steps:
            return b""
        step = self.steps.pop(0)
        if step == "break":
            raise UpstreamFailed(Fault.BROKEN, "broken off")
        if step == "bug":
            raise ValueError("a bug")
        assert isinstance(step, bytes)
        return step

    def close(self) -> None:
        self.closed += 1


@dataclass
class _Engine:
    """A backend that does the next thing of a script, and then answers."""

    script: list[Any]
    streams: list[_Stream] = field(default_factory=list)

    async def start(self, ask: Ask, target: Target, wait: float = 0.0) -> Reply:
        await asyncio.sleep(0)
        step = self.script.pop(0) if self.script else "answer"
        await asyncio.sleep(0)
        if isinstance(step, Fault):
            raise UpstreamFailed(step, "failed")
        if step == "bug":
            raise KeyError("a bug")
        if not ask.stream:
            return Reply("engine", _WHOLE, usage=Usage(3, 2) if step == "answer" else None)
        stream = _Stream(list(step) if isinstance(step, list) else [*_BLOCKS[:4], _BLOCKS[-1]])
        self.streams.append(stream)
        return Reply("engine", stream=stream)

    async def survey(self, models: Collection[str]) -> Survey:
        return Survey(State.UNKNOWN)

    async def resume(self) -> None:
        raise AssertionError

    async def aclose(self) -> None:
        pass


@dataclass
class _Client:
    """Asks, and hangs up after so many turns of the loop."""

    leaves: int
    body: bytes
    sent: list[dict[str, Any]] = field(default_factory=list)
    asked: bool = False

    async def receive(self) -> dict[str, Any]:
        if not self.asked:
            self.asked = True
            return {"type": "http.request", "body": self.body, "more_body": False}
        for _ in range(self.leaves):
            await asyncio.sleep(0)
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.sent.append(dict(message))
        await asyncio.sleep(0)


class _Full(Ledger):
    """A journal whose disk is full once so many tries have begun."""

    most = 100

    def begin(self, began: Any) -> None:
        self.full = len(self.began) >= self.most
        super().begin(began)


_step = st.one_of(
    st.sampled_from([Fault.MODEL, Fault.BROKEN, Fault.REQUEST, "bug", "answer", "silent"]),
    st.lists(st.one_of(st.sampled_from(_BLOCKS), st.sampled_from(["break", "bug"])), max_size=8),
)


@settings(max_examples=150, deadline=None)
@given(
    script=st.lists(_step, max_size=4),
    stream=st.booleans(),
    leaves=st.integers(0, 60),
    most=st.sampled_from([0, 1, 2, 100]),
    sink_breaks=st.booleans(),
    at_once=st.booleans(),
)
def test_each_try_that_began_ends_once_whatever_happens(
    script: list[Any], stream: bool, leaves: int, most: int, sink_breaks: bool, at_once: bool
) -> None:
    with capture_logs():
        asyncio.run(
            _play(script, stream=stream, leaves=leaves, most=most, sink_breaks=sink_breaks, at_once=at_once)
        )


async def _play(
    script: list[Any], *, stream: bool, leaves: int, most: int, sink_breaks: bool, at_once: bool
) -> None:
    engine = _Engine(script)
    ledger = _Full(ZoneInfo("UTC"))
    ledger.most = most
    records: list[Record] = []

    def sink(record: Record) -> None:
        records.append(record)
        if sink_breaks:
            raise ValueError("a sink of ours")

    def opened(_: BackendSpec) -> _Engine:
        return engine

    editions = Editions(_CATALOG, opened, pricing)
    gateway = gateway_of(editions, books=ledger.books, sinks=[sink], draw=random.Random(7).random)
    keys = FixedKeys({KEY.encode(): Caller("key_test", "acme", Role.MEMBER)})
    app = Inference(Route.CHAT, ask=gateway.ask, keys=keys, limits=Limits(), vigil=Vigil(keys.alive))
    body = {"model": "assistant", "messages": [{"role": "user", "content": "x"}], "stream": stream}
    client = _Client(leaves, orjson.dumps({**body, "max_tokens": 5}))
    scope = {
        "headers": [(b"authorization", b"Bearer " + KEY.encode()), (b"content-type", b"application/json")]
    }
    await app(scope, client.receive, client.send)
    if not at_once:
        for _ in range(20):
            await asyncio.sleep(0)
    await gateway.aclose()

    assert not ledger.open()
    assert len(ledger.ended) == len(ledger.began)
    (state,) = ledger.budgets.state(_CATALOG.tenants["acme"], now=int(ledger.books.now() * 1000))
    charged = sum(line.billed for each in ledger.ended if each.payer == "tenant:acme" for line in each.lines)
    assert (state.pending, state.spent) == (0, charged)
    assert sum(each.payer == "tenant:acme" for each in ledger.ended) <= 1
    assert all(line.amount >= 0 for each in ledger.ended for line in each.lines)
    assert len(records) == 1
    assert records[0].charged == charged
    assert editions.current.calls == 0
    assert all(each.closed for each in engine.streams)
    if any(message.get("body", b"").endswith(b"data: [DONE]\n\n") for message in client.sent):
        assert [each.served for each in ledger.ended].count(True) == 1
    await editions.aclose()
