"""Files are taken by their names, and what is wrong with one is told by file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from passerelle.domain.errors import CannotRun
from passerelle.evaluation.data import read, shortened

_HEAD = "seed,kind,label,q1,q2\n"


def _write(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text, encoding="utf-8")


def test_streams_and_pairs_of_any_language_and_name_are_taken(tmp_path: Path) -> None:
    _write(
        tmp_path,
        "cache_stream_en_banking.jsonl",
        '{"text": "a", "answer": "x"}\n\n{"text": "b", "answer": "y"}\n',
    )
    _write(tmp_path, "cache_stream_de.jsonl", '{"text": "c\u2028d", "answer": "z", "more": 1}')
    _write(tmp_path, "cache_hardpairs_fr.csv", _HEAD + '0,neg-number,0,"3, or\nfour?",quatre ?\n')
    _write(tmp_path, "cache_hardpairs_en_more.csv", "kind,label,q1,q2\nparaphrase,1,a,b\n")
    _write(tmp_path, "something_else.jsonl", "no JSON")

    data = read(tmp_path)

    assert [(stream.name, stream.language, stream.texts, stream.answers) for stream in data.streams] == [
        ("de", "de", ("c\u2028d",), ("z",)),
        ("en_banking", "en", ("a", "b"), ("x", "y")),
    ]
    assert [(pairs.name, pairs.language, len(pairs.pairs)) for pairs in data.pairs] == [
        ("en_more", "en", 1),
        ("fr", "fr", 1),
    ]
    assert data.pairs[1].pairs[0].kept == "3, or\nfour?"
    assert data.pairs[0].pairs[0].same
    assert next(iter(data.texts())) == "c\u2028d"


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("cache_stream_en_a.jsonl", '{"text": "a", "answer": "x"}\nno\n', "line 2, is not JSON"),
        ("cache_stream_en_a.jsonl", '{"text": "a"}\n', "line 1, is not an object"),
        ("cache_stream_en_a.jsonl", '{"text": " ", "answer": "x"}\n', "line 1, is not an object"),
        ("cache_stream_en_a.jsonl", '["a"]\n', "line 1, is not an object"),
        ("cache_stream_en_a.jsonl", "\n", "is empty"),
        ("cache_hardpairs_en.csv", "seed,label,q1\n", "has no column kind, q2"),
        ("cache_hardpairs_en.csv", "", "has no column"),
        ("cache_hardpairs_en.csv", _HEAD, "holds no pair"),
        ("cache_hardpairs_en.csv", _HEAD + "0,paraphrase,yes,a,b\n", "line 2, lacks"),
        ("cache_hardpairs_en.csv", _HEAD + "0,paraphrase,1,a\n", "line 2, lacks"),
    ],
)
def test_a_malformed_file_is_told_with_its_place_and_a_cure(
    tmp_path: Path, name: str, text: str, told: str
) -> None:
    _write(tmp_path, name, text)

    with pytest.raises(CannotRun) as refused:
        read(tmp_path)

    assert name in refused.value.cause
    assert told in refused.value.cause
    assert refused.value.cure


def test_a_file_in_another_encoding_is_told(tmp_path: Path) -> None:
    (tmp_path / "cache_stream_fr_a.jsonl").write_bytes('{"text": "é", "answer": "x"}'.encode("latin-1"))

    with pytest.raises(CannotRun, match="is not UTF-8"):
        read(tmp_path)


def test_a_folder_without_data_and_one_that_is_not_there_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(CannotRun, match="holds no evaluation data"):
        read(tmp_path)
    with pytest.raises(CannotRun, match="cannot be read: No such file"):
        read(tmp_path / "away")


def test_a_shortened_stream_is_drawn_at_random_and_the_same_each_time(tmp_path: Path) -> None:
    rows = "".join(f'{{"text": "q{n}", "answer": "a{n}"}}\n' for n in range(100))
    _write(tmp_path, "cache_stream_en_a.jsonl", rows)
    stream = read(tmp_path).streams[0]

    short = shortened(stream, 10)

    assert len(short.texts) == 10
    assert short == shortened(stream, 10)
    assert short.texts != stream.texts[:10]
    assert all(text[1:] == answer[1:] for text, answer in zip(short.texts, short.answers, strict=True))
    assert shortened(stream, 100) is stream
    assert shortened(stream, None) is stream
