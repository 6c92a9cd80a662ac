"""The audit log of a process: opened on its database, told what the configuration does, and counting what is refused."""

from __future__ import annotations

import re
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass

from passerelle.audit import actions
from passerelle.audit.desk import Office
from passerelle.audit.log import Audit
from passerelle.audit.provenance import ProvenanceBook
from passerelle.audit.tally import Tally
from passerelle.gateway.record import Outcome, Record
from passerelle.routing.live import Live
from passerelle.sealing.signing import Signer
from passerelle.stores.database import Database
from passerelle.wire.model_cards import ModelCards

_RULE = re.compile(
    r"R[0-9]{2}"
)  # the code of a refusal by policy is the rule's id; no other code looks like one


@dataclass(frozen=True, slots=True)
class Auditing:
    """The log, the key of the installation that signs its heads and whatever else is signed, and models' origins."""

    office: Office
    signer: Signer
    provenance: ProvenanceBook

    def tell(self, record: Record) -> None:
        """A sink: calls that the policy refused are counted by the hour, and noted then."""
        code = record.code or ""
        if record.outcome is Outcome.REFUSED and _RULE.fullmatch(code):
            self.office.tally.refused(record.tenant, code)

    async def key_made(self, tenant: str, version: int) -> None:
        """A tenant's content is sealed with a new key from now on."""
        await self.office.noted(tenant, actions.SYSTEM, actions.TENANT_KEY_MADE, "", {"version": version})

    def works(self, live: Live, *, pace: float) -> Sequence[Coroutine[None, None, None]]:
        """What goes on for as long as the process runs; models' origins are looked after every `pace` seconds.

        From now on every configuration that comes into force is noted, the present one too, and every one refused.
        """
        office = self.office
        office.applied(live.catalog.version)
        live.on_swap.append(lambda catalog: office.applied(catalog.version))
        live.on_refused.append(lambda findings: office.refused(live.catalog.version, findings))
        origins = self.provenance.run(lambda: live.catalog, every=pace, first=pace)
        return office.tally.run(), office.run(), office.anchor(), origins


def open_auditing(database: Database, secret: bytes) -> Auditing:
    """The log on a database whose schema is up to date.

    `secret` is one that all processes of an installation share: whoever signs, the same public key tells.
    """
    signer = Signer(secret)
    audit = Audit(database, signer)
    office = Office(audit, Tally(database, audit), database)
    return Auditing(office, signer, ProvenanceBook(database, ModelCards().of))
