"""Every line of the shipped providers.yaml that waits behind a `#` works once that is taken away."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from passerelle.routing.explain import explain
from tests.unit.routing.files import KINDS, loaded

_TEXT = (Path(__file__).parents[3] / "providers.yaml").read_text(encoding="utf-8")
_SECRETS = {
    "HF_TOKEN": "hf_test",
    "SCALEWAY_KEY": "scw-test-key",
    "MISTRAL_API_KEY": "mistral-test-key",
    "ANTHROPIC_API_KEY": "anthropic-test-key",
    "GEMINI_API_KEY": "gemini-test-key",
    "AWS_BEARER_TOKEN_BEDROCK": "bedrock-test-key",
}
_BACKEND = re.compile(r"^  # ([a-z-]+): \{kind: ([a-z-]+),", re.MULTILINE)
_WAITING = re.compile(r"^(\s*)# (- \{backend: |[a-z-]+: \{)(.*)$", re.MULTILINE)
_NAMES = [name for name, _ in _BACKEND.findall(_TEXT)]


def _uncommented(text: str, backend: str | None = None) -> str:
    """The text with the lines of one backend, or of all, taken out of their comments."""

    def taken(line: re.Match[str]) -> str:
        whole = line.group(2) + line.group(3)
        mine = backend is None or re.search(rf"(^|backend: ){backend}\b", whole)
        return line.group(1) + whole if mine else line.group(0)

    return _WAITING.sub(taken, text)


@pytest.mark.parametrize("name", _NAMES)
def test_each_backend_runs_by_taking_its_lines_out_of_their_comments(name: str) -> None:
    text = _uncommented(_TEXT, name)

    outcome = loaded(text, environment=_SECRETS)

    assert [str(finding) for finding in outcome.findings if finding.severity != "info"] == []
    catalog = outcome.catalog
    assert catalog is not None
    (model,) = (
        model.name
        for model in catalog.models.values()
        if any(target.backend == name for target in model.targets)
    )
    steps = explain(catalog, "demo", model).steps
    assert steps[0].target.backend == name


def test_all_of_them_together_are_a_valid_file_too() -> None:
    outcome = loaded(_uncommented(_TEXT), environment=_SECRETS)

    assert [str(finding) for finding in outcome.findings if finding.severity != "info"] == []


def test_every_kind_has_a_line_of_its_own() -> None:
    live = re.findall(r"^  [a-z-]+: \{kind: ([a-z-]+)", _TEXT, re.MULTILINE)

    assert {kind for _, kind in _BACKEND.findall(_TEXT)} | set(live) == set(KINDS)


def test_the_models_are_those_that_french_users_would_choose() -> None:
    for family in ("mistral", "llama", "qwen"):
        assert family in _TEXT.lower()
