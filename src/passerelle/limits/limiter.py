"""Which limits cover a call, and one object that takes them, and gives them back once.

A call is admitted by the number of requests and of calls under way, then by its tokens, when they are known.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from weakref import WeakValueDictionary

from passerelle.domain.caller import INTERNAL, Caller
from passerelle.domain.catalog import Tenant
from passerelle.domain.errors import OverLimit
from passerelle.domain.limits import Limits, Meter, Rates, Standing
from passerelle.limits.store import RENEWAL, Claim, Grant, LimitStore, Reading, refused, standing

_OF_CACHE = f"{INTERNAL}cache-"  # embeddings, judging, asking again to check
_MOST_PLANS = 20_000  # kept
_NOTHING: Mapping[str, int] = MappingProxyType({})

_WORDS = {
    Meter.REQUESTS: ("requests a minute (rpm)", "request a minute (rpm)"),
    Meter.TOKENS: ("tokens a minute (tpm)", "token a minute (tpm)"),
    Meter.CALLS: ("calls at once (concurrency)", "call at once (concurrency)"),
}


@dataclass(frozen=True, slots=True)
class _Plan:
    """The limits that cover the calls of one key to one model."""

    limits: Limits  # which they were made from
    claims: tuple[Claim, ...]
    whose: tuple[str, ...]  # in words, for each claim
    tokens: tuple[int, ...]  # which of the claims are of tokens


class Permit:
    """What one call holds. Whoever is given it, settles it."""

    __slots__ = ("__weakref__", "_call_id", "_plan", "_readings", "_settled", "_store")

    def __init__(self, store: LimitStore, call_id: str, plan: _Plan, readings: Sequence[Reading]) -> None:
        self._store = store
        self._call_id = call_id
        self._plan = plan
        self._readings = list(readings)
        self._settled = not plan.claims

    @property
    def standings(self) -> tuple[Standing, ...]:
        """The tightest limit of each meter, after what this call has taken."""
        return _tightest(self._readings)

    async def reserve(self, tokens: int) -> None:
        """Take as many tokens. Raises OverLimit; then the permit is still to be settled."""
        plan = self._plan
        if not plan.tokens or self._settled:
            return
        claims = [_costing(plan.claims[index], tokens) for index in plan.tokens]
        grant = await self._store.acquire(self._call_id, claims)
        for index, reading in zip(plan.tokens, grant.readings, strict=True):
            self._readings[index] = reading
        if not grant.admitted:
            index, seconds = refused(grant)
            raise _over(plan, plan.tokens[index], seconds, tokens=tokens, standings=self.standings)

    def settle(self, tokens: int) -> None:
        """The call has ended and has used as many tokens. Only the first one counts."""
        if self._settled:
            return
        self._settled = True
        plan = self._plan
        used = {plan.claims[index].name: tokens for index in plan.tokens} if plan.tokens else _NOTHING
        self._store.settle(self._call_id, used)

    def goes_on(self) -> bool:
        """Is it still to be settled?"""
        return not self._settled


class Limiter:
    """Admits calls by the limits of their tenant, key and model. Whoever makes it, closes it."""

    def __init__(self, store: LimitStore, *, renewal: float = RENEWAL) -> None:
        self._store = store
        self._renewal = renewal
        self._plans: dict[tuple[str, str, str, str | None], _Plan] = {}
        # A permit that was dropped is not renewed: its places end by themselves.
        self._permits: WeakValueDictionary[str, Permit] = WeakValueDictionary()
        self._renewing: asyncio.Task[None] | None = None

    async def admit(self, tenant: Tenant, caller: Caller, model: str | None, call_id: str) -> Permit:
        """Take a request and a place among the calls under way. Raises OverLimit."""
        plan = self._plan(tenant, caller, model)
        if not plan.claims:
            return Permit(self._store, call_id, plan, ())
        try:
            grant = await self._store.acquire(call_id, plan.claims)
        except BaseException:
            # The caller has gone; what was on its way to be taken is given back.
            self._store.settle(call_id, _NOTHING)
            raise
        if not grant.admitted:
            self._store.settle(call_id, _NOTHING)  # what another side may have taken before it fell silent
            raise self._refusal(plan, grant)
        permit = Permit(self._store, call_id, plan, grant.readings)
        self._permits[call_id] = permit
        return permit

    def start(self) -> None:
        """Renew what long calls hold, from now on."""
        self._renewing = asyncio.get_running_loop().create_task(self._renew())

    async def aclose(self) -> None:
        """Stop, and bring what is settled to its end."""
        if self._renewing is not None:
            self._renewing.cancel()
            await asyncio.wait({self._renewing})
            self._renewing = None
        await self._store.aclose()

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(self._renewal)
            going = [call_id for call_id, permit in list(self._permits.items()) if permit.goes_on()]
            if going:
                await self._store.renew(going)

    def _plan(self, tenant: Tenant, caller: Caller, model: str | None) -> _Plan:
        key = (tenant.name, caller.key_id, caller.name, model)
        plan = self._plans.get(key)
        if plan is None or plan.limits is not tenant.limits:
            if len(self._plans) >= _MOST_PLANS:
                self._plans.clear()
            plan = self._plans[key] = _planned(tenant, caller, model)
        return plan

    @staticmethod
    def _refusal(plan: _Plan, grant: Grant) -> OverLimit:
        index, seconds = refused(grant)
        return _over(plan, index, seconds, tokens=0, standings=_tightest(grant.readings))


def _planned(tenant: Tenant, caller: Caller, model: str | None) -> _Plan:
    limits = tenant.limits
    own = limits.keys.get(caller.key_id) or limits.keys.get(caller.name) or limits.each_key
    subjects: list[tuple[str, str, Rates]] = [
        ("tenant", f"the tenant {tenant.name} may have", limits.tenant),
        (f"key:{caller.key_id}", "this key may have", own),
    ]
    if model is not None and model in limits.models:
        whose = f"the tenant {tenant.name} may have, of the model {model},"
        subjects.append((f"model:{model}", whose, limits.models[model]))
    internal = caller.key_id.startswith(INTERNAL)
    if caller.key_id.startswith(_OF_CACHE):
        subjects = []  # no caller waits less for tokens because the cache is at work
    claims: list[Claim] = []
    words: list[str] = []
    for subject, whose, rates in subjects:
        for meter, limit in (
            (Meter.REQUESTS, rates.rpm),
            (Meter.CALLS, rates.concurrency),
            (Meter.TOKENS, rates.tpm),
        ):
            if limit is not None and (meter is Meter.TOKENS or not internal):
                # Tokens are not known yet: here they only say how they stand, and that this call will use some.
                cost = 0 if meter is Meter.TOKENS else 1
                claims.append(Claim(tenant.name, f"{subject}:{meter}", meter, limit, cost))
                words.append(whose)
    tokens = tuple([index for index, claim in enumerate(claims) if claim.meter is Meter.TOKENS])
    return _Plan(limits, tuple(claims), tuple(words), tokens)


def _costing(claim: Claim, tokens: int) -> Claim:
    return Claim(claim.tenant, claim.name, claim.meter, claim.limit, tokens)


def _tightest(readings: Sequence[Reading]) -> tuple[Standing, ...]:
    """Of each meter, the one of which the least is left; of equals, the one that takes longest to be whole."""
    found: dict[Meter, Standing] = {}
    for reading in readings:
        each = standing(reading)
        other = found.get(each.meter)
        if other is None or (each.remaining, -each.reset) < (other.remaining, -other.reset):
            found[each.meter] = each
    return tuple(found.values())


def _over(
    plan: _Plan, index: int, seconds: float | None, *, tokens: int, standings: tuple[Standing, ...]
) -> OverLimit:
    claim = plan.claims[index]
    figure = f"{plan.whose[index]} {claim.limit:,} {_WORDS[claim.meter][claim.limit == 1]}"
    sentence = figure[0].upper() + figure[1:]
    gone = "it is used up" if claim.limit == 1 else "they are used up"
    if seconds is None:
        message = (
            f"{sentence}, and this call alone may use {tokens:,}: send less, lower its maximum of output tokens, "
            "or ask the operator for a higher limit."
        )
        return OverLimit(message, retry_after=None, standings=standings, code="tokens_exceed_limit")
    cure = (
        "try again when one of them has ended"
        if claim.meter is Meter.CALLS
        else f"try again in {seconds:.3g} s"
    )
    message = f"{sentence}, and {gone}: {cure}, or ask the operator for a higher limit."
    return OverLimit(message, retry_after=seconds, standings=standings)
