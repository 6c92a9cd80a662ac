"""The turns of a conversation go to one replica; over all conversations the load follows the weights."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.domain.ask import Ask, Needs, Route, Task
from passerelle.domain.catalog import Model, Target
from passerelle.gateway.affinity import Flight, beginning, chances
from passerelle.routing.plan import Plan

_REPLICAS = [Target("a", "m", weight=3), Target("b", "m"), Target("c", "m", weight=2)]


def _ask(messages: list[dict[str, Any]], route: Route = Route.CHAT, **more: Any) -> Ask:
    return Ask(
        route=route,
        model="assistant",
        body={"model": "assistant", "messages": messages, **more},
        stream=False,
        wants_usage=False,
        request_id="r",
        needs=Needs(),
        arrived=0.0,
    )


def _user(text: Any) -> dict[str, Any]:
    return {"role": "user", "content": text}


def _first(ask: Ask, tenant: str = "acme", replicas: list[Target] = _REPLICAS) -> Target:
    plan = Plan(Model("m", Task.CHAT, tuple(replicas)), tuple(replicas))
    return plan.drawn((), chances(tenant, ask, random.Random(1).random), Flight().crowded)[0]


texts = st.text(max_size=40)


@given(system=texts, opening=texts, rest=st.lists(texts, max_size=6))
def test_every_turn_of_a_conversation_goes_where_its_first_one_went(
    system: str, opening: str, rest: list[str]
) -> None:
    messages = [{"role": "system", "content": system}, _user(opening)]
    where = _first(_ask(messages))
    for index, text in enumerate(rest):
        messages = [*messages, {"role": ("assistant", "user")[index % 2], "content": text}]
        assert _first(_ask(messages)) == where


@given(opening=texts)
def test_a_replica_that_is_lost_moves_only_its_own_conversations(opening: str) -> None:
    ask = _ask([_user(opening)])
    where = _first(ask)
    for lost in _REPLICAS:
        if lost != where:
            assert _first(ask, replicas=[each for each in _REPLICAS if each != lost]) == where


def test_many_conversations_share_the_replicas_by_weight() -> None:
    total = 6_000
    seen = Counter(_first(_ask([_user(f"Question {number}")])) for number in range(total))

    expected = {target: total * target.weight / 6 for target in _REPLICAS}
    chi_square = sum((seen[target] - share) ** 2 / share for target, share in expected.items())
    assert chi_square < 13.8  # two degrees of freedom, p = 0.001


def test_tenants_with_the_same_words_do_not_pile_up_on_one_replica() -> None:
    seen = Counter(_first(_ask([_user("Bonjour")]), tenant=f"tenant-{n}").backend for n in range(600))

    assert seen["a"] < 400  # 300 expected


def test_a_callers_own_cache_key_decides_where_it_is_given() -> None:
    one = {_first(_ask([_user(str(n))], prompt_cache_key="session-7")) for n in range(30)}

    assert len(one) == 1


def test_a_picture_is_not_read_to_find_the_beginning() -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 1000}}
    seen = beginning(_ask([_user([{"type": "text", "text": "Quoi ?"}, picture])]))

    assert seen is not None
    assert b"AAAA" not in seen


@pytest.mark.parametrize("route", [Route.EMBEDDINGS, Route.COMPLETIONS])
def test_what_has_no_turns_is_drawn(route: Route) -> None:
    assert beginning(_ask([], route)) is None


@given(
    flying=st.lists(st.integers(0, 40), min_size=3, max_size=3),
    weights=st.lists(st.integers(1, 9), min_size=3, max_size=3),
)
def test_however_busy_they_are_at_least_one_replica_is_not_crowded(
    flying: list[int], weights: list[int]
) -> None:
    replicas = [Target(name, "m", weight=weight) for name, weight in zip("abc", weights, strict=True)]
    flight = Flight()
    for replica, count in zip(replicas, flying, strict=True):
        for _ in range(count):
            flight.begin(replica)

    crowded = flight.crowded(replicas)

    assert len(crowded) < len(replicas)
    for replica in crowded:
        share = replica.weight / sum(weights)
        assert flight.on(replica) >= 4
        assert flight.on(replica) >= share * sum(flying)


def test_a_replica_with_more_than_its_share_in_flight_comes_last() -> None:
    ask = _ask([_user("Bonjour")])
    flight = Flight()
    where = _first(ask)
    for _ in range(8):
        flight.begin(where)
    plan = Plan(Model("m", Task.CHAT, tuple(_REPLICAS)), tuple(_REPLICAS))

    order = plan.drawn((), chances("acme", ask, random.Random(1).random), flight.crowded)

    assert order[-1] == where
    for _ in range(8):
        flight.end(where)
    assert plan.drawn((), chances("acme", ask, random.Random(1).random), flight.crowded)[0] == where
