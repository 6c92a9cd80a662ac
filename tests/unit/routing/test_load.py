"""What a good file means, what is only a warning, and which exit status a file deserves."""

from __future__ import annotations

from pathlib import Path

import pytest

from passerelle.domain.errors import Finding
from passerelle.policy.regions import EEA, EU
from tests.unit.routing.files import ENVIRONMENT, HF_TOKEN, SMALL, WHOLE, changed, loaded


def _found(text: str, rule: str, **given: object) -> list[Finding]:
    return [finding for finding in loaded(text, **given).findings if finding.rule == rule]  # type: ignore[arg-type]


def test_a_usable_file_is_0_a_policy_without_a_way_is_1_and_anything_else_is_2() -> None:
    no_way = changed("location: {country: FR, operator: self}}", "location: {country: US}}")
    no_way = changed("NO", "US", no_way).replace(", rank: 9, degraded: true", ", degraded: true")

    assert loaded(WHOLE).exit_code == 0
    assert loaded(no_way).exit_code == 1
    assert loaded(no_way).catalog is None
    assert loaded(changed("weight: 3", "wieght: 3", no_way)).exit_code == 2
    assert loaded(changed("prefer: [vllm]", "prefer: [vllm, vllm]", no_way)).exit_code == 2


@pytest.mark.parametrize(
    ("backend", "policy", "words"),
    [
        ("url: 'https://a.example'", "{countries: [FR]}", ("not known", "`location`")),
        ("url: 'https://a.example', location: {country: US}", "{countries: [EU]}", ("US", "outside", "p")),
        ("url: 'https://a.example', location: {country: NO}", "{countries: [EU]}", ("NO", "outside")),
        ("url: 'https://a.example', location: {country: FR}", "{operators: [self]}", ("unknown party",)),
        ("url: 'https://a.example', location: {operator: Acme}", "{operators: [self]}", ("Acme",)),
        ("url: 'https://a.example'", "{training: forbidden}", ("training", "`trains: false`")),
        ("url: 'https://a.example', trains: true", "{training: forbidden}", ("trains on what it is sent",)),
        ("url: 'https://a.example'", "{max_retention_days: 0}", ("not known", "`retention_days`")),
        ("url: 'https://a.example', retention_days: 30", "{max_retention_days: 7}", ("30 days", "7")),
    ],
)
def test_a_model_without_a_permitted_target_is_rule_r01(
    backend: str, policy: str, words: tuple[str, ...]
) -> None:
    text = (
        f"version: 1\nbackends: {{a: {{kind: openai, {backend}}}}}\n"
        "models: {m: {targets: [{backend: a, model: x}]}}\n"
        f"policies: {{p: {policy}}}\ntenants:\n  t: {{policy: p}}\n"
    )
    outcome = loaded(text)

    assert outcome.exit_code == 1
    assert [(error.rule, error.line) for error in outcome.errors] == [("R01", 6)]
    for word in words:
        assert word in str(outcome.errors[0])


def test_a_target_that_a_policy_excludes_is_information_told_once_for_a_backend() -> None:
    text = changed(", deny: [hub]", "").replace(
        "  embeddings:",
        "  second: {targets: [{backend: gpu, model: a}, {backend: hub, model: b}]}\n  embeddings:",
    )
    told = _found(changed("allow: [assistant,", "allow: [assistant, second,", text), "C41")

    assert [(finding.severity, finding.line) for finding in told] == [("info", 23)]
    assert "'client-a' never reaches the backend 'hub'" in told[0].message
    assert "R01" in told[0].cure


def test_a_tenant_without_a_policy_is_told_to_be_unrestricted() -> None:
    assert [f.message for f in _found(WHOLE, "C40")] == ["'client-b' has no policy and is unrestricted."]


def test_a_policy_without_rules_restricts_nothing_and_is_told_so() -> None:
    told = _found(changed("eu-only: {countries: [EEA]}", "eu-only: {}"), "C40")

    assert [finding.line for finding in told] == [22, 26]
    assert "its policy 'eu-only' has no rules" in told[0].message


def test_a_preference_that_the_policy_overrules_is_a_warning() -> None:
    outcome = loaded(changed("countries: [EEA]", "countries: [EU]"))
    told = [finding for finding in outcome.findings if finding.severity == "warning"]

    assert [(finding.rule, finding.line) for finding in told] == [("C34", 25)]
    assert "prefers 'vllm', which can never answer it: vllm processes data in NO" in told[0].message
    assert outcome.exit_code == 0


def test_a_model_without_a_way_is_told_with_every_reason() -> None:
    text = changed("policy: eu-only", "policy: eu-only\n    degraded: false").replace("[EEA]", "[BE]")
    told = [error.message for error in loaded(text).errors if "'assistant'" in error.message]

    assert len(told) == 1
    for reason in (
        "gpu processes data in FR",
        "vllm processes data in NO",
        "client-a denies hub",
        "degraded answers",
    ):
        assert reason in told[0]


@pytest.mark.parametrize(
    ("defaults", "rule", "words"),
    [
        ("policy: eu-onyl", "C20", ("'eu-onyl'", "eu-only")),
        ("models: {allow: [asistant]}", "C20", ("'asistant'", "assistant")),
        ("backends: {deny: [hubb]}", "C20", ("'hubb'", "hub")),
        ("backends: {prefer: [spare]}", "C26", ("`defaults` prefers 'spare'", "Add a target")),
        ("backends: {deny: [spare]}", "C27", ("`defaults` denies 'spare'", "`deny`")),
    ],
)
def test_defaults_are_checked_even_where_no_tenant_takes_them(
    defaults: str, rule: str, words: tuple[str, ...]
) -> None:
    own = "    policy: eu-only\n    models: {allow: [assistant]}\n    backends: {prefer: [], deny: []}\n"
    text = changed("  client-b:\n", f"  client-b:\n{own}")
    text = text.replace("tenants:\n", f"defaults: {{{defaults}}}\ntenants:\n", 1)
    text = text.replace("backends:\n", "backends:\n  spare: {kind: builtin}\n", 1)
    errors = loaded(text).errors

    assert [(error.rule, error.line) for error in errors] == [(rule, 22)]
    for word in words:
        assert word in str(errors[0])


def test_an_unset_secret_switches_its_backend_off_with_a_warning() -> None:
    outcome = loaded(WHOLE, environment={})

    assert outcome.exit_code == 0
    assert outcome.catalog is not None
    assert outcome.catalog.backends["hub"].off == "HF_TOKEN is not set in the environment"
    warning = next(f for f in outcome.findings if f.rule == "C10")
    assert (warning.severity, warning.line) == ("warning", 6)
    assert "'hub'" in warning.message
    assert "HF_TOKEN" in warning.message


def test_an_unset_secret_of_a_required_backend_is_an_error() -> None:
    outcome = loaded(changed("token: env:HF_TOKEN", "token: env:HF_TOKEN, required: true"), environment={})

    assert outcome.exit_code == 2
    assert [(error.rule, error.line) for error in outcome.errors] == [("C10", 6)]


def test_strict_makes_warnings_errors() -> None:
    assert loaded(WHOLE, strict=True).exit_code == 0
    assert loaded(WHOLE, environment={}, strict=True).exit_code == 2
    assert loaded(WHOLE, environment={}, strict=True).catalog is None


def test_a_token_that_the_router_cannot_take_is_an_error_that_does_not_show_it() -> None:
    outcome = loaded(WHOLE, environment={"HF_TOKEN": "sk-this-is-a-token-of-somebody-else"})

    assert [(error.rule, error.line) for error in outcome.errors] == [("C11", 6)]
    assert "hf_" in outcome.errors[0].message
    assert "sk-this" not in str(outcome.findings)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://engine.example.com/v1", True),
        ("http://8.8.8.8:8000", True),
        ("http://[2a00:1450::1]:8000", True),
        ("https://engine.example.com", False),
        ("http://tgi:80", False),
        ("http://localhost:8000", False),
        ("http://127.0.0.1:8000", False),
        ("http://10.1.2.3:8000", False),
        ("http://[fd00::1]:8000", False),
        ("http://vllm.models.svc.cluster.local:8000", False),
        ("http://gpu.internal", False),
    ],
)
def test_a_token_over_plain_http_to_the_open_network_is_a_warning(url: str, told: bool) -> None:
    text = changed('url: "http://tgi:80"', f'token: env:OTHER_TOKEN, url: "{url}"')
    warnings = _found(text, "C12")

    assert [(f.severity, f.line) for f in warnings] == ([("warning", 4)] if told else [])
    assert _found(changed("http://tgi:80", url), "C12") == []  # without a token nothing leaks


def test_what_nobody_uses_is_a_warning() -> None:
    text = changed("models:\n  assistant:", "  spare: {kind: builtin}\nmodels:\n  assistant:")
    text = changed("policies:\n", "policies:\n  spare-rules: {countries: [FR]}\n", text)
    text = changed("  client-b:\n    degraded: true\n", "", text).replace(
        "allow: [assistant, embeddings]", "allow: [assistant]"
    )
    outcome = loaded(text)

    assert outcome.exit_code == 0
    warned = {(f.rule, f.line) for f in outcome.findings if f.severity == "warning"}
    assert warned == {("C30", 8), ("C31", 17), ("C32", 21)}


def test_a_model_with_only_degraded_targets_is_a_warning() -> None:
    text = changed("model: all-MiniLM-L6-v2", "model: all-MiniLM-L6-v2, degraded: true")
    text = changed("allow: [assistant, embeddings]", "allow: [assistant]", text)

    assert [(f.severity, f.line) for f in _found(text, "C24")] == [("warning", 16)]


def test_defaults_hold_where_a_tenant_says_nothing_field_by_field() -> None:
    text = changed(
        "tenants:\n",
        "defaults: {policy: eu-only, degraded: true, attempts: 5, models: {default: assistant},"
        " backends: {prefer: [gpu], deny: [hub]}}\n"
        "tenants:\n  quiet:\n  picky: {backends: {prefer: [vllm]}, attempts: 1, models: {allow: [assistant]}}\n",
    )
    catalog = loaded(text).catalog

    assert catalog is not None
    quiet, picky, a = (catalog.tenants[name] for name in ("quiet", "picky", "client-a"))
    assert (quiet.prefer, quiet.deny, quiet.degraded, quiet.attempts) == (
        ("gpu",),
        frozenset({"hub"}),
        True,
        5,
    )
    assert quiet.policy is not None
    assert quiet.policy.name == "eu-only"
    assert (picky.prefer, picky.deny, picky.attempts) == (
        ("vllm",),
        frozenset({"hub"}),
        1,
    )  # a default denial stays
    assert (picky.models, picky.default_model) == (("assistant",), "assistant")
    assert (a.prefer, a.deny, a.attempts) == (("vllm",), frozenset({"hub"}), 5)


def test_an_inherited_switch_need_not_matter_to_every_tenant() -> None:
    text = changed(
        "tenants:\n",
        "defaults: {backends: {prefer: [gpu], deny: [hub]}}\ntenants:\n  e: {models: {allow: [embeddings]}}\n",
    )

    assert loaded(text).exit_code == 0


def test_a_wrong_name_in_defaults_is_told_once_where_it_stands() -> None:
    text = changed("tenants:\n", "defaults: {policy: eu}\ntenants:\n  c: \n  d: \n")

    assert [(error.rule, error.line) for error in loaded(text).errors] == [("C20", 21)]


def test_an_empty_tenant_may_use_every_model_and_defaults_to_the_first_for_chat() -> None:
    text = SMALL.replace(
        "models: {", "models: {vectors: {task: embed, targets: [{backend: offline, model: m}]}, "
    )
    catalog = loaded(text).catalog

    assert catalog is not None
    tenant = catalog.tenants["demo"]
    assert tenant.models == ("vectors", "assistant")
    assert tenant.default_model == "assistant"
    assert tenant.attempts == 3
    assert not tenant.degraded


def test_regions_are_expanded_into_countries() -> None:
    wide = loaded(changed("countries: [EEA]", "countries: [EEA, CH]")).catalog
    narrow = loaded(changed("countries: [EEA]", "countries: [EU]")).catalog

    assert wide is not None
    assert narrow is not None
    policies = [catalog.tenants["client-a"].policy for catalog in (wide, narrow)]
    assert [policy.countries for policy in policies if policy] == [EEA | {"CH"}, EU]
    assert EEA > EU


def test_the_version_is_that_of_the_text() -> None:
    one, same, other = (loaded(text).catalog for text in (WHOLE, WHOLE, WHOLE + "# a comment\n"))

    assert one is not None
    assert same is not None
    assert other is not None
    assert one.version == same.version != other.version
    assert one == same
    assert one.backends == other.backends


def test_a_secret_is_read_from_a_file_without_its_line_end(tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text(f"{HF_TOKEN}\n")
    text = changed("env:HF_TOKEN", f"file:{secret}")
    before = loaded(text, environment={}).catalog
    secret.write_text("hf_another-value")
    after = loaded(text, environment={}).catalog

    assert before is not None
    assert after is not None
    assert before.backends["hub"].secrets == {"token": HF_TOKEN}
    assert before.version == after.version
    assert before.backends["hub"] != after.backends["hub"]
    assert before.backends["gpu"] == after.backends["gpu"]


def test_a_missing_secret_file_switches_its_backend_off(tmp_path: Path) -> None:
    catalog = loaded(changed("env:HF_TOKEN", f"file:{tmp_path}/none")).catalog

    assert catalog is not None
    assert catalog.backends["hub"].off == f"{tmp_path}/none cannot be read (No such file or directory)"


def test_targets_lack_what_their_kind_and_their_own_line_say() -> None:
    catalog = loaded(changed("weight: 3", "weight: 3, lacks: [vision]")).catalog

    assert catalog is not None
    gpu, _, hub, offline = catalog.models["assistant"].targets
    assert gpu.lacks == {"vision"}
    assert hub.lacks == {"completions"}
    assert offline.lacks == {"tools", "vision"}


def test_the_environment_is_not_kept() -> None:
    catalog = loaded(WHOLE, environment={**ENVIRONMENT, "OTHER": "value-of-another-variable"}).catalog

    assert catalog is not None
    assert "value-of-another-variable" not in repr(catalog) + str(
        [b.secrets for b in catalog.backends.values()]
    )
