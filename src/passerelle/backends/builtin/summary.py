"""What kind of summary is asked for, and which sentences stand for the whole, without repetition."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from passerelle.backends.builtin.embedder import Embedder
from passerelle.backends.builtin.marks import is_question, points_back
from passerelle.backends.builtin.reading import Reading
from passerelle.text.words import Language, folded

MOST_SENTENCES = 5  # unless the caller asks for more
PER_SENTENCE = 4  # sentences of text for each sentence of summary, unless the caller says
LEAD = 0.1  # how much the first sentence is favoured over the last, on the scale where a paraphrase is 1
POINTING_BACK = 0.2  # how much a sentence is worth less when it needs the one before it, same scale
REPETITION = 0.9  # as near as this to a sentence already taken is a repetition, on the same scale
EACH = 60  # characters that a sentence costs beside its own
MOST_EMBEDDED = 64_000  # characters: of longer texts, an even sample of the sentences

# `resume` is a summary in French only; `synthesis` may be chemistry, so English needs the verb or a fixed
# phrase.
WANTED = {
    "fr": re.compile(
        r"\b(?:resum\w*|synthes\w*|synthetis\w*|condens\w*|recapitul\w*|tl;?dr|en bref|grandes lignes|"
        r"(?:points?|idees?) (?:cles?|principa\w+|essentiel\w*))"
    ),
    "en": re.compile(
        r"\b(?:summar\w*|sum (?:it |this |that )?up|condense\w*|recap\w*|tl;?dr|in brief|in a nutshell|gist|"
        r"takeaways?|(?:key|main) (?:points?|ideas?))"
    ),
}
FRENCH_VERB = re.compile(
    r"\bresum(?:e[zr]?|ons)\b.{0,60}\b(?:le|la|les|ce|cet|cette|ces|ceci|en)\b|^resume[zr]?\b"
)
NUMBERS = {
    word: number
    for number, names in enumerate(
        ("un une one a single", "deux two", "trois three", "quatre four", "cinq five", "six", "sept seven",
         "huit eight", "neuf nine", "dix ten"), start=1,
    )
    for word in names.split()
}  # fmt: skip
SIZE = re.compile(
    rf"\b(?P<number>\d{{1,4}}|{'|'.join(NUMBERS)}) (?:\w+ )?"
    r"(?P<unit>phrases?|sentences?|lignes?|lines?|(?:bullet )?points?|puces?|bullets?|mots|words)\b"
)


@dataclass(frozen=True, slots=True)
class Size:
    """How long a summary should be; 0 means that nothing was said. `points` asks for a list."""

    sentences: int = 0
    words: int = 0
    points: bool = False


def wants_summary(reading: Reading) -> bool:
    """Does the last message, or, when it asks nothing, the system text ask for a summary?"""
    asked = reading.question if not _is_only_text(reading) else reading.orders
    plain = folded(asked)
    if WANTED[reading.language].search(plain):
        return True
    # An order in the other language than the text's: "Résume this text", "Summarise ce texte".
    return bool(WANTED["en"].search(plain) or FRENCH_VERB.search(plain)) and not is_question(asked)


def asked_size(reading: Reading) -> Size:
    """The length that the request states, in the question first and then in the system text."""
    for text in (reading.question if not _is_only_text(reading) else "", reading.orders):
        match = SIZE.search(folded(text))
        if match:
            number = NUMBERS.get(match["number"]) or int(match["number"])
            unit = match["unit"]
            if unit in ("mots", "words"):
                return Size(words=max(1, number))
            return Size(
                sentences=max(1, number), points="point" in unit or "puce" in unit or "bullet" in unit
            )
    return Size()


def central(texts: Sequence[str], embedder: Embedder, size: Size, language: Language) -> list[int]:
    """Indexes of the sentences that say most of what all of them say, most central first; at least one.

    Centrality is the mean cosine with all sentences (degree centrality: LexRank, Erkan and Radev, 2004).
    """
    step = max(1, -(-sum(len(text) + EACH for text in texts) // MOST_EMBEDDED))
    sampled = list(range(0, len(texts), step))
    vectors = embedder.embed([texts[i] for i in sampled]).vectors
    spread = embedder.anchors.spreads[language]
    nearness = vectors @ vectors.mean(axis=0)
    scores = [
        spread.scaled(float(near))
        + LEAD * (1 - place / len(sampled))
        - POINTING_BACK * points_back(texts[sampled[place]])
        for place, near in enumerate(nearness)
    ]
    wanted = size.sentences or (
        len(texts) if size.words else min(MOST_SENTENCES, -(-len(texts) // PER_SENTENCE))
    )
    budget = size.words or float("inf")
    chosen: list[int] = []
    for place in sorted(range(len(sampled)), key=lambda place: (-scores[place], place)):
        words = len(texts[sampled[place]].split())
        repeated = any(spread.scaled(float(vectors[place] @ vectors[other])) > REPETITION for other in chosen)
        if len(chosen) < wanted and words <= budget and not repeated:
            chosen.append(place)
            budget -= words
    shortest = min(range(len(sampled)), key=lambda place: len(texts[sampled[place]].split()))
    return [sampled[place] for place in chosen or [shortest]]


def _is_only_text(reading: Reading) -> bool:
    """True when the last message gives a text and asks nothing, so that the system text says what to do."""
    return any(reading.text(passage).strip() == reading.question.strip() for passage in reading.subject)
