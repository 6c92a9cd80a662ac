"""The words of the file: each kind is shown by the example, and what is wrong is told with its place."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest
import yaml

from passerelle.config.guardrails import GuardrailFields
from passerelle.domain.guardrails import Words
from tests.unit.routing.files import SMALL, loaded

_EXAMPLE = yaml.safe_load(
    (Path(__file__).parents[3] / "docs" / "providers.example.yaml").read_text(encoding="utf-8")
)


def _file(rules: str) -> str:
    return SMALL.replace("{demo: }", f"{{demo: {{guardrails: {rules}}}}}")


def test_the_example_shows_every_field_of_every_kind() -> None:
    shown = [
        rule for tenant in _EXAMPLE["tenants"].values() if tenant for rule in tenant.get("guardrails", ())
    ]
    for fields in get_args(get_args(GuardrailFields)[0]):
        kind = get_args(fields.model_fields["kind"].annotation)[0]
        own = {name for rule in shown if rule["kind"] == kind for name in rule}
        common = {"sides", "models", "action", "every", "longest"}
        assert set(fields.model_fields) - common <= own, kind
    assert {name for rule in shown for name in rule} >= {"sides", "models", "action", "every", "longest"}


def test_a_rule_becomes_a_value() -> None:
    catalog = loaded(_file("[{name: w, kind: words, phrases: [bad], models: [assistant]}]")).catalog
    assert catalog is not None
    (rule,) = catalog.tenants["demo"].guardrails
    assert (rule.rule, rule.kind, rule.blocks, rule.models) == (Words(("bad",)), "words", True, {"assistant"})


@pytest.mark.parametrize(
    ("rules", "cause"),
    [
        ("[{name: w, kind: words, phrases: [bad], models: [nobody]}]", "nobody"),
        ("[{name: w, kind: words, phrases: [bad]}, {name: w, kind: injection}]", "two guardrails 'w'"),
        ("[{name: w, kind: moderation, model: nobody}]", "nobody"),
        ("[{name: w, kind: topics, labels: {a: [x], b: [y]}, deny: [c]}]", "no label 'c'"),
        ("[{name: w, kind: topics, labels: {a: [x], b: [y]}, deny: [a], allow: [b]}]", "one of"),
        ("[{name: w, kind: topics, labels: {a: [x]}, deny: [a]}]", "labels"),
        ("[{name: w, kind: words, phrases: ['...']}]", "no letter"),
        ("[{name: w, kind: words}]", "phrases"),
        ("[{name: w, kind: nothing}]", "kind"),
        ("[{name: w, kind: schema, sides: [input]}]", "sides"),
        ("[{name: w, kind: injection, extra: 1}]", "extra"),
    ],
)
def test_what_is_wrong_is_told(rules: str, cause: str) -> None:
    outcome = loaded(_file(rules))
    assert outcome.catalog is None
    assert any(cause in str(finding) and finding.line for finding in outcome.findings), outcome.findings
