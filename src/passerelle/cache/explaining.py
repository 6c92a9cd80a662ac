"""What would become of a question if it were asked now: looked at as a visit looks, and nothing served or counted."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from passerelle.cache.decide import COUNTED
from passerelle.cache.desk import Explained, Neighbour
from passerelle.cache.entry import Near
from passerelle.cache.features import features_of
from passerelle.cache.guard import objection
from passerelle.cache.key import Ground, prompt_version
from passerelle.cache.visit import Permits, Visit
from passerelle.domain.ask import Ask
from passerelle.domain.cache import Reason
from passerelle.domain.catalog import Tenant

if TYPE_CHECKING:
    from passerelle.cache.commons import Commons
    from passerelle.cache.trust import Trust

_SECONDS = 5.0  # nobody is served meanwhile


async def explain(
    commons: Commons,
    trust: Trust,
    visit: Visit,
    *,
    ground: Ground,
    permits: Permits,
    tenant: Tenant,
    ask: Ask,
) -> Explained:
    """What would become of it."""
    prompt = prompt_version(ask)
    if not visit.place(ground, permits):
        return Explained("bypass", visit.reason, prompt=prompt)
    verdict = visit.judge()
    if not verdict.exact and not verdict.semantic:
        return Explained("bypass", visit.reason, language=verdict.language, prompt=prompt)
    caching = tenant.cache
    if caching is not None and caching.exact:
        kept = await commons.shelf.find(tenant.name, visit.exact)
        if kept is not None and visit.fits(kept):
            return Explained("exact", None, language=verdict.language, answer=kept.id, prompt=prompt)
    spot = visit.spot()
    embedding = commons.semantics.embedding(tenant) if spot.partition else None
    if embedding is None:
        return Explained("miss", visit.reason or Reason.NEW, language=verdict.language, prompt=prompt)
    try:
        async with asyncio.timeout(_SECONDS):
            vector = await embedding.vector(verdict.text)
            sight = await commons.semantics.beside(tenant, spot, vector)
    except Exception:  # noqa: BLE001 - a visit to which that happens is a miss
        return Explained("miss", Reason.AWAY, language=verdict.language, prompt=prompt)
    given = sight.kept is not None and visit.fits(sight.kept)
    decision, controller = sight.decision, trust.of(tenant)
    needs = controller.rules[decision.notch].name if decision.notch is not None else None
    return Explained(
        "semantic" if given else "miss",
        None if given else sight.reason or visit.reason,
        language=verdict.language,
        answer=decision.cluster if given else None,
        prompt=prompt,
        rule=controller.standing().rule.name,
        needs=needs,
        confidence=decision.confidence,
        agreeing=decision.agreeing,
        near=_neighbours(verdict.text, sight.near[:COUNTED]),
    )


def _neighbours(text: str, near: Sequence[Near]) -> list[Neighbour]:
    found = []
    for one in near:
        member = one.member
        against = objection(features_of(text, member.language), features_of(member.text, member.language))
        found.append(
            Neighbour(
                member.id,
                member.cluster,
                round(one.similarity, 4),
                member.state.value,
                against.value if against is not None else None,
            )
        )
    return found
