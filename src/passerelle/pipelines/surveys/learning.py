"""Learns categories and polarity from a codebook and from what people corrected, without a language model.

The codebook's own words are the first lessons: with nothing corrected, a comment goes to the category that it is nearest
to. Every correction is one lesson more. What is learned for one category helps those whose names share words with it.
Deterministic: the same codebook and corrections, in the same order, say the same. Learning from 400 corrections takes
some tenths of a second. Imports numpy: imported late, by what learns.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from passerelle.backends.builtin.polarity import TYPICAL
from passerelle.domain.surveys import Category, Codebook, Correction, Label, Polarity
from passerelle.pipelines.surveys.languages import nearest
from passerelle.pipelines.surveys.learning_decisions import (
    Confidence,
    Rule,
    confidence_for,
    rule_for,
)
from passerelle.pipelines.surveys.learning_features import Likeness, Matrix, Read, Scale, Views
from passerelle.pipelines.surveys.learning_ridge import Fitted, fit
from passerelle.text.words import Language, folded, stems

Reader = Callable[[Sequence[str], Sequence[Language]], Read]

POLES = (Polarity.POSITIVE, Polarity.NEGATIVE, Polarity.NEUTRAL)
OUTSIDE = ""  # the label of what no category is about
CODEBOOK_TRUST = 3.0  # a codebook's words count like three comments
_TOPIC_SMOOTHING, _POLE_SMOOTHING = 2.0, 1.0
_KINSHIP = 0.6  # of a category's score is shared with categories of the same words
_MOST_EXAMPLES = 12  # of a category
_PSEUDO = 0.5
_NEIGHBOURS, _AGREED = 5, 0.8
_PLAINLY = 0.6  # leans this far by plain words
_USUAL_POLES = (0.6, 0.25, 0.15)  # of comments in surveys; counts like four of them
_USUAL_COUNT = 4.0
# How sure to be with nothing corrected, and what confidence is fitted from with something corrected: measured on course reviews.
_UNTAUGHT_TOPIC = Confidence((-1.9, 6.3, 6.1, 0.0), 0.25), Confidence((-1.4, 3.2, 5.0, 0.0), 0.3)
_UNTAUGHT_POLE = Confidence((3.1, 0.0, 3.4, 3.3), 0.6), Confidence((1.1, 0.0, 3.0, 1.25), 0.65)
_SEVERAL, _ONE = (0.5, 0.8), (0.4, 1.0)  # power and nearness; many rows may choose others
_ONE_LATER, _MANY = 0.5, 400  # the power of polarity when so many rows tell what is neutral
_TOLD = 0.98  # a person said so of this very text
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Lesson:
    """A text and what is right for it; None: nothing is known of that."""

    text: str
    language: Language
    labels: tuple[str, ...] | None
    polarity: Polarity | None
    trust: float
    spoken: bool  # by a person, about a comment


@dataclass(frozen=True, slots=True)
class Said:
    """What is said of one text. `outside`: it belongs to no category. `disagreeing`: two views differ."""

    labels: tuple[Label, ...]
    polarity: Polarity
    confidence: float  # of the polarity
    outside: bool
    disagreeing: bool


@dataclass(frozen=True, slots=True)
class _Head:
    """One thing that was learned: the rows it was learned from, their scores, the rule and how sure it is."""

    rows: tuple[int, ...]
    fitted: Fitted
    rule: Rule
    confidence: Confidence
    common: Matrix  # (labels,): of each label, the logarithm of how common it is

    def sure(self, scores: Matrix) -> Matrix:
        """(texts, labels): how likely each label is right, if it is said."""
        return self.confidence.of(*self.rule.leads(scores), self.common)

    def scores(self, likeness: Matrix) -> Matrix:
        found: Matrix = self.fitted.scores(likeness[:, self.rows]) + self.rule.usual
        return found


class Learned:
    """A codebook and corrections, ready to be asked."""

    def __init__(self, lessons: Sequence[Lesson], codebook: Codebook, reader: Reader) -> None:
        read = reader([lesson.text for lesson in lessons], [lesson.language for lesson in lessons])
        self.codebook = codebook
        self._lessons = tuple(lessons)
        self._scale = Scale.of(read, [row for row, lesson in enumerate(lessons) if lesson.spoken])
        self._views: Views = self._scale.views(read)
        outside = any(lesson.labels == () for lesson in lessons)
        self.labels = (*codebook.ids, OUTSIDE) if outside else codebook.ids
        likeness = self._views.like(self._views)
        self._topics = self._taught_topics(likeness) if codebook.categories else None
        self._poles = self._taught_poles(likeness)
        self._known = {
            _words(lesson.text): lesson for lesson in lessons if lesson.spoken
        }  # the last correction of a text is the one that counts

    @property
    def typical(self) -> tuple[float, float]:
        """How often a category that it says is right, and a polarity, as far as its corrections can tell."""
        topics = 0.0 if self._topics is None else self._topics.confidence.typical
        return topics, self._poles.confidence.typical

    def say(self, read: Read) -> list[Said]:
        """Of each text."""
        return self.look(read)[0]

    def look(self, read: Read) -> tuple[list[Said], Matrix]:
        """What is said of each text; and (texts, categories), how much it is about each, in the codebook's order."""
        count = len(self.codebook.categories)
        if not read.texts:
            return [], np.zeros((0, count))
        likeness = self._scale.views(read).like(self._views)
        poles = self._poles.scores(likeness.of_opinions)
        pole_sure = self._poles.sure(poles)
        which = self._poles.rule.weighed(poles).argmax(axis=1)
        scores = self._topic_scores(likeness)
        topics = self._said_topics(likeness, scores)
        found = []
        for row, text in enumerate(read.texts):
            labels, outside, differ = topics[row]
            polarity, sure = POLES[which[row]], float(pole_sure[row, which[row]])
            told = self._known.get(_words(text))
            if told is not None and told.labels is not None:
                labels = tuple(Label(one, _TOLD) for one in told.labels)
                outside, differ = not labels, False
            if told is not None and told.polarity is not None:
                polarity, sure = told.polarity, _TOLD
            elif _contradicts(float(read.lean[row, 0]), polarity):
                differ = True
            found.append(Said(labels, polarity, sure, outside, differ))
        return found, scores[:, :count]

    def _topic_scores(self, likeness: Likeness) -> Matrix:
        if self._topics is None:
            return np.zeros((len(likeness.words), 0))
        return self._topics.scores(likeness.of_topics)

    def _said_topics(self, likeness: Likeness, scores: Matrix) -> list[tuple[tuple[Label, ...], bool, bool]]:
        """Labels, best first; whether it is outside of the codebook; whether the neighbours say otherwise."""
        if self._topics is None:
            return [((), True, False)] * len(scores)
        near = likeness.of_topics
        rule = self._topics.rule
        chosen, weighed = rule.choose(scores), rule.weighed(scores)
        sure = self._topics.sure(scores)
        found = []
        for row in range(len(scores)):
            at = sorted(np.flatnonzero(chosen[row]), key=lambda label: -weighed[row, label])
            names = [self.labels[label] for label in at]
            labels = tuple(
                Label(name, float(sure[row, label]))
                for name, label in zip(names, at, strict=True)
                if name != OUTSIDE
            )
            outside = names[:1] == [OUTSIDE]
            neighbour = self._neighbours_say(near[row])
            found.append(
                (() if outside else labels, outside, neighbour is not None and neighbour not in names)
            )
        return found

    def _neighbours_say(self, near: Matrix) -> str | None:
        """The label that nearly all of the nearest corrections have, if there is one."""
        rows = [
            row
            for row in np.argsort(-near, kind="stable")[: _NEIGHBOURS * 4]
            if self._lessons[row].spoken and self._lessons[row].labels is not None
        ][:_NEIGHBOURS]
        if len(rows) < _NEIGHBOURS:
            return None
        votes: dict[str, int] = {}
        for row in rows:
            for label in self._lessons[row].labels or (OUTSIDE,):
                votes[label] = votes.get(label, 0) + 1
        label = max(votes, key=lambda one: votes[one])
        return label if votes[label] >= _AGREED * _NEIGHBOURS else None

    def _taught_topics(self, likeness: Likeness) -> _Head:
        rows = tuple(row for row, lesson in enumerate(self._lessons) if lesson.labels is not None)
        held = np.zeros((len(rows), len(self.labels)))
        place = {label: column for column, label in enumerate(self.labels)}
        for row, lesson in enumerate(self._lessons[row] for row in rows):
            for label in lesson.labels or (OUTSIDE,):
                if label in place:
                    held[row, place[label]] = 1.0
        return self._taught(
            rows,
            held,
            likeness.of_topics,
            kinship=_kinship(self.codebook.categories, len(self.labels)),
            smoothing=_TOPIC_SMOOTHING,
            several=True,
            untaught=_UNTAUGHT_TOPIC,
        )

    def _taught_poles(self, likeness: Likeness) -> _Head:
        rows = tuple(row for row, lesson in enumerate(self._lessons) if lesson.polarity is not None)
        held = np.zeros((len(rows), len(POLES)))
        for row, lesson in enumerate(self._lessons[row] for row in rows):
            polarity = lesson.polarity
            for column, pole in enumerate(POLES):
                held[row, column] = (
                    float(polarity == pole) if polarity != Polarity.MIXED else (0.5, 0.5, 0.0)[column]
                )
        return self._taught(
            rows,
            held,
            likeness.of_opinions,
            kinship=np.eye(len(POLES)),
            smoothing=_POLE_SMOOTHING,
            several=False,
            untaught=_UNTAUGHT_POLE,
            common=_USUAL_POLES,
        )

    def _taught(
        self,
        rows: tuple[int, ...],
        held: Matrix,
        likeness: Matrix,
        *,
        kinship: Matrix,
        smoothing: float,
        several: bool,
        untaught: tuple[Confidence, Confidence],
        common: Sequence[float] | None = None,
    ) -> _Head:
        """`held` (rows, labels): what is right for each row. `common`: of each label before anything is corrected."""
        lessons = [self._lessons[row] for row in rows]
        spoken = np.asarray([lesson.spoken for lesson in lessons], dtype=np.bool_)
        count, labels = int(spoken.sum()), held.shape[1]
        usual = (held[spoken].sum(axis=0) + _PSEUDO) / (count + _PSEUDO * labels)
        trust = np.asarray([lesson.trust for lesson in lessons])
        wanted = held - np.where(spoken[:, None], usual, 0.0)
        fitted = fit(likeness[np.ix_(rows, rows)], wanted, kinship=kinship, smoothing=smoothing, trust=trust)
        # What is usual without the row: a rare label would else know of itself.
        others = (usual * (count + _PSEUDO * labels) - held[spoken]) / max(1.0, count - 1 + _PSEUDO * labels)
        left_out = fitted.left_out[spoken] + others
        right = held[spoken] > 0
        rule = rule_for(
            left_out,
            right,
            usual=others,
            several=several,
            untaught=_usual_rule(usual, several=several, count=count),
        )
        without = replace(rule, usual=others)
        chosen = without.choose(left_out)
        strength, lead = without.leads(left_out)
        known = np.zeros(labels)
        if common is not None:
            known = (held[spoken].sum(axis=0) + _USUAL_COUNT * np.asarray(common)) / (count + _USUAL_COUNT)
            known = np.log(known)
        if not count:
            return _Head(rows, fitted, rule, untaught[0], known)
        row_common = np.broadcast_to(known, strength.shape)
        confidence = confidence_for(
            strength[chosen], lead[chosen], row_common[chosen], right[chosen], untaught=untaught[1]
        )
        return _Head(rows, fitted, rule, confidence, known)


def learn(codebook: Codebook, corrections: Sequence[Correction], reader: Reader) -> Learned:
    """What the codebook and the corrections that were not revoked teach. `reader` is asked once, for all lessons.

    Ids that the codebook does not have (any more) teach nothing; a correction that is left without one teaches its polarity.
    """
    known = set(codebook.ids)
    lessons = first_lessons(codebook)
    for correction in corrections:
        if correction.revoked:
            continue
        right = correction.right
        if right:
            right = tuple(label for label in right if label in known) or None
        if right is None and correction.right_polarity is None:
            continue
        language = nearest(correction.language, correction.text)
        lessons.append(Lesson(correction.text, language, right, correction.right_polarity, 1.0, spoken=True))
    return Learned(lessons, codebook, reader)


def first_lessons(codebook: Codebook) -> list[Lesson]:
    """What is learned from before anything is corrected: the codebook's words, and a few plain sentences of each polarity."""
    return [*_of_codebook(codebook), *_of_polarity()]


def _of_codebook(codebook: Codebook) -> list[Lesson]:
    lessons = []
    for category in codebook.categories:
        named = f"{category.name}: {category.definition}" if category.definition else category.name
        texts = {named: CODEBOOK_TRUST}
        if category.include:
            texts[f"{named}. {category.include}"] = CODEBOOK_TRUST
        texts |= dict.fromkeys(category.examples[:_MOST_EXAMPLES], 1.0)
        language = nearest(codebook.language, named)
        lessons += [
            Lesson(text, language, (category.id,), None, trust, spoken=False) for text, trust in texts.items()
        ]
    return lessons


def _of_polarity() -> list[Lesson]:
    return [
        Lesson(text, language, None, Polarity(pole.value), 1.0, spoken=False)
        for (pole, language), texts in TYPICAL.items()
        for text in texts
    ]


def _usual_rule(usual: Matrix, *, several: bool, count: int) -> Rule:
    """What does well with so many corrections, whatever the codebook."""
    if several:
        return Rule(usual, *_SEVERAL)
    return Rule(usual, _ONE[0] + (_ONE_LATER - _ONE[0]) * min(1.0, count / _MANY), _ONE[1])


def _kinship(categories: Sequence[Category], labels: int) -> Matrix:
    """(labels, labels): categories whose names share words are akin."""
    kin = np.eye(labels)
    names = [frozenset(stems(category.name)) for category in categories]
    for row, one in enumerate(names):
        for column, other in enumerate(names):
            shared = len(one & other) / math.sqrt(len(one) * len(other)) if one and other else 0.0
            kin[row, column] = 1.0 if row == column else _KINSHIP * shared
    return kin


def _contradicts(lean: float, polarity: Polarity) -> bool:
    """Plain words say the opposite."""
    opposite: Mapping[Polarity, float] = {Polarity.POSITIVE: -1.0, Polarity.NEGATIVE: 1.0}
    return lean * opposite.get(polarity, 0.0) > _PLAINLY


def _words(text: str) -> tuple[str, ...]:
    return tuple(_WORD.findall(folded(text)))
