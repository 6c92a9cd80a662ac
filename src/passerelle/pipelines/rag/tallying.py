"""What all calls of one answer cost together, also those that are made far from where it is written down.

Whoever answers opens a tally; calls that go through `counted` in the same task, or in tasks it starts, are added to it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from decimal import Decimal, InvalidOperation
from time import perf_counter
from typing import TYPE_CHECKING, Any

from passerelle.domain.ask import Ask, Usage
from passerelle.domain.caller import Caller
from passerelle.domain.money import plain

if TYPE_CHECKING:
    from passerelle.gateway.recalled import Given

UNKNOWN = "unknown"


class Tally:
    """A sum of money, of tokens, and of the time that models were waited for."""

    def __init__(self) -> None:
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
        if not usage:
            return
        asked, said = usage.get("input_token_details") or {}, usage.get("output_token_details") or {}
        now = self.usage
        self.usage = Usage(
            prompt_tokens=now.prompt_tokens + usage.get("input_tokens", 0),
            completion_tokens=now.completion_tokens + usage.get("output_tokens", 0),
            cached_tokens=now.cached_tokens + asked.get("cache_read", 0),
            cache_write_tokens=now.cache_write_tokens + asked.get("cache_creation", 0),
            reasoning_tokens=now.reasoning_tokens + said.get("reasoning", 0),
        )

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
    """The same, for calls whose answers are whole: vectors, ranks. Their costs are added to the open tally."""

    async def asked(caller: Caller, question: Ask) -> Given:
        since = perf_counter()
        given = await ask(caller, question)
        tally = _TALLY.get()
        if tally is not None and not question.stream:
            tally.add(given.cost().decode("ascii"))
            tally.waited += max(0.0, perf_counter() - since - given.overhead)
        return given

    return asked
