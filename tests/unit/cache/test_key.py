"""What is equal for the same question, and what parts two that are not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.cache.key import Ground, alike, labels_of, prompt_version, same, whose
from passerelle.domain.ask import Ask, Needs, Route
from passerelle.domain.cache import Caching, Scope, Wishes
from passerelle.domain.catalog import Policy, Target, Tenant
from passerelle.domain.guardrails import Guardrail, Side, Words

TARGETS = (Target("gpu", "qwen"), Target("hub", "qwen"))
TENANT = Tenant("acme", ("assistant",), cache=Caching())
GROUND = Ground.of(TENANT, "assistant", TARGETS)
QUESTION = {"model": "assistant", "messages": [{"role": "user", "content": "What is the capital of France?"}]}


def ask_of(body: dict[str, Any], *, wishes: Wishes | None = None, stream: bool = False) -> Ask:
    route = Route.CHAT if "messages" in body else Route.COMPLETIONS
    return Ask(route, body["model"], body, stream, wants_usage=False, request_id="r", needs=Needs(), arrived=0.0, wishes=wishes or Wishes())  # fmt: skip


def exact(
    body: dict[str, Any], *, ground: Ground = GROUND, generation: str = "0", key: str = "k", **more: Any
) -> bytes | None:
    ask = ask_of(body, **more)
    return same(ground, ask, whose=whose(ask, Caching(), key), generation=generation)


def partition(
    body: dict[str, Any], *, ground: Ground = GROUND, embedder: str = "e", language: str = "en"
) -> bytes | None:
    ask = ask_of(body)
    shared = whose(ask, Caching(), "k")
    return alike(ground, ask, whose=shared, generation="0", embedder=embedder, language=language)


@pytest.mark.parametrize(
    "change",
    [
        {"stream": True},
        {"stream_options": {"include_usage": True}},
        {"metadata": {"project": "x"}},
        {"n": 1},
        {"temperature": None},
        {"service_tier": "auto"},
    ],
    ids=str,
)
def test_how_an_answer_is_sent_parts_nobody(change: dict[str, Any]) -> None:
    assert exact({**QUESTION, **change}) == exact(QUESTION)


@pytest.mark.parametrize(
    "change",
    [
        {"temperature": 0.1},
        {"seed": 7},
        {"max_tokens": 10},
        {"stop": ["."]},
        {"tools": []},
        {"response_format": {"type": "json_object"}},
        {"reasoning_effort": "low"},
        {"user": "u1"},
        {"a_field_that_nobody_knows": 1},
        {"messages": [{"role": "user", "content": "What is the capital of Spain?"}]},
        {"messages": [{"role": "system", "content": "Be brief."}, *QUESTION["messages"]]},  # type: ignore[misc]
    ],
    ids=lambda change: next(iter(change)),
)
def test_whatever_may_change_the_answer_parts_callers(change: dict[str, Any]) -> None:
    assert exact({**QUESTION, **change}) != exact(QUESTION)


@given(st.dictionaries(st.text(min_size=1, max_size=8), st.integers(0, 3), max_size=4), st.randoms())
def test_the_order_of_fields_makes_no_difference(fields: dict[str, int], random: Any) -> None:
    fields = {name: value for name, value in fields.items() if name not in QUESTION}
    items = list({**QUESTION, **fields}.items())
    random.shuffle(items)

    assert exact(dict(items)) == exact({**QUESTION, **fields})


def test_a_partition_is_the_same_for_other_words_of_the_last_message_and_for_nothing_else() -> None:
    other = {**QUESTION, "messages": [{"role": "user", "content": "Which city is France governed from?"}]}
    longer = {**QUESTION, "messages": [{"role": "user", "content": "Hello"}, *QUESTION["messages"]]}

    assert partition(other) == partition(QUESTION)
    assert partition(longer) != partition(QUESTION)
    assert partition({**QUESTION, "temperature": 0.1}) != partition(QUESTION)
    assert partition(QUESTION, language="fr") != partition(QUESTION)
    assert partition(QUESTION, embedder="another") != partition(QUESTION)


def test_generations_and_namespaces_part_what_came_before() -> None:
    assert exact(QUESTION, generation="1") != exact(QUESTION)
    assert exact(QUESTION, wishes=Wishes(namespace="blue")) != exact(QUESTION)


@pytest.mark.parametrize(
    "other",
    [
        Ground.of(Tenant("other", ("assistant",), cache=Caching()), "assistant", TARGETS),
        Ground.of(TENANT, "another-model", TARGETS),
        Ground.of(TENANT, "assistant", TARGETS[:1]),
        Ground.of(Tenant("acme", ("assistant",), cache=Caching(), policy=Policy("eu", frozenset({"FR"}))), "assistant", TARGETS),
        Ground.of(
            Tenant("acme", ("assistant",), cache=Caching(), guardrails=(Guardrail("w", Words(("x",)), frozenset({Side.INPUT})),)),
            "assistant", TARGETS,
        ),
    ],
    ids=["tenant", "model", "targets", "policy", "guardrails"],
)  # fmt: skip
def test_tenants_models_targets_and_rules_have_nothing_in_common(other: Ground) -> None:
    assert exact(QUESTION, ground=other) != exact(QUESTION)


def test_the_ground_is_the_same_in_every_process() -> None:
    first = Policy("eu", frozenset({"FR", "DE", "IE", "ES"}))
    second = Policy("eu", frozenset({"ES", "IE", "DE", "FR"}))

    def ground(policy: Policy, targets: tuple[Target, ...]) -> Ground:
        return Ground.of(Tenant("acme", (), cache=Caching(), policy=policy), "assistant", targets)

    assert ground(first, TARGETS) == ground(second, TARGETS[::-1])


@pytest.mark.parametrize(
    ("scope", "one", "other", "shared"),
    [
        (Scope.TENANT, ("k1", "u1"), ("k2", "u2"), True),
        (Scope.USER, ("k1", "u1"), ("k2", "u1"), True),
        (Scope.USER, ("k1", "u1"), ("k1", "u2"), False),
        (Scope.USER, ("k1", None), ("k2", None), True),
        (Scope.USER, ("k1", None), ("k1", "u1"), False),
        (Scope.KEY, ("k1", None), ("k2", None), False),
        (Scope.KEY, ("k1", "u1"), ("k1", "u1"), True),
        (Scope.KEY, ("k1", "u1"), ("k1", "u2"), False),
    ],
)
def test_who_shares_answers(
    scope: Scope, one: tuple[str, str | None], other: tuple[str, str | None], shared: bool
) -> None:
    def of(key: str, user: str | None) -> list[str]:
        return whose(ask_of({**QUESTION, "user": user}), Caching(scope=scope), key)

    assert (of(*one) == of(*other)) is shared


def test_a_user_named_like_a_key_is_not_that_key() -> None:
    keyed = whose(ask_of(QUESTION), Caching(scope=Scope.KEY), "k1")
    named = whose(ask_of({**QUESTION, "user": "k1"}), Caching(scope=Scope.USER), "k2")

    assert keyed != named


def test_a_body_that_no_json_writer_takes_has_no_key() -> None:
    assert exact({**QUESTION, "seed": 2**70}) is None


def test_a_prompt_version_is_that_of_the_application_and_not_of_its_user() -> None:
    system = {"role": "system", "content": "Be brief."}
    one = ask_of({**QUESTION, "messages": [system, *QUESTION["messages"]]})
    other = ask_of({**QUESTION, "messages": [system, {"role": "user", "content": "Hi"}]})

    assert prompt_version(one) == prompt_version(other) is not None
    assert prompt_version(ask_of(QUESTION)) is None
    assert labels_of(one, "assistant") == ("tenant", "model:assistant", f"prompt:{prompt_version(one)}")


def test_an_answer_from_documents_goes_when_something_of_their_collection_goes() -> None:
    drawn = replace(ask_of(QUESTION), collection="handbook")

    assert labels_of(drawn, "assistant") == ("tenant", "model:assistant", "collection:handbook")
