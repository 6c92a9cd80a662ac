"""No sequence of calls, failures, reloads and answers from the cache ever serves a tenant outside its policy.

What is right is said here a second time, in the plainest words, and not asked of the code that is tested.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from passerelle.backends.base import Reply
from passerelle.domain.ask import Ask, Needs, Route, Task, Usage
from passerelle.domain.cache import Caching, Scope
from passerelle.domain.caller import Caller, Role
from passerelle.domain.catalog import BackendSpec, Catalog, Location, Model, Party, Policy, Target, Tenant
from passerelle.domain.errors import Fault, PasserelleError, UpstreamFailed
from passerelle.domain.facts import Load, State, Survey
from passerelle.domain.privacy import Privacy, Special
from passerelle.gateway.edition import Editions
from passerelle.gateway.gateway import Gateway
from passerelle.gateway.recall import Recall
from passerelle.gateway.record import Outcome
from passerelle.policy import judge
from passerelle.telemetry.metrics import Metrics
from tests.books import Ledger, pricing
from tests.serving import gateway_of, remembering_of

_NAMES = ("a", "b", "c")
_EU = frozenset({"FR", "DE"})
_CALLER = Caller("key", "acme", Role.MEMBER)


@dataclass(frozen=True)
class Place:
    """What the configuration says of a backend."""

    country: str | None
    operator: str | None
    trains: bool | None
    days: int | None
    fails: bool = False


@dataclass(frozen=True)
class File:
    """A configuration: what each backend is, and what the tenant allows."""

    places: tuple[Place, ...]
    policy: Policy | None
    sensitive: bool = False


@dataclass
class World:
    """What happened: which calls left, and which answers were given, under which configuration."""

    file: File
    wrong: list[str] = field(default_factory=list)
    calls: int = 0
    hits: int = 0
    refused: int = 0


def allowed(file: File, name: str) -> bool:
    """The whole truth about a tenant and a backend, again."""
    place = file.places[_NAMES.index(name)]
    policy = file.policy
    if policy is not None:
        if policy.countries is not None and (place.country is None or place.country not in policy.countries):
            return False
        if policy.operators is not None and place.operator not in policy.operators:
            return False
        if not policy.training and place.trains is not False:
            return False
        if policy.max_retention_days is not None and (
            place.days is None or place.days > policy.max_retention_days
        ):
            return False
    if file.sensitive and place.operator != "self":
        return place.country is not None and place.days == 0 and place.trains is False
    return True


class Engine:
    """A backend that notes every call that reaches it, as the configuration is at that moment."""

    def __init__(self, spec: BackendSpec, world: World) -> None:
        self._name, self._world = spec.name, world

    async def start(self, ask: Ask, target: Target, wait: float = 0.0) -> Reply:
        world = self._world
        world.calls += 1
        if not allowed(world.file, self._name):
            world.wrong.append(f"{self._name} was asked under {world.file}")
        if world.file.places[_NAMES.index(self._name)].fails:
            raise UpstreamFailed(Fault.SERVER, "down")
        said = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        message = {"role": "assistant", "content": self._name}
        choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
        body = {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": choices}
        return Reply(self._name, orjson.dumps({**body, "usage": said}), usage=Usage(1, 1), said=said)

    async def survey(self, models: Collection[str]) -> Survey:
        return Survey(State.READY)

    async def load(self) -> Load | None:
        return None

    async def resume(self) -> None:
        return

    async def aclose(self) -> None:
        return


def _catalog(file: File) -> Catalog:
    backends: Mapping[str, BackendSpec] = {
        name: BackendSpec(
            name,
            "openai",
            place,
            Location(place.country, place.operator),
            parties=(Party(name, Location(place.country, place.operator), place.trains, place.days),),
        )
        for name, place in zip(_NAMES, file.places, strict=True)
    }
    model = Model("assistant", Task.CHAT, tuple(Target(name, "m", rank=i) for i, name in enumerate(_NAMES)))
    tenant = Tenant(
        "acme",
        ("assistant",),
        policy=file.policy,
        cache=Caching(scope=Scope.TENANT),
        privacy=Privacy(special=frozenset({Special.HEALTH}) if file.sensitive else frozenset()),
        rag=None,
    )
    return Catalog("v", backends, {"assistant": model}, {"acme": tenant})


def _ask(question: int) -> Ask:
    words = [{"role": "user", "content": f"What is the capital of country number {question}?"}]
    body: dict[str, Any] = {"model": "assistant", "messages": words}
    return Ask(Route.CHAT, "assistant", body, False, False, "req", Needs(), time.monotonic(), size=80)


async def _told(gateway: Gateway, world: World, question: int) -> None:
    try:
        answer = await gateway.ask(_CALLER, _ask(question))
    except PasserelleError:
        world.refused += 1
        return
    facts = dict(answer.facts)
    name = facts[b"x-passerelle-backend"].decode()
    country = facts[b"x-passerelle-country"].decode()
    if not allowed(world.file, name):
        world.wrong.append(f"{name} was given under {world.file}")
    policy = world.file.policy
    if policy is not None and policy.countries is not None and country not in policy.countries:
        world.wrong.append(f"an answer from {country} was given under {world.file}")
    assert (b"x-passerelle-policy" in facts) == (policy is not None or world.file.sensitive)
    world.hits += facts[b"x-passerelle-cache"] == b"hit"
    while answer.streams and await answer.read():
        pass
    answer.settle(Outcome.ANSWERED)
    answer.close()


async def _run(first: File, steps: list[File | int], models: Path) -> World:
    world = World(first)
    editions = Editions(_catalog(first), lambda spec: Engine(spec, world), pricing)

    async def nobody(caller: Caller, ask: Ask) -> Any:
        raise AssertionError("nothing asks by itself here")

    remembering = remembering_of(nobody, editions, Metrics(), models=models)
    gateway = gateway_of(
        editions,
        books=Ledger().books,
        sinks=[],
        draw=lambda: 0.5,
        recall=Recall(remembering.cache),
    )
    try:
        await remembering.expect(editions.catalog)
        for step in steps:
            if isinstance(step, File):
                world.file = step
                editions.publish(_catalog(step))
            else:
                await _told(gateway, world, step)
    finally:
        for part in (remembering, gateway, editions):
            await part.aclose()
    return world


def run(first: File, steps: list[File | int]) -> World:
    """What happens when a service that starts with this file is asked and reloaded so."""
    with TemporaryDirectory(prefix="models-") as folder:
        return asyncio.run(_run(first, steps, Path(folder)))


_places = st.builds(
    Place,
    country=st.sampled_from([None, "FR", "DE", "US"]),
    operator=st.sampled_from([None, "self", "Acme"]),
    trains=st.sampled_from([None, False, True]),
    days=st.sampled_from([None, 0, 30]),
    fails=st.booleans(),
)
_policies = st.none() | st.builds(
    Policy,
    name=st.just("rules"),
    countries=st.none() | st.just(_EU) | st.just(frozenset({"US"})),
    operators=st.none() | st.just(frozenset({"self"})),
    training=st.booleans(),
    max_retention_days=st.sampled_from([None, 0, 30]),
)
_files = st.builds(
    File, places=st.tuples(_places, _places, _places), policy=_policies, sensitive=st.booleans()
)
_HERE = Place("FR", "self", False, 0)
_THERE = Place("US", "Acme", True, 30)
_NOWHERE = Place(None, None, None, None)
_FREE = File((_THERE, _NOWHERE, _HERE), None)
_BOUND = replace(_FREE, policy=Policy("eu", countries=_EU))
# An answer is kept where nothing binds; then something does; then the same backend is said to be elsewhere.
_STORY: list[File | int] = [1, _BOUND, 1, 1, replace(_BOUND, places=(replace(_THERE, country="FR"), _NOWHERE, _HERE)), 1]  # fmt: skip


@given(first=_files, steps=st.lists(_files | st.integers(1, 3), min_size=1, max_size=10))
@example(first=_FREE, steps=_STORY)
@settings(max_examples=60, deadline=None)
def test_no_sequence_serves_a_tenant_outside_its_policy(first: File, steps: list[File | int]) -> None:
    assert run(first, steps).wrong == []


def test_the_sequences_reach_engines_and_the_cache() -> None:
    world = run(_FREE, [1, 1, _BOUND, 1, 1, 2])

    assert (world.calls, world.hits, world.refused) == (3, 2, 0)


def test_a_backend_without_a_location_is_refused_under_any_rule() -> None:
    nowhere = File((_NOWHERE, _NOWHERE, _NOWHERE), Policy("eu", countries=_EU))
    rules = [
        nowhere.policy,
        Policy("p", operators=frozenset({"self"})),
        Policy("p", training=False),
        Policy("p", max_retention_days=36_500),
    ]
    for policy in rules:
        world = run(replace(nowhere, policy=policy), [1, 2])
        assert (world.calls, world.refused) == (0, 2)
    assert run(replace(nowhere, policy=None, sensitive=True), [1]).calls == 0


def _everybody(tenant: Tenant, parties: Iterable[Party]) -> None:
    return None


_ASKED = ("passerelle.routing.reasons", "passerelle.gateway.attempts", "passerelle.gateway.recall")


def test_a_judge_that_permits_everything_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    for room in _ASKED:
        monkeypatch.setattr(f"{room}.judged", _everybody)

    assert run(_BOUND, [1]).wrong
    assert run(_FREE, _STORY).wrong


def test_a_judge_that_lacks_one_rule_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judge, "_RULES", [rule for rule in judge._RULES if rule is not judge._place])

    assert run(_BOUND, [1]).wrong


def test_a_plan_that_asked_nobody_still_sends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("passerelle.routing.reasons.judged", _everybody)

    assert run(_FREE, _STORY).wrong == []
