"""Asks a question upstream again that the cache has answered, to see whether that answer was right.

Nobody waits for it and nobody is shown it. It is a call of the tenant like any other but for its places, which are
its own, and the cache, which neither answers nor keeps it.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import replace
from time import monotonic, time
from typing import TYPE_CHECKING

import structlog

from passerelle.cache.entry import Kept
from passerelle.cache.replay import said_whole
from passerelle.domain.cache import Wishes
from passerelle.domain.errors import Forbidden, PasserelleError
from passerelle.gateway.internal import Asking, told
from passerelle.routing.plan import find_model

if TYPE_CHECKING:
    from passerelle.cache.entry import Spot
    from passerelle.domain.ask import Ask
    from passerelle.domain.catalog import Catalog

_log = structlog.get_logger(__name__)

USE = "cache-shadow"
_AT_ONCE = 4
_WAITING = 64  # more are left out; which, does not depend on what they would have said
_PATIENCE = 120.0  # seconds, of which waiting for others is none
_GIVEN_UP = _PATIENCE + 10.0  # when the call itself should have ended, and has not
_ALOUD = ("stream", "stream_options", "cache")  # of how it was to be said, not of what was asked


class Shadow:
    """Asks in the background, a few at once."""

    def __init__(
        self,
        ask: Asking,
        catalog: Callable[[], Catalog],
        *,
        clock: Callable[[], float] = time,
        at_once: int = _AT_ONCE,
        waiting: int = _WAITING,
    ) -> None:
        """`clock` gives Unix seconds."""
        self._ask = ask
        self._catalog = catalog
        self._clock = clock
        self._places = asyncio.Semaphore(at_once)
        self._most = at_once + waiting
        self._busy = 0

    async def ask(self, ask: Ask, *, spot: Spot) -> Kept | None:
        """What the model says to it now; None where it could not be asked, or gave no plain whole answer.

        Guardrails have not looked at what it says: it may be compared, and never be given to anybody. Never raises.
        """
        if self._busy >= self._most:
            return None
        self._busy += 1
        try:
            async with self._places, asyncio.timeout(_GIVEN_UP):
                return await self._asked(ask, spot)
        except (PasserelleError, TimeoutError) as error:
            _log.info("shadow_not_asked", tenant=spot.tenant, model=spot.model, error=type(error).__name__)
        except Exception as error:  # noqa: BLE001 - nobody waits for it, and it must not break what learns from it
            _log.error("shadow_failed", tenant=spot.tenant, model=spot.model, error=type(error).__name__)
        finally:
            self._busy -= 1
        return None

    async def _asked(self, ask: Ask, spot: Spot) -> Kept | None:
        again = self._again(ask, spot.tenant)
        said = said_whole(await told(self._ask, again, tenant=spot.tenant), again.route)
        if said is None:
            return None
        now = self._clock()
        return Kept(
            id="",  # it is never kept
            tenant=spot.tenant,
            partition=spot.partition,
            exact=spot.exact,
            message=said.message,
            finish_reason=said.finish_reason,
            usage=said.usage,
            model=said.model,
            backend="",
            target="",
            provider="",
            country=None,
            created=now,
            expires=now,
            asked=spot.text,
            route=again.route.value,
            name=again.model,
        )

    def _again(self, ask: Ask, tenant: str) -> Ask:
        """The same question, to be answered whole. Raises Refused where the tenant may not ask it any more."""
        catalog = self._catalog()
        if tenant not in catalog.tenants:
            raise Forbidden(f"The tenant {tenant!r} is not configured any more.", code="tenant_removed")
        # Under an alias it was found by the tenant's own rules; what we ask ourselves is asked by its own name.
        model = find_model(catalog, catalog.tenants[tenant], ask.model, ask.route.task)
        body = {name: value for name, value in ask.body.items() if name not in _ALOUD}
        return replace(
            ask,
            model=model.name,
            body=body,
            stream=False,
            wants_usage=False,
            request_id="req_" + os.urandom(12).hex(),
            arrived=monotonic(),
            patience=_PATIENCE,
            returns=0,
            use=USE,
            wishes=Wishes(look=False, keep=False),
        )
