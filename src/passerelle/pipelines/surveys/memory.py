"""`Memory`: what a tenant's corrections teach. All of it, as it was at a revision; or the examples that fit a comment.

What taught at a revision is the same for ever, whatever is corrected and revoked after. Examples are looked for in the index
and read from PostgreSQL: what is not taught there is no example, whatever the index still has. Where the index cannot be
asked nobody is given fewer examples: it raises Unavailable.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import replace

from sqlalchemy import text as statement
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.domain.retrieval import MOST_HITS
from passerelle.domain.survey_work import Kept
from passerelle.domain.surveys import Codebook, Correction
from passerelle.pipelines.surveys.asking_seams import Embed
from passerelle.pipelines.surveys.corrections_lineage import Lineage
from passerelle.pipelines.surveys.corrections_rows import (
    CORRECTION,
    HOLDS,
    holding,
    kept_of,
    lineage,
    newest_revision,
)
from passerelle.pipelines.surveys.memory_choice import Candidate, Rarity, choose
from passerelle.pipelines.surveys.memory_held import held_out
from passerelle.pipelines.surveys.memory_index import EVERY, Index, meant
from passerelle.pipelines.surveys.once import Once
from passerelle.pipelines.surveys.sealed import BOUND
from passerelle.retrieval.store import Chunks
from passerelle.sealing.values import Opener, Sealing, Unsealed
from passerelle.stores.database import Database

_MORE = 6  # candidates for each example that is wanted
_FEWEST = 40
_MOST_REVOKED = 64  # that still taught at the revision asked for, and are in no index any more
_MOST_KNOWN = 1_024  # vectors of such
_MOST_WEIGHED = 5_000  # corrections, the newest, that words are weighed by
_MOST_WEIGHTS = 8  # revisions whose words' weights are kept

_TEACHES = statement(f"""
SELECT EXISTS (SELECT FROM survey_correction
    WHERE tenant = :tenant AND codebook = :codebook AND {HOLDS}) AS teaches
""")  # noqa: S608 - constants
_CANDIDATES = statement(f"""
SELECT {CORRECTION} FROM survey_correction WHERE tenant = :tenant AND codebook = :codebook AND {HOLDS}
    AND id = ANY(CAST(:ids AS text[]))
UNION ALL (
    SELECT {CORRECTION} FROM survey_correction WHERE tenant = :tenant AND codebook = :codebook AND {HOLDS}
        AND revoked_revision > :revision AND id <> ALL(CAST(:ids AS text[]))
    ORDER BY revision DESC LIMIT :revoked)
""")  # noqa: S608 - constants
_NEWEST = statement(f"""
SELECT {CORRECTION} FROM survey_correction WHERE tenant = :tenant AND codebook = :codebook AND {HOLDS}
ORDER BY revision DESC LIMIT :most
""")  # noqa: S608 - constants
_TEXTS = statement(f"""
SELECT text FROM survey_correction WHERE tenant = :tenant AND codebook = :codebook AND {HOLDS}
ORDER BY revision DESC LIMIT :most
""")  # noqa: S608 - constants


class Memory:
    """What corrections of every tenant teach it, and nobody else.

    `mark`: by a tenant's name, which model embeds its texts. `every`: seconds after which the index is counted again.
    """

    def __init__(
        self,
        *,
        database: Database,
        chunks: Callable[[], Awaitable[Chunks]],
        mark: Callable[[str], str] = lambda _: "",
        every: float = EVERY,
        seals: Sealing | None = None,
    ) -> None:
        self._database = database
        self._seals: Sealing = seals or Unsealed()
        self._index = Index(database=database, chunks=chunks, mark=mark, every=every, seals=self._seals)
        self._vectors: dict[tuple[str, str], Sequence[float]] = {}  # by the mark and the correction's id
        self._mark = mark
        self._rarities: Once[tuple[str, str, int], Rarity] = Once("weigh words", kept=_MOST_WEIGHTS)

    async def taught(
        self, tenant: str, codebook: Codebook, revision: int | None = None
    ) -> Sequence[Correction]:
        """What taught at a revision (None: the newest), in the order in which it was said, in that version's ids."""
        opener = await self._seals.opener(tenant)
        async with self._database.begin() as connection:
            if revision is None:
                revision = await newest_revision(connection, tenant, codebook.name)
            kept = await holding(connection, tenant, codebook.name, revision, opener)
            traced = await lineage(connection, tenant, codebook.name)
        return [found.correction for found in _mapped(kept, traced, codebook.version)]

    async def index(self, tenant: str, codebook: str, embed: Embed | None) -> None:
        """Bring the index up to date. Raises Unavailable, and what `embed` raises."""
        await self._index.sweep(tenant, codebook, embed)

    async def examples(  # noqa: PLR0913 - whose, of what, and how to choose
        self,
        tenant: str,
        codebook: Codebook,
        text: str,
        language: str,
        *,
        revision: int,
        k: int,
        embed: Embed | None = None,
        apart: bool = False,
        taken_for: Collection[str] = (),
    ) -> Sequence[Correction]:
        """At most `k` corrections of a revision that help with a comment, the most helpful first.

        `taken_for`: the categories that the comment is taken for by the learner that needs no language model.
        `embed` None: by words alone. `apart`, for measurements: neither what is nearly the comment itself, nor what is
        kept out of learning to measure by. Raises Unavailable where the index cannot be asked, and what `embed` raises.
        """
        if k < 1 or not await self._teaches(tenant, codebook.name, revision):
            return []
        most = min(MOST_HITS, max(_FEWEST, _MORE * k))
        hits = await self._index.search(
            tenant, codebook.name, text, language=language, embed=embed, revision=revision, most=most
        )
        cosines = {hit.chunk.id: hit.parts.dense for hit in hits}
        values = {"tenant": tenant, "codebook": codebook.name, "revision": revision}
        opener = await self._seals.opener(tenant)
        async with self._database.begin() as connection:
            kept = await _candidates(connection, values, list(cosines), most, opener)
            traced = await lineage(connection, tenant, codebook.name)
        found = _mapped(kept, traced, codebook.version)
        if apart:
            found = [one for one in found if not held_out(one.correction.text)]
        if embed is not None:
            found = await self._measured(tenant, text, found, cosines, embed)
        rarity = await self._rarity(tenant, codebook.name, revision)
        return choose(text, language, found, k, apart=apart, rarity=rarity, taken_for=taken_for)

    async def drop(self, tenant: str, codebook: str) -> None:
        """Delete the index of a codebook's corrections. Raises Unavailable."""
        self._rarities.drop(lambda key: key[:2] == (tenant, codebook))
        await self._index.drop(tenant, codebook)

    async def _rarity(self, tenant: str, codebook: str, revision: int) -> Rarity:
        """How much words say among the corrections of a revision, which stays as it is."""
        key = (tenant, codebook, revision)
        return await self._rarities.get(key, lambda: self._weighed(*key))

    async def _weighed(self, tenant: str, codebook: str, revision: int) -> Rarity:
        values = {"tenant": tenant, "codebook": codebook, "revision": revision, "most": _MOST_WEIGHED}
        async with self._database.begin() as connection:
            sealed = list((await connection.execute(_TEXTS, values)).scalars())
        opener = await self._seals.opener(tenant)
        texts = [opener.open_text(each, BOUND) for each in sealed]
        return await asyncio.to_thread(Rarity, texts)

    async def _teaches(self, tenant: str, codebook: str, revision: int) -> bool:
        values = {"tenant": tenant, "codebook": codebook, "revision": revision}
        async with self._database.begin() as connection:
            return bool((await connection.execute(_TEACHES, values)).scalar())

    async def _measured(
        self,
        tenant: str,
        text: str,
        found: Sequence[Candidate],
        cosines: Mapping[str, float | None],
        embed: Embed,
    ) -> list[Candidate]:
        """With cosines: of the index, or worked out for those that it does not have or found by words only."""
        mark = self._mark(tenant)
        lacking = [one for one in found if cosines.get(one.kept.id) is None]
        if not lacking:
            return [Candidate(one.kept, one.correction, cosines[one.kept.id]) for one in found]
        vectors = {
            one.kept.id: self._vectors[mark, one.kept.id]
            for one in lacking
            if (mark, one.kept.id) in self._vectors
        }
        new = [one for one in lacking if one.kept.id not in vectors]
        own, *others = await embed([meant(one) for one in (text, *(one.correction.text for one in new))])
        vectors |= {one.kept.id: vector for one, vector in zip(new, others, strict=True)}
        if len(self._vectors) + len(others) > _MOST_KNOWN:
            self._vectors.clear()
        self._vectors |= {(mark, one): vector for one, vector in vectors.items()}
        worked_out = {one: _cosine(own, vector) for one, vector in vectors.items()}
        return [
            Candidate(one.kept, one.correction, worked_out.get(one.kept.id, cosines.get(one.kept.id)))
            for one in found
        ]


async def _candidates(
    connection: AsyncConnection,
    values: Mapping[str, object],
    ids: Sequence[str],
    most: int,
    opener: Opener,
) -> list[Kept]:
    """What the index found and what it has no more; the newest, too, where that is little."""
    rows = await connection.execute(_CANDIDATES, {**values, "ids": ids, "revoked": _MOST_REVOKED})
    kept = {row.id: kept_of(row, opener) for row in rows}
    if len(kept) < most:
        rows = await connection.execute(_NEWEST, {**values, "most": most})
        kept |= {row.id: kept_of(row, opener) for row in rows}
    return list(kept.values())


def _mapped(kept: Sequence[Kept], traced: Lineage, version: int) -> list[Candidate]:
    """Those that say something in that version. Whoever taught then is not revoked, whatever became of it."""
    both = ((one, traced.mapped(replace(one.correction, revoked=False), version)) for one in kept)
    return [Candidate(one, correction) for one, correction in both if correction is not None]


def _cosine(one: Sequence[float], other: Sequence[float]) -> float:
    length = math.sqrt(sum(x * x for x in one) * sum(x * x for x in other))
    return sum(x * y for x, y in zip(one, other, strict=True)) / length if length else 0.0
