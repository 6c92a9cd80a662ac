"""`GatewayReranker`: documents in the order of their relevance, by a model that reads question and document together.

Every call is a call of a tenant to the gateway. Imported late: LangChain takes its time.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from typing import Any

from langchain_core.callbacks import Callbacks
from langchain_core.documents import BaseDocumentCompressor, Document
from pydantic import ConfigDict, Field, InstanceOf, PrivateAttr
from typing_extensions import override

from passerelle.domain.ask import Route
from passerelle.pipelines.models.asker import Asker, broken
from passerelle.pipelines.models.threads import running, wait_for

SCORE = "relevance_score"


def titled(document: Document) -> str:
    """A document's text with its title before it, where it has one."""
    title = document.metadata.get("title")
    return f"{title}\n\n{document.page_content}" if title else document.page_content


class GatewayReranker(BaseDocumentCompressor):
    """Asks a reranker of `providers.yaml` by its name. The documents it gives bear `relevance_score` in their metadata.

    `top_n`: the most it gives, None = all; `least`: what scores less is left out; `shown`: what is read of a document.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    asker: InstanceOf[Asker] = Field(exclude=True, repr=False)
    model: str
    top_n: int | None = Field(default=None, ge=1)
    least: float | None = None
    shown: Callable[[Document], str] = titled
    _loop: asyncio.AbstractEventLoop | None = PrivateAttr(default_factory=running)

    @override
    async def acompress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> Sequence[Document]:
        if not documents:
            return []
        body: dict[str, Any] = {
            "model": self.model,
            "query": query,
            "documents": [self.shown(document) for document in documents],
            "return_documents": False,
        }
        if self.top_n is not None:
            body["top_n"] = self.top_n
        reply, _ = await self.asker.whole(Route.RERANK, body)
        ranks = _ranks(reply, len(documents))[: self.top_n]
        return [
            documents[index].model_copy(update={"metadata": {**documents[index].metadata, SCORE: score}})
            for index, score in ranks
            if self.least is None or score >= self.least
        ]

    @override
    def compress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> Sequence[Document]:
        """Raises RuntimeError in the thread of the gateway's event loop."""
        return wait_for(self.acompress_documents(documents, query, callbacks), self._loop)


def _ranks(reply: dict[str, Any], count: int) -> list[tuple[int, float]]:
    """Places and scores, the best first. Raises UpstreamFailed."""
    try:
        found = [(int(each["index"]), float(each["relevance_score"])) for each in reply["results"]]
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise broken() from error
    places = [index for index, _ in found]
    if len(set(places)) != len(places) or not all(0 <= place < count for place in places):
        raise broken()
    if not all(math.isfinite(score) for _, score in found):
        raise broken()
    return sorted(found, key=lambda each: -each[1])
