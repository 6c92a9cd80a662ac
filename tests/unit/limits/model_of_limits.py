"""The least that says what a limit store does: a Python model that both stores are held against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from passerelle.domain.limits import Meter
from passerelle.limits.store import LEASE, SECOND, Claim

LEASE_US = int(LEASE * SECOND)


@dataclass
class Model:
    now: int = 1_000 * SECOND
    level: dict[str, tuple[float, int]] = field(default_factory=dict)
    place: dict[str, dict[str, int]] = field(default_factory=dict)
    held: dict[str, tuple[int, dict[str, int]]] = field(default_factory=dict)  # call: end of lease, costs
    known: dict[str, dict[str, Claim]] = field(default_factory=dict)
    settled: set[str] = field(default_factory=set)

    def used(self, claim: Claim) -> float:
        if claim.meter is Meter.CALLS:
            return sum(until > self.now for until in self.place.get(claim.name, {}).values())
        level, at = self.level.get(claim.name, (0.0, self.now))
        return max(0.0, level - (self.now - at) * claim.limit / 60e6)

    def wanted(self, call: str, claim: Claim) -> int:
        if call in self.settled:
            return 0
        if claim.meter is Meter.CALLS:
            return claim.cost if self.place.get(claim.name, {}).get(call, 0) <= self.now else 0
        until, costs = self.held.get(call, (0, {}))
        return max(0, claim.cost - (costs.get(claim.name, 0) if until > self.now else 0))

    def acquire(self, call: str, claims: Sequence[Claim]) -> bool:
        wanted = [self.wanted(call, claim) for claim in claims]
        pairs = list(zip(claims, wanted, strict=True))
        if any(more and self.used(claim) + more > claim.limit * (1 + 1e-12) for claim, more in pairs):
            return False
        if call in self.settled:
            return True
        for claim, more in pairs:
            self.known.setdefault(call, {})[claim.name] = claim
            if more:
                until, costs = self.held.get(call, (0, {}))
                if until <= self.now:
                    until, costs = self.now + LEASE_US, {}
                self.held[call] = until, costs
                if claim.meter is Meter.CALLS:
                    self.place.setdefault(claim.name, {})[call] = until
                else:
                    self.level[claim.name] = self.used(claim) + more, self.now
                    costs[claim.name] = claim.cost
        return True

    def settle(self, call: str, used: Mapping[str, int]) -> None:
        until, costs = self.held.pop(call, (0, {}))
        for name, claim in self.known.pop(call, {}).items():
            self.settled.add(call)
            if claim.meter is Meter.CALLS:
                self.place.get(name, {}).pop(call, None)
            elif name in used:
                took = costs.get(name, 0) if until > self.now else 0
                self.level[name] = max(0.0, self.used(claim) + used[name] - took), self.now

    def renew(self, call: str) -> None:
        until, costs = self.held.get(call, (0, {}))
        self.held[call] = self.now + LEASE_US, costs if until > self.now else {}
        for name, claim in self.known[call].items():
            if claim.meter is Meter.CALLS:
                self.place.setdefault(name, {})[call] = self.now + LEASE_US
