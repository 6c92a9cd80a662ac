"""The cache as the gateway knows it: who may visit it."""

from __future__ import annotations

from passerelle.cache.commons import Commons
from passerelle.cache.visit import Visit
from passerelle.domain.ask import Ask
from passerelle.domain.catalog import Tenant


class Cache:
    """Visits, for tenants that keep answers."""

    def __init__(self, commons: Commons) -> None:
        self._commons = commons

    def visit(self, tenant: Tenant, ask: Ask, *, model: str, key_id: str) -> Visit | None:
        """A request's dealings with the cache, which its holder closes; None where nothing is kept."""
        caching = tenant.cache
        if caching is None or (caching.models is not None and model not in caching.models):
            return None
        return Visit(self._commons, tenant, ask, model=model, key_id=key_id)
