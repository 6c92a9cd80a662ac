"""What is still to be erased elsewhere: none of it is found meanwhile. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Erasure:
    """Of one tenant: members by id, whole partitions, or everything."""

    tenant: str
    members: set[str] = field(default_factory=set)
    partitions: set[str] = field(default_factory=set)
    everything: bool = False

    def covers(self, partition: str, member: str) -> bool:
        """Is that member among it?"""
        return self.everything or partition in self.partitions or member in self.members

    def covers_all(self, partition: str) -> bool:
        """Is the whole partition among it?"""
        return self.everything or partition in self.partitions

    def take(self, other: Erasure) -> None:
        """Do that as well."""
        self.everything = self.everything or other.everything
        self.partitions |= other.partitions
        self.members |= other.members
        if self.everything:
            self.partitions.clear()
            self.members.clear()


class Erasures:
    """By tenant, in the order in which they were asked for."""

    def __init__(self) -> None:
        self._waiting: dict[str, Erasure] = {}
        self._under_way: Erasure | None = None

    def __bool__(self) -> bool:
        return bool(self._waiting) or self._under_way is not None

    def ask(self, tenant: str, *, members: Iterable[str], partition: str | None) -> None:
        """With neither members nor a partition: everything of the tenant."""
        ids = set(members)
        wanted = Erasure(
            tenant, ids, set() if partition is None else {partition}, not ids and partition is None
        )
        known = self._waiting.setdefault(tenant, wanted)
        if known is not wanted:
            known.take(wanted)

    def begin(self) -> Erasure | None:
        """The next one; `done` or `failed` follows."""
        if self._under_way is None and self._waiting:
            self._under_way = self._waiting.pop(next(iter(self._waiting)))
        return self._under_way

    def done(self) -> None:
        """What was begun has happened."""
        self._under_way = None

    def failed(self) -> None:
        """It has to be done again, with what has come since."""
        begun, self._under_way = self._under_way, None
        if begun is not None:
            known = self._waiting.get(begun.tenant)
            if known is None:
                self._waiting[begun.tenant] = begun
            else:
                known.take(begun)

    def of(self, tenant: str) -> list[Erasure]:
        """What waits or is under way for a tenant."""
        begun = self._under_way
        found = [begun] if begun is not None and begun.tenant == tenant else []
        waiting = self._waiting.get(tenant)
        return [*found, waiting] if waiting is not None else found
