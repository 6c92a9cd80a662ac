"""Tells the given text from what is asked about it, over all the messages of a chat.

Text that a sender marked (fenced, tagged, under a label such as `Context:`, or returned by a tool) is context
for certain. Only when nothing is marked does loose text count: system text, earlier turns and the rest of the
last message. What an assistant said before is never context: it would be quoting itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from passerelle.backends.builtin.conversation import Turn
from passerelle.backends.builtin.parts import Part, Sort, parts
from passerelle.text.words import Language, language_of

SUBSTANTIAL = 25  # characters: loose text shorter than this is nothing to quote from
SAMPLED = 2000  # characters of each passage that may decide on the language
# The tag of a passage that a search found, judged and set apart by a mark that nobody could guess.
_FOUND = re.compile(r'<source n="1" mark="[0-9a-f]{16,64}"[^<>\n]{0,300}>\s*\Z')
_TAG = 500  # characters before a passage that its tag may take


@dataclass(frozen=True, slots=True)
class Passage:
    """Characters [start, end) of the message with that index."""

    message: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Reading:
    """What a chat gives and what it asks.

    `question` is what the last user message asks, `earlier` what the one before asked, `orders` the system
    text's orders. `context` is where an answer may be quoted from; `subject` is what a summary or a label is
    about. `vouched`: the context is the one passage that a search has judged to answer the question.
    """

    texts: tuple[str, ...]
    question: str
    earlier: str
    orders: str
    context: tuple[Passage, ...]
    subject: tuple[Passage, ...]
    language: Language
    vouched: bool = False

    def text(self, passage: Passage) -> str:
        """The characters of a passage."""
        return self.texts[passage.message][passage.start : passage.end]


def read(turns: Sequence[Turn]) -> Reading:
    """Sorts the text of a chat. Pure: the same turns always give the same reading."""
    texts = tuple(turn.text for turn in turns)
    last = max((i for i, turn in enumerate(turns) if turn.role == "user"), default=len(turns) - 1)
    found = {
        i: parts(turn)
        for i, turn in enumerate(turns)
        if turn.role != "assistant" and (i <= last or turn.role == "tool")
    }
    own = found.get(last, [])
    asked = _joined(texts[last], own, Sort.ASK)
    marked = _passages(found, Sort.MARKED)
    # Without an ask of its own, the last message as a whole is what is asked.
    givers = found if asked else {i: pieces for i, pieces in found.items() if i != last}
    loose = [
        passage for passage in _passages(givers, Sort.LOOSE) if passage.end - passage.start >= SUBSTANTIAL
    ]
    context = tuple(marked or loose)
    subject = _passages({last: own}, Sort.MARKED) or _passages({last: own}, Sort.LOOSE) or context
    users = [i for i, turn in enumerate(turns) if turn.role == "user" and i < last]
    question = asked or _joined(texts[last], own, Sort.LOOSE)
    around = " ".join(texts[p.message][p.start : min(p.end, p.start + SAMPLED)] for p in context)
    return Reading(
        texts=texts,
        question=question,
        earlier=_joined(texts[users[-1]], found[users[-1]], Sort.ASK) if users else "",
        orders="\n".join(
            _joined(texts[i], found[i], Sort.ASK) for i in found if turns[i].role in ("system", "developer")
        ),
        context=context,
        subject=tuple(subject),
        language=language_of(question[:SAMPLED], default=language_of(around)),
        vouched=_vouched(texts, turns, context),
    )


def _vouched(texts: Sequence[str], turns: Sequence[Turn], context: Sequence[Passage]) -> bool:
    """Is there one passage only, found by a search? What users write in their messages vouches for nothing."""
    if len(context) != 1 or turns[context[0].message].role not in ("system", "developer"):
        return False
    start = context[0].start
    return _FOUND.search(texts[context[0].message][max(0, start - _TAG) : start]) is not None


def _passages(found: Mapping[int, Sequence[Part]], sort: Sort) -> list[Passage]:
    return [
        Passage(message, part.span.start, part.span.end)
        for message, pieces in found.items()
        for part in pieces
        if part.sort is sort
    ]


def _joined(text: str, pieces: Sequence[Part], sort: Sort) -> str:
    return "\n".join(part.span.of(text) for part in pieces if part.sort is sort)
