"""Notes from when on which backends are paid by the hour, and at what price: what their hours are worked out from."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import structlog

from passerelle.domain.catalog import BackendSpec, Catalog, Target
from passerelle.domain.errors import Unavailable
from passerelle.domain.facts import State
from passerelle.domain.prices import Cost
from passerelle.gateway.edition import Edition, Editions
from passerelle.ledger.capacity_states import CapacityLog
from passerelle.ledger.quotes import Quote

_log = structlog.get_logger(__name__)

_ENDPOINT = "hf-endpoint"
_HUGGING_FACE = "provider:huggingface:payable"


class Hours:
    """Looks at the configuration in force and at what its backends last said, and writes down what has changed."""

    def __init__(self, editions: Editions, log: CapacityLog) -> None:
        self._editions = editions
        self._log = log

    async def run(self, seconds: float = 60.0) -> None:
        """Look every `seconds` until cancelled. What the database does not take is kept until it does."""
        away = False
        while True:
            try:
                await self.look(datetime.now(UTC))
                away = False
            except Unavailable:
                if not away:
                    _log.warning("capacity_waits")
                away = True
            await asyncio.sleep(seconds)

    async def look(self, now: datetime) -> None:
        """Write down how things stand. Raises Unavailable while the database does not answer."""
        edition = self._editions.current
        paid: set[str] = set()
        for target in _one_each(edition.catalog):
            spec = edition.catalog.backends[target.backend]
            known, at = edition.about(target)
            quote = edition.pricing.quote(target, known=known, at=at)
            if quote.capacity is not None or spec.kind == _ENDPOINT:
                paid.add(spec.name)
                await self._note(edition, spec, quote, now)
        for name in sorted(await self._log.names() - paid):
            await self._log.gone(name, now)

    async def _note(self, edition: Edition, spec: BackendSpec, quote: Quote, now: datetime) -> None:
        survey = edition.surveys().get(spec.name)
        await self._log.record(
            spec.name,
            at=now,
            state=survey.state if survey else State.UNKNOWN,
            quote=quote,
            payee=payee_of(spec),
            sharing=spec.sharing,
            replicas=survey.replicas if survey else None,
            rented=spec.kind != _ENDPOINT,
        )


def payee_of(spec: BackendSpec) -> str:
    """The account of whoever is paid for a backend's hours."""
    if spec.kind == _ENDPOINT:
        return _HUGGING_FACE
    return f"provider:{spec.location.operator or spec.name}:payable"


def _one_each(catalog: Catalog) -> list[Target]:
    """One target of every backend, without a price of its own: the hours are paid whichever is asked.

    A machine that the file has a price per hour of is paid also where no model names it; what else nobody names is
    not asked what it costs.
    """
    named = {target.backend: target.model for model in catalog.models.values() for target in model.targets}
    return [
        Target(name, named.get(name, ""))
        for name, spec in catalog.backends.items()
        if name in named or isinstance(spec.cost, Cost)
    ]
