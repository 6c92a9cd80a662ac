"""What tries of all requests have in common: who may be asked now, and what each try taught.

An `Engagement` is a try's hold on what is shared: its place on the backend, its count in flight, its turn at an
account or a backend that rests. Whoever has one leaves it, once its answer is over.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

from passerelle.domain.catalog import BackendSpec, Target, Tenant
from passerelle.domain.errors import Fault, Told, UpstreamFailed
from passerelle.gateway.accounts import Accounts
from passerelle.gateway.affinity import Flight
from passerelle.limits.breakers import Breakers
from passerelle.limits.places import Place, Places
from passerelle.limits.retries import Retries

_NOTICED = 0.001  # seconds; a shorter wait for a place is none


@dataclass(frozen=True, slots=True)
class Watch:
    """Everything that is shared."""

    accounts: Accounts  # who has no credits
    flight: Flight  # what is in flight on targets
    breakers: Breakers  # which backends fail
    places: Places  # which backends are full
    retries: Retries  # how much is tried again
    clock: Callable[[], float] = monotonic  # that of the breakers

    async def engage(
        self,
        target: Target,
        spec: BackendSpec,
        tenant: Tenant,
        *,
        cost: int,
        patience: float,
        aside: bool = False,
    ) -> Engagement:
        """A place on the target's backend, waited for no longer than `patience` seconds. `cost` is in tokens.

        `aside`: it is asked by us while another call waits for what it says.
        Raises UpstreamFailed where the account or the backend rests, or no place is free in time.
        """
        account = spec.account_of(target)
        if self.accounts.rests(account):
            raise UpstreamFailed(Fault.CREDITS, "The account has no credits left.")
        asked = self.clock()
        if rest := self.breakers.rests(spec.name):
            raise self._resting(account, rest)
        try:
            place = await self.places.enter(spec, tenant, cost, patience, aside=aside)
        except BaseException:
            self.accounts.unsure(account)
            self.breakers.unsure(spec.name, began=asked)
            raise
        # Those who waited while it came to rest would all be sent there at once.
        if (
            place.waited
            and self.breakers.opened_since(spec.name, asked)
            and (rest := self.breakers.rests(spec.name))
        ):
            place.leave()
            raise self._resting(account, rest)
        self.retries.called(spec.name)
        self.flight.begin(target)
        waited = place.waited
        return Engagement(
            self, target, spec, account, place, self.clock(), waited if waited > _NOTICED else 0.0
        )

    def _resting(self, account: tuple[object, ...], seconds: float) -> UpstreamFailed:
        """The backend is not asked, and so nothing is learned of the account."""
        self.accounts.unsure(account)
        return UpstreamFailed(
            Fault.RESTING, "The backend is left alone for a while.", told=Told(retry_after=seconds)
        )


class Engagement:
    """One try's hold on what is shared."""

    __slots__ = ("_account", "_began", "_left", "_place", "_spec", "_target", "_watch", "waited")

    def __init__(
        self,
        watch: Watch,
        target: Target,
        spec: BackendSpec,
        account: tuple[object, ...],
        place: Place,
        began: float,
        waited: float,
    ) -> None:
        self._watch = watch
        self._target = target
        self._spec = spec
        self._account = account
        self._place = place
        self._began = began
        self._left = False
        self.waited = waited  # seconds, for the place

    def answered(self) -> None:
        """The engine has begun to answer."""
        self._watch.accounts.answered(self._account)
        self._watch.breakers.answered(self._spec.name, began=self._began)

    def failed(self, failure: UpstreamFailed) -> None:
        """The engine gave nothing."""
        if failure.fault is Fault.CREDITS:
            self._watch.accounts.refused(self._account, backend=self._spec.name)
        else:
            self._watch.accounts.unsure(self._account)
        self._watch.breakers.failed(
            self._spec.name,
            failure.fault,
            failure.told.retry_after,
            headless=failure.headless,
            began=self._began,
        )

    def broke(self, failure: UpstreamFailed) -> None:
        """The engine failed in the middle of its answer."""
        self._watch.breakers.failed(self._spec.name, failure.fault, began=self._began)

    def unsure(self) -> None:
        """It ended before anything was learned."""
        self._watch.accounts.unsure(self._account)
        self._watch.breakers.unsure(self._spec.name, began=self._began)

    def leave(self) -> None:
        """It is over, its stream included. Idempotent."""
        if not self._left:
            self._left = True
            self._watch.flight.end(self._target)
            self._place.leave()
