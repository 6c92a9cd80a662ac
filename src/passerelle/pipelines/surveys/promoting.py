"""How well versions of a codebook label what people corrected: one beside another, and with ever more corrections.

One correction in five is held out: it is measured by and never learned from, nor is anything that is nearly the same. What
learns is what reads comments where no language model is asked, so the figures tell what codebook and corrections are worth.
Deterministic. Imports numpy: imported late, and run in a thread.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from passerelle.domain.survey_work import Figures, Kept
from passerelle.domain.surveys import Codebook, Polarity
from passerelle.pipelines.surveys.analysing import Divided, analyse_divided, divide
from passerelle.pipelines.surveys.corrections_lineage import Lineage
from passerelle.pipelines.surveys.languages import nearest
from passerelle.pipelines.surveys.learning import POLES, Reader, learn
from passerelle.pipelines.surveys.learning_features import Matrix, Read
from passerelle.pipelines.surveys.memory_choice import NEARLY_THE_SAME
from passerelle.pipelines.surveys.memory_held import SHARE, held_out
from passerelle.pipelines.surveys.promoting_scores import f1, gained_micro
from passerelle.text.words import Language

__all__ = ["FEWEST", "SHARE", "Compared", "Material", "compare", "curve"]

FEWEST = 5  # comments with categories that are measured by
MOST = (
    1_000  # corrections that are looked at, the newest; a check of so many takes about a quarter of a minute
)
_FIRST_SIZES = (0, 10, 25, 50)
_SMALLEST = 1e-9


@dataclass(frozen=True, slots=True)
class Material:
    """A version, and the corrections of its codebook as they were made, in the order of their revisions."""

    codebook: Codebook
    kept: tuple[Kept, ...]
    lineage: Lineage


@dataclass(frozen=True, slots=True)
class Compared:
    """Figures of both on the same comments. `change` is of micro-F1, between `low` and `high` in 95 of 100 draws."""

    before: Figures
    after: Figures
    change: float
    low: float
    high: float
    lost: tuple[str, ...]  # comments that were right and are not any more, or corrections without one


@dataclass(frozen=True, slots=True)
class _Held:
    """A comment that is measured by, in the ids of the later version. `right` None: nothing is known of categories.

    `judged` are the ids that whoever corrected it could have chosen.
    """

    id: str
    comment: Divided
    right: frozenset[str] | None
    judged: frozenset[str]
    polarity: Polarity | None


@dataclass(frozen=True, slots=True)
class _Said:
    labels: frozenset[str]
    polarity: Polarity | None


def compare(before: Material, after: Material, reader: Reader, *, seed: int = 0) -> Compared | None:
    """Two versions, whose material is the same; None where there is too little to tell."""
    version = max(before.codebook.version, after.codebook.version)
    reader = _Once(reader)
    held, taught = _parted(before, version, reader)
    if not _enough(held):
        return None
    first, second = (
        _said(one.codebook, taught, held, one.lineage, version, reader) for one in (before, after)
    )
    known = [place for place, one in enumerate(held) if one.right is not None]
    right = [held[place].right or frozenset() for place in known]
    gain = gained_micro(
        [second[place].labels for place in known],
        [first[place].labels for place in known],
        right,
        seed=seed,
    )
    lost = tuple(
        held[place].id
        for place, truth in zip(known, right, strict=True)
        if first[place].labels == truth != second[place].labels
    )
    return Compared(_figures(held, first), _figures(held, second), gain.mean, gain.low, gain.high, lost)


def curve(material: Material, reader: Reader) -> list[tuple[int, Figures]]:
    """Figures by how many corrections were learned from, the oldest first; nothing where there is too little to tell."""
    reader, version = _Once(reader), material.codebook.version
    held, taught = _parted(material, version, reader)
    if not _enough(held):
        return []
    return [
        (
            size,
            _figures(held, _said(material.codebook, taught[:size], held, material.lineage, version, reader)),
        )
        for size in _sizes(len(taught))
    ]


def _sizes(most: int) -> list[int]:
    """0, 10, 25, 50, and then twice as many each time; all of them last."""
    sizes = [size for size in _FIRST_SIZES if size < most]
    while sizes and sizes[-1] >= _FIRST_SIZES[-1] and 2 * sizes[-1] < most:
        sizes.append(2 * sizes[-1])
    return [*sizes, most]


def _parted(material: Material, version: int, reader: Reader) -> tuple[list[_Held], list[Kept]]:
    """What is measured by, and what is learned from: nothing that is nearly the same."""
    kept = material.kept[-MOST:]
    held = [one for one in kept if held_out(one.correction.text)]
    rest = [one for one in kept if not held_out(one.correction.text)]
    if held and rest:
        near = _near(_read(rest, reader), _read(held, reader))
        rest = [one for one, same in zip(rest, near, strict=True) if not same]
    return [_held(one, material.lineage, version) for one in held], rest


def _near(rest: Read, held: Read) -> Sequence[bool]:
    """Which of the rest are nearly one that is held out, by meaning or by words."""
    found = np.zeros(len(rest.texts), dtype=np.bool_)
    for view in ("meaning", "words"):
        one, other = (_unit(getattr(read, view)) for read in (rest, held))
        found |= (one @ other.T).max(axis=1) > NEARLY_THE_SAME
    return [bool(one) for one in found]


def _unit(rows: Matrix) -> Matrix:
    """Rows of length 1. Those that are all alike say nothing, and become nought."""
    if len(rows) and rows.shape[1] < 2:
        return np.zeros_like(rows)
    unit: Matrix = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), _SMALLEST)
    return unit


def _read(kept: Sequence[Kept], reader: Reader) -> Read:
    return reader(
        [one.correction.text for one in kept],
        [nearest(one.correction.language, one.correction.text) for one in kept],
    )


def _held(kept: Kept, lineage: Lineage, version: int) -> _Held:
    """Labels that the later version does not have stay right: to have lost them is an error."""
    one = kept.correction
    right = None if one.right is None else frozenset(lineage.traced(one.right, one.codebook, version))
    judged = lineage.traced(lineage.ids.get(one.codebook, frozenset()), one.codebook, version)
    return _Held(kept.comment or kept.id, divide(one.text), right, frozenset(judged), one.right_polarity)


def _enough(held: Collection[_Held]) -> bool:
    return sum(one.right is not None for one in held) >= FEWEST


def _said(
    codebook: Codebook,
    taught: Sequence[Kept],
    held: Sequence[_Held],
    lineage: Lineage,
    version: int,
    reader: Reader,
) -> list[_Said]:
    """What a version says of the held-out comments, in the ids of the later version, and of those that are judged."""
    mapped = (lineage.mapped(one.correction, codebook.version) for one in taught)
    learned = learn(codebook, [one for one in mapped if one is not None], reader)
    found = analyse_divided([one.comment for one in held], learned, reader)
    return [
        _Said(
            frozenset(lineage.traced([label.category for label in said.labels], codebook.version, version))
            & one.judged,
            said.polarity,
        )
        for one, said in zip(held, found, strict=True)
    ]


def _figures(held: Sequence[_Held], said: Sequence[_Said]) -> Figures:
    """Categories where they are known, polarity where it is one of the three."""
    topics = [(one, what) for one, what in zip(held, said, strict=True) if one.right is not None]
    poles = [(one, what) for one, what in zip(held, said, strict=True) if one.polarity in POLES]
    micro, macro = f1([what.labels for _, what in topics], [one.right or () for one, _ in topics])
    _, sentiment = f1([{str(what.polarity)} for _, what in poles], [{str(one.polarity)} for one, _ in poles])
    return Figures(len(topics), micro, macro, sentiment)


class _Once:
    """A reader that reads every text once, however often it is asked for it."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._place: dict[tuple[str, Language], int] = {}
        self._read: Read | None = None

    def __call__(self, texts: Sequence[str], languages: Sequence[Language]) -> Read:
        keys = list(zip(texts, languages, strict=True))
        new = list(dict.fromkeys(key for key in keys if key not in self._place))
        if new or self._read is None:
            fresh = self._reader([text for text, _ in new], [language for _, language in new])
            first = len(self._place)
            self._place |= {key: first + place for place, key in enumerate(new)}
            self._read = fresh if self._read is None or not first else self._read.followed_by(fresh)
        return self._read.rows([self._place[key] for key in keys])
