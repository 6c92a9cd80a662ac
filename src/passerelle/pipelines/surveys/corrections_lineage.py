"""What became of a codebook's categories from version to version, and so what a correction of one says about another.

An id stays itself as long as every version between has it; where `merged` names what took its place, it is that from then
on. One that is gone and comes back later is another category of the same name. A version is made from the one before, or
from an earlier one where those between were refused: what these did with an id is then no part of its way. Versions never
change, so neither does this.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from passerelle.domain.surveys import Correction

GONE = "\0"  # stands before an id that a later version has no more


@dataclass(frozen=True, slots=True)
class Lineage:
    """The ids of every version, and what was merged into what when it was made.

    `bases`: versions that were not made from the one before, and from which one.
    """

    ids: Mapping[int, frozenset[str]]
    merged: Mapping[int, Mapping[str, str]]
    bases: Mapping[int, int] = field(default_factory=dict)

    def traced(self, ids: Collection[str], since: int, until: int) -> tuple[str, ...]:
        """What ids of a version are in a later one, each once; those that are gone are marked so, and never meet others."""
        found = dict.fromkeys(self._step(one, since, until) for one in ids)
        return tuple(found)

    def mapped(self, correction: Correction, version: int) -> Correction | None:
        """What it says in terms of that version; None: nothing at all.

        Labels that the version does not have are dropped. A correction that is left without one says nothing of
        categories: that its labels are gone does not mean that none fits. That none fitted is not known of categories
        that came later.
        """
        right = correction.right
        if right:
            right = self._known(right, correction.codebook, version) or None
        elif right == () and not self.ids.get(version, frozenset()) <= self._descent(
            correction.codebook, version
        ):
            right = None
        if right is None and correction.right_polarity is None:
            return None
        wrong = self._known(correction.wrong, correction.codebook, version) if right is not None else ()
        wrong = tuple(one for one in wrong if one not in (right or ()))
        return replace(correction, right=right, wrong=wrong, codebook=version)

    def _known(self, ids: Collection[str], since: int, until: int) -> tuple[str, ...]:
        if until >= since:
            return tuple(one for one in self.traced(ids, since, until) if not one.startswith(GONE))
        earlier = self.ids.get(until, frozenset())
        return tuple(one for one in ids if one in earlier and self._step(one, until, since) == one)

    def _descent(self, since: int, until: int) -> frozenset[str]:
        """The categories of a version that those of another one have become, or came from."""
        if until >= since:
            return frozenset(self.traced(self.ids.get(since, frozenset()), since, until))
        later = self.ids.get(since, frozenset())
        return frozenset(
            one for one in self.ids.get(until, frozenset()) if self._step(one, until, since) in later
        )

    def _step(self, identity: str, since: int, until: int) -> str:
        fork, way = self._way(since, until)
        if identity not in self.ids.get(since, frozenset()) or (
            fork != since
            and (
                identity not in self.ids.get(fork, frozenset())
                or self._step(identity, fork, since) != identity
            )
        ):
            return f"{GONE}{since}{GONE}{identity}"
        for version in way:
            identity = self.merged.get(version, {}).get(identity, identity)
            if identity not in self.ids.get(version, frozenset()):
                return f"{GONE}{version}{GONE}{identity}"
        return identity

    def _way(self, since: int, until: int) -> tuple[int, list[int]]:
        """The newest version that both were made from, which may be `since`, and those from there to `until`."""
        way: list[int] = []
        while since != until:
            if until > since:
                way.append(until)
                until = self.bases.get(until, until - 1)
            else:
                since = self.bases.get(since, since - 1)
        return since, way[::-1]
