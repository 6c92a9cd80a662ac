"""How a tenant's comments become numbers: by the embedding model of its rules, through the gateway; else by words alone.

Nothing heavy is imported before a reader is first asked, which happens in a thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from passerelle.domain.catalog import Tenant
from passerelle.pipelines.models.asker import Asker
from passerelle.text.words import Language

if TYPE_CHECKING:
    from passerelle.pipelines.models.embeddings import GatewayEmbeddings
    from passerelle.pipelines.surveys.learning_features import Read

Askers = Callable[[str], Asker]  # a tenant's name to the calls that surveys make for it


class Readers:
    """Gives readers of tenants. Ask it in the thread of the gateway's event loop."""

    def __init__(self, asker: Askers) -> None:
        self._asker = asker

    def reader(self, tenant: Tenant) -> TenantReader:
        """For threads beside the event loop: there it waits for the gateway."""
        model = embedder_of(tenant)
        return TenantReader(None if model is None else self._asker(tenant.name), model)

    def embed(self, tenant: Tenant) -> TenantEmbed | None:
        """For the event loop itself: texts to vectors; None where the tenant has no embedding model."""
        model = embedder_of(tenant)
        return None if model is None else TenantEmbed(self._asker(tenant.name), model)


class TenantEmbed:
    """Texts to one vector each, awaited. Raises the gateway's errors."""

    def __init__(self, asker: Asker, model: str) -> None:
        self._asker, self._model = asker, model
        self._loop = asyncio.get_running_loop()

    async def __call__(self, texts: Sequence[str]) -> list[list[float]]:
        """A vector for each text."""
        # LangChain is brought by a thread when this is the first to ask for it.
        made = await asyncio.to_thread(_embeddings, self._asker, self._model, self._loop)
        return await made.aembed_documents(_speaking(texts))


class TenantReader:
    """A `learning.Reader`. Call it in a thread; raises the gateway's errors, RuntimeError in the event loop's own thread."""

    def __init__(self, asker: Asker | None, model: str | None) -> None:
        self._asker, self.model = asker, model
        self._loop = asyncio.get_running_loop()
        self._embeddings: GatewayEmbeddings | None = None

    def __call__(self, texts: Sequence[str], languages: Sequence[Language]) -> Read:
        """The texts as numbers."""
        from passerelle.pipelines.surveys.learning_features import read  # noqa: PLC0415 - brings numpy

        return read(texts, languages, self.embed)

    def embed(self, texts: Sequence[str]) -> Any:
        """A vector for each text; without a model they say nothing, so that words alone count."""
        if self._asker is None or self.model is None:
            return [[0.0]] * len(texts)
        if self._embeddings is None:
            self._embeddings = _embeddings(self._asker, self.model, self._loop)
        return self._embeddings.embed_documents(_speaking(texts))


def _embeddings(asker: Asker, model: str, loop: asyncio.AbstractEventLoop) -> GatewayEmbeddings:
    from passerelle.pipelines.models.embeddings import GatewayEmbeddings  # noqa: PLC0415 - brings LangChain

    return GatewayEmbeddings(asker, model, loop=loop)


def _speaking(texts: Sequence[str]) -> list[str]:
    """An engine refuses an empty text, which has no meaning either."""
    return [text if text.strip() else "-" for text in texts]


def embedder_of(tenant: Tenant) -> str | None:
    """The embedding model of its rules, by its name in the file."""
    return tenant.surveys.embedder if tenant.surveys is not None else None
