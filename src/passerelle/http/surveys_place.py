"""Where a request about surveys stands: whose they are, by which rules, and whether its caller may change them."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from fastapi import Depends, Path, Query, Request
from pydantic import BaseModel, ConfigDict

from passerelle.domain.caller import Caller
from passerelle.domain.catalog import Tenant
from passerelle.domain.errors import Forbidden
from passerelle.domain.survey_work import SurveyRules
from passerelle.http.access import MEMBER
from passerelle.http.services import Services, services_of
from passerelle.http.tenants import TenantName, check_writer, whose
from passerelle.http.texts import PathName
from passerelle.pipelines.surveys.desk import Bureau

LATEST = "latest"  # in place of a run's id: the newest that has finished

SurveyId = Annotated[str, Path(description="A survey's id.", min_length=1, max_length=64)]
CommentId = Annotated[str, Path(description="A comment's id.", min_length=1, max_length=64)]
RunId = Annotated[
    str,
    Path(
        description="A run's id, or `latest`: the newest that has finished.",
        min_length=1,
        max_length=64,
        examples=[LATEST],
    ),
]
CodebookName = Annotated[PathName, Path(description="A codebook's name.", examples=["trainings"])]
Version = Annotated[int, Path(description="A codebook's version.", ge=1, le=1_000_000)]
Before = Annotated[str | None, Query(description="An id: those before it.", max_length=64)]
After = Annotated[str | None, Query(description="An id: those after it.", max_length=64)]


class Body(BaseModel):
    """What a request says: nothing but what is known here, each of its own type."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Card(BaseModel):
    """Shown as the value that it is of."""

    model_config = ConfigDict(from_attributes=True)


class Office:
    """A tenant's surveys, as one caller may reach them. Raises Forbidden `surveys_disabled` where it has none."""

    def __init__(
        self,
        request: Request,
        caller: Annotated[Caller, Depends(MEMBER)],
        tenant: TenantName = None,
    ) -> None:
        self.services: Services = services_of(request)
        self.caller = caller
        self.tenant: Tenant = whose(self.services.editions.catalog, caller, tenant)
        if self.tenant.surveys is None:
            message = "Reading surveys is switched off for this tenant (`surveys: false`)."
            raise Forbidden(message, code="surveys_disabled")
        self.rules: SurveyRules = self.tenant.surveys
        self.name = self.tenant.name

    @property
    def by(self) -> str:
        """Whose key changes something, as it is written down."""
        return self.caller.key_id

    @property
    def asker(self) -> Caller:
        """The caller as one of the tenant: an operator's key asks for the tenant that it names."""
        return self.caller if self.caller.tenant is not None else replace(self.caller, tenant=self.name)

    async def bureau(self, *, to_write: bool = False) -> Bureau:
        """Surveys and all that is made of them. Raises Forbidden `not_a_writer` where they are to be changed."""
        if to_write:
            check_writer(self.caller, self.rules.writers, what="surveys")
        return await self.services.surveys.bureau()


Here = Annotated[Office, Depends()]


def run_of(run: str | None) -> str | None:
    """A run's id; None for the newest that has finished."""
    return None if run == LATEST else run
