"""From a comment to its opinions: where each is said, what it is about, which way it leans, and who should look at it.

A sentence is understood as a whole, because its clauses alone say too little; each of its categories is then placed in the
clause that is most about it, and a clause that turns round what was said before has a polarity of its own. Quotes are
spans of the comment, whatever is in it. Imports numpy: imported late.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from passerelle.backends.builtin.sentences import Span
from passerelle.domain.surveys import Analysed, Label, Opinion, Polarity, Review
from passerelle.pipelines.surveys import segmenting
from passerelle.pipelines.surveys.learning import Learned, Reader, Said
from passerelle.pipelines.surveys.learning_features import Matrix
from passerelle.text.words import Language, language_of

SURE = 0.5  # what is less likely than this is looked at by a person, where that can be told of what is said at all
OPPOSED = 0.6  # both sides must be this sure for a comment to be mixed
AT_ONCE = 500  # comments; bounds the memory


@dataclass(frozen=True, slots=True)
class _Piece:
    span: Span
    said: Said
    scores: Matrix  # (categories,)


@dataclass(frozen=True, slots=True)
class _Bounds:
    """What is less likely than this is looked at by a person.

    With little corrected hardly anything is more likely right than wrong, and a queue of everything says nothing: then it
    is what is less likely than what is said usually is. Confidence tells how likely the rest is.
    """

    category: float
    polarity: float


@dataclass(frozen=True, slots=True)
class _Sentence:
    whole: _Piece
    clauses: tuple[_Piece, ...]
    contrasting: bool


def analyse(comments: Sequence[str], learned: Learned, reader: Reader) -> list[Analysed]:
    """Each comment in its opinions, in the order of the comments. `reader` is asked once for every 500 of them."""
    return analyse_divided([divide(comment) for comment in comments], learned, reader)


@dataclass(frozen=True, slots=True)
class Divided:
    """A comment in its sentences, each with its clauses."""

    comment: str
    language: Language
    sentences: tuple[tuple[Span, tuple[Span, ...]], ...]

    def texts(self) -> Iterator[str]:
        """Every sentence and clause."""
        for sentence, clauses in self.sentences:
            yield from (span.of(self.comment) for span in (sentence, *clauses))


def divide(comment: str) -> Divided:
    """Where its sentences and clauses lie."""
    language = language_of(comment)
    return Divided(
        comment,
        language,
        tuple(
            (sentence, tuple(segmenting.clauses(comment, sentence, language)))
            for sentence in segmenting.sentences(comment)
        ),
    )


def analyse_divided(comments: Sequence[Divided], learned: Learned, reader: Reader) -> list[Analysed]:
    """The same of comments that were divided before."""
    found: list[Analysed] = []
    for start in range(0, len(comments), AT_ONCE):
        found += _analysed(comments[start : start + AT_ONCE], learned, reader)
    return found


def _analysed(divided: Sequence[Divided], learned: Learned, reader: Reader) -> list[Analysed]:
    texts: dict[tuple[str, Language], None] = {}
    for one in divided:
        texts |= dict.fromkeys((text, one.language) for text in one.texts())
    keys = list(texts)
    read = reader([text for text, _ in keys], [language for _, language in keys])
    said, scores = learned.look(read)
    bounds = _Bounds(*(min(SURE, typical) for typical in learned.typical))
    row = {key: place for place, key in enumerate(keys)}

    def piece(one: Divided, span: Span) -> _Piece:
        at = row[span.of(one.comment), one.language]
        return _Piece(span, said[at], scores[at])

    return [
        _comment(
            one.comment,
            one.language,
            [
                _Sentence(
                    piece(one, sentence),
                    tuple(piece(one, clause) for clause in clauses),
                    segmenting.contrasts(sentence.of(one.comment), one.language),
                )
                for sentence, clauses in one.sentences
            ],
            learned.codebook.ids,
            bounds,
        )
        for one in divided
    ]


def _comment(
    comment: str,
    language: Language,
    sentences: Sequence[_Sentence],
    categories: Sequence[str],
    bounds: _Bounds,
) -> Analysed:
    opinions = [
        opinion
        for sentence in sentences
        for opinion in _opinions(comment, sentence, {name: at for at, name in enumerate(categories)})
    ]
    polarity, confidence = _overall(sentences, opinions)
    return Analysed(
        comment,
        language,
        tuple(opinions),
        polarity,
        confidence,
        _review(sentences, opinions, confidence, bounds),
    )


def _opinions(comment: str, sentence: _Sentence, place: dict[str, int]) -> list[Opinion]:
    """The sentence's labels, each in its clause; neighbouring clauses that add nothing are one quote."""
    labels = sentence.whole.said.labels
    at: list[list[Label]] = [[] for _ in sentence.clauses]
    for label in labels:
        column = place[label.category]
        best = int(np.argmax([clause.scores[column] for clause in sentence.clauses]))
        at[best].append(label)
    found: list[Opinion] = []
    for clause, here in zip(sentence.clauses, at, strict=True):
        leaning = clause.said if sentence.contrasting else sentence.whole.said
        span = clause.span
        last = found[-1] if found else None
        if (
            last is not None
            and last.polarity == leaning.polarity
            and (not here or not last.labels or here == list(last.labels))
        ):
            found[-1] = _opinion(comment, Span(last.start, span.end), last.labels or tuple(here), leaning)
        else:
            found.append(_opinion(comment, span, tuple(here), leaning))
    if labels and len(found) > 1 and not any(opinion.labels for opinion in found[:1]):
        return _without_preamble(comment, found)
    return found


def _without_preamble(comment: str, opinions: list[Opinion]) -> list[Opinion]:
    """A first clause about nothing in particular belongs to the one that follows it, unless it leans elsewhere."""
    first, second, *rest = opinions
    if first.polarity not in (Polarity.NEUTRAL, second.polarity):
        return opinions
    joined = Opinion(
        comment[first.start : second.end],
        first.start,
        second.end,
        second.labels,
        second.polarity,
        second.confidence,
    )
    return [joined, *rest]


def _opinion(comment: str, span: Span, labels: tuple[Label, ...], leaning: Said) -> Opinion:
    return Opinion(span.of(comment), span.start, span.end, labels, leaning.polarity, leaning.confidence)


def _overall(sentences: Sequence[_Sentence], opinions: Sequence[Opinion]) -> tuple[Polarity | None, float]:
    """One sentence: as a whole. Several: the side that has more, or both when both are sure."""
    if not sentences:
        return None, 1.0
    if len(sentences) == 1:
        said = sentences[0].whole.said
        return said.polarity, said.confidence
    weight = dict.fromkeys(Polarity, 0.0)
    for opinion in opinions:
        weight[opinion.polarity] += opinion.confidence
    sure = {opinion.polarity for opinion in opinions if opinion.confidence >= OPPOSED}
    best = max(weight, key=lambda one: weight[one])
    if sure >= {Polarity.POSITIVE, Polarity.NEGATIVE} or Polarity.MIXED in sure:
        best = Polarity.MIXED
    several = [opinion.confidence for opinion in opinions if opinion.polarity == best]
    agreed = sum(several) / len(several) if several else OPPOSED
    return best, agreed


def _review(
    sentences: Sequence[_Sentence], opinions: Sequence[Opinion], confidence: float, bounds: _Bounds
) -> tuple[Review, ...]:
    """Why somebody should look at it, each reason once."""
    reasons = []
    labels = [label for opinion in opinions for label in opinion.labels]
    if confidence < bounds.polarity or any(label.confidence < bounds.category for label in labels):
        reasons.append(Review.UNCERTAIN)
    if any(sentence.whole.said.disagreeing for sentence in sentences):
        reasons.append(Review.DISAGREEING)
    if any(sentence.whole.said.outside for sentence in sentences):
        reasons.append(Review.OUT_OF_CODEBOOK)
    return tuple(reasons)
