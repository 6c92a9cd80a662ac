"""Answers and summaries made of sentences of the given text, quoted as they stand.

No language model: nothing is worded here but the plain statement that there is no answer. Deterministic.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from passerelle.backends.builtin.embedder import Embedder
from passerelle.backends.builtin.marks import is_about_the_task, is_heading, is_question, points_back
from passerelle.backends.builtin.phrases import PHRASES, Reason
from passerelle.backends.builtin.ranking import RELEVANT, Ranker, Sentence, sentences
from passerelle.backends.builtin.reading import Passage, Reading
from passerelle.backends.builtin.sentences import split
from passerelle.backends.builtin.summary import Size, asked_size, central, wants_summary
from passerelle.text.words import stems

MOST_QUOTED = 3
# A sentence nearly as good as the best is quoted too: on single passages the gold answer is then among the
# quotes in 0.76 (French) and 0.95 (English) of the cases instead of 0.70 and 0.87, for half a sentence more.
NEARLY_AS_GOOD = 0.7
LONGEST_QUESTION = 2000  # characters: more than the model reads
FEW_WORDS = 2  # a question of fewer is read together with the one before it

Kind = Literal["answer", "summary", "label", "none"]


@dataclass(frozen=True, slots=True)
class Quote:
    """Characters [start, end) of the message with that index; `text` is exactly those characters."""

    text: str
    message: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Extract:
    """An answer and where it stands. `text` is what the caller reads; without quotes, it says why."""

    text: str
    kind: Kind
    quotes: tuple[Quote, ...] = ()


def extract(reading: Reading, embedder: Embedder) -> Extract:
    """The summary or the answer that the chat asks for, or the plain statement that there is none."""
    if wants_summary(reading):
        return summary(reading, embedder, asked_size(reading))
    return answer(reading, embedder)


def answer(reading: Reading, embedder: Embedder) -> Extract:
    """The sentences of the context that answer the question, in the order of the text."""
    if not reading.context:
        return none(reading, Reason.NO_TEXT)
    source = Source(reading, embedder)
    chosen = source.best(asked(reading), least=0.0 if reading.vouched else RELEVANT)
    if not chosen:
        return none(reading, Reason.NOT_FOUND)
    return _quoted(reading, source.with_referents(chosen), "answer")


class Source:
    """The sentences of a chat's context (or of other passages), ready to be asked about more than once."""

    def __init__(
        self, reading: Reading, embedder: Embedder, *, passages: Sequence[Passage] | None = None
    ) -> None:
        self.sentences = sentences(reading, reading.context if passages is None else passages)
        self._ranker = Ranker([sentence.text for sentence in self.sentences], embedder, reading.language)

    def best(
        self, query: str, *, among: Callable[[str], bool] = bool, least: float = RELEVANT
    ) -> list[Sentence]:
        """The sentences that answer a query, best first; none when not even the best is relevant enough (`least`).

        `among` leaves out the sentences for which it is false.
        """
        found, scores = self.sentences, self._ranker.scores(query)
        # In a list of questions and answers the question matches best, and what follows it answers.
        for i, sentence in enumerate(found):
            if is_question(sentence.text):
                if i + 1 < len(found) and not is_question(found[i + 1].text):
                    scores[i + 1] = max(scores[i + 1], scores[i])
                scores[i] = 0.0
            elif is_heading(sentence.text):
                # It names what follows, and says nothing itself.
                if i + 1 < len(found) and not is_heading(found[i + 1].text):
                    scores[i + 1] = max(scores[i + 1], min(scores[i], RELEVANT))
                scores[i] = 0.0
        order = sorted(
            (i for i, sentence in enumerate(found) if among(sentence.text)), key=lambda i: (-scores[i], i)
        )[:MOST_QUOTED]
        if not order or scores[order[0]] < least:
            return []
        return [found[i] for i in order if scores[i] >= NEARLY_AS_GOOD * scores[order[0]]]

    def with_referents(self, chosen: Sequence[Sentence]) -> list[Sentence]:
        """The sentences, and before each that begins with a pronoun the one that says what it means."""
        wanted = set(chosen)
        for before, sentence in pairwise(self.sentences):
            if sentence in chosen and points_back(sentence.text) and before.message == sentence.message:
                wanted.add(before)
        return list(wanted)


def summary(reading: Reading, embedder: Embedder, size: Size, *, apart: bool = False) -> Extract:
    """The sentences nearest to what the whole subject says, without repetition, in the order of the text.

    `apart` keeps sentences that follow one another as quotes of their own.
    """
    found = sentences(reading, reading.subject)
    found = [sentence for sentence in found if not is_question(sentence.text)] or found
    if not found:
        return none(reading, Reason.NO_TEXT)
    chosen = [
        found[i] for i in central([sentence.text for sentence in found], embedder, size, reading.language)
    ]
    whole = _quoted(
        reading, chosen, "summary", apart=apart or size.points, bullet="- " if size.points else ""
    )
    if not size.words or len(whole.text.split()) <= size.words:
        return whole
    # Not even one sentence fits: its beginning, marked as cut.
    first = whole.quotes[0]
    kept = " ".join(first.text.split(" ")[: size.words])
    cut = Quote(kept, first.message, first.start, first.start + len(kept))
    return Extract(f"{kept} […]", "summary", (cut,))


def none(reading: Reading, reason: Reason) -> Extract:
    """The statement that there is no answer, in the question's language."""
    return Extract(PHRASES[reason, reading.language], "none")


def asked(reading: Reading) -> str:
    """The question without orders about how to answer, and with the one before when it is too short."""
    pieces = [span.of(reading.question) for span in split(reading.question)]
    kept = [piece for piece in pieces if is_question(piece)]
    kept = kept or [piece for piece in pieces if not is_about_the_task(piece)] or pieces
    question = " ".join(kept)
    if reading.earlier and len(stems(question)) < FEW_WORDS:
        question = f"{reading.earlier} {question}"
    return question[:LONGEST_QUESTION]


def _quoted(
    reading: Reading, chosen: Sequence[Sentence], kind: Kind, *, apart: bool = False, bullet: str = ""
) -> Extract:
    """Quotes in the order of the text; sentences that follow one another become one quote unless `apart`."""
    quotes: list[Quote] = []
    for sentence in sorted(chosen, key=lambda sentence: (sentence.message, sentence.start)):
        text = reading.texts[sentence.message]
        start = sentence.start
        if quotes and not apart and quotes[-1].message == sentence.message:
            between = text[quotes[-1].end : start]
            if not between.strip() and "\n" not in between:
                start = quotes.pop().start
        quotes.append(Quote(text[start : sentence.end], sentence.message, start, sentence.end))
    return Extract("\n".join(bullet + quote.text for quote in quotes), kind, tuple(quotes))
