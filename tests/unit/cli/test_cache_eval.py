"""`cache eval` measures what is in a folder, and says in one line what it cannot read."""

from __future__ import annotations

import json
import re
from pathlib import Path

import orjson
import pytest

from tests.models import shared_models
from tests.unit.cli.conftest import Verb

_TOPICS = {
    "en": {
        "card": "my new bank card has not arrived",
        "rate": "the exchange rate of a payment abroad",
        "pin": "a forgotten pin code of the card",
    },
    "fr": {
        "school": "l'ouverture des écoles et des garderies",
        "mask": "le port du masque dans les magasins",
        "travel": "les voyages à l'étranger et la frontière",
    },
}
_FORMS = {
    "en": ("Question about {}", "I have a question about {}", "Can you help with {}?", "Tell me about {}"),
    "fr": ("Question sur {}", "J'ai une question sur {}", "Que savoir sur {} ?", "Parlez-moi de {}"),
}
_DOCUMENT = Path(__file__).parents[3] / "docs" / "cache-eval.md"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "questions"
    folder.mkdir()
    for language, topics in _TOPICS.items():
        rows = [
            {"text": f"{form.format(words)}{end}", "answer": answer}
            for answer, words in topics.items()
            for form in _FORMS[language]
            for end in ("", ".", " !")
        ]
        text = "\n".join(json.dumps(row) for row in rows)
        (folder / f"cache_stream_{language}_made.jsonl").write_text(text)
    (folder / "cache_hardpairs_en.csv").write_text(
        "seed,kind,label,q1,q2\n"
        "0,paraphrase,1,How do I reset my password?,How can I reset my password?\n"
        "0,neg-number,0,How do I pay 30 euros?,How do I pay 300 euros?\n"
    )
    return folder


@pytest.fixture
def kept(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(shared_models(tmp_path_factory))


def test_the_last_line_is_one_object_of_documented_figures(verb: Verb, data: Path, kept: str) -> None:
    done = verb(
        "cache", "eval", "--data", str(data), "--data-cache", kept, "--json", "--seeds", "1,2",
        "--max-error-rate", "0.02",
    )  # fmt: skip

    assert done.status == 0, done.err
    everything, figures = (orjson.loads(line) for line in done.out.splitlines())
    assert figures["model"] == "all-MiniLM-L6-v2"
    assert (figures["questions"], figures["pairs"], figures["seeds"]) == (72, 2, [1, 2])
    assert figures["traps_en_sure_false_reuse"] == 0
    assert 0 <= figures["fr_made_rule_oracle_wrong_low"] <= figures["fr_made_rule_oracle_wrong_high"] <= 1
    assert 0 <= figures["en_made_steered_0.02_noisy_hits"] <= 1
    runs = everything["models"][0]["streams"][0]["rule"]["oracle"]
    assert [run["asked"] for run in runs] == [36, 36]

    documented = set(re.findall(r"`([\w<>]+)`", _DOCUMENT.read_text(encoding="utf-8")))
    for name in figures:
        plain = re.sub(r"_0\.02_", "_<promise>_", re.sub(r"^(en|fr)_made_", "<stream>_", name))
        plain = re.sub(
            r"_(oracle|noisy(-once|-stated)?)(?=_|$)",
            "_<judge>",
            re.sub(r"^traps_en_", "traps_<language>_", plain),
        )
        assert plain in documented, name


def test_people_read_lines_and_another_model_stands_beside_ours(
    verb: Verb, data: Path, kept: str, tmp_path: Path
) -> None:
    # Our own model again, laid out as an operator would: what is shown is the comparison, not a better model.
    from passerelle.backends.builtin import model_file

    files = model_file.packaged(Path(kept))
    other = tmp_path / "multilingual"
    other.mkdir()
    (other / "model.onnx").symlink_to(files.graph)
    (other / "tokenizer.json").symlink_to(files.tokenizer)

    done = verb(
        "cache", "eval", "--data", str(data), "--data-cache", kept, "--model", str(other), "--seeds", "1",
        "--questions", "20", "--max-error-rate", "0.05",
    )  # fmt: skip

    assert done.status == 0, done.err
    for told in ("en_made: 20 questions", "fr_made: 20 questions", "rule alone, noisy", "steered to 5.0%, oracle",
                 "static cosine 0.80", "vCache delta 0.01, oracle", "neg-number (false reuse)",
                 "multilingual beside all-MiniLM-L6-v2"):  # fmt: skip
        assert told in done.out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--data", "away"), "The folder away cannot be read"),
        (("--data", ".", "--seeds", "one"), "The seeds 'one' are no whole numbers. Write them as"),
        (("--data", ".", "--max-error-rate", "2"), "are not between 0 and 1. Write them as"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line(verb: Verb, words: tuple[str, ...], told: str) -> None:
    done = verb("cache", "eval", *words)

    assert done.status == 2
    assert told in done.err
    assert len(done.err.splitlines()) == 1


def test_a_model_folder_without_a_model_is_told(verb: Verb, data: Path, kept: str, tmp_path: Path) -> None:
    done = verb(
        "cache", "eval", "--data", str(data), "--data-cache", kept, "--seeds", "1", "--model", str(tmp_path)
    )

    assert done.status == 2
    assert "holds no ONNX file" in done.err
