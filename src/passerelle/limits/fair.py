"""Who is next among tenants who wait: deficit round robin on what their calls cost.

M. Shreedhar and G. Varghese, "Efficient Fair Queueing using Deficit Round Robin", SIGCOMM 1995. Tenants are visited
in a circle; each visit gives credit of `quantum` times the tenant's share, and calls are taken while the credit pays
for them. What is left is kept for the next visit, and lost once nobody of the tenant waits. Over any time in which two
tenants always wait, what each is served, divided by its share, differs by less than one quantum plus one largest call
of either. Pure: no clock, no tasks.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Mapping
from typing import Generic, TypeVar

QUANTUM = 1_000  # tokens; less mixes tenants more finely, more lets each take several calls in a row

Item = TypeVar("Item", bound=Hashable)


class _Queue(Generic[Item]):
    """What waits for one tenant, oldest first."""

    __slots__ = ("backlog", "credit", "items", "share", "tenant", "visited")

    def __init__(self, tenant: str) -> None:
        self.tenant = tenant
        self.share = 1
        self.items: OrderedDict[Item, int] = OrderedDict()  # with the cost of each
        self.backlog = 0  # cost of all of them
        self.credit = 0
        self.visited = False  # its turn is now, and the credit of this turn has been given

    @property
    def crowding(self) -> float:
        """How much of the waiting room it takes for its share."""
        return len(self.items) / self.share


class Fair(Generic[Item]):
    """What waits, of all tenants. An item is in it once at most."""

    __slots__ = ("_new", "_of", "_old", "_quantum", "_queues")

    def __init__(self, quantum: int = QUANTUM) -> None:
        self._quantum = quantum
        self._queues: dict[str, _Queue[Item]] = {}  # those in either circle; an empty one is yet to be passed
        self._new: OrderedDict[str, _Queue[Item]] = OrderedDict()
        self._old: OrderedDict[str, _Queue[Item]] = OrderedDict()  # the first has its turn
        self._of: dict[Item, _Queue[Item]] = {}

    def __len__(self) -> int:
        return len(self._of)

    def push(self, item: Item, *, tenant: str, share: int, cost: int) -> None:
        """Wait behind the tenant's others. Its share is the last one stated."""
        queue = self._queues.get(tenant)
        if queue is None:
            queue = self._queues[tenant] = self._new[tenant] = _Queue(tenant)
        queue.share = share
        cost = max(1, cost)
        queue.items[item] = cost
        queue.backlog += cost
        self._of[item] = queue

    def pop(self) -> Item:
        """The next one, taken out. Raises IndexError when nobody waits."""
        if not self._of:
            raise IndexError("nobody waits")
        passed = 0
        while True:
            queue = next(iter((self._new or self._old).values()))
            if not queue.items:
                self._forget(queue)
                continue
            if not queue.visited:
                queue.visited = True
                queue.credit += self._quantum * queue.share
            item, cost = next(iter(queue.items.items()))
            if cost <= queue.credit:
                queue.credit -= cost
                self._take_out(item, queue)
                if not queue.items:
                    self._emptied(queue)
                return item
            self._pass(queue)
            passed += 1
            if passed >= len(self._old) and not self._new:
                self._skip_rounds()
                passed = 0

    def remove(self, item: Item) -> bool:
        """Take it out of turn; False where it does not wait.

        Credit that was saved for it does not pay for more than the one behind it: nobody is served more because
        something large was withdrawn.
        """
        queue = self._of.get(item)
        if queue is None:
            return False
        first = next(iter(queue.items)) is item
        self._take_out(item, queue)
        if not queue.items:
            self._emptied(queue)
        elif first:
            turn = self._quantum * queue.share if queue.visited else 0
            queue.credit = min(queue.credit, next(iter(queue.items.values())) + turn)
        return True

    def ahead(self, *, tenant: str, share: int, cost: int) -> float:
        """What is served before a call of this tenant that would come now, in the same unit as `cost`.

        Of each other tenant that is what its share gives it meanwhile, and never more than it has waiting.
        """
        own = self._queues.get(tenant)
        mine = own.backlog if own else 0
        through = (mine + max(1, cost)) / share
        return mine + sum(
            min(queue.backlog, through * queue.share) for queue in self._queues.values() if queue is not own
        )

    def gives_way(self, *, tenant: str, share: int) -> Item | None:
        """Who should leave a full waiting room to a newcomer of this tenant: the newest of whoever crowds it most.

        None where this tenant would then crowd it as much itself.
        """
        if not self._of:
            return None
        most = max(self._queues.values(), key=lambda queue: queue.crowding)
        if (self.waiting(tenant) + 1) / share >= most.crowding or most.tenant == tenant:
            return None
        return next(reversed(most.items))

    def waiting(self, tenant: str) -> int:
        """How many of this tenant wait."""
        queue = self._queues.get(tenant)
        return len(queue.items) if queue else 0

    def tenants(self) -> Mapping[str, int]:
        """How many wait, of each tenant of whom any does."""
        return {queue.tenant: len(queue.items) for queue in self._queues.values() if queue.items}

    def _take_out(self, item: Item, queue: _Queue[Item]) -> None:
        del self._of[item]
        queue.backlog -= queue.items.pop(item)

    def _pass(self, queue: _Queue[Item]) -> None:
        """Its turn is over; the next one comes after everybody's."""
        queue.visited = False
        self._new.pop(queue.tenant, None)
        self._old[queue.tenant] = queue
        self._old.move_to_end(queue.tenant)

    def _emptied(self, queue: _Queue[Item]) -> None:
        """Nobody of the tenant waits any more: it loses its credit, and its place once that is passed."""
        queue.credit = 0
        if not self._of:
            self._queues.clear()
            self._new.clear()
            self._old.clear()
        elif queue.tenant in self._new and not queue.visited:
            self._forget(queue)  # it came and went, and was given nothing
        else:
            self._pass(queue)

    def _forget(self, queue: _Queue[Item]) -> None:
        del self._queues[queue.tenant]
        self._new.pop(queue.tenant, None)
        self._old.pop(queue.tenant, None)

    def _skip_rounds(self) -> None:
        """Give at once the credit of the rounds in which nobody can be served: a call may cost many quanta."""
        rounds = min(
            -(-(next(iter(queue.items.values())) - queue.credit) // (self._quantum * queue.share))
            for queue in self._old.values()
        )
        for queue in self._old.values():
            queue.credit += (rounds - 1) * self._quantum * queue.share
