"""`rag eval` asks every question with and without its passage, and ends with one object of documented figures."""

from __future__ import annotations

import json
import re
from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner

from passerelle.backends.builtin import model_file
from passerelle.cli.rag_eval import eval_verb
from tests.models import shared_models

_DOCUMENT = Path(__file__).parents[3] / "docs" / "rag-eval.md"
_CORPORA = {
    "fr": (
        ("Tour Eiffel", "La tour Eiffel a été construite par Gustave Eiffel entre 1887 et 1889.", "1887 et 1889"),
        ("Pont de Normandie", "Le pont de Normandie relie Le Havre à Honfleur par-dessus la Seine.", "Honfleur"),
        ("Mont Blanc", "Le mont Blanc culmine à 4 806 mètres entre la France et l'Italie.", "4 806 mètres"),
    ),
    "en": (
        ("Returns", "Refunds of the shop are paid to the card within ten days of the return.", "ten days"),
        ("Museum", "The museum of Leeds was opened by Queen Victoria in the spring of 1858.", "Queen Victoria"),
        ("Station", "The northern railway station has sixteen platforms and two tunnels.", "sixteen"),
    ),
}  # fmt: skip
_QUESTIONS = {
    "fr": (
        "Quand la tour Eiffel a-t-elle été construite ?",
        "À quelle ville le pont de Normandie relie-t-il Le Havre ?",
        "À combien de mètres culmine le mont Blanc ?",
    ),
    "en": (
        "Within how many days are refunds of the shop paid?",
        "Who opened the museum of Leeds?",
        "How many platforms has the northern railway station?",
    ),
}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "sets"
    folder.mkdir()
    for language, corpus in _CORPORA.items():
        passages = [
            {"_id": f"p{n}", "title": title, "text": text} for n, (title, text, _) in enumerate(corpus)
        ]
        asked = [
            {"question": question, "answers": [answer], "passage_id": f"p{n}"}
            for n, (question, (_, _, answer)) in enumerate(zip(_QUESTIONS[language], corpus, strict=True))
        ]
        for kind, rows in (("corpus", passages), ("queries", asked)):
            lines = "\n".join(json.dumps(row) for row in rows)
            (folder / f"retrieval_{language}_made.{kind}.jsonl").write_text(lines, encoding="utf-8")
    return folder


@pytest.fixture
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shared_models(tmp_path_factory)


def test_the_last_line_is_one_object_of_documented_figures(data: Path, kept: Path, tmp_path: Path) -> None:
    # Our own model again, laid out as an operator would: what is shown is the comparison, not a better model.
    files = model_file.packaged(kept)
    other = tmp_path / "multilingual"
    other.mkdir()
    (other / "model.onnx").symlink_to(files.graph)
    (other / "tokenizer.json").symlink_to(files.tokenizer)

    words = ["--data", str(data), "--data-cache", str(kept), "--embedder", str(other), "--json"]
    done = CliRunner().invoke(eval_verb, words)

    assert done.exit_code == 0, done.output
    everything, figures = (orjson.loads(line) for line in done.stdout.splitlines())
    for name in ("fr_made", "en_made"):
        assert figures[f"{name}_questions"] == figures[f"{name}_passages"] == 3
        assert figures[f"{name}_search_ndcg10"] == figures[f"{name}_plain_ndcg10"] == 1
        assert figures[f"{name}_refusals"] == 1, "the passage was deleted for its question"
        assert figures[f"{name}_false_refusals"] == 0
        assert figures[f"{name}_citation_precision"] == figures[f"{name}_citation_recall"] == 1
        assert figures[f"{name}_answer_holds_gold"] == 1
        assert figures[f"embedder_{name}_dense_ndcg10"] == figures[f"{name}_dense_ndcg10"]
    (told, *_) = everything["sets"][0]["questions"]
    assert told["removed"] == {"refused": "not_relevant", "text": "", "citations": []}
    assert told["there"]["citations"][0]["quote"] in told["there"]["text"]

    documented = set(re.findall(r"`([\w<>]+)`", _DOCUMENT.read_text(encoding="utf-8")))
    for name in figures:
        assert re.sub(r"^(embedder_)?(fr|en)_made_", "<set>_", name) in documented, name


def test_people_read_lines(data: Path, kept: Path) -> None:
    done = CliRunner().invoke(eval_verb, ["--data", str(data), "--data-cache", str(kept), "--questions", "1"])

    assert done.exit_code == 0, done.output
    assert "fr_made: 1 questions about 3 passages (fr)" in done.stdout
    assert re.search(r"refused, the passage being removed\s+100.0%", done.stdout)
    assert "What is best for this language and embedder: text." in done.stdout
