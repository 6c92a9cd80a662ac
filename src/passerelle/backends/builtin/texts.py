"""The packaged embedding model for Passerelle's own use, off the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path

from passerelle.backends.builtin import model_file
from passerelle.backends.builtin.embedder import Embedded, Embedder
from passerelle.backends.builtin.encoder import Vectors


class Texts:
    """Vectors of texts, by a model that is loaded at the first call. Whoever makes it, closes it.

    Three threads share the model, so that none of them waits for another's long texts: of the guardrails, of callers
    whose question is looked up, and of what nobody waits for. A thread begins with the first call that needs it.
    """

    def __init__(self, models: Path) -> None:
        self._embedder = Embedder(cache=models)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="texts")
        self._first = ThreadPoolExecutor(max_workers=1, thread_name_prefix="texts-first")
        self._aside = ThreadPoolExecutor(max_workers=1, thread_name_prefix="texts-aside")

    @cached_property
    def version(self) -> str:
        """Vectors of one version can be compared with each other. Raises ModelMissing."""
        return f"builtin/{model_file.packaged_version()}"

    async def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        """A vector for each text, in their order. Raises BuiltinError when the model cannot be loaded."""
        vectors: list[list[float]] = (await self._embedded(self._thread, texts)).vectors.tolist()
        return vectors

    async def rows(self, texts: Sequence[str], *, aside: bool = False) -> list[Vectors]:
        """The same as float32 arrays, each of length 1. `aside`: nobody waits for them."""
        return list((await self._embedded(self._aside if aside else self._first, texts)).vectors)

    async def _embedded(self, thread: ThreadPoolExecutor, texts: Sequence[str]) -> Embedded:
        return await asyncio.get_running_loop().run_in_executor(thread, self._embedder.embed, texts)

    async def aclose(self) -> None:
        """End the threads; work under way is finished first."""
        for thread in (self._thread, self._first, self._aside):
            await asyncio.to_thread(thread.shutdown, wait=True)
