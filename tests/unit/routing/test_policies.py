"""Policies by name, and everybody whom a tenant's data may reach: engines, helpers, systems and webhooks."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from passerelle.domain.catalog import Catalog, Tenant
from passerelle.policy.presets import PRESETS
from passerelle.policy.seen import Seen, Use
from passerelle.routing.egress import as_text, egress
from passerelle.routing.everyone import everyone
from passerelle.routing.explain import explain
from passerelle.routing.load import Loaded
from tests.unit.routing.files import HF_TOKEN, loaded

_ENVIRONMENT = {"HF_TOKEN": HF_TOKEN, "HOOK": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "KEY": "a-key-of-it"}
_OWN = {"country": "FR", "operator": "self"}


def _file(**more: Any) -> dict[str, Any]:
    return {
        "version": 1,
        "operator": {"name": "Formation SAS", "country": "FR"},
        "backends": {
            "gpu": {"kind": "vllm", "url": "http://vllm:8000", "location": _OWN},
            "tei": {"kind": "tei", "url": "http://tei:80", "location": _OWN},
            "far": {"kind": "openai", "url": "https://far.example/v1", "location": {"country": "US"}},
        },
        "models": {
            "assistant": {"targets": [{"backend": "gpu", "model": "m"}, {"backend": "far", "model": "m", "rank": 2}]},
            "embeddings": {"task": "embed", "targets": [{"backend": "tei", "model": "e"}]},
        },
        "tenants": {"acme": {"policy": "eu-only"}},
        **more,
    }  # fmt: skip


def _loaded(**more: Any) -> Loaded:
    return loaded(yaml.safe_dump(_file(**more), sort_keys=False), environment=_ENVIRONMENT)


def _catalog(**more: Any) -> Catalog:
    outcome = _loaded(**more)
    assert outcome.catalog is not None, [str(finding) for finding in outcome.findings]
    return outcome.catalog


def _acme(catalog: Catalog) -> Tenant:
    return catalog.tenants["acme"]


def _found(outcome: Loaded, severity: str = "error") -> list[str]:
    return [finding.rule for finding in outcome.findings if finding.severity == severity]


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_a_policy_of_the_package_needs_not_be_written(name: str) -> None:
    catalog = _catalog(tenants={"acme": {"policy": name}})

    assert _acme(catalog).policy == PRESETS[name]
    assert [left.rule for left in explain(catalog, "acme", "assistant").left_out if left.rule] != []
    assert [step.target.backend for step in explain(catalog, "acme", "assistant").steps] == ["gpu"]


def test_one_that_is_written_goes_before() -> None:
    catalog = _catalog(policies={"eu-only": {"countries": ["US", "FR"]}})

    policy = _acme(catalog).policy
    assert policy is not None
    assert policy.countries == frozenset({"US", "FR"})
    assert policy.training


def test_sovereignty_asks_who_we_are_ourselves() -> None:
    sovereign = {"tenants": {"acme": {"policy": "eu-sovereign"}}}

    assert _loaded(**sovereign).exit_code == 0
    assert _loaded(**sovereign, operator={"name": "x", "country": "US"}).exit_code == 1
    assert _loaded(**sovereign, operator={"name": "x"}).exit_code == 1


@pytest.mark.parametrize(
    ("facts", "rule"),
    [
        ({"location": {"country": "FR", "operator": "Base SAS", "seat": "FR"}, "trains": False}, None),
        ({"location": _OWN}, None),
        ({}, "R01"),
        ({"location": {"country": "US", "operator": "Base, Inc.", "seat": "US"}, "trains": False}, "R01"),
        ({"location": {"country": "FR", "operator": "Base, Inc.", "seat": "US"}, "trains": False}, "R02"),
        ({"location": {"country": "FR", "operator": "Base SAS", "seat": "FR"}}, "R05"),
    ],
)
def test_a_system_that_a_policy_forbids_keeps_the_file_from_being_used(
    facts: dict[str, Any], rule: str | None
) -> None:
    outcome = _loaded(systems={"base": {"kind": "database", **facts}})

    assert _found(outcome) == ([rule] if rule else [])
    assert outcome.exit_code == (1 if rule else 0)
    if rule:
        assert outcome.draft is not None
        (also,) = explain(outcome.draft, "acme", "assistant").others[-1:]
        assert also.verdict is not None
        assert (also.use, also.verdict.rule) == (Use.DATABASE, rule)
        assert f"refused by {rule}" in explain(outcome.draft, "acme", "assistant").as_text()


def test_a_sink_of_logs_keeps_what_it_is_sent_and_a_database_what_we_leave_in_it() -> None:
    where = {"location": {"country": "FR", "operator": "Base SAS", "seat": "FR"}, "trains": False}

    assert _found(_loaded(systems={"x": {"kind": "logs", **where}})) == ["R06"]
    assert _found(_loaded(systems={"x": {"kind": "logs", **where, "retention_days": 7}})) == []
    assert _found(_loaded(systems={"x": {"kind": "database", **where}})) == []


def test_a_webhook_is_asked_for_its_place_too_of_the_tenants_it_is_told_of() -> None:
    hook = {"url": "https://hook.example/x", "secret": "env:HOOK"}
    others = {"acme": {"policy": "eu-only"}, "free": {}}

    assert _found(_loaded(webhooks={"finance": hook})) == ["R01"]
    assert _found(_loaded(webhooks={"finance": {**hook, "location": _OWN}})) == []
    assert _found(_loaded(webhooks={"finance": {**hook, "tenants": ["free"]}}, tenants=others)) == []
    assert _found(_loaded(webhooks={"finance": hook}, tenants={"acme": {}})) == []


def test_a_webhook_without_its_secret_is_listed_as_off_and_keeps_no_file_from_being_used() -> None:
    outcome = _loaded(webhooks={"finance": {"url": "https://hook.example/x", "secret": "env:NOBODY_SET_IT"}})

    assert _found(outcome) == []
    assert outcome.catalog is not None
    (hook,) = (each for each in everyone(outcome.catalog, _acme(outcome.catalog)) if each.use is Use.WEBHOOK)
    assert hook.off
    assert hook.verdict is not None


def test_sensitive_data_is_kept_from_systems_without_any_policy() -> None:
    sensitive = {
        "tenants": {"acme": {"privacy": {"special": ["health"]}, "models": {"allow": ["embeddings"]}}}
    }
    where = {"location": {"country": "FR", "operator": "Base SAS"}, "trains": False}

    assert _found(_loaded(**sensitive, systems={"x": {"kind": "backups", **where}})) == ["R07"]
    assert (
        _found(_loaded(**sensitive, systems={"x": {"kind": "backups", **where, "retention_days": 0}})) == []
    )
    assert "sensitive" in " ".join(finding.message for finding in _loaded(**sensitive).findings)


def _uses(seen: tuple[Seen, ...]) -> dict[tuple[str, Use], str | None]:
    return {(each.through, each.use): each.verdict.rule if each.verdict else None for each in seen}


def test_everyone_is_each_party_in_each_use_with_its_verdict() -> None:
    cache = {"semantic": {"enabled": True, "embedder": "embeddings", "judge": {"model": "assistant"}}}
    guard = {"name": "no-harm", "kind": "moderation", "model": "assistant"}
    outcome = _loaded(
        tenants={"acme": {"policy": "eu-only", "cache": cache, "guardrails": [guard]}},
        systems={"traces": {"kind": "telemetry", "location": _OWN}, "theirs": {"kind": "vectors", "tenants": ["acme"]}},
        webhooks={"finance": {"url": "https://hook.example/x", "secret": "env:HOOK", "location": _OWN}},
    )  # fmt: skip
    catalog = outcome.draft
    assert catalog is not None

    assert _uses(everyone(catalog, _acme(catalog))) == {
        ("gpu", Use.PRIMARY): None,
        ("far", Use.FALLBACK): "R01",
        ("tei", Use.EMBEDDER): None,
        ("gpu", Use.JUDGE): None,
        ("far", Use.JUDGE): "R01",
        ("traces", Use.TELEMETRY): None,
        ("theirs", Use.VECTORS): "R01",
        ("finance", Use.WEBHOOK): None,
    }


def test_the_router_is_a_party_of_every_routed_call_and_its_providers_are_others() -> None:
    hub = {"kind": "hf-providers", "token": "env:HF_TOKEN", "provider": "cheapest"}
    catalog = _catalog(
        backends={"hub": hub, "gpu": {"kind": "vllm", "url": "http://vllm:8000", "location": _OWN}},
        models={"assistant": {"targets": [{"backend": "gpu", "model": "m"}, {"backend": "hub", "model": "m"}]}},
    )  # fmt: skip
    seen = everyone(catalog, _acme(catalog))

    (router,) = [each for each in seen if each.use is Use.ROUTER]
    assert (router.party.location.country, router.verdict and router.verdict.rule) == ("US", "R01")
    behind = [each for each in seen if each.through == "hub" and each.use is Use.FALLBACK]
    assert {"scaleway", "groq"} <= {each.party.name for each in behind}
    assert all(each.verdict is not None for each in behind)  # the router stands before each of them


def test_what_the_router_would_choose_itself_is_refused_under_a_rule() -> None:
    hub = {
        "kind": "hf-providers",
        "token": "env:HF_TOKEN",
        "location": {"country": "FR", "operator": "x"},
        "router": {"location": {"country": "FR"}},
    }
    more = {
        "models": {"assistant": {"targets": [{"backend": "hub", "model": "m"}]}},
        "policies": {"rules": {"countries": ["FR"]}},
        "tenants": {"acme": {"policy": "rules"}},
    }

    auto = _loaded(backends={"hub": hub}, **more)
    assert auto.exit_code == 1
    assert auto.draft is not None
    assert [left.rule for left in explain(auto.draft, "acme", "assistant").left_out] == ["R10"]
    assert _loaded(backends={"hub": {**hub, "provider": "scaleway"}}, **more).exit_code == 0
    assert _loaded(backends={"hub": {**hub, "provider": "cheapest"}}, **more).exit_code == 0


def test_degraded_answers_that_a_policy_forbids_are_not_given_whatever_the_tenant_says() -> None:
    more = {
        "models": {"assistant": {"targets": [{"backend": "gpu", "model": "m", "degraded": True}]}},
        "tenants": {"acme": {"policy": "rules", "degraded": True}},
    }

    assert _loaded(**more, policies={"rules": {"countries": ["FR"]}}).exit_code == 0
    assert "C33" in _found(_loaded(**more, policies={"rules": {"degraded": "forbidden"}}))


def test_every_host_that_is_connected_to_stands_in_the_configuration() -> None:
    catalog = _catalog(
        backends={
            **_file()["backends"],
            "hub": {"kind": "hf-providers", "token": "env:HF_TOKEN"},
            "ovh": {"kind": "hf-providers", "provider": "ovhcloud", "via": "direct", "token": "env:KEY"},
            "irish": {"kind": "hf-endpoint", "endpoint": "formation/qwen", "token": "env:HF_TOKEN"},
            "claude": {"kind": "litellm", "provider": "anthropic", "api_key": "env:KEY"},
            "other": {"kind": "litellm", "provider": "perplexity", "api_key": "env:KEY"},
            "offline": {"kind": "builtin"},
        },
        webhooks={"finance": {"url": "https://hook.example/x", "secret": "env:HOOK", "location": _OWN}},
    )
    found = {each.host: each.uses for each in egress(catalog)}

    assert found["vllm:8000"] == ("backend gpu",)
    assert found["far.example:443"] == ("backend far",)
    assert found["router.huggingface.co:443"] == ("backend hub",)
    assert found["oai.endpoints.kepler.ai.cloud.ovh.net:443"] == ("backend ovh",)
    assert found["*.endpoints.huggingface.cloud"] == ("backend irish",)
    assert found["api.anthropic.com:443"] == ("backend claude",)
    assert found["*"] == ("backend other",)
    assert found["hook.example:443"] == ("webhook finance",)
    assert "offline" not in as_text(egress(catalog))


@pytest.mark.parametrize("word", ["embedder", "judge", "moderation"])
def test_a_helper_that_may_not_be_asked_is_told_by_its_rule(word: str) -> None:
    models = {
        **_file()["models"],
        "far-vectors": {"task": "embed", "targets": [{"backend": "far", "model": "e"}]},
        "far-words": {"targets": [{"backend": "far", "model": "m"}]},
    }
    semantic: dict[str, Any] = {"enabled": True}
    guards = []
    if word == "embedder":
        semantic["embedder"] = "far-vectors"
    elif word == "judge":
        semantic["judge"] = {"model": "far-words"}
    else:
        guards.append({"name": "no-harm", "kind": "moderation", "model": "far-words"})
    tenant = {
        "policy": "eu-only",
        "models": {"allow": ["assistant", "embeddings"]},
        "cache": {"semantic": semantic},
    }
    outcome = _loaded(models=models, tenants={"acme": {**tenant, "guardrails": guards}})

    assert outcome.exit_code == 0
    assert "R01" in _found(outcome, "warning")
    assert outcome.catalog is not None
    seen = everyone(outcome.catalog, outcome.catalog.tenants["acme"])
    use = Use.EMBEDDER if word == "embedder" else Use.JUDGE
    assert [each.verdict.rule for each in seen if each.use is use and each.verdict] == ["R01"]


def test_a_pipelines_model_that_may_not_be_asked_is_an_error_of_the_tenant() -> None:
    models = {
        **_file()["models"],
        "far-vectors": {"task": "embed", "targets": [{"backend": "far", "model": "e"}]},
    }
    outcome = _loaded(
        models=models, tenants={"acme": {"policy": "eu-only", "rag": {"embedder": "far-vectors"}}}
    )

    assert outcome.exit_code == 1
    assert "R01" in _found(outcome)
