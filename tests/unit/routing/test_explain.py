"""What would happen to a request, told without calling anything."""

from __future__ import annotations

from collections import Counter

import orjson
import pytest
from hypothesis import given

from passerelle.domain.ask import Capability, Needs
from passerelle.domain.catalog import Catalog
from passerelle.domain.errors import CannotRun
from passerelle.routing.explain import explain
from passerelle.routing.plan import make_plan
from tests.unit.routing.catalogs import catalogs, needs
from tests.unit.routing.files import SMALL, WHOLE, changed, loaded


def _catalog(text: str = WHOLE) -> Catalog:
    catalog = loaded(text).catalog
    assert catalog is not None
    return catalog


@given(catalog=catalogs(), asked=needs)
def test_it_tells_the_plan_and_nothing_else(catalog: Catalog, asked: Needs) -> None:
    for name in catalog.tenants["t"].models:
        told = explain(catalog, "t", name, asked)
        plan = make_plan(catalog, catalog.tenants["t"], catalog.models[name], asked)
        assert tuple(step.target for step in told.steps) == plan.targets
        assert told.left_out == plan.left_out
        text = told.as_text()
        assert all(target.name in text for target in catalog.models[name].targets)
        assert orjson.loads(orjson.dumps(told.as_json())) == told.as_json()


@given(catalog=catalogs())
def test_the_shares_of_equals_add_up(catalog: Catalog) -> None:
    prefer = catalog.tenants["t"].prefer
    for name in catalog.tenants["t"].models:
        shares: Counter[object] = Counter()
        for step in explain(catalog, "t", name).steps:
            target = step.target
            wish = prefer.index(target.backend) if target.backend in prefer else None
            shares[target.degraded, wish, target.rank] += step.share
        assert all(total == pytest.approx(1) for total in shares.values())


def test_every_target_stands_in_order_with_the_reason_of_each_other() -> None:
    text = explain(_catalog(), "client-a", "assistant").as_text()

    assert text.splitlines()[1:] == [
        "  1. vllm/Qwen/Qwen2.5-7B-Instruct  (vllm, NO, rank 1)",
        "  2. gpu/Qwen/Qwen2.5-7B-Instruct  (tgi, FR, rank 1)",
        "  -  hub/Qwen/Qwen2.5-7B-Instruct  denied: client-a denies hub",
        "  -  offline/extractive  degraded: degraded answers are not allowed for client-a",
    ]
    assert text.splitlines()[0].startswith("assistant for client-a (policy eu-only@")


def test_equal_ranks_are_told_with_their_share_and_routers_with_their_country() -> None:
    text = explain(_catalog(), "client-b", "assistant").as_text()

    assert "(no policy: unrestricted)" in text
    assert "(tgi, FR, rank 1, 75% of the load)" in text
    assert "(vllm, NO, rank 1, 25% of the load)" in text
    assert "(hf-providers, unknown country, via Hugging Face, Inc. in US, rank 2)" in text
    assert "(builtin, in this process, rank 9, degraded)" in text


def test_what_a_request_needs_is_asked_too() -> None:
    told = explain(_catalog(), "client-b", "assistant", Needs(frozenset({Capability.TOOLS})))

    assert [left.reason for left in told.left_out] == ["it does not offer tools"]


def test_a_machine_reads_the_same() -> None:
    told = explain(_catalog(), "client-a", "assistant").as_json()

    assert [(step["order"], step["backend"], step["country"]) for step in told["targets"]] == [
        (1, "vllm", "NO"),
        (2, "gpu", "FR"),
    ]
    assert told["targets"][0]["parties"] == [{"name": "vllm", "country": "NO", "operator": "self"}]
    assert [(left["backend"], left["why"]) for left in told["left_out"]] == [
        ("hub", "denied"),
        ("offline", "degraded"),
    ]
    assert (told["tenant"], told["model"], told["policy"]) == ("client-a", "assistant", "eu-only")


def test_the_default_model_is_told_by_its_own_name() -> None:
    assert explain(_catalog(), "client-a", "default").model == "assistant"


def test_no_target_is_told_as_such() -> None:
    catalog = _catalog(
        changed("{kind: builtin}", "{kind: openai, url: 'http://x', token: env:NOT_SET}", SMALL)
    )
    text = explain(catalog, "demo", "assistant").as_text()

    assert "no target: every request is refused" in text
    assert "off: NOT_SET is not set in the environment" in text


@pytest.mark.parametrize(
    ("tenant", "model", "cause", "cure"),
    [
        ("client-x", "assistant", "no tenant 'client-x'", "client-a"),
        ("client-a", "asistant", "no model 'asistant'", "Did you mean assistant?"),
        ("nobody-like-that", "assistant", "no tenant", "Use one of: client-a, client-b."),
    ],
)
def test_a_wrong_name_leads_to_the_right_ones(tenant: str, model: str, cause: str, cure: str) -> None:
    with pytest.raises(CannotRun) as refusal:
        explain(_catalog(), tenant, model)

    assert cause in refusal.value.cause
    assert cure in refusal.value.cure


def test_a_model_that_a_tenant_may_not_use_is_not_said_to_be_missing() -> None:
    catalog = _catalog(changed("allow: [assistant, embeddings]", "allow: [assistant]"))
    with pytest.raises(CannotRun) as refusal:
        explain(catalog, "client-a", "embeddings")

    assert "may not use the model 'embeddings'" in refusal.value.cause
    assert "models.allow" in refusal.value.cure
