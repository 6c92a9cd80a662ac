"""LangChain's own tests of retrievers, over a tenant's collection: its plain ones run beside the loop that it lives in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from langchain_core.retrievers import BaseRetriever
from langchain_tests.integration_tests import RetrieversIntegrationTests

from passerelle.domain.caller import Caller, Role
from passerelle.domain.rag import Found, Seeking
from passerelle.pipelines.rag.retriever import CollectionRetriever
from tests.beside import Beside, beside
from tests.passages import passage


class _Room:
    """Finds as many passages as are asked for, five where nothing is said."""

    async def search(self, caller: Caller, seeking: Seeking) -> Sequence[Found]:
        return [Found(passage(number), 1 / (1 + number)) for number in range(seeking.k or 5)]


@pytest.fixture(scope="module")
def there() -> Iterator[Beside]:
    with beside() as loop:
        yield loop


class TestCollection(RetrieversIntegrationTests):
    """A collection's retriever."""

    where: Beside

    @pytest.fixture(autouse=True)
    def _there(self, there: Beside) -> None:
        self.where = there

    @property
    def retriever_constructor(self) -> type[BaseRetriever]:
        return CollectionRetriever

    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        caller = Caller("key_m", "acme", Role.MEMBER)
        return {"reading": _Room(), "caller": caller, "collection": "docs", "loop": self.where.loop}

    @property
    def retriever_query_example(self) -> str:
        return "Sous combien de jours suis-je livré ?"
