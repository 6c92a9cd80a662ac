"""Reads survey comments whose categories and polarity are known; what is malformed is told by file and line.

`survey_absa_<name>_<language>.jsonl` holds one {"text", "aspects": [{"category", "sentiment"}], "sentiment", "split"} a
line; `sentiment_<language>_<name>.jsonl` {"text", "sentiment"}, `categories_<language>_<name>.jsonl` {"text", "category"}.
What is learned from is the split `train`; what is measured is `test`, else `dev` or `val`, else every fifth line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from passerelle.domain.errors import CannotRun
from passerelle.domain.surveys import Polarity
from passerelle.evaluation.folder import files_of
from passerelle.text.words import Language

_LANGUAGE = "(?P<language>fr|en)"
_NAMES = (
    re.compile(rf"survey_absa_(?P<name>[\w-]+?)_{_LANGUAGE}\.jsonl"),
    re.compile(rf"sentiment_{_LANGUAGE}_(?P<name>[\w-]+)\.jsonl"),
    re.compile(rf"categories_{_LANGUAGE}_(?P<name>[\w-]+)\.jsonl"),
)
NAMED_LIKE = "survey_absa_<name>_<language>.jsonl, sentiment_<language>_<name>.jsonl or categories_<language>_<name>.jsonl"
_MEASURED = ("test", "dev", "val")
_LANGUAGES: Mapping[str, Language] = {"fr": "fr", "en": "en"}
_POLES = {str(polarity): polarity for polarity in Polarity}


class Kind(Enum):
    """What is known of the comments of a set."""

    ASPECTS = "aspects"  # categories and polarity, several
    SENTIMENT = "sentiment"
    CATEGORY = "category"  # one


@dataclass(frozen=True, slots=True)
class Item:
    """A comment and what is right for it. No polarity: nothing is said of one."""

    text: str
    pairs: tuple[tuple[str, Polarity | None], ...]  # a category and its polarity, as often as it is spoken of
    polarity: Polarity | None

    @property
    def categories(self) -> tuple[str, ...]:
        """Each once, sorted."""
        return tuple(sorted({category for category, _ in self.pairs}))


@dataclass(frozen=True, slots=True)
class SurveySet:
    """One file's comments: to learn from, and to measure with."""

    name: str  # `coursera_fr`
    language: Language
    kind: Kind
    split: str  # that is measured
    pool: tuple[Item, ...]
    test: tuple[Item, ...]

    @property
    def categories(self) -> tuple[str, ...]:
        """Of all its comments, sorted."""
        return tuple(sorted({name for item in (*self.pool, *self.test) for name in item.categories}))


def read(folder: Path) -> tuple[SurveySet, ...]:
    """The folder's sets: those with aspects first. Raises CannotRun where there are none, or one is malformed."""
    files = files_of(folder)
    found = [
        _set(file, kind, match["name"], _LANGUAGES[match["language"]])
        for pattern, kind in zip(_NAMES, Kind, strict=True)
        for file in files
        if (match := pattern.fullmatch(file.name)) is not None
    ]
    if not any(one.kind is Kind.ASPECTS for one in found):
        raise CannotRun(f"The folder {folder} holds no survey.", f"Name the files {NAMED_LIKE}.")
    return tuple(found)


def _set(file: Path, kind: Kind, name: str, language: Language) -> SurveySet:
    rows = list(_rows(file, kind))
    splits = {split for split, _ in rows}
    measured = next((split for split in _MEASURED if split in splits), None)
    train = [item for split, item in rows if split == "train"]
    if measured is None:
        test = train[4::5]
        train = [item for place, item in enumerate(train) if place % 5 != 4]
    else:
        test = [item for split, item in rows if split == measured]
    if not train or not test:
        raise CannotRun(
            f"{file} has nothing to learn from, or nothing to measure with.",
            'Lines need a "split": "train", and "test", "dev" or "val".',
        )
    return SurveySet(
        f"{name}_{language}", language, kind, measured or "fifth of train", tuple(train), tuple(test)
    )


def _rows(file: Path, kind: Kind) -> Iterator[tuple[str, Item]]:
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise CannotRun(f"{file} is not UTF-8.", "Save it as UTF-8.") from error
    except OSError as error:
        raise CannotRun(
            f"{file} cannot be read: {error.strerror or type(error).__name__}.", "Make it readable."
        ) from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            yield str(row.get("split", "train")), _item(row, kind)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CannotRun(
                f"{file}, line {number}, is not a comment of a {kind.value} set ({type(error).__name__}).",
                "Mend or remove that line.",
            ) from error


def _item(row: Mapping[str, Any], kind: Kind) -> Item:
    text = row["text"]
    if not isinstance(text, str):
        raise TypeError
    if kind is Kind.CATEGORY:
        return Item(text, ((str(row["category"]), None),), None)
    polarity = _POLES.get(row["sentiment"])
    if kind is Kind.SENTIMENT:
        return Item(text, (), polarity)
    pairs = tuple((str(one["category"]), _POLES.get(one["sentiment"])) for one in row["aspects"])
    return Item(text, pairs, polarity)
