"""An edition keeps its backends open until its last call is over, and hands over those that did not change."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from passerelle.backends.base import Reply
from passerelle.domain.ask import Ask, Capability, Needs, Task
from passerelle.domain.catalog import BackendSpec, Catalog, Model, Target, Tenant
from passerelle.gateway.edition import Editions
from tests.books import pricing

_TENANT = Tenant("t", models=("m", "long"))


class _Opened:
    """A backend that notes that it was closed."""

    def __init__(self, spec: BackendSpec) -> None:
        self.spec = spec
        self.closed = 0

    async def start(self, ask: Ask, target: Target) -> Reply:
        raise NotImplementedError

    async def aclose(self) -> None:
        self.closed += 1


class _Opener:
    def __init__(self) -> None:
        self.opened: list[_Opened] = []

    def __call__(self, spec: BackendSpec) -> _Opened:
        if spec.options == "bad":
            raise OSError("cannot be opened")
        self.opened.append(_Opened(spec))
        return self.opened[-1]

    def closed(self) -> list[str]:
        return [f"{one.spec.name}:{one.spec.options}" for one in self.opened if one.closed]


def _catalog(version: str, *, off: str | None = None, **options: str) -> Catalog:
    backends = {name: BackendSpec(name, "openai", option, off=off) for name, option in options.items()}
    targets = tuple(Target(name, "x") for name in backends)
    long = (*targets[:1], Target(targets[0].backend, "y", context=1000))
    models = {"m": Model("m", Task.CHAT, targets), "long": Model("long", Task.CHAT, long)}
    return Catalog(version, backends, models, {"t": _TENANT})


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0)


async def test_the_second_question_gives_the_same_plan() -> None:
    editions = Editions(_catalog("1", a="1"), _Opener(), pricing)
    edition = editions.enter()
    model, long = (editions.catalog.models[name] for name in ("m", "long"))
    tools = Needs(frozenset({Capability.TOOLS}))

    first = edition.plan(_TENANT, model, Needs())
    assert edition.plan(_TENANT, model, Needs()) is first
    assert edition.plan(_TENANT, model, Needs(context=123)) is first  # no target states a context
    assert edition.plan(_TENANT, model, tools) is not first
    assert edition.plan(_TENANT, long, Needs(context=10)) is not edition.plan(
        _TENANT, long, Needs(context=2000)
    )
    assert len(edition.plan(_TENANT, long, Needs(context=2000)).targets) == 1

    editions.leave(edition)
    await editions.aclose()


async def test_a_published_edition_takes_over_what_did_not_change() -> None:
    opener = _Opener()
    editions = Editions(_catalog("1", a="1", b="1"), opener, pricing)
    call = editions.enter()
    same = call.backend("a")

    editions.publish(_catalog("2", a="1", b="2"))
    after = editions.enter()

    assert editions.catalog.version == "2"
    assert after.backend("a") is same
    assert after.backend("b") is not call.backend("b")
    assert len(opener.opened) == 3
    editions.leave(call)
    editions.leave(after)
    await editions.aclose()


async def test_what_changed_is_closed_when_the_last_call_on_it_is_over() -> None:
    opener = _Opener()
    editions = Editions(_catalog("1", a="1", b="1"), opener, pricing)
    first, second = editions.enter(), editions.enter()
    editions.publish(_catalog("2", a="1", b="2"))

    editions.leave(first)
    await asyncio.sleep(0)
    assert opener.closed() == []
    assert second.backend("b").spec.options == "1"  # type: ignore[attr-defined]

    editions.leave(second)
    await _until(lambda: opener.closed() == ["b:1"])
    await editions.aclose()
    assert sorted(opener.closed()) == ["a:1", "b:1", "b:2"]
    assert {one.closed for one in opener.opened} == {1}


async def test_without_calls_what_changed_is_closed_at_once() -> None:
    opener = _Opener()
    editions = Editions(_catalog("1", a="1"), opener, pricing)

    editions.publish(_catalog("2", a="2"))

    await _until(lambda: opener.closed() == ["a:1"])
    await editions.aclose()


async def test_a_backend_lives_through_editions_that_a_call_spans() -> None:
    opener = _Opener()
    editions = Editions(_catalog("1", a="1"), opener, pricing)
    call = editions.enter()
    for version in ("2", "3", "4"):
        editions.publish(_catalog(version, a="1"))
    editions.publish(_catalog("5", b="1"))
    await asyncio.sleep(0)

    assert opener.closed() == []
    editions.leave(call)
    await _until(lambda: opener.closed() == ["a:1"])
    await editions.aclose()


async def test_a_backend_that_is_off_is_not_opened() -> None:
    opener = _Opener()
    editions = Editions(_catalog("1", off="TOKEN is not set", a="1"), opener, pricing)

    assert opener.opened == []
    editions.publish(_catalog("2", a="1"))
    assert len(opener.opened) == 1
    await editions.aclose()


async def test_an_edition_that_cannot_be_opened_changes_nothing_and_leaves_nothing_open() -> None:
    opener = _Opener()
    editions = Editions(_catalog("1", a="1"), opener, pricing)

    with pytest.raises(OSError, match="cannot be opened"):
        editions.publish(_catalog("2", a="1", b="1", c="bad"))

    assert editions.catalog.version == "1"
    await _until(lambda: opener.closed() == ["b:1"])
    editions.publish(_catalog("3", b="2"))
    await _until(lambda: opener.closed() == ["a:1", "b:1"])
    await editions.aclose()


async def test_closing_closes_everything_once_whatever_was_published() -> None:
    opener = _Opener()
    editions = Editions(_catalog("1", a="1"), opener, pricing)
    editions.enter()
    editions.publish(_catalog("2", a="2"))
    editions.enter()

    await editions.aclose()

    assert [one.closed for one in opener.opened] == [1, 1]
