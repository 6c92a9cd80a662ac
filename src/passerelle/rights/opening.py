"""Makes the office of people's rights, over every store's holding. Imported late, by whoever opens it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from passerelle import __version__
from passerelle.domain.catalog import Catalog
from passerelle.domain.errors import Conflict, NotFound, Unavailable
from passerelle.domain.naming import Naming
from passerelle.domain.privacy import Deed, Holding
from passerelle.jobs.desk import Desk
from passerelle.jobs.kinds import Kinds
from passerelle.rights.desk import Kept, Standing
from passerelle.rights.exports import Exports, Unsealed
from passerelle.rights.packing import as_json, as_zip
from passerelle.rights.proofs import canonical, signed
from passerelle.rights.receipts import Doing as How
from passerelle.rights.receipts import Store, receipt_of, told
from passerelle.rights.requests import MOST_LISTED, Asked, Request, Requests
from passerelle.rights.retained import RESTRICTIONS
from passerelle.rights.retention import compared
from passerelle.rights.seams import Destroy, Note, Restrictions, Seal, Seen
from passerelle.rights.standing import noted
from passerelle.rights.working import Deeds, Means, items_of, kind_of, retentions
from passerelle.sealing.signing import Signer
from passerelle.stores.database import Database

_ITEMS = 500
_BY_JOB = (Deed.EXPORT, Deed.ERASE, Deed.WIPE)
_DONE, _STOPPED = "done", "stopped"


@dataclass(frozen=True, slots=True)
class Ground:
    """What it stands on. `holdings`: of every store but those that this room keeps itself, in the order of receipts.

    `seal` None: nothing can be exported. `destroy` None: a tenant has no key of its own.
    """

    database: Database
    desk: Callable[[], Desk]
    holdings: Sequence[Holding]
    pseudonym: Naming
    restrictions: Restrictions
    seen: Seen
    seal: Seal | None
    destroy: Destroy | None
    note: Note
    signer: Signer
    catalog: Callable[[], Catalog]


class Opened:
    """What is open of it: nothing that has to be closed. The seam `Office`."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._requests = Requests(ground.database)
        self._exports = Exports(ground.database, ground.seal or Unsealed())
        self._holdings: Sequence[Holding] = (*ground.holdings, self._exports, *noted(self._requests))
        self._means = Means(
            requests=self._requests,
            exports=self._exports,
            desk=ground.desk,
            holdings=self._holdings,
            seen=ground.seen,
            destroy=ground.destroy,
            note=ground.note,
            signer=ground.signer,
            catalog=ground.catalog,
        )

    async def aclose(self) -> None:
        """There is nothing to close."""

    def kinds(self) -> Kinds:
        """What its jobs are."""
        made = [Deeds(deed, self._means) for deed in _BY_JOB]
        return {each.name: each for each in made}

    async def forget(self, at: datetime) -> None:
        """Delete exports that are too old."""
        await self._exports.forget(at if at.tzinfo else at.replace(tzinfo=UTC))

    async def ask(self, tenant: str, deed: Deed, user: str, *, by: str) -> Standing:
        """As `Office`."""
        if deed is Deed.EXPORT and self._ground.seal is None:
            raise Unavailable("Nothing can be exported: what is exported is sealed, and nothing here seals.")
        asked = Asked(tenant, self._ground.pseudonym(tenant, user), deed, by)
        if deed in _BY_JOB:
            return await self._begin(asked)
        return await self._at_once(asked)

    async def wipe(self, tenant: str, *, confirm: str | None, by: str) -> Standing:
        """As `Office`."""
        if tenant in self._ground.catalog().tenants and confirm != tenant:
            raise Conflict(
                "The tenant is still in the configuration: take it out first, or give its name as `confirm`.",
                code="tenant_configured",
            )
        return await self._begin(Asked(tenant, None, Deed.WIPE, by))

    async def requests(
        self, tenant: str, *, user: str | None = None, before: str | None = None, most: int = 50
    ) -> Sequence[Standing]:
        """As `Office`."""
        subject = self._ground.pseudonym(tenant, user) if user is not None else None
        bounded = max(1, min(most, MOST_LISTED + 1))
        found = await self._requests.listed(tenant, subject=subject, before=before, most=bounded)
        return [await self._standing(each) for each in found]

    async def request(self, tenant: str, request: str) -> Standing:
        """As `Office`."""
        return await self._standing(await self._requests.look(tenant, request))

    async def receipt(self, tenant: str, request: str) -> dict[str, Any]:
        """As `Office`."""
        found = await self._requests.look(tenant, request)
        if found.receipt is None or found.signature is None:
            raise _not_yet()
        return signed(found.receipt, found.signature, self._ground.signer.public)

    async def export(
        self, tenant: str, request: str, *, packed: bool, by: str
    ) -> AsyncGenerator[bytes, None]:
        """As `Office`."""
        found = await self._requests.look(tenant, request)
        if found.deed is not Deed.EXPORT:
            raise NotFound("That request is no export.", code="export_gone")
        if found.receipt is None:
            raise _not_yet()
        rows = {each["store"]: each["rows"] for each in found.receipt["stores"]}
        if any(rows.values()) and await self._exports.ends_at(tenant, request) is None:
            raise NotFound("The export is too old and was deleted; ask for another one.", code="export_gone")
        detail = {"deed": found.deed.value, "request": found.id}
        await self._ground.note(tenant, by, "right.export_fetched", found.subject or "", detail)
        head = {
            "object": "privacy.export",
            "request": found.id,
            "tenant": tenant,
            "subject": found.subject,
            "made_at": told(found.finished_at or found.asked_at),
            "rows": rows,
        }

        async def parts(store: str) -> AsyncIterator[bytes]:
            number = 1
            while (
                rows[store] and (part := await self._exports.part(tenant, request, store, number)) is not None
            ):
                yield part
                number += 1

        return (as_zip if packed else as_json)(head, list(rows), parts)

    async def retention(self, tenant: str) -> Sequence[Kept]:
        """As `Office`."""
        said = retentions(self._ground.catalog(), tenant)
        return await compared(tenant, said, self._holdings, datetime.now(UTC))

    def key(self) -> tuple[bytes, str]:
        """As `Office`."""
        return self._ground.signer.public, self._ground.signer.pem

    async def _begin(self, asked: Asked) -> Standing:
        ground = self._ground
        async with ground.database.begin() as connection:
            job = await ground.desk().create(
                connection,
                tenant=asked.tenant,
                kind=kind_of(asked.deed),
                items=items_of(asked.deed, self._holdings, keyed=ground.destroy is not None),
                key=asked.subject or "tenant",
            )
            request = await self._requests.make(connection, asked, job=job)
        await self._noted(request, "right.asked")
        return await self._standing(request)

    async def _at_once(self, asked: Asked) -> Standing:
        """Restrict, or lift a restriction: done when it is told."""
        ground, subject = self._ground, asked.subject or ""
        if asked.deed is Deed.RESTRICT:
            changed = await ground.restrictions.restrict(asked.tenant, subject, asked_by=asked.by)
            before, after = int(not changed), 1
        else:
            changed = await ground.restrictions.lift(asked.tenant, subject)
            before, after = int(changed), 0
        async with ground.database.begin() as connection:
            request = await self._requests.make(connection, asked)
        catalog = ground.catalog()
        at = max(datetime.now(UTC).replace(microsecond=0), request.asked_at.replace(microsecond=0))
        how = How(__version__, catalog, retentions(catalog, asked.tenant), at)
        store = Store(RESTRICTIONS, {"restrictions": before}, {"restrictions": after})
        said = canonical(receipt_of(request, [store], (), how))
        signature = await asyncio.to_thread(ground.signer.sign, said)
        async with ground.database.begin() as connection:
            await self._requests.finish(connection, request, said, signature, at)
        await self._noted(request, "right.done")
        return await self.request(asked.tenant, request.id)

    async def _noted(self, request: Request, action: str) -> None:
        detail = {"deed": request.deed.value, "request": request.id}
        await self._ground.note(request.tenant, request.asked_by, action, request.subject or "", detail)

    async def _standing(self, request: Request) -> Standing:
        late = request.late(datetime.now(UTC))
        if request.finished_at is not None:
            return await self._done(request, late=late)
        try:
            job = await self._ground.desk().look(request.tenant, request.job or "")
        except NotFound:
            return Standing(request, _STOPPED, late)
        if job.state.over:  # perhaps since the request was read
            request = await self._requests.look(request.tenant, request.id)
            if request.finished_at is not None:
                return await self._done(request, late=late)
        return Standing(request, _STOPPED if job.state.value == "cancelled" else job.state.value, late)

    async def _done(self, request: Request, *, late: bool) -> Standing:
        until = None
        if request.deed is Deed.EXPORT:
            until = await self._exports.ends_at(request.tenant, request.id)
        return Standing(request, _DONE, late, until)


def _not_yet() -> Conflict:
    return Conflict("The request is not done yet. Look at it again later.", code="not_done_yet")
