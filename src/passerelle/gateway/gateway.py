"""The gateway: one method, in the order in which a request is admitted, planned, started and settled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from time import monotonic

from passerelle.domain.ask import Ask
from passerelle.domain.caller import Caller
from passerelle.domain.catalog import Catalog, Target, Tenant
from passerelle.domain.errors import Forbidden, PasserelleError, UpstreamFailed
from passerelle.gateway import attempts
from passerelle.gateway.accounts import Accounts
from passerelle.gateway.affinity import Flight, chances
from passerelle.gateway.answer import Answer
from passerelle.gateway.bill import Bill
from passerelle.gateway.books import Books
from passerelle.gateway.edition import Edition, Editions
from passerelle.gateway.record import Outcome, Sink
from passerelle.gateway.tries import Tries
from passerelle.routing.plan import Plan, find_model, refuse_empty


class Gateway:
    """Answers asks of callers on the current edition of the configuration."""

    def __init__(
        self,
        editions: Editions,
        *,
        books: Books,
        sinks: Sequence[Sink],
        draw: Callable[[], float],
        accounts: Accounts | None = None,
    ) -> None:
        self._editions = editions
        self._books = books
        self._sinks = sinks
        self._draw = draw
        self._watch = attempts.Watch(accounts or Accounts(monotonic), Flight())
        self._finishing: set[asyncio.Task[None]] = set()

    async def ask(self, caller: Caller, ask: Ask) -> Answer:
        """An answer that has begun; its holder closes it.

        Raises Refused, Unavailable or UpstreamFailed; then the bill is settled already.
        """
        edition = self._editions.enter()
        bill: Bill | None = None
        try:
            catalog = edition.catalog
            tenant = tenant_of(caller, catalog)
            bill = Bill(caller, ask, tenant=tenant, edition=edition, books=self._books, sinks=self._sinks)
            model = find_model(catalog, tenant, ask.model, ask.route.task)
            bill.names(model.name)
            plan = edition.plan(tenant, model, ask.needs)
            refuse_empty(plan, tenant)
            targets = bill.hold(self._order(plan, tenant, ask))
            tries = Tries(targets, most=tenant.attempts, draw=self._draw)
            started = await attempts.start(
                ask, tries, edition=edition, tenant=tenant, bill=bill, watch=self._watch
            )
            try:
                return Answer(
                    ask,
                    started,
                    bill=bill,
                    leave=lambda: self._leave(edition, started.target),
                    keep=self._keep,
                )
            except BaseException:
                if started.reply.stream is not None:
                    started.reply.stream.close()
                bill.left(by_caller=False)
                self._watch.flight.end(started.target)
                raise
        except BaseException as error:
            try:
                if bill is not None:
                    bill.settle(*_outcome(error))
            finally:
                self._editions.leave(edition)
            raise

    async def aclose(self) -> None:
        """Settle what is still listened to. The owner has seen to it that no call is in flight."""
        await asyncio.sleep(0)  # a task cancelled before its first turn would settle nothing
        for task in self._finishing:
            task.cancel()
        await asyncio.gather(*self._finishing, return_exceptions=True)

    def _keep(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.ensure_future(work)
        self._finishing.add(task)
        task.add_done_callback(self._finishing.discard)

    def _order(self, plan: Plan, tenant: Tenant, ask: Ask) -> tuple[Target, ...]:
        if len(plan.targets) < 2:
            return plan.drawn(tenant.prefer, lambda _: 0.0)
        return plan.drawn(tenant.prefer, chances(tenant.name, ask, self._draw), self._watch.flight.crowded)

    def _leave(self, edition: Edition, target: Target) -> None:
        try:
            self._watch.flight.end(target)
        finally:
            self._editions.leave(edition)


def tenant_of(caller: Caller, catalog: Catalog) -> Tenant:
    """The tenant a caller speaks for. Raises Forbidden when it has none, or none that still exists."""
    if caller.tenant is None:
        raise Forbidden(
            "This key administers Passerelle and belongs to no tenant; use a tenant's key.", code="no_tenant"
        )
    tenant = catalog.tenants.get(caller.tenant)
    if tenant is None:
        raise Forbidden(f"The tenant {caller.tenant!r} is not configured any more.", code="tenant_removed")
    return tenant


def _outcome(error: BaseException) -> tuple[Outcome, str | None]:
    """How a request that never began to be answered ended, with the error's code."""
    if isinstance(error, UpstreamFailed):
        return Outcome.FAILED, error.fault.value
    if isinstance(error, PasserelleError):
        return Outcome.REFUSED, getattr(error, "code", None)
    return Outcome.HUNG_UP, None
