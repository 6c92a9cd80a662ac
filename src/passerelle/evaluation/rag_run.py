"""Asks every question of a test set of the parts that answer in service: the embedded store, evidence, prompt, engine, sources.

Nothing stands in for anything but the gateway and the table of documents, which change no word of an answer: the passages
lie in a store in a temporary folder, the built-in engine is given the very prompt of service, and what it says is cited
and withheld as in service. A passage is taken out of the store for its questions by deleting it, and is put back.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from passerelle.backends.builtin.chat import produce
from passerelle.backends.builtin.embedder import Embedder
from passerelle.domain.rag import Citation, Found
from passerelle.domain.retrieval import Chunk, Collection, Hit, Mode, Query
from passerelle.evaluation.rag_baseline import PlainBm25
from passerelle.evaluation.rag_data import Asked, TestSet
from passerelle.evaluation.rag_scores import DEPTH
from passerelle.evaluation.vectors import Embedded as Vectors
from passerelle.pipelines.rag.citing import Citing
from passerelle.pipelines.rag.evidence import choose, ordered
from passerelle.pipelines.rag.fencing import system_of
from passerelle.pipelines.rag.searching_pieces import distinct
from passerelle.retrieval.embedded import Embedded
from passerelle.text.words import Language

PASSAGES = 6  # that a search in service gives
_TENANT, _SECRET = "evaluation", b"evaluation"
_AT_ONCE = 500  # passages
_UNDER_WAY = 4  # searches
_MARKER = re.compile(r"\s*\[\d+\]")
Ranks = tuple[int | None, ...]  # from 1; None: not among the first few
_LANGUAGES: dict[str, Language] = {"fr": "fr", "en": "en"}


@dataclass(frozen=True, slots=True)
class Told:
    """What became of a question. `refused` says why there is no answer; `text` has no markers."""

    refused: str | None
    text: str
    citations: tuple[Citation, ...]
    searching: float  # seconds
    seconds: float  # of everything


@dataclass(frozen=True, slots=True)
class Outcome:
    """A test set's questions in their order: where their passages were found, and what was answered.

    `ranks` by way of searching: `plain` is the baseline, `search` what is given in service by words.
    """

    test: TestSet
    ranks: Mapping[str, Ranks]
    there: tuple[Told, ...]
    removed: tuple[Told, ...]


class Bench:
    """A test set in a store of its own."""

    def __init__(self, store: Embedded, test: TestSet, *, passages: Any, questions: Any) -> None:
        """`passages` and `questions` are their vectors."""
        self._store, self.test = store, test
        self._collection = Collection(_TENANT, test.name, len(passages[0]))
        self._passages = {chunk.id: (chunk, row) for chunk, row in zip(test.passages, passages, strict=True)}
        self._vectors = {asked.text: row for asked, row in zip(test.questions, questions, strict=True)}
        self._language = _LANGUAGES.get(test.language, "en")

    async def fill(self) -> None:
        """Index every passage."""
        every = list(self._passages.values())
        for start in range(0, len(every), _AT_ONCE):
            await self._put(every[start : start + _AT_ONCE])

    async def hits(self, asked: Asked, mode: Mode, k: int) -> list[Hit]:
        """What the store finds."""
        vector = () if mode is Mode.TEXT else self._vectors[asked.text].tolist()
        query = Query(asked.text, vector, mode=mode, k=k, language=self.test.language, groups=None)
        return await self._store.search(self._collection, query)

    async def found(self, asked: Asked, mode: Mode, k: int = PASSAGES) -> list[Found]:
        """What a search in service gives, before it is judged."""
        hits = await self.hits(asked, mode, k)
        return distinct(
            Found(hit.chunk, hit.score, text_score=hit.parts.text, dense_score=hit.parts.dense)
            for hit in hits
        )

    async def without(self, asked: Asked, mode: Mode) -> list[Found]:
        """The same while the question's passage is not in the store."""
        await self._store.delete(self._collection, ids=[asked.passage])
        try:
            return await self.found(asked, mode)
        finally:
            await self._put([self._passages[asked.passage]])

    async def lists(self, mode: Mode) -> list[list[Found]]:
        """What is found for each question, several at a time."""
        found: list[list[Found]] = []
        for start in range(0, len(self.test.questions), _UNDER_WAY):
            some = self.test.questions[start : start + _UNDER_WAY]
            found += await asyncio.gather(*(self.found(asked, mode, DEPTH) for asked in some))
        return found

    def ranks(self, lists: Iterable[Sequence[Found]]) -> Ranks:
        """Where each question's passage is in its list."""
        return self._ranks([one.chunk.id for one in found] for found in lists)

    def baseline(self) -> Ranks:
        """The same by plain BM25."""
        plain = PlainBm25(self.test.passages, self.test.language)
        return self._ranks(plain.found(asked.text, DEPTH) for asked in self.test.questions)

    def _ranks(self, lists: Iterable[Sequence[str]]) -> Ranks:
        return tuple(
            ids.index(asked.passage) + 1 if asked.passage in ids else None
            for ids, asked in zip(lists, self.test.questions, strict=True)
        )

    async def ask(self, asked: Asked, engine: Embedder, mode: Mode, *, removed: bool = False) -> Told:
        """One question from its search to its sources."""
        began = perf_counter()
        found = await (self.without if removed else self.found)(asked, mode)
        searched = perf_counter()
        passages = choose(ordered(asked.text, found), extractive=True, language=self._language)
        if not passages:
            return Told("not_relevant", "", (), searched - began, perf_counter() - began)
        citing = Citing(passages, language=self._language)
        citing.feed(self._said(asked.text, passages, engine))
        citing.finish()
        if citing.refusal is not None:
            return Told(str(citing.refusal), "", (), searched - began, perf_counter() - began)
        text = _MARKER.sub("", citing.text)
        return Told(None, text, citing.citations, searched - began, perf_counter() - began)

    def _said(self, question: str, passages: Sequence[Found], engine: Embedder) -> str:
        system = system_of(
            passages,
            secret=_SECRET,
            tenant=_TENANT,
            collection=self.test.name,
            language=self._language,
        )
        messages = [{"role": "system", "content": system}, {"role": "user", "content": question}]
        return produce({"messages": messages}, engine).text

    async def _put(self, some: Sequence[tuple[Chunk, Any]]) -> None:
        await self._store.upsert(
            self._collection, [chunk for chunk, _ in some], [row.tolist() for _, row in some]
        )


async def rankings(bench: Bench) -> dict[str, Ranks]:
    """By every way of searching."""
    text = await bench.lists(Mode.TEXT)
    judged = [ordered(asked.text, found) for asked, found in zip(bench.test.questions, text, strict=True)]
    return {
        "plain": bench.baseline(),
        "text": bench.ranks(text),
        "search": bench.ranks(judged),
        "dense": bench.ranks(await bench.lists(Mode.DENSE)),
        "hybrid": bench.ranks(await bench.lists(Mode.HYBRID)),
    }


async def measure(bench: Bench, engine: Embedder) -> Outcome:
    """All of it, by words."""
    ranks = await rankings(bench)
    there = [await bench.ask(asked, engine, Mode.TEXT) for asked in bench.test.questions]
    removed = [await bench.ask(asked, engine, Mode.TEXT, removed=True) for asked in bench.test.questions]
    return Outcome(bench.test, ranks, tuple(there), tuple(removed))


async def opened(
    folder: Path, test: TestSet, passages: Vectors, questions: Vectors
) -> tuple[Embedded, Bench]:
    """A store in a folder, filled; whoever opens it, closes it."""
    store = Embedded(folder)
    bench = Bench(
        store,
        test,
        passages=passages.of([chunk.indexed for chunk in test.passages]),
        questions=questions.of([asked.text for asked in test.questions]),
    )
    try:
        await bench.fill()
    except BaseException:
        await store.aclose()
        raise
    return store, bench
