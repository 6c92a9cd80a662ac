"""How far each tenant's cache has proven itself: a controller for each, their counts shared by all processes."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

from passerelle.cache.controller import Controller
from passerelle.cache.decide import NOTCHES
from passerelle.domain.catalog import Tenant
from passerelle.domain.errors import Unavailable

if TYPE_CHECKING:
    from passerelle.cache.shelf import Shelf

_log = structlog.get_logger(__name__)

SHARE_SECONDS = 2.0
_PATIENCE = 1.0  # seconds that Redis may take for one tenant

Versions = Callable[[Tenant], str]


@dataclass(slots=True)
class _Held:
    """What is counted for a tenant and one embedding model."""

    promised: tuple[float, float]
    controller: Controller
    read: bool = False  # is it known what others have counted?
    before: Mapping[str, int] = field(default_factory=dict)  # what processes shared when the last was sent
    sent: Mapping[str, int] = field(default_factory=dict)
    unsent: Counter[str] = field(default_factory=Counter)  # counted here, and to go with the next


class Trust:
    """Controllers by tenant. What was counted under other rules, or for another embedding model, counts no more."""

    def __init__(self, shelf: Shelf, version: Versions) -> None:
        self._shelf = shelf
        self._version = version
        # By tenant and what is counted: calls that began before a reload still ask for what held then.
        self._held: dict[tuple[str, str], _Held] = {}
        self._told: dict[str, int] = {}

    def of(self, tenant: Tenant) -> Controller:
        """The tenant's controller, as far as this process knows."""
        return self._of(tenant).controller

    async def read(self, tenant: Tenant) -> Controller:
        """The same, once it knows what other processes have counted. Raises Unavailable where that cannot be read.

        A process that has just begun would else take for unproven what has been shown to be wrong.
        """
        held = self._of(tenant)
        if not held.read:
            counts = await self._shelf.counts(tenant.name)
            if not held.read:
                held.controller.shared(_under(_prefix(_digest(self._version(tenant))), counts))
                held.read = True
        return held.controller

    def _of(self, tenant: Tenant) -> _Held:
        semantic = tenant.cache.semantic if tenant.cache is not None else None
        assert semantic is not None  # else nobody asks  # noqa: S101
        key = (tenant.name, _digest(self._version(tenant)))
        promised = (semantic.max_error_rate, semantic.shadow)
        held = self._held.get(key)
        if held is None:
            held = self._held[key] = _Held(promised, _controller(promised))
        elif held.promised != promised:  # which is nothing that is counted
            held.unsent.update(held.controller.to_share())
            counts = held.controller.counts()
            held.promised, held.controller = promised, _controller(promised)
            held.controller.shared(counts)
        return held

    async def run(self) -> None:
        """Share counts for ever."""
        while True:
            await asyncio.sleep(SHARE_SECONDS)
            try:
                await self.share()
            except Exception as error:  # noqa: BLE001 - what is counted is shared the next time
                _log.warning("cache_counts_not_shared", error=type(error).__name__)

    async def share(self) -> None:
        """Take up what others counted, and add what was counted here to what processes share."""
        for (tenant, digest), held in list(self._held.items()):
            with contextlib.suppress(Unavailable, TimeoutError):  # what is known stands, and is shared later
                async with asyncio.timeout(_PATIENCE):
                    await self._shelf.settled()  # else it is not known whether the last was added
                    counts = _under(_prefix(digest), await self._shelf.counts(tenant))
                self._take_up(tenant, digest, held, counts)
            self._tell(tenant, held.controller)

    def _take_up(self, tenant: str, digest: str, held: _Held, counts: dict[str, int]) -> None:
        # What of the last was not added: counts only grow, unless the store has lost them.
        for name, number in held.sent.items():
            held.unsent[name] += max(0, min(number, held.before.get(name, 0) + number - counts.get(name, 0)))
        held.controller.shared(held.unsent + Counter(counts))
        held.unsent.update(held.controller.to_share())
        held.read, held.before, held.sent, held.unsent = True, counts, held.unsent, Counter()
        prefix = _prefix(digest)
        if fresh := {prefix + name: float(number) for name, number in held.sent.items() if number}:
            self._shelf.count(tenant, fresh)

    def _tell(self, tenant: str, controller: Controller) -> None:
        standing = controller.standing()
        before = self._told.get(tenant)
        self._told[tenant] = standing.notch
        if before is not None and before != standing.notch:
            tell = _log.info if standing.notch > before else _log.warning
            tell(
                "cache_notch", tenant=tenant, rule=standing.rule.name, bound=round(standing.bound, 4),
                promised=standing.promised, checked=standing.checked, wrong=standing.wrong,
            )  # fmt: skip


def _controller(promised: tuple[float, float]) -> Controller:
    most, shadow = promised
    return Controller(max_error_rate=most, shadow=shadow)


def _prefix(digest: str) -> str:
    return f"{digest}:"


def _under(prefix: str, counts: Mapping[str, float]) -> dict[str, int]:
    return {name[len(prefix) :]: int(number) for name, number in counts.items() if name.startswith(prefix)}


def _digest(version: str) -> str:
    return hashlib.sha256(repr((version, NOTCHES)).encode()).hexdigest()[:12]
