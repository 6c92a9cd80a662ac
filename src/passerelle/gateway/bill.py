"""`Bill`: opened once, settled once, whatever happens in between: money and tokens held, tries written down, a record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from time import monotonic

import structlog

from passerelle.domain.ask import Ask, Usage
from passerelle.domain.billing import Budget, OnExceed
from passerelle.domain.caller import Caller
from passerelle.domain.catalog import Target, Tenant
from passerelle.domain.errors import UpstreamFailed
from passerelle.domain.guardrails import Verdict
from passerelle.domain.limits import Standing
from passerelle.gateway.books import Books
from passerelle.gateway.edition import Edition
from passerelle.gateway.pricing import Charged
from passerelle.gateway.record import Attempt, Outcome, Record, Sink
from passerelle.gateway.trial import Foreseen, Trial, sizes
from passerelle.ledger.holds import Hold
from passerelle.limits.limiter import Permit
from passerelle.routing.plan import Plan

_log = structlog.get_logger(__name__)

_MARGIN = 60.0  # seconds that a hold outlives the longest try
_UNUSED = frozenset({Outcome.REFUSED, Outcome.CACHED, Outcome.FAILED})


class Bill:
    """Holds what a request may cost, writes down its tries, and hands every sink exactly one record of it."""

    __slots__ = ("_ask", "_books", "_caller", "_charged", "_edition", "_hold", "_left", "_permit", "_plan", "_settled", "_sinks", "_sizes",
                 "_tenant", "_trial", "attempts", "opened", "replaced", "usage", "verdicts")  # fmt: skip

    def __init__(
        self,
        caller: Caller,
        ask: Ask,
        *,
        tenant: Tenant,
        edition: Edition,
        books: Books,
        sinks: Sequence[Sink],
    ) -> None:
        self._caller = caller
        self._ask = ask
        self._tenant = tenant
        self._edition = edition
        self._books = books
        self._sinks = sinks
        self._settled = False
        self._hold: Hold | None = None
        self._permit: Permit | None = None
        self._plan: Plan | None = None
        self._sizes: tuple[int, int] | None = None  # the most tokens of each side
        self._trial: Trial | None = None
        self._charged = 0  # pico-units, of tries that are over
        self._left = False  # did the caller leave a try before there was anything of an answer?
        self.opened = monotonic()
        self.attempts: list[Attempt] = []
        self.usage: Usage | None = None
        self.verdicts: list[Verdict] = []
        self.replaced: Mapping[str, int] = {}  # personal data, by kind

    def names(self, model: str) -> None:
        """The model that was asked for by an alias: it is budgeted, sold and written down by its own name."""
        if model != self._ask.model:
            self._ask = replace(self._ask, model=model)

    def redacted(self, ask: Ask, counts: Mapping[str, int]) -> None:
        """What is written down is of the ask without personal data; how often each kind was replaced."""
        self._ask = replace(self._ask, body=ask.body)
        self.replaced = counts

    async def hold(self, targets: tuple[Target, ...]) -> tuple[Target, ...]:
        """Hold the most that one try of these can be charged; the targets that may be tried for it.

        Under a budget that blocks, a target whose price nobody knows is none of them. Raises OverBudget, and
        Unavailable where there is no room to write down what it costs.
        """
        self._books.check_room()
        budget = self._tenant.budget
        if budget is None:
            await self._set_aside(None, targets)
            return targets
        priced = self._priced(targets)
        await self._set_aside(max(priced.values(), default=None), targets)
        blocks = priced and self._is_bounded(budget)
        return tuple(target for target in targets if target in priced) if blocks else targets

    def permitted(self, permit: Permit) -> None:
        """The limits of its tenant let it pass; what it uses of them is settled with it."""
        self._permit = permit

    def decided(self, plan: Plan) -> None:
        """Where it may be tried, and by which rules: the evidence of each try."""
        self._plan = plan

    @property
    def policy(self) -> str | None:
        """The name and the hash of the rules that were asked; None where none binds its tenant."""
        return self._plan.policy if self._plan is not None else None

    async def reserve(self) -> None:
        """Set aside the most tokens that one try can use. Raises OverLimit."""
        if self._permit is not None:
            await self._permit.reserve(sum(self.sizes))

    @property
    def sizes(self) -> tuple[int, int]:
        """The most tokens of each side that a try can use."""
        if self._sizes is None:
            self._sizes = sizes(self._ask)
        return self._sizes

    @property
    def standings(self) -> tuple[Standing, ...]:
        """How the limits of its tenant stand."""
        return self._permit.standings if self._permit is not None else ()

    def _is_bounded(self, budget: Budget) -> bool:
        """May this call be refused for want of money?"""
        caller = self._caller
        ceilings = (
            budget.tenant,
            budget.keys.get(caller.key_id),
            budget.keys.get(caller.name),
            budget.models.get(self._ask.model),
        )
        return any(each is not None and each.on_exceed is OnExceed.BLOCK for each in ceilings)

    @property
    def settled(self) -> bool:
        """Is it closed?"""
        return self._settled

    async def _set_aside(self, amount: int | None, targets: tuple[Target, ...]) -> None:
        backends = self._edition.catalog.backends
        self._hold = await self._books.budgets.hold(
            self._tenant,
            key_id=self._caller.key_id,
            key_name=self._caller.name,
            model=self._ask.model,
            amount=amount,
            now=self._moment(),
            ttl=max([backends[target.backend].limits.longest for target in targets]) + _MARGIN
            if self._tenant.budget
            else 0.0,
        )

    def _moment(self) -> int:
        return int(self._books.now() * 1000)

    def _priced(self, targets: tuple[Target, ...]) -> dict[Target, int]:
        """The most that a try of each target can be charged, where that is known."""
        prompt, completion = self.sizes
        day = self._books.day()
        priced: dict[Target, int] = {}
        for target in targets:
            known, at = self._edition.about(target)
            pricing = self._edition.pricing
            most = pricing.most_charged(
                target,
                pricing.quote(target, known=known, at=at),
                prompt=prompt,
                completion=completion,
                day=day,
                tenant=self._tenant,
                model=self._ask.model,
            )
            if most is not None:
                priced[target] = most
        return priced

    def begin(self, target: Target) -> None:
        """A try begins. Raises Unavailable where that cannot be written down."""
        trial = self._made(target)
        trial.begin()
        self._trial = trial

    def _made(self, target: Target) -> Trial:
        return Trial(
            self._books,
            self._edition,
            self._ask,
            caller=self._caller,
            tenant=self._tenant,
            target=target,
            foreseen=Foreseen(len(self.attempts) + 1, self.sizes, self._plan),
        )

    def hit(self, target: Target, said: Sequence[object]) -> None:
        """Settle an answer from the cache: it holds nothing and costs nothing. `said` is the usage it was stored with.

        Raises Unavailable where that cannot be written down.
        """
        self._made(target).hit(said, at=self._moment())
        self.settle(Outcome.CACHED)

    def free(self) -> bytes:
        """Nothing, as the cost's header says it: an amount and the currency of the tenant's bills."""
        return f"0 {self._edition.catalog.currency}".encode("ascii")

    def failed(self, failure: UpstreamFailed) -> None:
        """The try gave nothing."""
        trial, self._trial = self._trial, None
        if trial is not None:
            trial.failed(failure)

    def left(self, *, by_caller: bool) -> None:
        """The caller hung up during the try, or we broke; then it is the operator's."""
        trial, self._trial = self._trial, None
        if trial is not None:
            self._charged += trial.left(by_caller=by_caller)
            self._left = by_caller

    def answered(self, provider: str, upstream_id: str | None) -> None:
        """The try has begun to answer."""
        if self._trial is not None:
            self._trial.answered(provider, upstream_id)

    def price(self, said: Sequence[object], received: int) -> Charged | None:
        """What the answer comes to by what its engine said it used; None where nothing was tried."""
        return self._trial.price(said, received) if self._trial is not None else None

    def settle(
        self,
        outcome: Outcome,
        code: str | None = None,
        *,
        said: Sequence[object] = (),
        received: int = 0,
        whole: bool = True,
    ) -> None:
        """Close the account. Only the first call counts; never raises for a call that comes later."""
        if self._settled:
            return
        self._settled = True
        at = self._moment()  # one for both, so that they are of one month
        try:
            if self._trial is not None:
                self._charged += self._trial.settle(outcome, said, received=received, at=at, whole=whole)
        finally:
            if self._hold is not None:
                self._hold.settle(self._charged, at)
            if self._permit is not None:
                self._permit.settle(self._tokens(outcome))
        record = Record(
            request_id=self._ask.request_id,
            tenant=self._tenant.name,
            key_id=self._caller.key_id,
            route=self._ask.route,
            model=self._ask.model,
            outcome=outcome,
            attempts=tuple(self.attempts),
            usage=self.usage,
            stream=self._ask.stream,
            seconds=monotonic() - self.opened,
            catalog=self._edition.catalog.version,
            code=code,
            charged=self._charged,
            verdicts=tuple(self.verdicts),
            redacted=tuple(self.replaced.items()),
        )
        for sink in self._sinks:
            try:
                sink(record)
            except Exception as error:  # noqa: BLE001 - what counts calls must not break them
                _log.error("sink_failed", request_id=record.request_id, error=type(error).__name__)

    def _tokens(self, outcome: Outcome) -> int:
        """Tokens that count against a limit: what the engine said, nothing where none answered.

        Of an answer that broke off before its engine said anything, all that was set aside: it may have used it. Of
        a try that its caller left, what was asked.
        """
        if self.usage is not None:
            return self.usage.prompt_tokens + self.usage.completion_tokens
        if self._sizes is None:
            return 0
        if self._left:
            return self._sizes[0]  # the engine may have read what was asked
        if outcome in _UNUSED:
            return 0
        return sum(self._sizes) if self.attempts and self.attempts[-1].fault is None else 0
