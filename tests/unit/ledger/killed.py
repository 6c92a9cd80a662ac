"""Two programs that are killed: one that writes tries and drains its own, one that drains what dead ones left.

Arguments: `writer` or `drainer`, the database's address, the spool's folder, and for a writer its witness: a file
that gets a line after each call that returned.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

from passerelle.ledger.drain import Drain
from passerelle.ledger.spool import Spool
from passerelle.stores.database import Database
from tests.unit.ledger.events import began, ended


def write(spool: Spool, witness: int) -> None:
    """Tries at speed, eight at a time in flight, for ever."""
    chance = random.Random(os.getpid())
    running: list[int] = []
    number = 0
    while True:
        number += 1
        spool.begin(replace(began(number), attempt_id=f"{spool.owner}-{number}", request_id=""))
        os.write(witness, f"b {spool.owner}-{number} {number}\n".encode())
        running.append(number)
        if len(running) > 8:
            done = running.pop(chance.randrange(8))
            spool.end(replace(ended(done), attempt_id=f"{spool.owner}-{done}"))
            os.write(witness, f"e {spool.owner}-{done} {done}\n".encode())
        if number % 40 == 0:
            time.sleep(0.02)


async def main(role: str, address: str, root: Path, *, witness: str = "") -> None:
    """Until it is killed."""
    database = Database(address)
    spool = None
    if role == "writer":
        spool = Spool(root, segment_bytes=30_000)
        handle = os.open(witness, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        threading.Thread(target=write, args=(spool, handle), daemon=True).start()
    print("ready", flush=True)
    await Drain(database, root, own=spool, seconds=0.01).run()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), witness="".join(sys.argv[4:])))
