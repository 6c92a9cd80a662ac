"""What a file says of the cache becomes a value, is told by diff and explain, or is refused with its line."""

from __future__ import annotations

import pytest

from passerelle.domain.cache import Caching, Judging, Scope, Semantic
from passerelle.routing.diff import diff
from passerelle.routing.explain import explain
from tests.unit.routing.files import WHOLE, changed, loaded


def _with(words: str, text: str = WHOLE) -> str:
    return changed("    degraded: true\n", f"    degraded: true\n    cache: {words}\n", text)


def _cache(words: str, text: str = WHOLE) -> Caching | None:
    outcome = loaded(_with(words, text))
    assert outcome.catalog is not None, outcome.findings
    return outcome.catalog.tenants["client-b"].cache


def test_nothing_is_kept_unless_the_file_says_so() -> None:
    catalog = loaded(WHOLE).catalog
    assert catalog is not None
    assert {tenant.cache for tenant in catalog.tenants.values()} == {None}


@pytest.mark.parametrize("words", ["true", "{}", "{exact: true}"])
def test_a_switch_is_enough_for_the_same_question(words: str) -> None:
    assert _cache(words) == Caching()


@pytest.mark.parametrize("words", ["false", "{exact: false}", "{exact: false, semantic: {enabled: false}}"])
def test_nothing_kept_is_no_cache(words: str) -> None:
    assert _cache(words) is None


def test_a_tenant_takes_back_what_the_defaults_say() -> None:
    text = changed("tenants:\n", "defaults: {cache: true}\ntenants:\n")
    catalog = loaded(_with("false", text)).catalog
    assert catalog is not None
    assert catalog.tenants["client-a"].cache == Caching()
    assert catalog.tenants["client-b"].cache is None


def test_every_word_has_its_place() -> None:
    words = (
        "{ttl: 2d, scope: key, temperature: 0.7, models: [assistant], fresh: [planning], actions: [inscris],"
        " semantic: {max_error_rate: 0.02, shadow: 0.1, ttl: 90m, embedder: embeddings,"
        " judge: {model: assistant, calls_per_day: 7}, evaluator: 'norm:0.9'}}"
    )
    assert _cache(words) == Caching(
        exact=True,
        semantic=Semantic(0.02, 0.1, 5400.0, "embeddings", Judging("assistant", 7), "norm:0.9"),
        scope=Scope.KEY,
        ttl=172_800.0,
        temperature=0.7,
        models=frozenset({"assistant"}),
        fresh=("planning",),
        actions=("inscris",),
    )


@pytest.mark.parametrize(
    ("words", "rule", "told"),
    [
        ("{models: [asistant]}", "C20", "assistant"),
        ("{models: [embeddings]}", "C43", "assistant"),
        ("{semantic: {embedder: assistant}}", "C43", "embeddings"),
        ("{semantic: {judge: {model: embeddings}}}", "C43", "assistant"),
        ("{semantic: {judge: {model: judge}}}", "C20", "judge"),
        ("{semantik: {}}", "C03", "semantic"),
        ("{semantic: {max_error: 0.1}}", "C03", "max_error_rate"),
        ("{semantic: {max_error_rate: 1}}", "C06", "0.2"),
        ("{semantic: {judge: {model: assistant, calls: 7}}}", "C03", "calls_per_day"),
        ("{semantic: {evaluator: Guess}}", "C06", "norm"),
        ("{semantic: {evaluator: 'norm:2'}}", "C06", "norm"),
        ("{ttl: 31d}", "C06", "30d"),
        ("{ttl: soon}", "C06", "7d"),
        ("{scope: everybody}", "C06", "tenant"),
        ("{fresh: ['!']}", "C06", "word"),
        ("maybe", "C06", "mapping"),
    ],
)
def test_a_mistake_is_told_with_its_line_and_the_way_out(words: str, rule: str, told: str) -> None:
    outcome = loaded(_with(words))

    assert outcome.exit_code == 2
    first = outcome.errors[0]
    assert first.rule == rule
    assert told in f"{first.message} {first.cure}"
    assert first.line == _with(words).splitlines().index(f"    cache: {words}") + 1


def test_what_keeps_it_from_working_is_told() -> None:
    text = changed("allow: [assistant, embeddings]}", "allow: [assistant]}\n    cache: {models: [other]}")
    text = changed("  embeddings:\n", "  other: {targets: [{backend: hub, model: x}]}\n  embeddings:\n", text)
    assert "C44" in {finding.rule for finding in loaded(text).findings}
    text = changed(
        "    policy: eu-only\n", "    policy: eu-only\n    cache: {semantic: {judge: {model: far}}}\n"
    )
    text = changed("  embeddings:\n", "  far: {targets: [{backend: hub, model: x}]}\n  embeddings:\n", text)
    text = changed("allow: [assistant, embeddings]", "allow: [assistant]", text)
    told = [finding for finding in loaded(text).findings if finding.rule == "C45"]
    assert len(told) == 1
    assert "'far'" in told[0].message


def test_explain_says_what_is_kept_of_a_models_answers() -> None:
    words = "{models: [assistant], scope: tenant, semantic: {max_error_rate: 0.02}}"
    catalog = loaded(_with(words)).catalog
    assert catalog is not None
    found = explain(catalog, "client-b", "assistant")
    line = "the same question, 3600s; the same meaning, 86400s, at most 2 % wrong; shared by the whole tenant"
    assert found.as_json()["cache"] == line
    assert found.as_text().endswith(f"  cache: {line}")
    assert explain(catalog, "client-b", "embeddings").as_json()["cache"] is None
    assert "cache" not in explain(catalog, "client-a", "assistant").as_text()


def test_diff_says_what_will_be_kept() -> None:
    before, after = loaded(WHOLE).catalog, loaded(_with("{semantic: {max_error_rate: 0.02}}")).catalog
    assert before is not None
    assert after is not None
    ((names, change),) = diff(before, after).tenants
    assert names == ("client-b",)
    told = {field.name: (field.old, field.new) for field in change.settings}
    assert told["cache"] == (None, "on")
    assert told["cache.semantic.max_error_rate"] == (None, 0.02)
    assert told["cache.scope"] == (None, "user")
    assert diff(after, after).empty
