"""The jobs `privacy-export`, `privacy-erase` and `privacy-wipe`: an item for each store, and one that writes the receipt.

A store that is away is tried again until it is back, on its own; the others do not wait for it, and the receipt waits for
all. An item whose worker was killed is done again: what was deleted stays so, and what was counted first is what counts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from passerelle import __version__
from passerelle.audit.actions import TENANT_KEY_DESTROYED
from passerelle.domain.catalog import Catalog
from passerelle.domain.errors import Unavailable
from passerelle.domain.jobs import Item, ItemState, NewItem, Values
from passerelle.domain.privacy import Deed, Holding, Retention, Subject
from passerelle.jobs.desk import Desk
from passerelle.jobs.kinds import Context, ItemFailed, Later
from passerelle.rights.exports import Exports
from passerelle.rights.proofs import canonical
from passerelle.rights.receipts import Doing as How
from passerelle.rights.receipts import Store, receipt_of
from passerelle.rights.requests import Request, Requests
from passerelle.rights.retained import (
    CACHE_EXACT,
    CACHE_SEMANTIC,
    CORRECTIONS,
    JOBS,
    KEYS,
    SIGHTINGS,
    SURVEYS,
    retention_of,
)
from passerelle.rights.seams import Counted, Destroy, Note, Seen
from passerelle.sealing.signing import Signer
from passerelle.stores.database import Outage

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

RECEIPT, SEAL = "receipt", "sealing-key"  # items that are no store's

_KINDS = {Deed.EXPORT: "privacy-export", Deed.ERASE: "privacy-erase", Deed.WIPE: "privacy-wipe"}
_TURN, _FRESH = (
    0.5,
    60.0,
)  # seconds until those before are looked at again, while a request is so young; then seldom
_STILL = 2.0  # seconds until it is looked again whether a deletion that was put off has come to its end
_MOST = 500  # items of a job
# Of a wipe: nobody may use anything any more, nothing works any more; then stores, and caches that work might have filled.
_STAGES = {KEYS: 0, JOBS: 1, CACHE_EXACT: 3, CACHE_SEMANTIC: 3, SEAL: 4, RECEIPT: 9}
_STORES = 2
# Stores of which one deletes what the other one counts.
_TWINS = {
    CACHE_EXACT: CACHE_SEMANTIC,
    CACHE_SEMANTIC: CACHE_EXACT,
    SURVEYS: CORRECTIONS,
    CORRECTIONS: SURVEYS,
}
# Of an erasure: what works for the person ends first; corrections are found by comments, which go with their answers.
_OF_A_PERSON = {JOBS: 0, CORRECTIONS: 1, CACHE_EXACT: 3, CACHE_SEMANTIC: 3, RECEIPT: _STAGES[RECEIPT]}


@dataclass(frozen=True, slots=True)
class Means:
    """What the jobs work with. `holdings` in the order of receipts."""

    requests: Requests
    exports: Exports
    desk: Callable[[], Desk]
    holdings: Sequence[Holding]
    seen: Seen
    destroy: Destroy | None
    note: Note
    signer: Signer
    catalog: Callable[[], Catalog]


def kind_of(deed: Deed) -> str:
    """The name of a deed's jobs. Raises KeyError for what is done at once."""
    return _KINDS[deed]


def items_of(deed: Deed, holdings: Sequence[Holding], *, keyed: bool) -> list[NewItem]:
    """What there is to do, in its stages. `keyed`: what is stored of a tenant is sealed with a key of its own."""
    names = [each.name for each in holdings]
    if deed is not Deed.WIPE:
        stages = _OF_A_PERSON if deed is Deed.ERASE else {RECEIPT: _STAGES[RECEIPT]}
        return [NewItem(name, {"stage": stages.get(name, _STORES)}) for name in (*names, RECEIPT)]
    return [
        NewItem(name, {"stage": _STAGES.get(name, _STORES)})
        for name in (*names, *([SEAL] if keyed else ()), RECEIPT)
    ]


def retentions(catalog: Catalog, tenant: str) -> tuple[Retention, ...]:
    """A tenant's, also of one that is not in the configuration any more."""
    known = catalog.tenants.get(tenant)
    if known is not None:
        return retention_of(known)
    return ()


class Deeds:
    """One of the kinds."""

    attempts = 5
    seconds = 3_600.0

    def __init__(self, deed: Deed, means: Means) -> None:
        self.name = kind_of(deed)
        self._deed = deed
        self._means = means
        self._stores = {each.name: each for each in means.holdings}

    async def run(self, item: Item, context: Context) -> Values:
        """Do what has to be done in one store, or write the receipt."""
        try:
            return await self._run(item, context)
        except (Unavailable, *Outage) as error:
            said = error.message if isinstance(error, Unavailable) else "It does not answer."
            raise Later(said, seconds=None) from error

    async def _run(self, item: Item, context: Context) -> Values:
        request = await self._means.requests.of_job(context.tenant, item.job)
        await self._turn(item, request)
        if item.key == RECEIPT:
            return await self._receipt(request, item, context)
        if item.key == SEAL:
            if self._means.destroy is None:
                raise Unavailable("The keys of tenants are not known to this process.")
            await self._means.destroy(request.tenant)
            detail = {"request": request.id}
            await self._means.note(request.tenant, "system", TENANT_KEY_DESTROYED, "", detail)
            return {"destroyed": True}
        holding = self._stores.get(item.key)
        if holding is None:
            raise Unavailable(f"The store {item.key!r} is not known to this process.")
        if request.subject is None:
            return await self._wiped(request, holding)
        subject = Subject(request.tenant, "", request.subject)
        if item.key == SIGHTINGS:  # told in the receipt, and gone afterwards
            await self._means.requests.note_seen(
                request, await self._means.seen(request.tenant, request.subject)
            )
        if self._deed is Deed.EXPORT:
            return await self._exported(request, holding, subject)
        return await self._erased(request, holding, subject)

    async def _exported(self, request: Request, holding: Holding, subject: Subject) -> Values:
        found = await holding.find(subject)
        await self._means.requests.note(request, holding.name, found.counts)
        rows, parts = await self._means.exports.keep(request, holding.name, holding.export(subject))
        return {"rows": rows, "parts": parts, "note": found.note}

    async def _erased(self, request: Request, holding: Holding, subject: Subject) -> Values:
        for each in self._before(holding):
            await self._means.requests.note(request, each.name, (await each.find(subject)).counts)
        erased = await holding.erase(subject)
        after = await holding.find(subject)
        if after.total:
            raise Later(f"Some of {holding.name} is still being deleted.", seconds=_STILL)
        return {"after": dict(after.counts), "note": after.note or erased.note}

    async def _wiped(self, request: Request, holding: Holding) -> Values:
        tenant = request.tenant
        if holding.name == SIGHTINGS:
            await self._means.requests.note_seen(request, await self._means.seen(tenant, None))
        if isinstance(holding, Counted):
            for each in self._before(holding):
                if isinstance(each, Counted):
                    await self._means.requests.note(request, each.name, (await each.held(tenant)).counts)
            gone = await holding.wipe(tenant)
            after = await holding.held(tenant)
        else:  # what it deletes the second time, was left by the first
            gone = await holding.wipe(tenant)
            await self._means.requests.note(request, holding.name, gone.counts)
            after = await holding.wipe(tenant)
        if after.total:
            raise Later(f"Some of {holding.name} is still being deleted.", seconds=_STILL)
        return {"after": dict(after.counts), "note": after.note or gone.note}

    def _before(self, holding: Holding) -> list[Holding]:
        """What is counted before anything of a holding is deleted: that one, and what goes with it."""
        twin = self._stores.get(_TWINS.get(holding.name, ""))
        return [holding] if twin is None else [twin, holding]

    async def _turn(self, item: Item, request: Request) -> None:
        """Raises Later while something of an earlier stage is not done."""
        stage = item.payload["stage"]
        for each in await self._means.desk().items(request.tenant, item.job, most=_MOST):
            if each.payload["stage"] < stage and each.result is None:
                if each.state is ItemState.FAILED:
                    raise ItemFailed("store_failed", f"{each.key} could not be done: try its item again.")
                fresh = (datetime.now(UTC) - request.asked_at).total_seconds() < _FRESH
                raise Later(f"Waits for {each.key}.", code="waits", seconds=_TURN if fresh else None)

    async def _receipt(self, request: Request, item: Item, context: Context) -> Values:
        means = self._means
        request = await means.requests.look(request.tenant, request.id)
        if request.receipt is not None:
            return {}
        done = await means.desk().items(context.tenant, item.job, most=_MOST)
        results = {each.key: each.result or {} for each in done}
        stores = [
            _store(self._deed, each.name, request, results.get(each.name, {})) for each in means.holdings
        ]
        catalog, at = means.catalog(), datetime.now(UTC).replace(microsecond=0)
        how = How(__version__, catalog, retentions(catalog, request.tenant), at)
        receipt = receipt_of(request, stores, request.seen(), how)
        if self._deed is Deed.WIPE:
            receipt["key_destroyed"] = bool(results.get(SEAL))
        said = canonical(receipt)
        signature = await asyncio.to_thread(means.signer.sign, said)

        async def write(connection: AsyncConnection) -> None:
            await means.requests.finish(connection, request, said, signature, at)

        context.along(write)
        detail = {"deed": request.deed.value, "request": request.id, "stores": len(stores)}
        action = "tenant.wiped" if self._deed is Deed.WIPE else "right.done"
        await means.note(request.tenant, "system", action, request.subject or request.id, detail)
        return {}


def _store(deed: Deed, name: str, request: Request, result: Mapping[str, Any]) -> Store:
    before = request.found.get(name, {})
    if deed is Deed.EXPORT:
        return Store(name, before, rows=result.get("rows", 0), note=result.get("note", ""))
    return Store(name, before, result.get("after", {}), note=result.get("note", ""))
