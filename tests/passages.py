"""Passages for tests: short ones in French and English, and stores to put them in."""

from __future__ import annotations

import math
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from passerelle.domain.retrieval import Chunk, Collection, Hit, Mode, Query
from passerelle.retrieval.embedded import Embedded
from passerelle.retrieval.sealed import Sealed
from passerelle.retrieval.server import Server
from passerelle.retrieval.store import Chunks
from passerelle.stores.qdrant import Qdrant
from tests.fakes.qdrant import QdrantFake
from tests.sealing import KeysAtHand

WIDTH = 8
KINDS = ("embedded", "server", "sealed")


@asynccontextmanager
async def store(kind: str, folder: Path) -> AsyncIterator[Chunks]:
    """A store of that kind; the server's is Qdrant's engine behind a stand-in for its REST routes.

    The sealed one stands before the embedded one.
    """
    if kind == "sealed":
        sealed = Sealed(Embedded(folder), KeysAtHand())
        try:
            yield sealed
        finally:
            await sealed.aclose()
        return
    if kind == "embedded":
        embedded = Embedded(folder)
        try:
            yield embedded
        finally:
            await embedded.aclose()
        return
    async with QdrantFake() as server:
        client = Qdrant(server.url)
        try:
            yield Server(client, patience=30)
        finally:
            await client.aclose()


def collection(tenant: str = "a", name: str = "c", width: int = WIDTH) -> Collection:
    return Collection(tenant, name, width)


def vector(number: int, width: int = WIDTH) -> list[float]:
    """A direction of its own for each number."""
    source = random.Random(number)
    drawn = [source.gauss(0, 1) for _ in range(width)]
    length = math.sqrt(sum(x * x for x in drawn))
    return [x / length for x in drawn]


def passage(number: int, text: str = "", **fields: Any) -> Chunk:
    fields.setdefault("document", f"d{number}")
    return Chunk(id=f"p{number}", text=text or f"Passage numéro {number}.", **fields)


def words(text: str, **fields: Any) -> Query:
    return Query(text=text, mode=Mode.TEXT, **fields)


def meaning(number: int, **fields: Any) -> Query:
    return Query(vector=vector(number), mode=Mode.DENSE, **fields)


def both(text: str, number: int, **fields: Any) -> Query:
    return Query(text=text, vector=vector(number), mode=Mode.HYBRID, **fields)


def ids(hits: Sequence[Hit]) -> list[str]:
    return [hit.chunk.id for hit in hits]
