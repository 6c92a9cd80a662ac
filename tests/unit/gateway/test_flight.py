"""However requests end, nothing stays in flight, no edition stays open, and no account waits for a turn for ever."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Collection
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from passerelle.backends.base import Reply
from passerelle.domain.ask import Ask, Needs, Route, Task
from passerelle.domain.caller import Caller, Role
from passerelle.domain.catalog import BackendSpec, Catalog, Model, Target, Tenant, TimeLimits
from passerelle.domain.errors import Fault, PasserelleError, UpstreamFailed
from passerelle.domain.facts import State, Survey
from passerelle.gateway.accounts import FIRST, Accounts
from passerelle.gateway.edition import Editions
from passerelle.gateway.watch import Watch
from tests.books import Ledger, pricing
from tests.serving import gateway_of

_CHUNK = b'data: {"choices":[{"index":0,"delta":{"content":"x"},"finish_reason":null}]}\n\n'
_END = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
_CALLER = Caller("key", "t", Role.MEMBER)


class _Stream:
    def __init__(self, does: str) -> None:
        self._does = does
        self._blocks = {
            "stream": [_CHUNK, _CHUNK, _END],
            "broken": [_CHUNK, b"data: {\n\n"],
            "empty": [],
        }.get(does, [_CHUNK])
        self.closed = False

    async def read(self) -> bytes:
        if self._blocks:
            return self._blocks.pop(0)
        if self._does == "silent":
            await asyncio.Event().wait()
        if self._does == "fails":
            raise UpstreamFailed(Fault.SERVER, "broke")
        return b""

    def close(self) -> None:
        self.closed = True


class _Backend:
    """Does what each request's prompt says."""

    streams: list[_Stream]

    def __init__(self, streams: list[_Stream]) -> None:
        self.streams = streams

    async def start(self, ask: Ask, target: Target, wait: float = 0.0) -> Reply:
        does = str(ask.body["does"])
        if does in {fault.value for fault in Fault}:
            raise UpstreamFailed(Fault(does), "failed")
        if does == "bug":
            raise RuntimeError("a bug")
        if does == "hangs":
            await asyncio.Event().wait()
        if not ask.stream:
            return Reply("engine", b"{}")
        self.streams.append(_Stream(does))
        return Reply("engine", stream=self.streams[-1])

    async def survey(self, models: Collection[str]) -> Survey:
        return Survey(State.READY)

    async def resume(self) -> None: ...

    async def aclose(self) -> None: ...


def _catalog() -> Catalog:
    limits = TimeLimits(first_content=5, between_chunks=5, total=5)
    backends = {
        name: BackendSpec(name, "openai", None, limits=limits, secrets={"token": "t"}) for name in "ab"
    }
    targets = (Target("a", "x"), Target("b", "x"))
    return Catalog(
        "v", backends, {"m": Model("m", Task.CHAT, targets)}, {"t": Tenant("t", ("m",), attempts=1)}
    )


def _ask(does: str, *, stream: bool) -> Ask:
    body: dict[str, Any] = {"does": does, "messages": [{"role": "user", "content": "x"}]}
    return Ask(Route.CHAT, "m", body, stream, False, "id", Needs(), 0.0)


_does = st.sampled_from(
    ["whole", "stream", "broken", "empty", "fails", "silent", "hangs", "bug", *(f.value for f in Fault)]
)
_requests = st.lists(
    st.tuples(_does, st.booleans(), st.integers(0, 3), st.booleans()), min_size=1, max_size=8
)


@given(requests=_requests)
@settings(max_examples=150, deadline=None)
def test_every_count_returns_to_nought(requests: list[tuple[str, bool, int, bool]]) -> None:
    """Each request: what the engine does, streamed or not, how many blocks are read, and whether it is cancelled."""
    asyncio.run(_play(requests))


async def _play(requests: list[tuple[str, bool, int, bool]]) -> None:
    streams: list[_Stream] = []
    now = 0.0
    accounts = Accounts(lambda: now)
    editions = Editions(_catalog(), lambda _: _Backend(streams), pricing)
    gateway = gateway_of(
        editions, books=Ledger().books, sinks=[], draw=random.Random(1).random, accounts=accounts
    )
    watch: Watch = gateway.watch

    async def one(does: str, stream: bool, reads: int) -> None:
        answer = await gateway.ask(_CALLER, _ask(does, stream=stream))
        try:
            assert not stream or sum(watch.flight._count.values()) > 0
            for _ in range(reads if stream else 0):
                await answer.read()
        finally:
            answer.close()

    running = [asyncio.ensure_future(one(does, stream, reads)) for does, stream, reads, _ in requests]
    for _ in range(5):
        await asyncio.sleep(0)
    editions.publish(_catalog())
    for task, (does, _, _, cancelled) in zip(running, requests, strict=True):
        if cancelled or does in ("hangs", "silent"):
            task.cancel()
    outcomes = await asyncio.gather(*running, return_exceptions=True)

    assert all(isinstance(each, (PasserelleError, asyncio.CancelledError, type(None))) for each in outcomes)
    assert watch.flight._count == {}
    assert editions.current.calls == 0
    assert editions._retired == set()
    assert all(stream.closed for stream in streams)
    for name in "ab":  # whatever was learned of an account, a rest ends and then somebody has the turn
        spec = editions.catalog.backends[name]
        now = 1e9
        assert accounts.rests(spec.account_of(Target(name, "x"))) == 0
        accounts.unsure(spec.account_of(Target(name, "x")))
    await editions.aclose()


@pytest.mark.parametrize("end", ["cancelled", "server", "bug"])
async def test_the_turn_of_a_request_that_learned_nothing_goes_to_the_next(end: str) -> None:
    now = 0.0
    accounts = Accounts(lambda: now)
    editions = Editions(_catalog(), lambda _: _Backend([]), pricing)
    gateway = gateway_of(
        editions, books=Ledger().books, sinks=[], draw=random.Random(1).random, accounts=accounts
    )
    with pytest.raises(UpstreamFailed):
        await gateway.ask(_CALLER, _ask("credits", stream=False))
    now += FIRST + 1
    asking = asyncio.ensure_future(
        gateway.ask(_CALLER, _ask("hangs" if end == "cancelled" else end, stream=False))
    )
    for _ in range(5):
        await asyncio.sleep(0)
    if end == "cancelled":
        asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)

    answer = await gateway.ask(_CALLER, _ask("whole", stream=False))
    answer.close()
    await editions.aclose()


def test_many_requests_refused_at_once_count_as_one() -> None:
    now = 0.0
    accounts = Accounts(lambda: now)
    for _ in range(100):
        accounts.refused("a", backend="hub")

    assert accounts.rests("a") == FIRST
    now += FIRST
    assert accounts.rests("a") == 0
    accounts.refused("a", backend="hub")
    assert accounts.rests("a") == 2 * FIRST
