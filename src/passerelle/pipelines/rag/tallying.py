"""What all calls of one answer cost together, also those that are made far from where it is written down.

Whoever answers opens a tally; calls that go through `counted` in the same task, or in tasks it starts, are added to it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from time import perf_counter
from typing import TYPE_CHECKING, Any

from passerelle.domain.ask import Ask, Usage
from passerelle.domain.caller import Caller
from passerelle.domain.money import plain
from passerelle.pipelines.models.spending import added, usage_of

if TYPE_CHECKING:
    from passerelle.gateway.recalled import Given

UNKNOWN = "unknown"


class Tally:
    """A sum of money, of tokens, and of the time that models were waited for."""

    def __init__(self) -> None:
        self.subject = ""  # the pseudonym of whom the answer is for
        self._amount = Decimal(0)
        self._currency: str | None = None
        self._known = True
        self.usage = Usage()
        self.waited = 0.0  # seconds

    def add(self, cost: str) -> None:
        """An amount and a currency, or `unknown`."""
        amount, _, currency = cost.partition(" ")
        try:
            number = Decimal(amount)
        except InvalidOperation:
            self._known = False
            return
        if self._currency is not None and currency != self._currency:
            self._known = False  # two currencies have no sum
        self._currency = currency
        self._amount += number

    def used(self, usage: Mapping[str, Any] | None) -> None:
        """LangChain's `usage_metadata` of a call."""
        self.usage = added(self.usage, usage_of(usage))

    def cost(self, currency: str) -> str:
        """The sum; `currency` is of nothing, where nothing was asked."""
        return f"{plain(self._amount)} {self._currency or currency}" if self._known else UNKNOWN


_TALLY: ContextVar[Tally | None] = ContextVar("rag_tally", default=None)


@contextmanager
def tallied(tally: Tally) -> Iterator[None]:
    """What is asked through `counted` in this block is added. No generator yields inside of it."""
    token = _TALLY.set(tally)
    try:
        yield
    finally:
        _TALLY.reset(token)


def counted(
    ask: Callable[[Caller, Ask], Awaitable[Given]],
) -> Callable[[Caller, Ask], Awaitable[Given]]:
    """The same, for calls whose answers are whole: vectors, ranks. Their costs are added to the open tally.

    They are made for the person that the tally is of.
    """

    async def asked(caller: Caller, question: Ask) -> Given:
        since = perf_counter()
        tally = _TALLY.get()
        if tally is not None and tally.subject:
            question = replace(question, subject=tally.subject)
        given = await ask(caller, question)
        if tally is not None and not question.stream:
            tally.add(given.cost().decode("ascii"))
            tally.waited += max(0.0, perf_counter() - since - given.overhead)
        return given

    return asked
