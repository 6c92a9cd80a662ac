"""LangChain's own tests of vector stores, over each of ours: the embedded one, a server's, and langchain-qdrant's in bounds.

Their plain tests run in the test's thread, with the store in a loop beside it; the asynchronous ones in the store's loop.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from langchain_tests.integration_tests.vectorstores import VectorStoreIntegrationTests
from qdrant_client import AsyncQdrantClient, QdrantClient
from typing_extensions import override

from passerelle.domain.retrieval import Collection
from passerelle.retrieval.brought import TenantQdrantVectorStore
from passerelle.retrieval.langchain_store import TenantVectorStore
from passerelle.retrieval.server import Server
from passerelle.retrieval.store import Chunks
from passerelle.stores.qdrant import Qdrant
from tests.beside import Beside, beside, is_async
from tests.passages import KINDS, store

_WIDTH = 6  # numbers of their embeddings
_SPOT = Collection("a", "theirs", _WIDTH)

# langchain-qdrant's own documents have its `_id` and `_collection_name` in their metadata, and no id: its own store fails
# these tests too. Ours is that one in bounds, for people whose code knows it.
_ITS_OWN_WAYS = frozenset(
    {
        "test_add_documents",
        "test_deleting_documents",
        "test_deleting_bulk_documents",
        "test_add_documents_with_ids_is_idempotent",
        "test_add_documents_by_id_with_mutation",
        "test_get_by_ids",
        "test_add_documents_documents",
        "test_add_documents_with_existing_ids",
    }
)


@pytest.fixture(scope="module")
def there() -> Iterator[Beside]:
    with beside() as loop:
        yield loop


@pytest.fixture(scope="module")
def kept(there: Beside, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Chunks]]:
    """A store of each kind in the loop beside."""
    with ExitStack() as stack:
        folder = tmp_path_factory.mktemp("there")
        yield {kind: stack.enter_context(there.entered(store(kind, folder))) for kind in KINDS}


class _OverChunks(VectorStoreIntegrationTests):
    """An empty collection for each."""

    kind = "embedded"

    @pytest.fixture
    async def here(self, tmp_path: Path) -> AsyncIterator[Chunks]:
        async with store(self.kind, tmp_path) as chunks:
            yield chunks

    @pytest.fixture
    @override
    def vectorstore(self, request: pytest.FixtureRequest, there: Beside, kept: dict[str, Chunks]) -> Any:
        spot = Collection("a", request.node.name, _WIDTH)
        if is_async(request):
            return TenantVectorStore(request.getfixturevalue("here"), spot, self.get_embeddings())
        return TenantVectorStore(kept[self.kind], spot, self.get_embeddings(), loop=there.loop)


class TestEmbedded(_OverChunks):
    """Passages in files of this process."""


class TestServer(_OverChunks):
    """Passages on a Qdrant server."""

    kind = "server"


@pytest.mark.filterwarnings("ignore:Payload indexes have no effect")  # in the local mode of Qdrant's client
class TestBrought(VectorStoreIntegrationTests):
    """langchain-qdrant's store in a tenant's bounds."""

    @pytest.fixture
    @override
    def vectorstore(self, request: pytest.FixtureRequest, there: Beside) -> Any:
        if request.function.__name__.removesuffix("_async") in _ITS_OWN_WAYS:
            reason = "langchain-qdrant puts more into a document's metadata, and names no document"
            request.applymarker(pytest.mark.xfail(reason=reason, strict=True))
        with there.entered(_local()) as client:
            yield TenantQdrantVectorStore(client, _SPOT, self.get_embeddings())


@asynccontextmanager
async def _local() -> AsyncIterator[QdrantClient]:
    """A client whose server is in memory, with the collection that our store makes."""
    asked, brought = AsyncQdrantClient(":memory:"), QdrantClient(":memory:")
    same: Any = brought
    same._client.collections = asked._client.collections  # type: ignore[attr-defined]
    client = Qdrant("http://127.0.0.1:6333")
    client._client = asked
    try:
        await Server(client, patience=30).ensure(_SPOT)
        yield brought
    finally:
        await client.aclose()
        brought.close()
