"""A worker as a victim: `python -m tests.kill.worker ADDRESS WITNESS` runs items until it is killed."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from passerelle.domain.jobs import Item
from passerelle.jobs.bell import Bell
from passerelle.jobs.kinds import Context
from passerelle.jobs.worker import Pace, Worker
from passerelle.stores.database import Database

CONCURRENCY = 4


@dataclass
class Witnessed:
    """Says in a file which items it begins, before it does them."""

    witness: int
    name: str = "essay"
    attempts: int = 3
    seconds: float = 30.0

    async def run(self, item: Item, context: Context) -> Mapping[str, Any]:
        os.write(self.witness, f"{item.key}\n".encode())
        await asyncio.sleep(0.02)
        return {"did": item.key}


async def main(address: str, witness: str) -> None:
    """Work until killed."""
    kind = Witnessed(os.open(witness, os.O_WRONLY | os.O_APPEND | os.O_CREAT))
    database = Database(address)
    bell = Bell(database)
    worker = Worker(database, {kind.name: kind}, bell, pace=Pace(CONCURRENCY, lease=1.0))
    await asyncio.gather(bell.run(), worker.run())


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
