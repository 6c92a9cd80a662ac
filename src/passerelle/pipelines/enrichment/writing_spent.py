"""What a piece's answers took, all of them: those that came to nothing too. No LangChain is imported here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from passerelle.domain.ask import Usage
from passerelle.domain.errors import OverLimit, PasserelleError, Refused, UpstreamFailed
from passerelle.domain.money import pico
from passerelle.jobs.kinds import ItemFailed, Later
from passerelle.pipelines.models.outcome import Reason, Unstructured

if TYPE_CHECKING:
    from collections.abc import Iterable

_CODES = {Reason.TRUNCATED: "answer_truncated", Reason.FILTERED: "answer_refused"}


@dataclass(frozen=True, slots=True)
class Spent:
    """Sums over answers. `cost` in pico-units of `currency`; None once one of them is not known."""

    usage: Usage = field(default_factory=Usage)
    cost: int | None = 0
    currency: str = ""
    calls: int = 0
    engine: str = ""  # of the last one

    def plus(self, turns: Iterable[Any]) -> Spent:
        """With these answers too, messages as the gateway's models give them."""
        total = self
        for turn in turns:
            total = total._with(turn.usage_metadata or {}, turn.response_metadata)
        return total

    def _with(self, used: Mapping[str, Any], told: Mapping[str, Any]) -> Spent:
        amount, currency = _money(told.get("cost"))
        if amount is None or self.cost is None or (self.currency and currency != self.currency):
            cost, currency = None, self.currency or currency
        else:
            cost = self.cost + amount
        before = self.usage
        asked, said = used.get("input_token_details") or {}, used.get("output_token_details") or {}
        usage = replace(
            before,
            prompt_tokens=before.prompt_tokens + used.get("input_tokens", 0),
            completion_tokens=before.completion_tokens + used.get("output_tokens", 0),
            cached_tokens=before.cached_tokens + asked.get("cache_read", 0),
            reasoning_tokens=before.reasoning_tokens + said.get("reasoning", 0),
        )
        return Spent(usage, cost, currency, self.calls + 1, _engine(told) or self.engine)


class NotWritten(ItemFailed):
    """A piece was not written. `usage`, `cost`, `currency` and `calls` are what its answers took all the same.

    `cause` is why: an error of the gateway, or Unstructured.
    """

    def __init__(self, cause: PasserelleError, spent: Spent) -> None:
        super().__init__(*_told(cause))
        self.retry = _may_help(cause)
        self.cause = cause
        self.usage = spent.usage
        self.cost = spent.cost
        self.currency = spent.currency
        self.calls = spent.calls


def not_written(error: PasserelleError | Later, spent: Spent) -> ItemFailed | Later | PasserelleError:
    """What to raise for an error: itself where nothing was spent or where it says when to come back."""
    if (
        isinstance(error, Unstructured)
        and error.error is not None
        and not isinstance(error.error, Unstructured)
    ):
        error = error.error
    if isinstance(error, Later | OverLimit) or (not spent.calls and not isinstance(error, Unstructured)):
        return error
    return NotWritten(error, spent)


def _told(cause: PasserelleError) -> tuple[str, str]:
    if isinstance(cause, Unstructured):
        return _CODES.get(cause.reason, cause.code), cause.message
    if isinstance(cause, UpstreamFailed):
        return "upstream_failed", cause.message
    return str(getattr(cause, "code", "unavailable")), cause.message


def _may_help(cause: PasserelleError) -> bool:
    """May another try help? An answer that is cut or kept back will be so again."""
    if isinstance(cause, Unstructured):
        return cause.reason not in _CODES
    if isinstance(cause, UpstreamFailed):
        return not cause.final
    return not isinstance(cause, Refused)


def _money(said: object) -> tuple[int | None, str]:
    """An amount with its currency, as the gateway's answers say it."""
    amount, _, currency = said.partition(" ") if isinstance(said, str) else ("", "", "")
    try:
        return pico(Decimal(amount)), currency
    except (InvalidOperation, ValueError):
        return None, ""


def _engine(told: Mapping[str, Any]) -> str:
    names = [str(told[name]) for name in ("backend", "target") if told.get(name)]
    return "/".join(names)
