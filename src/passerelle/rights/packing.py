"""An export as a file: one JSON document, or a ZIP with one for each store, made as it is read. Never much in memory."""

from __future__ import annotations

import io
import zipfile
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence

import orjson

from passerelle.domain.privacy import Values

Parts = Callable[[str], AsyncIterator[bytes]]  # of a store: pieces of a list's inside


async def as_json(head: Values, stores: Sequence[str], parts: Parts) -> AsyncGenerator[bytes, None]:
    """One document: the head's members, then `stores` with a list for each."""
    yield orjson.dumps(dict(head))[:-1] + b',"stores":{'
    for place, store in enumerate(stores):
        yield (b"," if place else b"") + b"\n" + orjson.dumps(store) + b":["
        async for block in _list(parts(store)):
            yield block
        yield b"]"
    yield b"\n}}\n"


async def as_zip(head: Values, stores: Sequence[str], parts: Parts) -> AsyncGenerator[bytes, None]:
    """`export.json` with the head, and a file for each store, also for those with nothing."""
    outlet = _Outlet()
    with zipfile.ZipFile(outlet, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("export.json", orjson.dumps(dict(head), option=orjson.OPT_INDENT_2))
        for store in stores:
            with packed.open(f"{store}.json", "w", force_zip64=True) as file:
                file.write(b"[")
                async for block in _list(parts(store)):
                    file.write(block)
                    if said := outlet.taken():
                        yield said
                file.write(b"]\n")
            yield outlet.taken()
    yield outlet.taken()


async def _list(parts: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    first = True
    async for part in parts:
        yield b"\n" if first else b",\n"
        yield part
        first = False


class _Outlet(io.RawIOBase):
    """Where a ZIP is written to and read from at once. It cannot seek, so that nothing is written twice."""

    def __init__(self) -> None:
        super().__init__()
        self._waiting = bytearray()

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, block: object) -> int:
        """Keep it until it is taken."""
        said = bytes(block)  # type: ignore[call-overload]
        self._waiting += said
        return len(said)

    def taken(self) -> bytes:
        """What was written since."""
        said = bytes(self._waiting)
        self._waiting.clear()
        return said
