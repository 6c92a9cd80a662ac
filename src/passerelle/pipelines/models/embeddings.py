"""`GatewayEmbeddings`: an embedding model of LangChain whose every call is a call of a tenant to the gateway.

Texts that are equal are sent once; E5 models are given the prefixes that they were trained with, for questions and for
passages (Wang et al., 2022 and 2024). Imported late: LangChain takes its time.
"""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Sequence
from typing import Any

from langchain_core.embeddings import Embeddings
from typing_extensions import override

from passerelle.domain.ask import Route
from passerelle.domain.errors import Fault, UpstreamFailed
from passerelle.pipelines.models.asker import Asker
from passerelle.pipelines.models.threads import running, wait_for
from passerelle.wire.base64 import from_base64

_MOST_TEXTS = 32  # in one call
_MOST_BYTES = 64_000
_AT_ONCE = 4  # calls on their way for one list
_IS_E5 = re.compile(r"(?:^|[/_-])e5-(?!mistral)(?!.*instruct)", re.IGNORECASE).search


class GatewayEmbeddings(Embeddings):
    """Asks an embedding model of `providers.yaml` by its name. Errors are the gateway's own."""

    def __init__(
        self,
        asker: Asker,
        model: str,
        *,
        before_query: str | None = None,
        before_document: str | None = None,
        texts: int = _MOST_TEXTS,
        at_once: int = _AT_ONCE,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        """`before_…`: what is put before every text; None: what the model is known to need.

        `texts` are the most in one call, `at_once` the most calls on their way. `loop` is the gateway's, for methods
        that wait in other threads; None: the one in which this is made.
        """
        self._asker, self._model = asker, model
        self._before = (before_query, before_document)
        self._texts, self._at_once = texts, at_once
        self._loop = loop or running()

    @override
    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        return await self._embed(texts, self._prefix(1))

    @override
    async def aembed_query(self, text: str) -> list[float]:
        return (await self._embed([text], self._prefix(0)))[0]

    @override
    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Raises RuntimeError in the thread of the gateway's event loop."""
        return wait_for(self.aembed_documents(texts), self._loop)

    @override
    def embed_query(self, text: str) -> list[float]:
        """Raises RuntimeError in the thread of the gateway's event loop."""
        return wait_for(self.aembed_query(text), self._loop)

    async def _embed(self, texts: Sequence[str], prefix: str) -> list[list[float]]:
        different = list(dict.fromkeys(texts))
        gate = asyncio.Semaphore(self._at_once)
        vectors: dict[str, list[float]] = {}

        async def one(batch: list[str]) -> None:
            async with gate:
                found = await self._call([prefix + text for text in batch])
            vectors.update(zip(batch, found, strict=True))

        tasks = [asyncio.ensure_future(one(batch)) for batch in self._batches(different)]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(
                *tasks, return_exceptions=True
            )  # so that every call is closed when this returns
        if len({len(vector) for vector in vectors.values()}) > 1:
            raise _wrong()
        return [vectors[text] for text in texts]

    async def _call(self, given: list[str]) -> list[list[float]]:
        body: dict[str, Any] = {"model": self._model, "input": given}
        document, _ = await self._asker.whole(Route.EMBEDDINGS, body)
        return _vectors(document, len(given))

    def _batches(self, texts: Sequence[str]) -> list[list[str]]:
        batches: list[list[str]] = []
        room = 0
        for text in texts:
            size = len(text.encode())
            if not batches or len(batches[-1]) >= self._texts or size > room:
                batches.append([])
                room = _MOST_BYTES
            batches[-1].append(text)
            room -= size
        return batches

    def _prefix(self, which: int) -> str:
        stated = self._before[which]
        if stated is not None:
            return stated
        catalog = self._asker.editions.catalog
        model = catalog.models.get(self._model)
        targets = model.targets if model is not None else ()
        # The packaged engine puts its model's own prefix before what it embeds.
        kinds = {catalog.backends[target.backend].kind for target in targets}
        if "builtin" in kinds or not any(_IS_E5(target.model) for target in targets):
            return ""
        return ("query: ", "passage: ")[which]


def _vectors(document: dict[str, Any], count: int) -> list[list[float]]:
    """The vectors in the order of the texts. Raises UpstreamFailed."""
    try:
        data = sorted(document["data"], key=lambda each: int(each["index"]))
        rows = [_row(each["embedding"]) for each in data]
        known = [int(each["index"]) for each in data] == list(range(count))
        if not known or not all(row and all(map(math.isfinite, row)) and any(row) for row in rows):
            raise ValueError("no vector for each text")
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise _wrong() from error
    return rows


def _row(given: Any) -> list[float]:
    return from_base64(given) if isinstance(given, str) else [float(number) for number in given]


def _wrong() -> UpstreamFailed:
    return UpstreamFailed(Fault.BROKEN, "The embedding model gave no vector for each text.")
