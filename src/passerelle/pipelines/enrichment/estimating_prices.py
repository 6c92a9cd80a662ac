"""Who answers for a tenant, and what it is charged: by the plan and the prices that its bills are written by."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Protocol

from passerelle.domain.ask import Ask, Capability, Needs, Task
from passerelle.domain.catalog import Model, Target, Tenant
from passerelle.domain.ledger import Certainty, TokenKind, UsageSource
from passerelle.gateway.edition import Edition, Editions
from passerelle.gateway.trial import sizes
from passerelle.ledger.quotes import SECOND
from passerelle.ledger.usage import Counted
from passerelle.routing.plan import DEFAULT, find_model, refuse_empty

_BUILTIN = "builtin"


@dataclass(frozen=True, slots=True)
class Answerer:
    """A tenant's model, and its targets as they are tried. `offline`: no language model is among them.

    `formed`: one of them takes the schema of an answer beside its messages.
    """

    model: Model
    targets: tuple[Target, ...]
    offline: bool
    formed: bool = True

    @property
    def first(self) -> str:
        """The target that is tried first, as people read it."""
        return f"{self.targets[0].backend}/{self.targets[0].model}"


class Prices(Protocol):
    """What calls come to for a tenant, in pico-units of the operator's currency; None: nobody knows."""

    @property
    def currency(self) -> str:
        """The operator's."""
        ...

    def answerer(self, tenant: Tenant, model: str | None) -> Answerer:
        """Who answers. Raises Refused, Unavailable."""
        ...

    def charged(
        self, tenant: Tenant, answerer: Answerer, *, prompt: float, cached: float, completion: float
    ) -> int | None:
        """What an answer of the first target comes to, of so many tokens; `cached` are of the prompt."""
        ...

    def most(self, tenant: Tenant, answerer: Answerer, *, prompt: int, completion: int) -> int | None:
        """The most that an answer of any of the targets can come to."""
        ...

    def most_asked(self, tenant: Tenant, answerer: Answerer, asked: Ask) -> int | None:
        """The most that an answer to that can come to."""
        ...


class EditionPrices:
    """`Prices` of the configuration in force."""

    def __init__(self, editions: Editions) -> None:
        self._editions = editions

    @property
    def currency(self) -> str:
        """The operator's."""
        return self._editions.catalog.currency

    def answerer(self, tenant: Tenant, model: str | None) -> Answerer:
        """Who answers. Raises Refused, Unavailable."""
        edition = self._editions.current
        named = model or (tenant.content.model if tenant.content else None) or DEFAULT
        found = find_model(edition.catalog, tenant, named, Task.CHAT)
        plan = edition.plan(tenant, found, Needs())
        refuse_empty(plan, tenant)
        targets = tuple(way for target in plan.targets for way in plan.ways.get(target, (target,)))
        backends = edition.catalog.backends
        offline = all(backends[target.backend].kind == _BUILTIN for target in targets)
        formed = edition.plan(tenant, found, Needs(frozenset({Capability.STRUCTURED_OUTPUT}))).targets
        return Answerer(found, targets, offline, bool(formed))

    def charged(
        self, tenant: Tenant, answerer: Answerer, *, prompt: float, cached: float, completion: float
    ) -> int | None:
        """What an answer of the first target comes to. A price by time is known only once it has passed."""
        edition, target = self._editions.current, answerer.targets[0]
        known, at = edition.about(target)
        quote = edition.pricing.quote(target, known=known, at=at)
        if quote.priced is None or SECOND in quote.priced:
            return None
        kept = round(min(cached, prompt))
        tokens = {
            TokenKind.INPUT: round(prompt) - kept,
            TokenKind.CACHED_INPUT: kept,
            TokenKind.OUTPUT: round(completion),
        }
        used = Counted(
            {kind: count for kind, count in tokens.items() if count > 0},
            Certainty.ESTIMATED,
            UsageSource.ESTIMATE,
        )
        charged = edition.pricing.charge(used, quote, day=_day(), tenant=tenant, model=answerer.model.name)
        if any(line.certainty is Certainty.UNPRICED for line in charged.lines):
            return None
        return charged.total

    def most(self, tenant: Tenant, answerer: Answerer, *, prompt: int, completion: int) -> int | None:
        """The most that an answer of any of the targets can come to."""
        edition = self._editions.current
        found = [
            self._most(edition, tenant, target, answerer.model.name, prompt, completion)
            for target in answerer.targets
            if target.backend in edition.catalog.backends
        ]
        known = [each for each in found if each is not None]
        return max(known) if known and len(known) == len(found) else None

    def most_asked(self, tenant: Tenant, answerer: Answerer, asked: Ask) -> int | None:
        """The most that an answer to that can come to: what the gateway itself would hold for it."""
        prompt, completion = sizes(asked)
        return self.most(tenant, answerer, prompt=prompt, completion=completion)

    def _most(
        self, edition: Edition, tenant: Tenant, target: Target, model: str, prompt: int, completion: int
    ) -> int | None:
        known, at = edition.about(target)
        quote = edition.pricing.quote(target, known=known, at=at)
        return edition.pricing.most_charged(
            target, quote, prompt=prompt, completion=completion, day=_day(), tenant=tenant, model=model
        )


def _day() -> date:
    return datetime.now(UTC).date()
