"""Reads test sets of passages and of questions that one of them answers; what is malformed is told by file and line.

`retrieval_<language>_<name>.corpus.jsonl` holds one {"_id", "title", "text"} a line, and the file of the same name that
ends in `.queries.jsonl` one {"question", "answers", "passage_id"} a line: the passage answers the question, in the words
of any of the answers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from passerelle.domain.errors import CannotRun
from passerelle.domain.retrieval import Chunk
from passerelle.evaluation.folder import files_of

CORPUS = re.compile(r"retrieval_(?P<language>[a-z]{2,3})(?:_(?P<name>[\w-]+))?\.corpus\.jsonl")
NAMED_LIKE = "retrieval_<language>_<name>.corpus.jsonl and .queries.jsonl"


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, what answers it, and in which passage that stands."""

    text: str
    answers: tuple[str, ...]
    passage: str


@dataclass(frozen=True, slots=True)
class TestSet:
    """The passages of one corpus, each a document of its own, and questions about them."""

    __test__ = False  # no test of pytest's

    name: str  # `fr_piaf`
    language: str  # as the file's name says
    passages: tuple[Chunk, ...]
    questions: tuple[Asked, ...]


def read(folder: Path) -> tuple[TestSet, ...]:
    """The test sets of a folder. Raises CannotRun where there are none, or a file is malformed."""
    files = files_of(folder)
    found = tuple(_set(file, match) for file in files if (match := CORPUS.fullmatch(file.name)))
    if not found:
        raise CannotRun(
            f"The folder {folder} holds no passages with questions.", f"Put files named {NAMED_LIKE} into it."
        )
    return found


def shortened(test: TestSet, most: int | None) -> TestSet:
    """The first so many of its questions, about all of its passages."""
    return test if most is None else replace(test, questions=test.questions[:most])


def _set(file: Path, found: re.Match[str]) -> TestSet:
    language = found["language"]
    passages = tuple(_passage(file, number, row, language) for number, row in _rows(file))
    known = {passage.id for passage in passages}
    if len(known) != len(passages):
        raise CannotRun(f"{file} names a passage twice.", "Give every passage an _id of its own.")
    asked = file.with_name(file.name.replace(".corpus.", ".queries."))
    questions = []
    for number, row in _rows(asked):
        text, answers, passage = (row.get(key) for key in ("question", "answers", "passage_id"))
        fine = isinstance(answers, list) and answers and all(map(_said, answers))
        if not (_said(text) and fine and passage in known):
            raise _malformed(asked, number, "lacks a question, its answers, or a passage_id of the corpus")
        questions.append(Asked(str(text).strip(), tuple(answers or ()), str(passage)))
    name = "_".join(part for part in (language, found["name"]) if part)
    return TestSet(name, language, passages, tuple(questions))


def _passage(file: Path, number: int, row: Mapping[str, Any], language: str) -> Chunk:
    name, title, text = row.get("_id"), row.get("title", ""), row.get("text")
    if not (_said(name) and _said(text) and isinstance(title, str)):
        raise _malformed(file, number, 'is not an object with the texts "_id", "title" and "text"')
    try:
        return Chunk(id=str(name), document=str(name), text=str(text), title=title, language=language)
    except ValueError as error:
        raise _malformed(file, number, "is no passage") from error


def _rows(file: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The objects of a file, with their lines' numbers; at least one."""
    empty = True
    for number, line in enumerate(_text(file).split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise _malformed(file, number, "is not JSON") from error
        if not isinstance(row, dict):
            raise _malformed(file, number, "is not an object")
        empty = False
        yield number, row
    if empty:
        raise CannotRun(f"{file} is empty.", "Put one object a line into it, or take the file away.")


def _said(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise CannotRun(f"{file} is not UTF-8.", "Save it as UTF-8.") from error
    except OSError as error:
        raise CannotRun(
            f"{file} cannot be read: {error.strerror or type(error).__name__}.",
            "A corpus and its questions lie in two files, beside each other.",
        ) from error


def _malformed(file: Path, line: int, what: str) -> CannotRun:
    return CannotRun(f"{file}, line {line}, {what}.", "Mend or remove that line.")
