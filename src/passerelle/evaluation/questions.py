"""A stream made ready for many runs: eligibility, language and features by the cache's own functions, once each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from passerelle.cache.eligible import eligible
from passerelle.cache.features import Features, features_of
from passerelle.cache.guard import Objection, objection
from passerelle.domain.ask import Ask, Needs, Route
from passerelle.domain.cache import Caching, Reason, Semantic
from passerelle.evaluation.data import Stream
from passerelle.evaluation.nearest import Ground
from passerelle.evaluation.vectors import Embedded
from passerelle.text.words import Language

CACHING = Caching(semantic=Semantic())


@dataclass(frozen=True, slots=True)
class Question:
    """One question as the cache sees it. `barred` says why it may not be compared with others."""

    text: str
    barred: Reason | None
    language: Language
    features: Features


def question(text: str) -> Question:
    """What the cache makes of a conversation that is this text alone."""
    said = eligible(_asked(text), CACHING)
    barred = None if said.semantic else said.reason or Reason.SHAPE
    return Question(text, barred, said.language, features_of(text, said.language))


def _asked(text: str) -> Ask:
    body = {"model": "assistant", "messages": [{"role": "user", "content": text}]}
    return Ask(
        route=Route.CHAT,
        model="assistant",
        body=body,
        stream=False,
        wants_usage=False,
        request_id="evaluation",
        needs=Needs(),
        arrived=0.0,
        size=len(text),
    )


@dataclass(frozen=True, slots=True)
class Prepared:
    """A stream, and where its questions lie. `objections` is filled as pairs are compared, for all runs."""

    name: str
    language: str
    questions: Sequence[Question]
    answers: Sequence[str]
    ground: Ground
    repeats: int  # questions in the very same words as another one: exact hits, which are no matter of doubt
    objections: dict[tuple[int, int], Objection | None] = field(default_factory=dict)

    def objects(self, asked: int, known: int) -> Objection | None:
        """What, for the guard, sets the two questions, by number, apart."""
        pair = asked, known
        if pair not in self.objections:
            self.objections[pair] = objection(self.questions[asked].features, self.questions[known].features)
        return self.objections[pair]


def prepare(stream: Stream, embedded: Embedded) -> Prepared:
    """Every question of the stream once, those of one language in one group, as the cache's partitions are."""
    first = {text: number for number, text in reversed(list(enumerate(stream.texts)))}
    numbers = sorted(first.values())
    questions = [question(stream.texts[number]) for number in numbers]
    languages = sorted({question.language for question in questions})
    return Prepared(
        name=stream.name,
        language=stream.language,
        questions=questions,
        answers=[stream.answers[number] for number in numbers],
        ground=Ground(
            embedded.of([question.text for question in questions]),
            [languages.index(question.language) for question in questions],
        ),
        repeats=len(stream.texts) - len(numbers),
    )
