"""A gateway whose way to its first engine leads through a chaos proxy, and what must hold whatever that proxy does."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from passerelle.domain.limits import Meter
from passerelle.gateway.accounts import Accounts
from passerelle.gateway.affinity import Flight
from passerelle.gateway.watch import Watch
from passerelle.http.vigil import Patience
from passerelle.limits.breakers import Breakers
from passerelle.limits.memory import MemoryStore
from passerelle.limits.places import Places
from passerelle.limits.retries import Retries
from passerelle.limits.store import Claim
from tests.chaos.proxy import Proxy
from tests.fakes.engine import Engine
from tests.fakes.openai_like import OPENAI, OpenAiLike
from tests.fakes.tgi import TgiFake
from tests.fakes.vllm import VllmFake
from tests.serving import Served, serving

PATH = "/v1/chat/completions"
TEXT = " ".join(f"mot{number}" for number in range(20))  # of the first engine
SPARE = " ".join(f"secours{number}" for number in range(20))  # of the second one
BODY: dict[str, Any] = {
    "model": "assistant",
    "messages": [{"role": "user", "content": "Dis bonjour."}],
    "max_tokens": 200,
}
BROKEN_CODES = {"upstream_broken", "upstream_between_chunks_timeout", "upstream_total_timeout"}
# Seconds. Nothing on a healthy way takes this long, and nothing on a broken one may take longer.
LIMITS = {"connect": 2, "first_content": 5, "between_chunks": 5, "total": 20}
SHORT = {"connect": 0.3, "first_content": 0.3, "between_chunks": 0.3, "total": 0.6}
_COST = {"input_per_million": 1_000_000, "output_per_million": 1_000_000, "currency": "EUR"}

KINDS: dict[str, tuple[str, Callable[[str], Engine], str]] = {
    "openai": ("openai", lambda text: OpenAiLike(OPENAI, answer=text), "qwen2.5-7b-instruct"),
    "vllm": ("vllm", lambda text: VllmFake(text, model="qwen2.5-7b-instruct"), "qwen2.5-7b-instruct"),
    "tgi": ("tgi", TgiFake, "tgi"),
}


@dataclass
class Clock:
    """The time of breakers and of budgets of retries, which passes when a test says so."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Draws:
    """What chance has to say to the breakers: the numbers given, then the last one for ever."""

    numbers: list[float] = field(default_factory=lambda: [0.0])

    def __call__(self) -> float:
        return self.numbers.pop(0) if len(self.numbers) > 1 else self.numbers[0]


@dataclass(frozen=True)
class Heard:
    """What a caller was told. `whole`: the reply ended as HTTP says it must."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    whole: bool = True

    @property
    def backend(self) -> str | None:
        return self.headers.get("x-passerelle-backend")

    @property
    def events(self) -> list[bytes]:
        return [line[6:] for line in self.body.split(b"\n") if line.startswith(b"data: ")]

    @property
    def done(self) -> bool:
        return b"[DONE]" in self.body

    @property
    def code(self) -> str | None:
        """Of the error, where one was told; all its four keys are there."""
        if self.status != 200:
            told = json.loads(self.body)
        elif self.events and b'"error"' in self.events[-1]:
            told = json.loads(self.events[-1])
        else:
            return None
        assert set(told["error"]) == {"message", "type", "param", "code"}
        return str(told["error"]["code"])

    @property
    def text(self) -> str:
        """Of the answer, as far as it came."""
        if self.status != 200:
            return ""
        if not self.headers["content-type"].startswith("text/event-stream"):
            return str(json.loads(self.body)["choices"][0]["message"]["content"])
        chunks = [json.loads(event) for event in self.events if event != b"[DONE]"]
        choices = [choice for chunk in chunks for choice in chunk.get("choices", ())]
        return "".join(choice["delta"].get("content") or "" for choice in choices)


def check(heard: Heard) -> None:
    """One error, or the whole answer of one engine, or its beginning and one error: nothing else."""
    assert heard.whole, "the gateway itself never breaks a reply off"
    if heard.status != 200:
        assert heard.status in (502, 503, 504), heard.body
        assert heard.code
        assert heard.headers["x-passerelle-error-source"] == "upstream"
        if heard.status == 503:
            assert int(heard.headers["retry-after"]) >= 1
        return
    right = TEXT if heard.backend == "engine" else SPARE
    if heard.code is None:
        assert heard.text == right
        assert heard.done == heard.headers["content-type"].startswith("text/event-stream")
    else:
        assert not heard.done
        assert right.startswith(heard.text)
        assert heard.body.count(b'"error"') == 1


@dataclass
class Scene:
    """Everything of one test. `proxy` is before `engine`, `second` before `spare`."""

    served: Served
    proxy: Proxy
    second: Proxy
    engine: Engine
    spare: OpenAiLike
    store: MemoryStore
    clock: Clock
    draws: Draws

    async def call(self, *, stream: bool = False, session: aiohttp.ClientSession | None = None) -> Heard:
        """One call, read to its end. Raises TimeoutError where that never comes."""
        async with asyncio.timeout(20):
            if session is not None:
                return await _read(session, stream=stream)
            async with self.served.client() as own:
                return await _read(own, stream=stream)

    async def settled(self, calls: int) -> None:
        """Soon there is one record and one settled bill for each call, and nothing is held any more."""
        await self.served.until(lambda: len(self.served.records) >= calls)
        await self.served.until(lambda: not self.holds())
        await self.served.until(lambda: self.engine.live == 0 and self.spare.live == 0)
        assert len(self.served.records) == calls
        assert len({record.request_id for record in self.served.records}) == calls
        ended = [each.attempt_id for each in self.served.ledger.ended]
        assert len(ended) == len(set(ended))

    def holds(self) -> list[str]:
        """What is still held of what a call takes: tries in the books, money, limits, places, counts in flight."""
        watch, found = self.served.watch, []
        if self.served.ledger.open():
            found.append("a try without an end")
        tenant = self.served.editions.current.catalog.tenants["acme"]
        states = self.served.ledger.budgets.state(tenant, now=int(time.time() * 1000))
        found += [f"money: {state.pending}" for state in states if state.pending]
        calls = Claim("acme", f"tenant:{Meter.CALLS}", Meter.CALLS, 1000, cost=0)
        if self.store.take("nobody", [calls]).readings[0].used:
            found.append("a place among the tenant's calls")
        for occupancy in watch.places.snapshot():
            if occupancy.in_flight or occupancy.waiting:
                found.append(f"places: {occupancy}")
        catalog = self.served.editions.current.catalog
        found += [
            f"in flight on {target.name}"
            for target in catalog.models["assistant"].targets
            if watch.flight.on(target)
        ]
        return found


async def _read(session: aiohttp.ClientSession, *, stream: bool) -> Heard:
    async with session.post(PATH, json={**BODY, "stream": stream}) as reply:
        headers = {name.lower(): value for name, value in reply.headers.items()}
        parts: list[bytes] = []
        try:
            async for part in reply.content.iter_any():
                parts.append(part)
        except aiohttp.ClientError:
            return Heard(reply.status, headers, b"".join(parts), whole=False)
    return Heard(reply.status, headers, b"".join(parts))


@asynccontextmanager
async def scene(
    kind: str = "openai",
    *,
    paired: bool = False,
    limits: Mapping[str, float] = LIMITS,
    attempts: int | None = None,
    patience: Patience | None = None,
    seed: int = 0,
    answer: Any = TEXT,
    **options: object,
) -> AsyncIterator[Scene]:
    """A scene with one target, or two when `paired`. `limits` are the first one's. Without `attempts` each target is tried once.

    When it ends, every connection to an engine must have been closed.
    """
    name, make, model = KINDS[kind]
    clock, draws, store = Clock(), Draws(), MemoryStore()
    watch = Watch(Accounts(clock), Flight(), Breakers(clock, draws), Places(), Retries(clock), clock)
    async with (
        make(answer) as engine,
        OpenAiLike(OPENAI, answer=SPARE) as spare,
        Proxy(("127.0.0.1", engine.port), seed=seed) as proxy,
        Proxy(("127.0.0.1", spare.port)) as second,
    ):
        configuration = _configuration(
            (name, proxy.port, model), (second.port, spare.model), paired=paired, limits=limits, **options
        )
        configuration["tenants"]["acme"]["attempts"] = attempts or (2 if paired else 1)
        async with serving(configuration, watch=watch, store=store, patience=patience) as served:
            assert served.watch is watch
            yield Scene(served, proxy, second, engine, spare, store, clock, draws)
        async with asyncio.timeout(5):
            while proxy.open and not proxy.half_open:
                await asyncio.sleep(0.002)
        await proxy.heal()
        proxy.cut()
        await engine.until(lambda: engine.open == 0 and engine.live == 0)
        await spare.until(lambda: spare.open == 0 and spare.live == 0)


def _configuration(
    first: tuple[str, int, str],
    second: tuple[int, str],
    *,
    paired: bool,
    limits: Mapping[str, float],
    **options: object,
) -> dict[str, Any]:
    kind, port, model = first
    first_one = {"kind": kind, "url": f"http://127.0.0.1:{port}", "timeouts": dict(limits), "cost": _COST}
    backends: dict[str, Any] = {"engine": {**first_one, **options}}
    targets: list[dict[str, Any]] = [{"backend": "engine", "model": model}]
    if paired:
        url = f"http://127.0.0.1:{second[0]}"
        backends["spare"] = {"kind": "openai", "url": url, "timeouts": LIMITS, "cost": _COST}
        targets.append({"backend": "spare", "model": second[1], "rank": 2})
    return {
        "backends": backends,
        "models": {"assistant": {"task": "chat", "targets": targets}},
        "tenants": {
            "acme": {
                "budget": {"amount": 1_000_000, "currency": "EUR", "on_exceed": "block"},
                "limits": {"concurrency": 1000, "tpm": 100_000_000},
            }
        },
    }


async def eventually(condition: Callable[[], object], within: float = 5.0) -> None:
    """Poll until it holds. Raises TimeoutError."""
    async with asyncio.timeout(within):
        while not condition():
            await asyncio.sleep(0.002)


Toxic = Callable[[Proxy], Awaitable[None] | None]


async def poison(proxy: Proxy, toxic: Toxic) -> None:
    """Apply a toxic, which may have to wait for it."""
    waits = toxic(proxy)
    if waits is not None:
        await waits
