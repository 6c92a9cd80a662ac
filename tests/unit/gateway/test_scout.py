"""What a backend says of itself counts at once, whatever the others do and whatever is reloaded meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

import pytest

from passerelle.backends.base import Reply
from passerelle.domain.ask import Ask, Needs, Task
from passerelle.domain.catalog import BackendSpec, Catalog, Model, Target, Tenant
from passerelle.domain.facts import Facts, Known, State, Survey
from passerelle.gateway import scout
from passerelle.gateway.edition import Editions
from passerelle.gateway.scout import Scout
from tests.books import pricing


class _Backend:
    """Answers a survey once its turn has come."""

    def __init__(self) -> None:
        self.turns: list[asyncio.Event] = []
        self.asked: list[frozenset[str]] = []
        self.says: State | Exception = State.READY
        self.closed = False

    async def start(self, ask: Ask, target: Target, wait: float = 0.0) -> Reply:
        raise NotImplementedError

    async def survey(self, models: Collection[str]) -> Survey:
        self.asked.append(frozenset(models))
        turn = self.turns.pop(0) if self.turns else None
        if turn is not None:
            await turn.wait()
        if isinstance(self.says, Exception):
            raise self.says
        known = {name: Known(Facts(context=len(self.asked))) for name in models}
        return Survey(self.says, known if self.says is State.READY else {})

    async def resume(self) -> None: ...

    async def aclose(self) -> None:
        self.closed = True


def _catalog(version: str, **models: str) -> Catalog:
    backends = {name: BackendSpec(name, "openai", None) for name in models}
    asked = {
        f"{name}-{model}": Model(f"{name}-{model}", Task.CHAT, (Target(name, model),))
        for name, listed in models.items()
        for model in listed.split()
    }
    return Catalog(version, backends, asked, {"t": Tenant("t", tuple(asked))})


class _Open:
    def __init__(self, catalog: Catalog) -> None:
        self.backends: dict[str, _Backend] = {}
        self.editions = Editions(catalog, self._open, pricing)
        self.scout = Scout(self.editions, every=3600)

    def _open(self, spec: BackendSpec) -> _Backend:
        return self.backends.setdefault(spec.name, _Backend())


async def _until(condition: object) -> None:
    assert callable(condition)
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0)


async def test_nobody_waits_for_the_slowest() -> None:
    opened = _Open(_catalog("1", a="m", b="m"))
    never = asyncio.Event()
    opened.backends["a"].turns.append(never)
    looking = asyncio.ensure_future(opened.scout.look())

    await _until(lambda: ("b", "m") in opened.editions.current.known)
    assert not looking.done()
    looking.cancel()
    await asyncio.gather(looking, return_exceptions=True)
    assert opened.editions.current.calls == 0
    await opened.editions.aclose()


async def test_a_survey_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scout, "_SECONDS", 0.02)
    opened = _Open(_catalog("1", a="m"))
    opened.backends["a"].turns.append(asyncio.Event())

    survey = (await opened.scout.look())["a"]

    assert survey is not None
    assert survey.state is State.DOWN
    await opened.editions.aclose()


async def test_a_survey_that_fails_in_any_way_leaves_what_was_known() -> None:
    opened = _Open(_catalog("1", a="m"))
    await opened.scout.look()
    opened.backends["a"].says = RuntimeError("hf_secret")
    survey = (await opened.scout.look())["a"]

    assert survey is not None
    assert survey.state is State.UNKNOWN
    assert "hf_secret" not in str(survey.problems)
    assert opened.editions.current.known["a", "m"].facts.context == 1
    await opened.editions.aclose()


async def test_a_survey_begun_before_a_reload_does_not_undo_what_was_learned_after_it() -> None:
    opened = _Open(_catalog("1", a="old"))
    slow = asyncio.Event()
    opened.backends["a"].turns.append(slow)
    before = asyncio.ensure_future(opened.scout.look())
    await _until(lambda: opened.backends["a"].asked)

    opened.editions.publish(_catalog("2", a="old new"))
    await opened.scout.look(only_new=True)
    assert ("a", "new") in opened.editions.current.known
    slow.set()
    await before

    assert ("a", "new") in opened.editions.current.known
    assert opened.editions.current.stale() == []
    assert not opened.editions._retired
    await opened.editions.aclose()


async def test_only_the_one_that_is_named_is_asked() -> None:
    opened = _Open(_catalog("1", a="m", b="m"))

    await opened.scout.look(names={"b"})

    assert (opened.backends["a"].asked, len(opened.backends["b"].asked)) == ([], 1)
    await opened.editions.aclose()


async def test_what_is_learned_again_unchanged_spoils_no_plan() -> None:
    opened = _Open(_catalog("1", a="m"))
    opened.backends["a"].says = State.READY
    await opened.scout.look()
    edition = opened.editions.current
    tenant, model = edition.catalog.tenants["t"], edition.catalog.models["a-m"]
    plan = edition.plan(tenant, model, Needs())
    edition.learn("a", Survey(State.READY, {"m": Known(Facts(context=1))}), frozenset({"m"}))

    assert edition.plan(tenant, model, Needs()) is plan
    await opened.editions.aclose()


async def test_plans_are_few_however_long_requests_are() -> None:
    opened = _Open(_catalog("1", a="m"))
    await opened.scout.look()
    edition = opened.editions.current
    tenant, model = edition.catalog.tenants["t"], edition.catalog.models["a-m"]

    plans = {id(edition.plan(tenant, model, Needs(context=length))) for length in range(5000)}

    assert len(plans) == 2  # what fits and what does not
    assert len(edition._plans) == 2
    await opened.editions.aclose()
