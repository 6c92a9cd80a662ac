"""Members and neighbours as tests name them: which cluster, how near."""

from __future__ import annotations

import numpy as np

from passerelle.cache.entry import Member, Near, State


def member(
    cluster: str, *, name: str = "m", state: State = State.VERIFIED, subjects: tuple[str, ...] = ()
) -> Member:
    """A question known to have that cluster's answer."""
    return Member(
        id=f"cq_{name}",
        tenant="t",
        partition="p",
        cluster=cluster,
        text=name,
        vector=np.zeros(4, dtype=np.float32),
        language="en",
        created=0.0,
        expires=1.0,
        state=state,
        subjects=subjects,
    )


def around(*placed: tuple[str, float]) -> list[Near]:
    """Neighbours of those clusters at those cosines, nearest first."""
    nears = [Near(cosine, member(cluster, name=str(place))) for place, (cluster, cosine) in enumerate(placed)]
    return sorted(nears, key=lambda near: -near.similarity)
