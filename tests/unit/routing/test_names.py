"""A file that wants names found by a model is refused where there is none, with the way out."""

from __future__ import annotations

import pytest

from passerelle.backends.registry import kinds
from passerelle.routing.load import load
from passerelle.text import personal_models

_FILE = """
version: 1
backends: {engine: {kind: builtin}}
models: {assistant: {targets: [{backend: engine, model: extractive}]}}
tenants:
  acme:
    privacy:
      redact:
        kinds: [name]
        names: presidio
"""


def _findings(monkeypatch: pytest.MonkeyPatch, modules: set[str]) -> list[tuple[str, int | None, str]]:
    monkeypatch.setattr(personal_models, "find_spec", lambda name: object() if name in modules else None)
    options = {name: kind.options for name, kind in kinds(None).items()}  # type: ignore[arg-type]
    found = load(_FILE, kinds=options, environment={}).errors
    return [(each.rule, each.line, each.cure) for each in found]


def test_without_the_extra_the_cure_is_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    ((rule, line, cure),) = _findings(monkeypatch, set())
    assert (rule, line) == ("C61", 10)
    assert "extra `presidio`" in cure


def test_without_a_model_the_cure_is_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    ((rule, _, cure),) = _findings(monkeypatch, {"presidio_analyzer"})
    assert rule == "C61"
    assert "fr_core_news_md" in cure


def test_with_both_there_is_nothing_to_say(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _findings(monkeypatch, {"presidio_analyzer", "fr_core_news_sm"}) == []
