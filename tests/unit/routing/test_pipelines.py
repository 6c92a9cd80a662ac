"""What a file says of texts and surveys becomes a value, is told by diff, or is refused with its line."""

from __future__ import annotations

import pytest

from passerelle.domain.caller import Role
from passerelle.domain.catalog import Tenant
from passerelle.domain.content import ContentRules
from passerelle.domain.errors import Finding
from passerelle.domain.survey_work import SurveyRules
from passerelle.routing.diff import diff
from tests.unit.routing.files import SMALL, changed, loaded

_MODELS = """\
  embeddings:
    task: embed
    targets: [{backend: offline, model: all-MiniLM-L6-v2}]
"""
_MORE = changed(
    _MODELS,
    _MODELS + "  mixed: {task: embed, targets: [{backend: offline, model: a}, {backend: hub, model: b}]}\n",
)


def _with(words: str, text: str = _MORE) -> str:
    return changed("    degraded: true\n", f"    degraded: true\n    {words}\n", text)


def _tenant(text: str, tenant: str = "client-b") -> Tenant:
    outcome = loaded(text)
    assert outcome.catalog is not None, outcome.findings
    return outcome.catalog.tenants[tenant]


def _found(text: str, rule: str) -> list[Finding]:
    return [finding for finding in loaded(text).findings if finding.rule == rule]


@pytest.mark.parametrize(
    "words", ["content: true", "content: {}", "surveys: true", "surveys: {enabled: true}"]
)
def test_texts_and_surveys_are_worked_on_where_nothing_else_is_said(words: str) -> None:
    tenant = _tenant(_with(words))
    assert tenant.content == ContentRules()
    assert tenant.surveys == SurveyRules(embedder="embeddings")


def test_without_an_embedding_model_comments_are_read_by_their_words() -> None:
    assert _tenant(SMALL, "demo").surveys == SurveyRules(embedder=None)
    assert _tenant(_with("surveys: {embedder: none}")).surveys == SurveyRules(embedder=None)


def test_both_can_be_switched_off() -> None:
    assert _tenant(_with("content: false")).content is None
    assert _tenant(_with("surveys: {enabled: false, minimum: 9}")).surveys is None


def test_every_word_is_taken() -> None:
    tenant = _tenant(
        _with(
            "content: {model: assistant, writers: tenant-admin, keep: 10d, limits: {pieces: 7, characters: 5000}}\n"
            "    surveys: {model: assistant, embedder: embeddings, languages: [fr], minimum: 8, examples: 3,"
            " writers: tenant-admin, keep: 30d, limits: {surveys: 3, rows: 50}}"
        )
    )
    assert tenant.content == ContentRules("assistant", Role.TENANT_ADMIN, 7, 5_000, 864_000.0)
    assert tenant.surveys == SurveyRules(
        model="assistant",
        embedder="embeddings",
        languages=("fr",),
        minimum=8,
        examples=3,
        writers=Role.TENANT_ADMIN,
        rows=50,
        surveys=3,
        keep=2_592_000.0,
    )


@pytest.mark.parametrize(
    ("words", "rule"),
    [
        ("content: {model: embeddings}", "C46"),
        ("surveys: {model: embeddings}", "C46"),
        ("surveys: {embedder: assistant}", "C46"),
    ],
)
def test_a_model_for_another_task_is_refused_with_its_line(words: str, rule: str) -> None:
    (found,) = _found(_with(words), rule)
    assert found.severity == "error"
    assert found.line is not None


@pytest.mark.parametrize(
    "words", ["surveys: {minimum: 4}", "surveys: {languages: [french]}", "content: {keep: 1s}"]
)
def test_a_value_out_of_bounds_is_refused(words: str) -> None:
    assert loaded(_with(words)).catalog is None


def test_a_comparison_tells_what_changes() -> None:
    before, after = loaded(_MORE).catalog, loaded(_with("surveys: {minimum: 8}\n    content: false")).catalog
    assert before is not None
    assert after is not None
    ((names, change),) = diff(before, after).tenants
    assert names == ("client-b",)
    told = {field.name: (field.old, field.new) for field in change.settings}
    assert told["surveys.minimum"] == (None, 8)
    assert told["content"] == (None, "off")
