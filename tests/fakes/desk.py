"""A desk of the cache over a dictionary, for the routes that stand before it."""

from __future__ import annotations

from dataclasses import dataclass, field

from passerelle.cache.desk import Entry, Explained, Neighbour, Promise, Purge, Stats
from passerelle.domain.ask import Ask
from passerelle.domain.cache import Reason

PROMISE = Promise(0.01, 0.008, "guarded", 2, 40, 600, 1, next_bound=0.02)


def entry_of(answer: str, *, model: str = "assistant", tags: tuple[str, ...] = ()) -> Entry:
    """An entry of that id."""
    return Entry(answer, model, "chat/completions", 1000.0, 4600.0, "gpu", "gpu/m", "self", "FR", tags=tags)


@dataclass
class DeskFake:
    """Entries by tenant and id; `users` says whom an entry was given to."""

    entries: dict[str, dict[str, Entry]] = field(default_factory=dict)
    users: dict[str, str] = field(default_factory=dict)
    verdicts: list[tuple[str, str, bool]] = field(default_factory=list)
    asked: list[Ask] = field(default_factory=list)

    async def stats(self, tenant: str) -> Stats:
        """Figures of a tenant that has both sides."""
        held = len(self.entries.get(tenant, {}))
        return Stats(
            tenant, 1000.0, exact=True, semantic=True, looks={"exact": 3, "semantic": 1, "miss": 4},
            bypassed={"tools": 2}, answers=held, bytes=held * 100, promise=PROMISE,
        )  # fmt: skip

    async def purge(self, tenant: str, what: Purge) -> int | None:
        """By tag: counted. By anything else: all of them, uncounted."""
        held = self.entries.get(tenant, {})
        if what.tag is None:
            held.clear()
            return None
        gone = [name for name, entry in held.items() if what.tag in entry.tags]
        for name in gone:
            del held[name]
        return len(gone)

    async def entry(self, tenant: str, answer: str) -> Entry | None:
        """As it was given."""
        return self.entries.get(tenant, {}).get(answer)

    async def drop(self, tenant: str, answer: str) -> bool:
        """Delete one."""
        return self.entries.get(tenant, {}).pop(answer, None) is not None

    async def feedback(self, tenant: str, answer: str, *, wrong: bool) -> bool:
        """Note it."""
        if await self.entry(tenant, answer) is None:
            return False
        self.verdicts.append((tenant, answer, wrong))
        return True

    async def explain(self, tenant: str, ask: Ask, *, key_id: str) -> Explained:
        """A miss beside one neighbour."""
        self.asked.append(ask)
        near = Neighbour("cq_1", "ca_1", 0.91, "verified", "numbers")
        return Explained(
            "miss", Reason.DOUBTED, "fr", rule="strict", needs="guarded", confidence=0.95, agreeing=5, near=[near]
        )  # fmt: skip

    async def forget(self, tenant: str, user: str) -> int:
        """Delete what the user was given."""
        gone = [name for name in self.entries.get(tenant, {}) if self.users.get(name) == user]
        for name in gone:
            del self.entries[tenant][name]
        return len(gone)
