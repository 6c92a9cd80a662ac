"""The packaged embedding model for Passerelle's own use, off the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from passerelle.backends.builtin.embedder import Embedder


class Texts:
    """Vectors of texts, by a model that is loaded at the first call. Whoever makes it, closes it."""

    def __init__(self, models: Path) -> None:
        self._embedder = Embedder(cache=models)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="texts")

    async def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        """A vector for each text, in their order. Raises BuiltinError when the model cannot be loaded."""
        loop = asyncio.get_running_loop()
        embedded = await loop.run_in_executor(self._thread, self._embedder.embed, texts)
        vectors: list[list[float]] = embedded.vectors.tolist()
        return vectors

    async def aclose(self) -> None:
        """End the thread; work under way is finished first."""
        await asyncio.to_thread(self._thread.shutdown, wait=True)
