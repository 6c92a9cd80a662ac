"""How requests about people's data are shown: a person is a pseudonym everywhere."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from passerelle.domain.privacy import Deed
from passerelle.rights.desk import Kept, Standing


class PrivacyRequestCard(BaseModel):
    """A request as it stands. `subject` is a pseudonym; null: the whole tenant. It is due one month after it came."""

    id: str = Field(examples=["privacy_0123456789abcdef01234567"])
    object: Literal["privacy.request"] = "privacy.request"
    tenant: str
    deed: Deed
    subject: str | None
    state: str = Field(description="`done`; else its job's, `stopped` where that was cancelled or deleted.")
    asked_by: str = Field(description="The key that asked.")
    asked_at: datetime
    due_at: datetime
    late: bool = Field(description="Its month is over, and it is not done.")
    finished_at: datetime | None
    job: str | None = Field(description="For `/v1/jobs`; null for what is done at once.")
    export_until: datetime | None = Field(description="Until when the export can be fetched.")


class PrivacyRequestList(BaseModel):
    """A part of them, the newest first."""

    object: Literal["list"] = "list"
    data: list[PrivacyRequestCard]
    has_more: bool


class SignatureCard(BaseModel):
    """Over `receipt` as canonical JSON: UTF-8, members sorted, no white space. Key and value are in Base64."""

    algorithm: str
    key: str
    value: str


class ReceiptCard(BaseModel):
    """A signed receipt: what each store had and has, who upstream saw the data, what is kept for how long."""

    receipt: dict[str, Any]
    signature: SignatureCard


class PrivacyKeyCard(BaseModel):
    """The public key that receipts are checked with: 32 raw bytes in Base64, and in PEM."""

    object: Literal["privacy.key"] = "privacy.key"
    algorithm: str = "Ed25519"
    key: str
    pem: str


class KeptCard(BaseModel):
    """A class of data: for how long it is kept, and how old the oldest of it is."""

    store: str
    what: str
    seconds: float | None = Field(description="Null: until it is deleted.")
    setting: str
    purge: str = Field(description="The job that deletes it.")
    oldest: datetime | None
    late: bool = Field(description="Something is kept for longer than was said.")
    away: str = Field(description="Why its store does not say; else empty.")


class RetentionList(BaseModel):
    """All of a tenant's. `late`: any of it is."""

    object: Literal["list"] = "list"
    tenant: str
    late: bool
    data: list[KeptCard]


class WipeBody(BaseModel):
    """`confirm`: the tenant's name, where it is still in the configuration."""

    model_config = ConfigDict(extra="forbid", strict=True)

    confirm: str | None = Field(default=None, max_length=200, examples=["former-client"])


def request_card(standing: Standing) -> PrivacyRequestCard:
    """A request."""
    found = standing.request
    return PrivacyRequestCard(
        id=found.id,
        tenant=found.tenant,
        deed=found.deed,
        subject=found.subject,
        state=standing.state,
        asked_by=found.asked_by,
        asked_at=found.asked_at,
        due_at=found.due_at,
        late=standing.late,
        finished_at=found.finished_at,
        job=found.job,
        export_until=standing.export_until,
    )


def kept_card(kept: Kept) -> KeptCard:
    """A class of data."""
    said = kept.retention
    return KeptCard(
        store=said.store,
        what=said.what,
        seconds=said.seconds,
        setting=said.setting,
        purge=said.purge,
        oldest=kept.oldest,
        late=kept.late,
        away=kept.away,
    )
