"""What a piece's answers took, all of them: those that came to nothing too. No LangChain is imported here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from passerelle.domain.ask import Usage
from passerelle.domain.errors import OverLimit, PasserelleError, Refused, UpstreamFailed
from passerelle.jobs.kinds import ItemFailed, Later
from passerelle.pipelines.models.outcome import Reason, Unstructured
from passerelle.pipelines.models.spending import added, cost_of, usage_of

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
            cost, currency = cost_of((turn,), total.cost, total.currency)
            usage = added(total.usage, usage_of(turn.usage_metadata))
            engine = _engine(turn.response_metadata) or total.engine
            total = Spent(usage, cost, currency, total.calls + 1, engine)
        return total


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


def _engine(told: Mapping[str, Any]) -> str:
    names = [str(told[name]) for name in ("backend", "target") if told.get(name)]
    return "/".join(names)
