"""The gateway: one method, in the order in which a request is admitted, planned, started and settled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import TypeVar

from passerelle.cache.visit import Visit
from passerelle.domain.ask import Ask, Task
from passerelle.domain.caller import Caller
from passerelle.domain.catalog import Catalog, Model, Target, Tenant
from passerelle.domain.errors import Blocked, Forbidden, PasserelleError, Refused, UpstreamFailed
from passerelle.gateway import attempts
from passerelle.gateway.affinity import chances
from passerelle.gateway.answer import Answer
from passerelle.gateway.bill import Bill
from passerelle.gateway.books import Books
from passerelle.gateway.edition import Edition, Editions
from passerelle.gateway.recall import Recall, refuse_unkept
from passerelle.gateway.recalled import Given, Recalled
from passerelle.gateway.record import Outcome, Sink
from passerelle.gateway.tries import Tries
from passerelle.gateway.watch import Engagement, Watch
from passerelle.guardrails.guard import Guard, Guards
from passerelle.limits.limiter import Limiter, Permit
from passerelle.redaction.redactor import Redacted, Redactors
from passerelle.routing.plan import Plan, find_model, refuse_empty
from passerelle.subjects.people import People
from passerelle.subjects.prompts import Listener, Prompts


class Gateway:
    """Answers asks of callers on the current edition of the configuration."""

    def __init__(  # noqa: PLR0913 - the parts that it stands on
        self,
        editions: Editions,
        *,
        books: Books,
        sinks: Sequence[Sink],
        draw: Callable[[], float],
        watch: Watch,
        limiter: Limiter,
        guards: Guards,
        people: People,
        recall: Recall | None = None,
        prompts: Prompts | None = None,
    ) -> None:
        """`recall`: answers are kept, for tenants that say so; `prompts`: what was asked and answered is."""
        self._editions = editions
        self._books = books
        self._sinks = sinks
        self._draw = draw
        self.watch = watch
        self._limiter = limiter
        self._guards = guards
        self.people = people
        self._recall = recall
        self._prompts = prompts
        self._redactors = Redactors()
        self._finishing: set[asyncio.Task[None]] = set()

    async def admit(self, caller: Caller, model: str | None = None) -> Permit:
        """A request and a place of a caller's limits, for work of which asking that model is a part.

        Whoever is given it, settles it. Raises Refused.
        """
        catalog = self._editions.catalog
        tenant = tenant_of(caller, catalog)
        name = find_model(catalog, tenant, model, Task.CHAT).name if model is not None else None
        return await self._limiter.admit(tenant, caller, name, self._books.name())

    async def ask(self, caller: Caller, ask: Ask, permit: Permit | None = None) -> Given:
        """An answer that has begun, or that the cache holds; its holder closes it.

        `permit`: what it was admitted with already. Raises Refused, Unavailable or UpstreamFailed; then the bill is
        settled already.
        """
        edition = self._editions.enter()
        bill: Bill | None = None
        visit: Visit | None = None
        try:
            catalog = edition.catalog
            tenant = tenant_of(caller, catalog)
            ask, subjects = self.people.named(tenant, ask)
            bill = Bill(caller, ask, tenant=tenant, edition=edition, books=self._books, sinks=self._sinks)
            model = await self._admit(caller, tenant, ask, edition=edition, bill=bill, permit=permit)
            self.people.admit(tenant.name, subjects)
            ask, redacted = await self._redactors.redact(tenant.privacy.redaction, ask)
            if redacted is not None:
                bill.redacted(ask, redacted.counts)
            # What Passerelle asks for itself was looked at where it came from, and looking would never end.
            guard = None if ask.use else self._guards.of(tenant, model.name)
            if guard is not None:
                await _look(guard, ask, bill)
            plan = edition.plan(tenant, model, ask.needs)
            bill.decided(plan)
            refuse_empty(plan, tenant)
            if tenant.cache is not None and self._recall is not None:
                visit = self._recall.visit(caller, tenant, ask, model=model.name)
            if visit is not None:
                recalled = await self._recalled(visit, plan, tenant, ask, edition=edition, bill=bill)
                if recalled is not None:
                    self._editions.leave(edition)
                    return _restored(recalled, redacted)
            elif ask.wishes.only_kept:
                raise refuse_unkept()
            heard = self._prompts.listener(caller, tenant, ask) if self._prompts is not None else None
            answer = await self._start(
                plan, tenant, ask, edition=edition, bill=bill, guard=guard, visit=visit, heard=heard
            )
        except BaseException as error:
            try:
                if visit is not None:
                    # Whoever waits for a call that was refused, or found no engine, waits for no other such one.
                    visit.close(alone=isinstance(error, PasserelleError))
                if bill is not None:
                    if isinstance(error, PasserelleError):
                        error.standings = error.standings or bill.standings
                    bill.settle(*_outcome(error))
            finally:
                self._editions.leave(edition)
            raise
        if not answer.streams:
            await _check(answer)
        return _restored(answer, redacted)

    async def _recalled(
        self, visit: Visit, plan: Plan, tenant: Tenant, ask: Ask, *, edition: Edition, bill: Bill
    ) -> Recalled | None:
        """The answer, where the cache has it. Raises NotKept where nothing else is wanted."""
        assert self._recall is not None  # it has made the visit  # noqa: S101
        found = await self._recall.look(visit, plan, tenant, edition=edition, patience=ask.patience)
        if found is not None:
            return self._recall.answer(found, plan, tenant, ask, edition=edition, bill=bill)
        if ask.wishes.only_kept:
            raise refuse_unkept()
        return None

    async def _start(
        self,
        plan: Plan,
        tenant: Tenant,
        ask: Ask,
        *,
        edition: Edition,
        bill: Bill,
        guard: Guard | None,
        visit: Visit | None,
        heard: Listener | None,
    ) -> Answer:
        """What a target has begun to answer, once the money and the tokens for it are set aside."""
        targets = await bill.hold(self._order(plan, tenant, ask))
        await bill.reserve()
        tries = Tries(
            targets,
            most=tenant.attempts,
            draw=self._draw,
            returns=ask.returns,
            may_repeat=self.watch.retries.may_repeat,
        )
        started = await attempts.start(
            ask, tries, edition=edition, tenant=tenant, bill=bill, watch=self.watch
        )
        try:
            return Answer(
                ask,
                started,
                bill=bill,
                leave=lambda: self._leave(edition, started.engaged),
                keep=self._keep,
                pace=tenant.limits.tokens_per_second,
                watch=guard.output(ask) if guard is not None else None,
                visit=visit,
                heard=heard,
            )
        except BaseException:
            if started.reply.stream is not None:
                started.reply.stream.close()
            bill.left(by_caller=False)
            started.engaged.leave()
            raise

    async def _admit(
        self,
        caller: Caller,
        tenant: Tenant,
        ask: Ask,
        *,
        edition: Edition,
        bill: Bill,
        permit: Permit | None,
    ) -> Model:
        """The model asked for, once the limits of the tenant let the call pass.

        Calls for models that there are not count too. Raises Refused.
        """
        if permit is not None:
            bill.permitted(permit)
            model = find_model(edition.catalog, tenant, ask.model, ask.route.task)
            bill.names(model.name)
            return model
        if ask.use:  # by us: it needs no leave to use a model that only we use
            model = edition.catalog.models[ask.model]
            bill.permitted(await self._limiter.admit(tenant, caller, model.name, self._books.name()))
            return model
        try:
            model = find_model(edition.catalog, tenant, ask.model, ask.route.task)
        except Refused:
            bill.permitted(await self._limiter.admit(tenant, caller, None, self._books.name()))
            raise
        bill.names(model.name)
        bill.permitted(await self._limiter.admit(tenant, caller, model.name, self._books.name()))
        return model

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
        return plan.drawn(tenant.prefer, chances(tenant.name, ask, self._draw), self.watch.flight.crowded)

    def _leave(self, edition: Edition, engaged: Engagement) -> None:
        try:
            engaged.leave()
        finally:
            self._editions.leave(edition)


async def _look(guard: Guard, ask: Ask, bill: Bill) -> None:
    """Have the guardrails look at what is asked. Raises Blocked, or Unavailable where one cannot be asked."""
    try:
        bill.verdicts += await guard.check_input(ask)
    except Blocked as blocked:
        bill.verdicts += blocked.verdicts
        raise


Held = TypeVar("Held", Answer, Recalled)


def _restored(answer: Held, redacted: Redacted | None) -> Held:
    """The answer as its caller gets it. The cache, guardrails and logs have seen it without what is put back."""
    if redacted is not None:
        answer.facts.append((b"x-passerelle-redacted", b"%d" % redacted.total))
        if redacted.restore is not None:
            answer.restore(redacted.restore)
    return answer


async def _check(answer: Answer) -> None:
    """Have them look at what is answered, while nobody holds the answer but us."""
    try:
        await answer.check()
    except BaseException as error:
        if isinstance(error, PasserelleError):
            answer.settle(Outcome.BLOCKED, getattr(error, "code", None))
        answer.close()
        raise


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
