"""What this process holds of the cache, and what it knows of deletions: what is deleted leaves every place in it."""

from __future__ import annotations

import secrets as chance
from collections.abc import Iterable, Sequence
from typing import Protocol
from weakref import WeakValueDictionary

from passerelle.cache.entry import Kept, Member
from passerelle.cache.graves import EVERYTHING, Graves, Labels, Mark
from passerelle.cache.memory import Memory
from passerelle.cache.seams import Clock


class Hearing(Protocol):
    """Whoever else in this process holds questions: the index hears what other processes do to them."""

    def hear(self, member: Member) -> None:
        """Another process has added or changed it."""
        ...

    def drop(self, tenant: str, *, members: Sequence[str] = (), partition: str | None = None) -> None:
        """As `Index`."""
        ...

    def clear(self) -> None:
        """Forget everything of every tenant: news may have been missed."""
        ...


class Holdings:
    """Answers, questions, generations and deletions, in one epoch. Asks nobody."""

    def __init__(self, labels: Labels, memory: Memory, clock: Clock) -> None:
        self.memory = memory
        self.labels = labels
        self.hearing: Hearing | None = None
        self.epoch = _fresh()
        self.graves = Graves()
        self.generations: dict[tuple[str, str], int] = {}  # by tenant and label
        self._clock = clock
        # Every question that anybody in this process still holds, by its identity, since there may be several of one
        # id (heard of, and loaded again): a deletion ends it wherever it is.
        self._living: dict[str, WeakValueDictionary[int, Member]] = {}

    def mark(self) -> Mark:
        """This moment among deletions."""
        return Mark(self.epoch, self.graves.seq)

    def may(self, entry: Kept | Member, mark: Mark) -> bool:
        """Is it known that nothing of it has been deleted since then?"""
        return mark.epoch == self.epoch and not self.gone(entry, mark.seq)

    def gone(self, entry: Kept | Member, since: int) -> bool:
        """Has any of it been deleted after that number?"""
        return self.graves.holds(entry.tenant, self.labels.of(entry), since)

    def enlist(self, member: Member) -> None:
        """From here on a deletion reaches it."""
        self._living.setdefault(member.tenant, WeakValueDictionary())[id(member)] = member

    def living(self, tenant: str) -> list[Member]:
        """The tenant's questions that somebody in this process holds, and that have not expired."""
        now = self._clock()
        members = self._living.get(tenant)
        return [] if members is None else [one for one in list(members.values()) if one.expires > now]

    def having(self, tenant: str, label: str) -> set[str]:
        """Ids of what is here and has the label."""
        having = self.labels.having(tenant, label)
        return {one.id for one in self.living(tenant) if having(one)} | self.memory.ids_where(having)

    def bury(self, tenant: str, label: str, seq: int) -> int:
        """The label is deleted, and that is remembered: how many entries were here."""
        self.graves.note(tenant, label, seq)
        return self.forget(tenant, label)

    def forget(self, tenant: str, label: str) -> int:
        """Drop what is here and has the label: how many entries."""
        having = self.labels.having(tenant, label)
        members = [member for member in self.living(tenant) if having(member)]
        self.end(tenant, members)
        if label == EVERYTHING and self.hearing is not None:
            self.hearing.drop(tenant)
        kind, name = label[:2], label[2:]
        if kind == "i:":  # the most frequent, and the only one that needs no look at every answer
            answer = self.memory.by_id(name)
            dropped = int(answer is not None and answer.tenant == tenant and self.memory.drop(name))
        else:
            dropped = self.memory.drop_where(having)
        return dropped + len({member.id for member in members})

    def drop(self, tenant: str, ids: Iterable[str]) -> None:
        """Drop entries by id, wherever an index has them: not only in this process."""
        names = set(ids)
        for name in names:
            answer = self.memory.by_id(name)
            if answer is not None and answer.tenant == tenant:
                self.memory.drop(name)
        self.end(tenant, [member for member in self.living(tenant) if member.id in names])
        questions = [name for name in names if name.startswith("cq_")]
        if questions and self.hearing is not None:
            self.hearing.drop(tenant, members=questions)

    def end(self, tenant: str, members: Iterable[Member]) -> None:
        """These questions are found no more."""
        ids = {}
        for member in members:
            # Who is about to add it to an index adds what is found no more.
            member.expires = 0.0
            ids[member.id] = True
        if ids and self.hearing is not None:
            self.hearing.drop(tenant, members=list(ids))

    def refuse(self, entry: Kept | Member) -> None:
        """It was deleted elsewhere before it was written."""
        if isinstance(entry, Member):
            self.end(entry.tenant, [entry])
        else:
            self.memory.drop(entry.id)

    def bump(self, tenant: str, label: str, seq: int) -> None:
        """The label has that generation, unless it has a later one."""
        self.graves.seq = max(self.graves.seq, seq)
        self.generations[tenant, label] = max(seq, self.generations.get((tenant, label), 0))

    def begin(self, epoch: str, graves: Graves, generations: dict[tuple[str, str], int]) -> None:
        """Hold nothing, and know this."""
        self._empty()
        self.epoch, self.graves, self.generations = epoch, graves, generations

    def lose(self) -> None:
        """Hold nothing and know nothing: what is kept under a generation of this time is found under no other."""
        self.begin(_fresh(), Graves(), {})

    def _empty(self) -> None:
        self.memory.clear()
        for members in self._living.values():
            for member in list(members.values()):
                member.expires = 0.0
        self._living.clear()
        if self.hearing is not None:
            self.hearing.clear()


def _fresh() -> str:
    return chance.token_hex(8)
