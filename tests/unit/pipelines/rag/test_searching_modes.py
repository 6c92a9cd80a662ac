"""By which ways and under which language's stems a collection is searched."""

from __future__ import annotations

import pytest

from passerelle.domain.retrieval import Mode
from passerelle.pipelines.rag.searching_modes import best_mode, language_in


@pytest.mark.parametrize(
    ("models", "mode"),
    [
        ((), Mode.TEXT),
        (("all-MiniLM-L6-v2",), Mode.TEXT),
        (("intfloat/multilingual-e5-small",), Mode.HYBRID),
        (("BAAI/bge-m3",), Mode.HYBRID),
        (("intfloat/multilingual-e5-small", "intfloat/multilingual-e5-small"), Mode.HYBRID),
        (("BAAI/bge-m3", "somebody/else"), Mode.TEXT),
    ],
)
@pytest.mark.parametrize("language", ["fr", "en", None, "de"])
def test_meaning_counts_only_where_every_model_behind_a_name_is_known_for_it(
    models: tuple[str, ...], mode: Mode, language: str | None
) -> None:
    assert best_mode(models, language) is mode


@pytest.mark.parametrize(
    ("question", "languages", "language"),
    [
        ("Quel est le délai ?", ("fr", "en"), "fr"),
        ("What is the delay?", ("fr", "en"), "en"),
        ("What is the delay?", ("fr",), "fr"),
        ("Wie lange?", ("de",), "de"),
        ("RTT", ("fr", "en"), None),
        ("RTT", ("de", "it"), "de"),
        ("What is the delay?", ("de", "fr"), None),
        ("What is the delay?", (), "en"),
        ("What is the delay?", ("", "fr"), "en"),
        ("RTT", (), None),
    ],
)
def test_a_question_is_looked_for_under_the_stems_its_passages_are_filed_under(
    question: str, languages: tuple[str, ...], language: str | None
) -> None:
    assert language_in(question, languages) == language
