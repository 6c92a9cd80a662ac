"""Reads streams of questions and pairs of questions; what is malformed is told by file and line.

`cache_stream_<language>[_<name>].jsonl` holds one {"text", "answer"} a line: equal answers mean that one answer
serves both. `cache_hardpairs_<language>[_<name>].csv` has the columns seed, kind, label, q1, q2: label 1 says that
both questions have one answer.
"""

from __future__ import annotations

import csv
import io
import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from passerelle.domain.errors import CannotRun
from passerelle.evaluation.folder import files_of

STREAM = re.compile(r"cache_stream_(?P<language>[a-z]{2,3})(?:_(?P<name>[\w-]+))?\.jsonl")
PAIRS = re.compile(r"cache_hardpairs_(?P<language>[a-z]{2,3})(?:_(?P<name>[\w-]+))?\.csv")
COLUMNS = ("kind", "label", "q1", "q2")
NAMED_LIKE = "cache_stream_<language>_<name>.jsonl and cache_hardpairs_<language>.csv"


@dataclass(frozen=True, slots=True)
class Stream:
    """Questions and, for each, the name of the answer that is right for it."""

    name: str  # `en_banking`
    language: str  # as the file's name says
    texts: tuple[str, ...]
    answers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pair:
    """A kept question, another one, and whether the kept answer is right for both."""

    kind: str
    same: bool
    kept: str
    asked: str


@dataclass(frozen=True, slots=True)
class Pairs:
    """The pairs of one file."""

    name: str
    language: str
    pairs: tuple[Pair, ...]


@dataclass(frozen=True, slots=True)
class Data:
    """Everything that a folder holds for this evaluation."""

    streams: tuple[Stream, ...]
    pairs: tuple[Pairs, ...]

    def texts(self) -> Iterator[str]:
        """Every question, those of pairs too."""
        for stream in self.streams:
            yield from stream.texts
        for pairs in self.pairs:
            for pair in pairs.pairs:
                yield pair.kept
                yield pair.asked


def read(folder: Path) -> Data:
    """What the folder holds. Raises CannotRun where there is nothing to read, or a file is malformed."""
    files = files_of(folder)
    streams = tuple(_stream(file, found) for file in files if (found := STREAM.fullmatch(file.name)))
    pairs = tuple(_pairs(file, found) for file in files if (found := PAIRS.fullmatch(file.name)))
    if not streams and not pairs:
        raise CannotRun(
            f"The folder {folder} holds no evaluation data.", f"Put files named {NAMED_LIKE} into it."
        )
    return Data(streams, pairs)


def _stream(file: Path, found: re.Match[str]) -> Stream:
    texts: list[str] = []
    answers: list[str] = []
    for number, line in enumerate(_text(file).split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise _malformed(file, number, "is not JSON") from error
        if not isinstance(row, dict) or not all(_said(row.get(key)) for key in ("text", "answer")):
            raise _malformed(file, number, 'is not an object with the texts "text" and "answer"')
        texts.append(row["text"].strip())
        answers.append(row["answer"])
    if not texts:
        raise CannotRun(f"{file} is empty.", "Put one question a line into it, or take the file away.")
    return Stream(_name(found), found["language"], tuple(texts), tuple(answers))


def _pairs(file: Path, found: re.Match[str]) -> Pairs:
    reader = csv.DictReader(io.StringIO(_text(file), newline=""))
    missing = [column for column in COLUMNS if column not in (reader.fieldnames or ())]
    if missing:
        raise CannotRun(
            f"{file} has no column {', '.join(missing)}.", "Its first line must be: seed,kind,label,q1,q2."
        )
    pairs = []
    try:
        for row in reader:
            kind, label, kept, asked = (row.get(column) for column in COLUMNS)
            if label not in ("0", "1") or not (_said(kind) and _said(kept) and _said(asked)):
                raise _malformed(file, reader.line_num, "lacks a kind, a label of 0 or 1, or a question")
            pairs.append(Pair(str(kind), label == "1", str(kept).strip(), str(asked).strip()))
    except csv.Error as error:
        raise _malformed(file, reader.line_num, "is not CSV") from error
    if not pairs:
        raise CannotRun(f"{file} holds no pair.", "Put one pair a line into it, or take the file away.")
    return Pairs(_name(found), found["language"], tuple(pairs))


def _said(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _name(found: re.Match[str]) -> str:
    return "_".join(part for part in (found["language"], found["name"]) if part)


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise CannotRun(f"{file} is not UTF-8.", "Save it as UTF-8.") from error
    except OSError as error:
        raise CannotRun(
            f"{file} cannot be read: {error.strerror or type(error).__name__}.", "Make it readable."
        ) from error


def _malformed(file: Path, line: int, what: str) -> CannotRun:
    return CannotRun(f"{file}, line {line}, {what}.", "Mend or remove that line.")


def shortened(stream: Stream, most: int | None, *, seed: int = 0) -> Stream:
    """At most so many of its questions, drawn at random by the seed."""
    if most is None or most >= len(stream.texts):
        return stream
    draw = random.Random(seed)  # noqa: S311 - a named seed is the point
    chosen = sorted(draw.sample(range(len(stream.texts)), most))
    return Stream(
        stream.name,
        stream.language,
        tuple(stream.texts[index] for index in chosen),
        tuple(stream.answers[index] for index in chosen),
    )
