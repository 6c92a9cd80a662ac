"""An answer that shows its sources: every sentence that says something names a passage, or is not said.

Markers keep the numbers of the passages as the model was shown them. A sentence without one that stands word for word
in a passage, or that a passage plainly bears out, is given its marker here; any other that says something is withheld,
while small talk and headings wait for a sentence that is cited. So nothing is streamed before the first source is
known, and the window is one sentence. A sentence with a marker that its passages do not bear out is said, and marked
so. What a model says of not knowing ends in a refusal, whole. Pure: the same text in other pieces gives the same.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from passerelle.domain.rag import Citation, Found, Refusal, Said
from passerelle.pipelines.rag.attributing import (
    PLAIN,
    Claim,
    Passage,
    Quote,
    claim_of,
    contributes,
    flat,
    supported,
)
from passerelle.pipelines.rag.citing_markers import held, marked, written
from passerelle.pipelines.rag.citing_refusals import Refusing, refusing
from passerelle.pipelines.rag.citing_sentences import Sentence, Sentences
from passerelle.pipelines.rag.links import without_links
from passerelle.pipelines.rag.prompts_text import REMOVED
from passerelle.text.words import Language

_HEADING = re.compile(r"^\s*(?:#{1,6}\s|\*\*[^*]+\*\*\s*:?\s*$)|:\s*\**$")
_TELLING = 24  # characters; fewer may stand anywhere
_Key = tuple[int, int, int, bool]


@dataclass(frozen=True, slots=True)
class _Source:
    """A passage that a sentence names, where it says so, and whether it does."""

    passage: Passage
    quote: Quote
    supported: bool


class Citing:
    """Takes a model's words and gives what a reader may be told of them, in order."""

    def __init__(
        self, passages: Sequence[Found], *, links: frozenset[str] = frozenset(), language: Language = "en"
    ) -> None:
        self._passages = [Passage(number, found) for number, found in enumerate(passages, 1)]
        self._hosts = links
        self._pages: set[str] = (
            set()
        )  # that were cited: answers may lead to them as well, not elsewhere on their hosts
        self._kept_back = ""
        self._removed = REMOVED[language]
        self._sentences = Sentences()
        self._text: list[str] = []
        self._length = 0
        self._gap = ""
        self._waiting: list[tuple[str, str, bool]] = []  # small talk: text, gap, whether it may end an answer
        self._citations: dict[_Key, Citation] = {}
        self._last: tuple[Passage, int] | None = None  # where the last sentence stood word for word
        self._begun = self._refuses = False
        self._doubts: list[Said | Citation] | None = (
            None  # what follows an opening that sounds like a refusal
        )
        self._told = False  # by a marker of the model's, that is borne out

    def keep_back(self, words: str) -> None:
        """What a model was told beside the passages: sentences of it are not said, whatever they name as their source."""
        self._kept_back = flat(words).text

    @property
    def text(self) -> str:
        """What was said so far."""
        return "".join(self._text)

    @property
    def citations(self) -> tuple[Citation, ...]:
        """The sources so far, with every place of their markers."""
        return tuple(self._citations.values())

    @property
    def refusal(self) -> Refusal | None:
        """Once it is finished: why this is no answer."""
        if self._refuses:
            return Refusal.MODEL
        return None if self._citations else Refusal.UNCITED

    def feed(self, piece: str) -> list[Said | Citation]:
        """What may be told now."""
        return self._open(
            [event for sentence in self._sentences.feed(piece) for event in self._take(sentence)]
        )

    def finish(self) -> list[Said | Citation]:
        """The rest. Nothing where there is a `refusal`."""
        told = [event for sentence in self._sentences.finish() for event in self._take(sentence)]
        if self._citations and not self._refuses:
            ending = [(text, gap) for text, gap, last in self._waiting if last]
            self._waiting = []
            told += [event for text, gap in ending for event in self._say(text, gap, ())]
        if self._doubts is None:
            return told
        told, self._doubts = [*self._doubts, *told], None
        self._refuses = self._refuses or not self._told
        return [] if self._refuses else told

    def _open(self, told: list[Said | Citation]) -> list[Said | Citation]:
        if self._doubts is None:
            return told
        self._doubts += told
        return []

    def _take(self, sentence: Sentence) -> list[Said | Citation]:
        if self._refuses:
            return []
        found = marked(sentence.text, len(self._passages))
        if not any(map(str.isalnum, found.bare)):
            return self._wait(found.bare, sentence.gap, last=True) if found.bare.strip() else []
        sounds = refusing(found.bare)
        if sounds is not Refusing.NOT:
            if not self._begun:
                self._begun = True
                self._refuses = sounds is Refusing.PLAINLY
                self._doubts = []
            return self._wait(found.bare, sentence.gap, last=True)
        if self._is_kept_back(found.bare):
            return []
        claim = claim_of(found.bare)
        sources = self._sources(found.bare, claim, found.numbers)
        if not sources:
            ends = not _HEADING.search(found.bare)
            if claim.weighs and (ends or claim.figures):
                self._gap = max(self._gap, sentence.gap, key=lambda gap: gap.count("\n"))
                return []
            return self._wait(found.bare, sentence.gap, last=ends)
        self._begun = True
        self._told = self._told or bool(found.numbers and any(source.supported for source in sources))
        text = (
            found.text if found.numbers else _with(found.text, [source.passage.number for source in sources])
        )
        told = [event for waiting in self._waiting for event in self._say(*waiting[:2], ())]
        self._waiting = []
        return told + self._say(text, sentence.gap, sources)

    def _is_kept_back(self, bare: str) -> bool:
        """Does it stand in what is kept back, and in no passage?"""
        said = flat(bare)
        words = said.text.strip(" .:[]*_")
        if len(words) < _TELLING or words not in self._kept_back:
            return False
        return all(passage.verbatim(said) is None for passage in self._passages)

    def _wait(self, text: str, gap: str, *, last: bool) -> list[Said | Citation]:
        self._waiting.append((text, gap, last))
        return []

    def _sources(self, bare: str, claim: Claim, numbers: Sequence[int]) -> list[_Source]:
        """What a sentence cites, or is found to stand in, best first."""
        smooth = flat(bare)
        exact = self._exact(bare, numbers)
        if numbers:
            cited = [self._passages[number - 1] for number in numbers]
            whole = supported(claim, cited)
            sources = []
            for passage in cited:
                quote = passage.verbatim(smooth)
                borne = quote is not None or (whole and contributes(claim, passage))
                sources.append(_Source(passage, quote or passage.best(claim), borne))
            return sources
        if exact is not None:
            return [exact]
        self._last = None
        plain = [passage for passage in self._passages if supported(claim, [passage], least=PLAIN)]
        if not plain or len(claim.roots) < 2:
            return []
        best = max(plain, key=lambda passage: (len(claim.roots & passage.roots), -passage.number))
        return [_Source(best, best.best(claim), supported=True)]

    def _exact(self, bare: str, numbers: Sequence[int]) -> _Source | None:
        """The passage that a sentence stands in word for word, first the one that the sentence before stood in."""
        smooth = flat(bare.strip(" \t*_>-•"))
        among = [self._passages[number - 1] for number in numbers] or self._passages
        last = self._last
        if last is not None and last[0] in among:
            among = [last[0], *(passage for passage in among if passage is not last[0])]
        for passage in among:
            after = last[1] if last is not None and passage is last[0] else -1
            if (quote := passage.verbatim(smooth, after)) is not None:
                self._last = passage, passage.place_after(quote)
                return _Source(passage, quote, supported=True)
        return None

    def _say(self, text: str, gap: str, sources: Sequence[_Source]) -> list[Said | Citation]:
        """Words for the reader, and the sources that they are the first to name."""
        self._pages |= {source.passage.found.url for source in sources if source.passage.found.url}
        plain = without_links(text.rstrip(), self._hosts, self._removed, pages=self._pages)
        shown, markers = written(plain)
        if not shown.strip():
            return []
        lead = self._gap if self._text else ""
        begins = self._length + len(lead)
        self._gap = gap
        self._text.append(lead + shown)
        self._length += len(lead) + len(shown)
        told: list[Said | Citation] = [Said(lead + shown)]
        for source in sources:
            number = source.passage.number
            places = tuple((begins + start, begins + end) for named, start, end in markers if named == number)
            key = (number, source.quote.start, source.quote.end, source.supported)
            before = self._citations.get(key)
            if before is not None:
                self._citations[key] = replace(before, places=before.places + places)
                continue
            self._citations[key] = citation_of(source.passage, source.quote, supported=source.supported)
            self._citations[key] = replace(self._citations[key], places=places)
            told.append(self._citations[key])
        return told


def citation_of(passage: Passage, quote: Quote, *, supported: bool) -> Citation:
    """A source, with the place of its quote in the document's text where that is known exactly."""
    found, chunk = passage.found, passage.found.chunk
    start, end = chunk.start, chunk.end
    if start is not None and (end is None or end - start == len(chunk.text)):
        start, end = start + quote.start, start + quote.end
    return Citation(
        number=passage.number,
        document=chunk.document,
        chunk=chunk.id,
        title=chunk.title,
        quote=chunk.text[quote.start : quote.end],
        score=found.score,
        url=found.url,
        page=chunk.page,
        start=start,
        end=end,
        supported=supported,
    )


def nearest(passages: Sequence[Found], question: str, most: int = 3) -> tuple[Citation, ...]:
    """The sources that come nearest to a question that is not answered."""
    claim = claim_of(question)
    read = [Passage(number, found) for number, found in enumerate(passages[:most], 1)]
    return tuple(citation_of(passage, passage.best(claim), supported=False) for passage in read)


def _with(text: str, numbers: list[int]) -> str:
    """A sentence with markers behind it; in a row of a table, inside its last cell."""
    text = text.rstrip()
    if text.startswith("|") and text.endswith("|") and len(text) > 1:
        return f"{text[:-1].rstrip()} {held(numbers)} |"
    return f"{text} {held(numbers)}"
