"""Two stores on one database, as two processes have them."""

from collections.abc import AsyncIterator

import pytest

from passerelle.idempotency.store import AnswerStore
from passerelle.stores.database import Database


@pytest.fixture
async def stores(database_url: str) -> AsyncIterator[tuple[AnswerStore, AnswerStore]]:
    databases = Database(database_url), Database(database_url)
    one, two = (AnswerStore(database) for database in databases)
    yield one, two
    for store, database in zip((one, two), databases, strict=True):
        await store.aclose()
        await database.aclose()
