"""What a new file changes is told by tenant, whole, once, and nothing else is."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import orjson
import pytest
from hypothesis import given

from passerelle.domain.ask import Needs
from passerelle.domain.catalog import Catalog, Location, Party
from passerelle.routing.diff import Diff, Field, ModelDiff, TenantDiff, as_if_on, diff
from passerelle.routing.explain import explain
from passerelle.routing.plan import make_plan
from passerelle.routing.reasons import Why
from tests.unit.routing.catalogs import catalogs
from tests.unit.routing.files import HF_TOKEN, OTHER_TOKEN, SMALL, WHOLE, changed, loaded

_TWO_MORE = WHOLE + "  client-c: {degraded: true}\n  client-d: {degraded: true}\n"


def _catalog(text: str, environment: dict[str, str] | None = None) -> Catalog:
    outcome = loaded(text) if environment is None else loaded(text, environment=environment)
    catalog = outcome.catalog or outcome.draft
    assert catalog is not None, outcome.errors
    return catalog


def _of(told: Diff, tenant: str) -> TenantDiff:
    (change,) = (change for names, change in told.tenants if tenant in names)
    return change


def _model(told: Diff, tenant: str, model: str = "assistant") -> ModelDiff:
    (change,) = (change for change in _of(told, tenant).models if change.model == model)
    return change


def _fields(fields: tuple[Field, ...]) -> dict[str, tuple[Any, Any]]:
    return {field.name: (field.old, field.new) for field in fields}


def _explained(catalog: Catalog) -> list[Any]:
    """All that is explained of a tenant whatever the request needs, without the order of equals."""
    tenant = catalog.tenants["t"]
    told: list[Any] = [replace(tenant, prefer=(), deny=frozenset(), models=tuple(sorted(tenant.models)))]
    for name in sorted(tenant.models):
        model = catalog.models[name]
        told.append(name)
        steps = explain(catalog, "t", name).steps
        whole: list[list[str]] = [[]]
        load = 0.0
        for step in steps:
            whole[-1].append(f"{step.target.name} {step.share:.4f} {step.target.degraded}")
            load += step.share
            if load > 0.999:
                whole.append([])
                load = 0.0
        told.append([sorted(group) for group in whole])
        left_out = make_plan(catalog, tenant, model, Needs()).left_out
        told.append(sorted({f"{left.target.name} {left.why} {left.reason}" for left in left_out}))
        told.append([step.parties for step in steps])
        # One that is switched off may be switched on: who would see the data then is told too.
        told.append([catalog.backends[left.target.backend].parties for left in left_out])
        told.append({t.name: (t.context, sorted(t.lacks)) for t in model.targets})
    return told


@given(catalog=catalogs())
def test_a_catalog_changes_nothing_against_itself(catalog: Catalog) -> None:
    assert diff(catalog, replace(catalog, version="w", source="elsewhere.yaml")).empty


def _as_a_file(catalog: Catalog) -> Catalog:
    """Without targets that stand twice in a model, which a file may not hold."""
    models = {
        name: replace(model, targets=tuple({target.name: target for target in model.targets}.values()))
        for name, model in catalog.models.items()
    }
    return replace(catalog, models=models)


@given(old=catalogs().map(_as_a_file), new=catalogs().map(_as_a_file))
def test_it_speaks_of_a_tenant_whose_explanation_differs(old: Catalog, new: Catalog) -> None:
    told = diff(old, new)
    ours = [_explained(catalog) for catalog in (old, new)]

    if told.tenants:
        assert ours[0] != ours[1]
    if _plans(old) != _plans(new):
        assert [names for names, _ in told.tenants] == [("t",)]


def _plans(catalog: Catalog) -> dict[str, list[str]]:
    return {
        name: sorted(f"{step.target.name} {step.share:.4f}" for step in explain(catalog, "t", name).steps)
        for name in catalog.tenants["t"].models
    }


@given(old=catalogs(), new=catalogs())
def test_data_newly_reaches_exactly_who_could_not_be_reached_before(old: Catalog, new: Catalog) -> None:
    def known(catalog: Catalog) -> set[tuple[str | None, str]]:
        tenant = catalog.tenants["t"]
        plans = [make_plan(catalog, tenant, catalog.models[name], Needs()) for name in tenant.models]
        backends = {target.backend for plan in plans for target in plan.targets}
        backends |= {left.target.backend for plan in plans for left in plan.left_out if left.why is Why.OFF}
        return {
            (party.location.country, party.location.operator)
            for name in backends
            for party in catalog.backends[name].parties
            if party.location.operator
        }

    told = diff(old, new)
    change = _of(told, "t") if told.tenants else TenantDiff("kept")

    gained = {(reach.country, reach.operator) for reach in change.reached if reach.operator}
    lost = {(reach.country, reach.operator) for reach in change.spared if reach.operator}
    assert gained == known(new) - known(old)
    assert lost == known(old) - known(new)


@given(old=catalogs(), new=catalogs())
def test_there_and_back_is_the_same_change_the_other_way(old: Catalog, new: Catalog) -> None:
    there, back = diff(old, new), diff(new, old)

    assert bool(there.tenants) == bool(back.tenants)
    assert {change.backend for change in there.backends} == {change.backend for change in back.backends}
    for (_, one), (_, other) in zip(there.tenants, back.tenants, strict=True):
        assert one.reached == other.spared
        assert {(f.name, f.old, f.new) for f in one.settings} == {
            (f.name, f.new, f.old) for f in other.settings
        }
    assert orjson.dumps(asdict(there))


def test_who_answers_is_told_before_and_after_with_the_shares_of_equals() -> None:
    told = _model(diff(_catalog(WHOLE), _catalog(changed("weight: 3", "weight: 1"))), "client-b")

    assert told.before is not None
    assert told.after is not None
    assert [[(way.target.partition("/")[0], way.share) for way in group] for group in told.before] == [
        [("gpu", 0.75), ("vllm", 0.25)],
        [("hub", 1.0)],
        [("offline", 1.0)],
    ]
    assert [(way.target.partition("/")[0], way.share) for way in told.after[0]] == [
        ("gpu", 0.5),
        ("vllm", 0.5),
    ]


def test_where_data_may_newly_go_is_told() -> None:
    text = changed("    policy: eu-only\n    backends: {prefer: [vllm], deny: [hub]}\n", "")
    reached = _of(diff(_catalog(WHOLE), _catalog(text)), "client-a").reached

    assert [(reach.country, reach.operator, reach.backends) for reach in reached] == [
        ("US", "Hugging Face, Inc.", ("hub",)),
        (None, None, ("hub",)),
    ]


def test_a_place_behind_a_switched_off_backend_counts_and_says_so() -> None:
    text = changed("    policy: eu-only\n    backends: {prefer: [vllm], deny: [hub]}\n", "")
    without: dict[str, str] = {}
    told = diff(_catalog(WHOLE, without), _catalog(text, without))
    on = diff(as_if_on(_catalog(WHOLE, without)), as_if_on(_catalog(text, without)))

    assert [reach.off for reach in _of(told, "client-a").reached] == [True, True]
    assert [reach.off for reach in _of(on, "client-a").reached] == [False, False]
    assert on == diff(_catalog(WHOLE), _catalog(text))


@pytest.mark.parametrize(
    ("old", "new", "target", "why", "rule", "still"),
    [
        ("deny: [hub]", "deny: [hub, gpu]", "gpu", "denied", None, False),
        ("countries: [EEA]", "countries: [EU]", "vllm", "policy", "R01", False),
        (", deny: [hub]", "", "hub", "policy", "R01", True),
    ],
)
def test_a_target_newly_left_out_is_told_with_the_reason(
    old: str, new: str, target: str, why: str, rule: str | None, *, still: bool
) -> None:
    (shut,) = _model(diff(_catalog(WHOLE), _catalog(changed(old, new))), "client-a").shut

    assert shut.target.startswith(target)
    assert (shut.why, shut.rule, shut.still) == (why, rule, still)
    assert shut.reason


def test_a_target_let_in_is_told_apart_from_one_that_is_gone() -> None:
    let_in = changed("deny: [hub]}", "deny: [hub]}\n    degraded: true")
    gone = changed("      - {backend: offline, model: extractive, rank: 9, degraded: true}\n", "")

    assert _model(diff(_catalog(WHOLE), _catalog(let_in)), "client-a").opened == ("offline/extractive",)
    told = _model(diff(_catalog(WHOLE), _catalog(gone)), "client-a")
    assert (told.opened, told.dropped) == ((), ("offline/extractive",))
    assert told.before == told.after


def test_tenants_with_one_change_stand_together_and_the_others_are_not_named() -> None:
    told = diff(
        _catalog(_TWO_MORE), _catalog(changed("client-c: {degraded: true}", "client-c: {}", _TWO_MORE))
    )
    both = _TWO_MORE.replace(": {degraded: true}", ": {}")

    assert [names for names, _ in told.tenants] == [("client-c",)]
    assert [names for names, _ in diff(_catalog(_TWO_MORE), _catalog(both)).tenants] == [
        ("client-c", "client-d")
    ]


def test_settings_of_a_tenant_are_told_by_the_words_of_the_file() -> None:
    text = changed(
        "    degraded: true\n", "    attempts: 2\n    policy: eu-only\n    models: {default: embeddings}\n"
    )

    assert _fields(_of(diff(_catalog(WHOLE), _catalog(text)), "client-b").settings) == {
        "default model": ("assistant", "embeddings"),
        "policy": ("none", "eu-only"),
        "policy.countries": (None, ("EEA",)),
        "degraded answers": ("allowed", "not allowed"),
        "attempts": (3, 2),
    }


def test_a_policy_of_the_same_name_with_other_rules_is_a_change() -> None:
    text = changed("{countries: [EEA]}", "{countries: [EEA, CH], training: allowed, max_retention_days: 0}")

    assert _fields(_of(diff(_catalog(WHOLE), _catalog(text)), "client-a").settings) == {
        "policy.countries": (("EEA",), ("EEA", "CH")),
        "policy.max_retention_days": (None, 0),
    }


def test_tenants_and_models_that_come_and_go_are_told() -> None:
    fewer = changed("allow: [assistant, embeddings]", "allow: [assistant]").replace("client-b", "client-z")
    told = diff(_catalog(WHOLE), _catalog(fewer))

    assert {names: change.presence for names, change in told.tenants} == {
        ("client-a",): "kept",
        ("client-b",): "removed",
        ("client-z",): "added",
    }
    lost = _model(told, "client-a", "embeddings")
    assert lost.before is not None
    assert lost.after is None
    assert [model.before for model in _of(told, "client-z").models] == [None, None]
    assert [model.after for model in _of(told, "client-b").models] == [None, None]
    assert _of(told, "client-z").reached == _of(told, "client-b").spared


def test_a_change_of_a_backend_is_told_with_those_it_may_answer() -> None:
    text = changed('"http://tgi:80", location: {country: FR', '"http://other:80", location: {country: BE')
    (backend,) = diff(_catalog(WHOLE), _catalog(text)).backends

    assert backend.tenants == ("client-a", "client-b")
    assert _fields(backend.fields) == {
        "url": ("http://tgi:80", "http://other:80"),
        "location.country": ("FR", "BE"),
    }


def test_what_a_target_offers_and_its_task_are_told() -> None:
    text = changed("rank: 1, weight: 3}", "rank: 1, weight: 3, lacks: [tools], context: 4096}")
    facts = _fields(_model(diff(_catalog(WHOLE), _catalog(text)), "client-b").facts)

    assert facts == {
        "context of gpu/Qwen/Qwen2.5-7B-Instruct": (None, 4096),
        "lacks of gpu/Qwen/Qwen2.5-7B-Instruct": (None, ("tools",)),
    }


def test_a_file_that_a_policy_refuses_can_be_compared() -> None:
    refused = loaded(changed("countries: [EEA]", "countries: [BE]"))
    assert refused.exit_code == 1

    told = _model(diff(_catalog(WHOLE), _catalog(changed("countries: [EEA]", "countries: [BE]"))), "client-a")
    assert told.after == ()
    assert {shut.rule for shut in told.shut} == {"R01"}


def test_a_secret_is_told_by_its_reference() -> None:
    new = _catalog(
        changed("env:HF_TOKEN", "env:SECOND"), {"HF_TOKEN": HF_TOKEN, "SECOND": "hf_" + OTHER_TOKEN}
    )
    told = diff(_catalog(WHOLE), new)

    assert _fields(told.backends[0].fields) == {"token": ("env:HF_TOKEN", "env:SECOND")}
    assert told.tenants == ()
    assert HF_TOKEN not in str(told)
    assert OTHER_TOKEN not in str(told)


def test_parties_of_whom_nothing_is_known_are_told_apart() -> None:
    old = _catalog(WHOLE)
    vllm = replace(old.backends["vllm"], parties=(Party("vllm", Location()),), location=Location())
    told = diff(old, replace(old, backends={**old.backends, "vllm": vllm}))

    assert [(reach.country, reach.backends) for reach in _of(told, "client-b").reached] == [(None, ("vllm",))]


def test_of_a_router_whose_provider_is_chosen_later_every_permitted_one_may_be_reached() -> None:
    old = _catalog(
        changed("    policy: eu-only\n    backends: {prefer: [vllm], deny: [hub]}\n", "    policy: eu-only\n")
    )
    router = Party("hub (router)", Location("FR", "Router"))
    hosts = (Party("fr", Location("FR", "Near")), Party("us", Location("US", "Far")))
    hub = replace(old.backends["hub"], choice="cheapest", parties=(router, Party("hub")), hosts=hosts)
    told = diff(old, replace(old, backends={**old.backends, "hub": hub}))

    reached = {names: [reach.operator for reach in change.reached] for names, change in told.tenants}
    assert reached == {("client-a",): ["Near", "Router"], ("client-b",): ["Near", "Router", "Far"]}


def test_what_is_agreed_about_money_is_told() -> None:
    agreed = (
        "demo: {budget: {amount: 20, alerts: [80], models: {assistant: {amount: 5, on_exceed: notify}}},"
        " resale: {markup_percent: 12.5}, tax: {name: TVA, percent: 20}, tags: [project]}"
    )
    told = diff(_catalog(SMALL), _catalog(changed("demo: ", agreed, SMALL)))
    assert _fields(_of(told, "demo").settings) == {
        "tags": (None, ("project",)),
        "budget": (None, "20 EUR a month, then block"),
        "budget.models.assistant": (None, "5 EUR a month, then notify"),
        "budget.alerts": (None, (80,)),
        "resale.markup_percent": (None, "12.5"),
        "tax": (None, "TVA 20 %"),
    }
