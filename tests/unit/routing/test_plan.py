"""What a plan promises, for every catalog that can be drawn."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.domain.ask import Capability, Needs, Task
from passerelle.domain.catalog import (
    BackendSpec,
    Catalog,
    Location,
    Model,
    Party,
    Policy,
    Target,
    Tenant,
)
from passerelle.domain.errors import BadRequest, NotFound, PasserelleError, PolicyRefused, Unavailable
from passerelle.policy.judge import judge
from passerelle.routing.plan import Plan, find_model, make_plan, refuse_empty
from passerelle.routing.reasons import LeftOut, Why
from tests.unit.routing.catalogs import catalogs, needs

_TENANT = Tenant("client", models=("m",))


@given(catalog=catalogs(), asked=needs)
def test_a_plan_holds_only_what_is_allowed_permitted_able_and_on(catalog: Catalog, asked: Needs) -> None:
    tenant = catalog.tenants["t"]
    for model in catalog.models.values():
        for target in make_plan(catalog, tenant, model, asked).targets:
            spec = catalog.backends[target.backend]
            assert target.backend not in tenant.deny
            assert judge(tenant.policy, spec.parties) is None
            assert not asked.capabilities & target.lacks
            assert target.context is None or target.context >= asked.context
            assert tenant.degraded or not target.degraded
            assert spec.off is None


@given(catalog=catalogs(), asked=needs)
def test_every_target_is_in_the_plan_or_left_out_with_a_reason(catalog: Catalog, asked: Needs) -> None:
    tenant = catalog.tenants["t"]
    for model in catalog.models.values():
        plan = make_plan(catalog, tenant, model, asked)
        kept = Counter(plan.targets) + Counter(left.target for left in plan.left_out)
        assert kept == Counter(model.targets)
        for left in plan.left_out:
            assert left.reason
            assert (left.rule is not None) == (left.why is Why.POLICY)
            _assert_true(left, catalog, asked)


def _assert_true(left: LeftOut, catalog: Catalog, asked: Needs) -> None:
    """The reason given is one that holds, and no earlier one does."""
    tenant, target = catalog.tenants["t"], left.target
    spec = catalog.backends[target.backend]
    lacks = bool(asked.capabilities & target.lacks) or (target.context or asked.context) < asked.context
    holds = {
        Why.DENIED: target.backend in tenant.deny,
        Why.POLICY: judge(tenant.policy, spec.parties) is not None,
        Why.INCAPABLE: lacks,
        Why.DEGRADED: target.degraded and not tenant.degraded,
        Why.OFF: spec.off is not None,
    }
    assert left.why is next(why for why in Why if holds[why])


@given(catalog=catalogs(), asked=needs)
def test_degraded_is_last_preferred_is_first_and_ranks_ascend(catalog: Catalog, asked: Needs) -> None:
    tenant = catalog.tenants["t"]
    for model in catalog.models.values():
        targets = make_plan(catalog, tenant, model, asked).targets
        assert [t.degraded for t in targets] == sorted(t.degraded for t in targets)
        for degraded in (False, True):
            part = [t for t in targets if t.degraded is degraded]
            places = [
                tenant.prefer.index(t.backend) if t.backend in tenant.prefer else len(tenant.prefer)
                for t in part
            ]
            assert places == sorted(places)
            for place in set(places):
                ranks = [t.rank for t, p in zip(part, places, strict=True) if p == place]
                assert ranks == sorted(ranks)


def _draws(draw: random.Random) -> Callable[[Target], float]:
    return lambda _: draw.random()


@given(catalog=catalogs(), seed=st.integers(0, 1000))
def test_a_draw_reorders_only_among_equals(catalog: Catalog, seed: int) -> None:
    tenant = catalog.tenants["t"]
    for model in catalog.models.values():
        plan = make_plan(catalog, tenant, model, Needs())
        drawn = plan.drawn(tenant.prefer, _draws(random.Random(seed)))
        assert Counter(drawn) == Counter(plan.targets)
        for before, after in zip(plan.targets, drawn, strict=True):
            assert (before.degraded, before.rank) == (after.degraded, after.rank)
            assert (before.backend in tenant.prefer) == (after.backend in tenant.prefer)


def test_equal_ranks_share_the_load_by_weight() -> None:
    weights = {"a": 1, "b": 2, "c": 5}
    equals = tuple(Target(name, "x", weight=weight) for name, weight in weights.items())
    plan = Plan(Model("m", Task.CHAT, equals), (*equals, Target("d", "x", rank=2)))
    draw, draws = random.Random(20261121), 20_000

    first: Counter[str] = Counter()
    for _ in range(draws):
        order = plan.drawn((), _draws(draw))
        first[order[0].backend] += 1
        assert order[-1].backend == "d"

    expected = {name: draws * weight / sum(weights.values()) for name, weight in weights.items()}
    chi_square = sum((first[name] - expected[name]) ** 2 / expected[name] for name in weights)
    assert chi_square < 13.8  # two degrees of freedom, p = 0.001


def test_a_single_target_costs_no_draw() -> None:
    only = Target("a", "x")

    def draw(_: Target) -> float:
        raise AssertionError("nothing to draw")

    assert Plan(Model("m", Task.CHAT, (only,)), (only,)).drawn((), draw) == (only,)


@given(catalog=catalogs(), asked=needs)
def test_an_empty_plan_is_refused_for_the_reason_that_binds(catalog: Catalog, asked: Needs) -> None:
    tenant = catalog.tenants["t"]
    for model in catalog.models.values():
        plan = make_plan(catalog, tenant, model, asked)
        whys = {left.why for left in plan.left_out}
        if plan.targets:
            refuse_empty(plan, tenant)
            continue
        expected: type[PasserelleError] = Unavailable
        if Why.OFF not in whys and Why.INCAPABLE in whys:
            expected = BadRequest
        elif Why.OFF not in whys and Why.POLICY in whys:
            expected = PolicyRefused
        with pytest.raises(expected) as caught:
            refuse_empty(plan, tenant)
        assert type(caught.value) is expected
        assert caught.value.message.endswith(".")


def _empty(
    *targets: Target, policy: Policy | None = None, asked: Needs | None = None, off: bool = False
) -> Plan:
    engine = Party("engine", Location("US"))
    spec = BackendSpec("a", "openai", None, off="TOKEN is not set" if off else None, parties=(engine,))
    model = Model("m", Task.CHAT, targets)
    tenant = Tenant("client", models=("m",), policy=policy)
    return make_plan(Catalog("v", {"a": spec}, {"m": model}, {}), tenant, model, asked or Needs())


def test_a_policy_that_leaves_nothing_is_403_with_the_id_of_its_rule() -> None:
    plan = _empty(Target("a", "x"), policy=Policy("eu", countries=frozenset({"FR"})))

    with pytest.raises(PolicyRefused) as caught:
        refuse_empty(plan, _TENANT)
    assert caught.value.code == "R01"
    assert "US" in caught.value.message


@pytest.mark.parametrize(
    ("capability", "param"),
    [
        (Capability.TOOLS, "tools"),
        (Capability.STRUCTURED_OUTPUT, "response_format"),
        (Capability.VISION, "messages"),
        (Capability.COMPLETIONS, "prompt"),
    ],
)
def test_a_lack_is_400_naming_the_parameter(capability: Capability, param: str) -> None:
    lacking = frozenset({capability})

    with pytest.raises(BadRequest) as caught:
        refuse_empty(_empty(Target("a", "x", lacks=lacking), asked=Needs(lacking)), _TENANT)
    assert (caught.value.code, caught.value.param) == ("unsupported_parameter", param)


def test_too_long_a_request_is_400_with_the_length() -> None:
    with pytest.raises(BadRequest) as caught:
        refuse_empty(_empty(Target("a", "x", context=1000), asked=Needs(context=2000)), _TENANT)
    assert caught.value.code == "context_length_exceeded"
    assert "1000" in caught.value.message


def test_what_is_switched_off_is_503_and_says_when_to_come_back() -> None:
    with pytest.raises(Unavailable) as caught:
        refuse_empty(_empty(Target("a", "x"), off=True), _TENANT)
    assert (caught.value.code, caught.value.retry_after) == ("no_target_up", 30)
    assert "TOKEN" not in caught.value.message  # which secret is missing is the operator's business


def test_a_target_that_is_forbidden_and_off_does_not_hide_the_rule() -> None:
    plan = _empty(Target("a", "x"), policy=Policy("eu", countries=frozenset({"FR"})), off=True)

    with pytest.raises(PolicyRefused):
        refuse_empty(plan, _TENANT)


def _named(*models: str) -> Catalog:
    targets = (Target("a", "x"),)
    return Catalog("v", {}, {name: Model(name, Task.CHAT, targets) for name in models}, {})


def test_a_model_that_is_not_the_tenants_reads_like_one_that_is_not_there() -> None:
    catalog = _named("assistant", "secret-project", "secret-project-2")
    tenant = Tenant("client", models=("assistant",), default_model="assistant")

    messages = set()
    for name in ("secret-project", "secret-projekt"):
        with pytest.raises(NotFound) as caught:
            find_model(catalog, tenant, name)
        messages.add(caught.value.message.replace(name, "NAME"))
        assert caught.value.code == "model_not_found"
        assert "secret-project-2" not in caught.value.message
    assert len(messages) == 1


@given(catalog=catalogs(), name=st.sampled_from(["one", "two", "vectors", "tow", "vector", "default", ""]))
def test_a_hint_never_names_a_model_the_tenant_may_not_use(catalog: Catalog, name: str) -> None:
    tenant = catalog.tenants["t"]
    try:
        assert find_model(catalog, tenant, name).name in tenant.models
    except NotFound as error:
        said = error.message.replace(repr(name), "")
        assert not [other for other in catalog.models if other not in tenant.models and f" {other} " in said]


def test_a_slip_in_a_name_leads_to_the_right_one() -> None:
    tenant = Tenant("client", models=("assistant",))

    with pytest.raises(NotFound, match="Did you mean assistant"):
        find_model(_named("assistant"), tenant, "asistant")


def test_default_means_the_tenants_own_model_unless_one_has_that_name() -> None:
    catalog = _named("assistant", "default")

    assert find_model(catalog, Tenant("a", ("assistant",), "assistant"), "default").name == "assistant"
    assert (
        find_model(catalog, Tenant("b", ("default", "assistant"), "assistant"), "default").name == "default"
    )
    with pytest.raises(NotFound):
        find_model(catalog, Tenant("c", ("assistant",), None), "default")


def test_a_model_of_another_task_is_refused_by_name() -> None:
    with pytest.raises(BadRequest) as caught:
        find_model(_named("m"), _TENANT, "m", Task.EMBED)
    assert (caught.value.code, caught.value.param) == ("wrong_task", "model")
