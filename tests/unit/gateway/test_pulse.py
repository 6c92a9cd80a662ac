"""What engines say of their queues is heard in the background, over failures and reloads, and nothing is left behind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection

import pytest

from passerelle.backends.base import Reply
from passerelle.domain.ask import Ask
from passerelle.domain.catalog import BackendSpec, Catalog, Target, Tenant
from passerelle.domain.errors import Fault, UpstreamFailed
from passerelle.domain.facts import Load, State, Survey
from passerelle.domain.limits import Concurrency
from passerelle.gateway import pulse
from passerelle.gateway.edition import Editions
from passerelle.gateway.pulse import Pulse
from passerelle.limits.places import Places
from tests.books import pricing


class _Backend:
    """Says what it is told to of its queue, once its turn has come."""

    def __init__(self, spec: BackendSpec) -> None:
        self.spec = spec
        self.says: Load | Exception | None = Load(3, 2)
        self.turn: asyncio.Event | None = None
        self.asked = 0
        self.closed = False

    async def load(self) -> Load | None:
        self.asked += 1
        assert not self.closed
        if self.turn is not None:
            await self.turn.wait()
        if isinstance(self.says, Exception):
            raise self.says
        return self.says

    async def start(self, ask: Ask, target: Target, wait: float = 0.0) -> Reply:
        raise NotImplementedError

    async def survey(self, models: Collection[str]) -> Survey:
        return Survey(State.READY)

    async def resume(self) -> None: ...

    async def aclose(self) -> None:
        self.closed = True


class _Open:
    """A pulse over backends of these names; `tick` lets time pass and has it beat."""

    def __init__(self, *names: str, adaptive: bool = True) -> None:
        self.backends: dict[str, _Backend] = {}
        self.now = 1_000.0
        self.places = Places(lambda: self.now)
        self.adaptive = adaptive
        self.editions = Editions(self.catalog(*names), self._open, pricing)
        self.pulse = Pulse(self.editions, self.places, clock=lambda: self.now, draw=lambda: 0.5)

    def catalog(self, *names: str, least: int = 4) -> Catalog:
        stated = Concurrency(least=least, adaptive=self.adaptive)
        backends = {name: BackendSpec(name, "vllm", None, concurrency=stated) for name in names}
        return Catalog(f"{names}{least}", backends, {}, {})

    def _open(self, spec: BackendSpec) -> _Backend:
        backend = self.backends[spec.name] = _Backend(spec)
        return backend

    async def flying(self, name: str) -> None:
        """A call is in flight there, so that what is heard of it is kept."""
        await self.places.enter(self.editions.catalog.backends[name], Tenant("t", ()), 1, 1.0)

    async def tick(self, seconds: float = 1.0) -> None:
        self.now += seconds
        await self.pulse.beat()

    def heard(self, name: str) -> Load | None:
        seen = self.places.of(name)
        return seen.load if seen else None


async def _until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0)


async def test_every_backend_is_heard_at_every_beat() -> None:
    opened = _Open("a", "b")
    await opened.flying("a")
    for _ in range(3):
        await opened.tick()
    assert [backend.asked for backend in opened.backends.values()] == [3, 3]
    assert opened.heard("a") == Load(3, 2)
    assert opened.heard("b") is None
    await opened.editions.aclose()


async def test_a_backend_that_does_not_tell_is_left_alone_for_long() -> None:
    opened = _Open("a")
    opened.backends["a"].says = None
    for _ in range(299):
        await opened.tick()
    assert opened.backends["a"].asked == 1
    await opened.tick(10)
    assert opened.backends["a"].asked == 2
    await opened.editions.aclose()


async def test_what_would_change_nothing_is_not_asked() -> None:
    opened = _Open("a", adaptive=False)
    await opened.tick()
    assert opened.backends["a"].asked == 0
    await opened.editions.aclose()


@pytest.mark.parametrize(
    "failure", [UpstreamFailed(Fault.CONNECT, "It cannot be reached."), RuntimeError("secret")]
)
async def test_a_backend_that_fails_is_asked_less_and_less_and_at_once_again_when_it_answers(
    failure: Exception,
) -> None:
    opened = _Open("a", "b")
    await opened.flying("a")
    await opened.tick()
    opened.backends["a"].says = failure
    asked = []
    for second in range(130):
        before = opened.backends["a"].asked
        await opened.tick()
        if opened.backends["a"].asked > before:
            asked.append(second)
    assert asked == [0, 2, 6, 14, 30, 62, 122]
    assert opened.backends["b"].asked == 131, "the others are asked as ever"
    assert opened.heard("a") is None
    opened.backends["a"].says = Load(1, 0)
    for _ in range(60):
        await opened.tick()
    before = opened.backends["a"].asked
    await opened.tick()
    await opened.tick()
    assert opened.backends["a"].asked == before + 2
    assert opened.heard("a") == Load(1, 0)
    await opened.editions.aclose()


async def test_one_that_hangs_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulse, "_SECONDS", 0.02)
    opened = _Open("a", "b")
    await opened.flying("b")
    opened.backends["a"].turn = asyncio.Event()
    await opened.tick()
    assert opened.heard("b") == Load(3, 2)
    await opened.tick()
    assert (opened.backends["a"].asked, opened.backends["b"].asked) == (1, 2)
    await opened.editions.aclose()


async def test_a_reload_meanwhile_closes_a_backend_only_when_it_was_heard_and_asks_the_new_one() -> None:
    opened = _Open("a", "gone")
    await opened.flying("a")
    old = opened.backends["a"]
    old.turn = asyncio.Event()
    beat = asyncio.ensure_future(opened.tick())
    await _until(lambda: old.asked)
    opened.editions.publish(opened.catalog("a", least=2))
    await asyncio.sleep(0)
    assert not old.closed
    old.turn.set()
    await beat
    await _until(lambda: old.closed)
    await opened.tick()
    assert opened.backends["a"] is not old
    assert opened.backends["a"].asked == 1
    assert set(opened.pulse._habits) == {"a"}
    await opened.editions.aclose()


async def test_what_was_learned_of_a_backend_outlives_its_reload_and_not_its_removal() -> None:
    opened = _Open("a")
    place = await opened.places.enter(opened.editions.catalog.backends["a"], Tenant("t", ()), 1, 1.0)
    for _ in range(3):
        await opened.tick()
    opened.editions.publish(opened.catalog("a", least=2))
    await opened.tick()
    seen = opened.places.of("a")
    assert seen is not None
    assert seen.limit == 4
    opened.editions.publish(opened.catalog("b"))
    await opened.tick()
    assert opened.places.of("a") is not None, "a call is in flight there"
    place.leave()
    await opened.tick()
    assert opened.places.of("a") is None
    await opened.editions.aclose()


async def test_it_leaves_no_task_behind() -> None:
    opened = _Open("a", "b")
    opened.backends["a"].turn = asyncio.Event()
    before = asyncio.all_tasks()
    running = asyncio.ensure_future(opened.pulse.run())
    await _until(lambda: opened.backends["b"].asked)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert asyncio.all_tasks() == before
    assert opened.editions.current.calls == 0
    await opened.editions.aclose()
