"""A process of its own for what foreign bytes might break, fill or stop: without our environment, and always ended.

Its module reads a line of JSON and then the bytes from its standard input, and holds itself to the limits in that line.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import orjson

from passerelle.domain.jobs import Values

_AT_ONCE = 256 * 1024  # bytes
_LONGEST_LINE = 64 * 1024  # bytes of what it says, where lines are read


@asynccontextmanager
async def confined(
    module: str, head: Values, content: bytes, *, line: int = _LONGEST_LINE
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A child that is told `head` and `content` while this lasts, and that has ended when it is left."""
    # Isolated and without our environment: no settings, no secrets, no paths but the installation's.
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-I",
        "-B",
        "-m",
        module,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={"LC_ALL": "C.UTF-8"},
        start_new_session=True,
        limit=line,
    )
    telling = asyncio.create_task(_tell(child.stdin, orjson.dumps(head) + b"\n", content))
    try:
        yield child
    finally:
        telling.cancel()
        if child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                child.kill()
        await asyncio.gather(telling, return_exceptions=True)
        if child.stdin is not None:
            child.stdin.close()
        await child.wait()


async def _tell(to: asyncio.StreamWriter | None, head: bytes, content: bytes) -> None:
    if to is None:
        return
    # A child that refuses early stops listening, which is no error: it says why.
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        to.write(head)
        for start in range(0, len(content), _AT_ONCE):
            to.write(content[start : start + _AT_ONCE])
            await to.drain()
        to.close()
        await to.wait_closed()
