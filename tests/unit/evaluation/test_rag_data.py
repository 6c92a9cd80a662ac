"""Passages and their questions are read together, and what is wrong is told by file and line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from passerelle.domain.errors import CannotRun
from passerelle.evaluation.rag_data import read, shortened

_PASSAGE = {"_id": "p1", "title": "Chat", "text": "Le chat dort.", "category": "more"}
_QUESTION = {"question": " Qui dort ? ", "answers": ["Le chat", "chat"], "passage_id": "p1", "split": "dev"}


def _write(folder: Path, name: str, *rows: Any) -> None:
    (folder / name).write_text("\n\n".join(json.dumps(row) for row in rows), encoding="utf-8")


def test_a_corpus_and_its_questions_are_one_set(tmp_path: Path) -> None:
    _write(tmp_path, "retrieval_fr_animaux.corpus.jsonl", _PASSAGE, {"_id": "p2", "text": "Rien."})
    _write(tmp_path, "retrieval_fr_animaux.queries.jsonl", _QUESTION, _QUESTION)
    _write(tmp_path, "cache_stream_fr.jsonl", {})

    (test,) = read(tmp_path)

    assert (test.name, test.language) == ("fr_animaux", "fr")
    assert [(chunk.id, chunk.document, chunk.title) for chunk in test.passages] == [
        ("p1", "p1", "Chat"),
        ("p2", "p2", ""),
    ]
    assert test.passages[0].indexed == "Chat\nLe chat dort."
    assert test.questions[0].text == "Qui dort ?"
    assert test.questions[0].answers == ("Le chat", "chat")
    assert len(shortened(test, 1).questions) == 1
    assert shortened(test, None) is test


@pytest.mark.parametrize(
    ("passages", "questions", "said"),
    [
        ([_PASSAGE, {"_id": "p2"}], [_QUESTION], r"corpus.jsonl, line 3, is not an object with the texts"),
        ([_PASSAGE, _PASSAGE], [_QUESTION], "names a passage twice"),
        ([_PASSAGE], [{**_QUESTION, "passage_id": "p9"}], r"queries.jsonl, line 1, lacks a question"),
        ([_PASSAGE], [{**_QUESTION, "answers": []}], "lacks a question"),
        ([_PASSAGE], [7], "is not an object"),
        ([_PASSAGE], [], "is empty"),
        ([_PASSAGE], None, "cannot be read"),
    ],
)
def test_what_is_wrong_is_told_by_file_and_line(
    tmp_path: Path, passages: list[Any], questions: list[Any] | None, said: str
) -> None:
    _write(tmp_path, "retrieval_fr_a.corpus.jsonl", *passages)
    if questions is not None:
        _write(tmp_path, "retrieval_fr_a.queries.jsonl", *questions)

    with pytest.raises(CannotRun, match=said):
        read(tmp_path)


def test_a_folder_without_sets_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CannotRun, match="holds no passages"):
        read(tmp_path)
    with pytest.raises(CannotRun, match="cannot be read"):
        read(tmp_path / "nowhere")
