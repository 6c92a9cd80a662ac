"""What a codebook and its corrections teach the learner that needs no language model, made once and kept for a while.

Kept by what it was made of, so that a codebook or a correction that is another one is learned anew. The work is done in
threads, some at a time: the event loop and other tenants go on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from passerelle.domain.catalog import Tenant
from passerelle.domain.surveys import Analysed, Codebook, Correction
from passerelle.pipelines.surveys.once import Once
from passerelle.pipelines.surveys.running_reader import Readers, TenantReader, embedder_of

if TYPE_CHECKING:
    from passerelle.pipelines.surveys.learning import Learned

_KEPT = 4  # of all tenants together; each holds its lessons as numbers, some 30 megabytes at a thousand corrections
_AT_ONCE = 2  # batches in threads

_T = TypeVar("_T")
_Key = tuple[str, str | None, Codebook, tuple[Correction, ...]]


@dataclass(frozen=True, slots=True)
class Taught:
    """A learner with the reader that it was taught with."""

    learned: Learned
    reader: TenantReader


class Teaching:
    """Learners of this process, the last few kept. Ask it in the thread of the gateway's event loop."""

    def __init__(self, readers: Readers, *, kept: int = _KEPT) -> None:
        self._readers = readers
        self._taught: Once[_Key, Taught] = Once("learn a codebook", kept=kept)
        self._gate = asyncio.Semaphore(_AT_ONCE)

    async def taught(self, tenant: Tenant, codebook: Codebook, corrections: Sequence[Correction]) -> Taught:
        """One that knows a codebook and corrections. Raises PasserelleError where the embedding model does not answer."""
        key = (tenant.name, embedder_of(tenant), codebook, tuple(corrections))
        return await self._taught.get(key, lambda: self._teach(tenant, codebook, corrections))

    async def analyse(self, taught: Taught, comments: Sequence[str]) -> list[Analysed]:
        """What it reads in each comment. Raises PasserelleError where the embedding model does not answer."""
        return await self._aside(lambda: _analyse(taught, comments))

    async def _teach(self, tenant: Tenant, codebook: Codebook, corrections: Sequence[Correction]) -> Taught:
        reader = self._readers.reader(tenant)
        return await self._aside(lambda: Taught(_learn(codebook, corrections, reader), reader))

    async def _aside(self, work: Callable[[], _T]) -> _T:
        async with self._gate:
            return await asyncio.to_thread(work)


def _learn(codebook: Codebook, corrections: Sequence[Correction], reader: TenantReader) -> Learned:
    from passerelle.pipelines.surveys.learning import learn  # noqa: PLC0415 - brings numpy

    return learn(codebook, corrections, reader)


def _analyse(taught: Taught, comments: Sequence[str]) -> list[Analysed]:
    from passerelle.pipelines.surveys.analysing import analyse  # noqa: PLC0415 - brings numpy

    return analyse(comments, taught.learned, taught.reader)
