"""A gateway that Passerelle asks itself: what it recorded and wrote down, without a server in front."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from passerelle.backends.registry import kinds
from passerelle.gateway.edition import Editions
from passerelle.gateway.gateway import Gateway
from passerelle.gateway.record import Record
from tests.books import Ledger, pricing
from tests.serving import catalog_of, gateway_of


@dataclass
class Inside:
    """A gateway, and what it said of its calls."""

    gateway: Gateway
    editions: Editions
    ledger: Ledger
    records: list[Record]
    models: Path

    def publish(self, configuration: Mapping[str, object]) -> None:
        """Put another configuration in force."""
        self.editions.publish(catalog_of(configuration, environment={}, models=self.models))


@asynccontextmanager
async def inside(configuration: Mapping[str, object], models: Path | None = None) -> AsyncIterator[Inside]:
    """A gateway on that configuration until the block ends.

    `models` is where the packaged model's graph is kept; else a folder that goes with it.
    """
    with TemporaryDirectory(prefix="models-") as folder:
        async with _inside(configuration, models or Path(folder)) as it:
            yield it


@asynccontextmanager
async def _inside(configuration: Mapping[str, object], models: Path) -> AsyncIterator[Inside]:
    registry = kinds(models)
    catalog = catalog_of(configuration, environment={}, models=models)
    editions = Editions(catalog, lambda spec: registry[spec.kind].open(spec), pricing)
    ledger, records = Ledger(), list[Record]()
    gateway = gateway_of(
        editions, books=ledger.books, sinks=[records.append], draw=random.Random(7).random, models=models
    )
    try:
        yield Inside(gateway, editions, ledger, records, models)
    finally:
        await gateway.aclose()
        await editions.aclose()
