"""`/v1/cache`: figures, single answers, deletion and a caller's word on an answer. Each tenant sees its own alone."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from time import monotonic
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from passerelle.cache.desk import Entry, Explained, Purge, Stats
from passerelle.domain.ask import Route
from passerelle.domain.caller import Caller, Role
from passerelle.domain.errors import BadRequest, NotFound
from passerelle.http.access import MEMBER, TENANT_ADMIN
from passerelle.http.intake import make_ask
from passerelle.http.services import Services, services_of
from passerelle.http.tenants import TenantName, whose
from passerelle.http.wishes import is_tag

router = APIRouter(prefix="/v1/cache", tags=["Cache"])

AnswerId = Annotated[str, Path(description="From the header `x-passerelle-cache-id`.", max_length=64)]


class _Card(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class PromiseCard(_Card):
    """How far answers to questions that mean the same are shown to be right, over all processes."""

    promised: float = Field(description="The share of them that may be wrong.")
    bound: float = Field(description="The share that may be wrong at worst, by what was checked.")
    proven: bool
    rule: str = Field(description="The rule in force; under `exact` there are no such answers.")
    notch: int
    served: int
    checked: int
    wrong: int
    next_bound: float | None


class StatsCard(_Card):
    """What a tenant's cache did. Looks, and what is held, are those of one process since it started."""

    tenant: str
    since: datetime
    exact: bool
    semantic: bool
    looks: dict[str, int] = Field(description="By result: `exact`, `semantic`, `miss`.")
    bypassed: dict[str, int] = Field(description="By reason.")
    answers: int
    bytes: int
    promise: PromiseCard | None


class StatsList(BaseModel):
    """A tenant's, or those of every tenant that keeps anything."""

    object: Literal["list"] = "list"
    data: list[StatsCard]


class Deleted(BaseModel):
    """`count` is null where answers are made unreachable at once, without being counted."""

    object: Literal["cache.deleted"] = "cache.deleted"
    count: int | None


class EntryCard(_Card):
    """An answer that is kept. Its words are not told: whoever was given it has them."""

    id: str
    object: Literal["cache.entry"] = "cache.entry"
    model: str
    route: str
    created: datetime
    expires: datetime
    backend: str
    target: str
    provider: str
    country: str | None
    tags: list[str]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Feedback(_Body):
    """Whether an answer was right. `wrong` takes it out of use at once."""

    verdict: Literal["wrong", "right"]


class FeedbackTaken(BaseModel):
    """What was said of which answer."""

    id: str
    object: Literal["cache.feedback"] = "cache.feedback"
    verdict: Literal["wrong", "right"]


class Question(BaseModel):
    """A chat request, as it would be sent; or `text` in place of `messages`, for a single question."""

    model_config = ConfigDict(extra="allow")

    model: str = Field(min_length=1, examples=["assistant"])
    messages: list[dict[str, Any]] | None = Field(
        default=None, min_length=1, examples=[[{"role": "user", "content": "Quels sont vos horaires ?"}]]
    )
    text: str | None = Field(default=None, min_length=1)


class NeighbourCard(_Card):
    """A known question beside it, by id."""

    id: str
    answer: str
    similarity: float
    state: str
    objection: str | None


class ExplainedCard(_Card):
    """What would become of the question: `exact`, `semantic`, `miss` or `bypass`, and why."""

    result: str
    reason: str | None
    language: str | None
    answer: str | None
    prompt: str | None
    rule: str | None
    needs: str | None = Field(description="The strictest rule that would give an answer.")
    confidence: float | None
    agreeing: int
    near: list[NeighbourCard]


@router.get("", dependencies=[Depends(TENANT_ADMIN)])
async def stats(
    request: Request, caller: Annotated[Caller, Depends(TENANT_ADMIN)], tenant: TenantName = None
) -> StatsList:
    """What the cache did, and how far it has proven itself."""
    services = services_of(request)
    tenants = services.editions.catalog.tenants
    if caller.role is Role.ADMIN and tenant is None:
        names = [name for name, each in tenants.items() if each.cache is not None]
    else:
        names = [whose(services.editions.catalog, caller, tenant).name]
    return StatsList(data=[_stats(await services.cache.stats(name)) for name in names])


@router.delete("", dependencies=[Depends(TENANT_ADMIN)])
async def purge(  # noqa: PLR0913, PLR0917 - one parameter each
    request: Request,
    caller: Annotated[Caller, Depends(TENANT_ADMIN)],
    tenant: TenantName = None,
    tag: Annotated[str | None, Query(description="Answers that carry this tag.")] = None,
    model: Annotated[str | None, Query(description="Answers of this model.")] = None,
    collection: Annotated[
        str | None, Query(description="Answers drawn from it.", min_length=1, max_length=128)
    ] = None,
    prompt: Annotated[
        str | None, Query(description="A digest that `explain` tells.", pattern="^[0-9a-f]{16}$")
    ] = None,
    user: Annotated[
        str | None, Query(description="As under `/v1/cache/subjects`.", min_length=1, max_length=512)
    ] = None,
    all_: Annotated[Literal["true"] | None, Query(alias="all", description="Everything.")] = None,
) -> Deleted:
    """Delete answers: by exactly one of `tag`, `model`, `collection`, `prompt`, `user`, `all`."""
    services = services_of(request)
    name = whose(services.editions.catalog, caller, tenant).name
    if [tag, model, collection, prompt, user, all_].count(None) != 5:
        message = "Write exactly one of `tag`, `model`, `collection`, `prompt`, `user` and `all=true`."
        raise BadRequest(message, code="invalid_value")
    if user is not None:
        return Deleted(count=await services.cache.forget(name, user))
    if tag is not None and not is_tag(tag):
        raise BadRequest("`tag` is not one that an answer can carry.", code="invalid_value", param="tag")
    if model is not None:
        _known_model(services, caller, name, model)
    what = Purge(tag=tag, model=model, collection=collection, prompt=prompt, everything=all_ is not None)
    return Deleted(count=await services.cache.purge(name, what))


@router.post("/explain", dependencies=[Depends(TENANT_ADMIN)])
async def explain(
    question: Question,
    request: Request,
    caller: Annotated[Caller, Depends(TENANT_ADMIN)],
    tenant: TenantName = None,
) -> ExplainedCard:
    """What would become of a question if it were asked now. Nothing is served, counted or learned."""
    services = services_of(request)
    name = whose(services.editions.catalog, caller, tenant).name
    if (question.text is None) == (question.messages is None):
        raise BadRequest("Write one of `messages` and `text`.", code="invalid_value", param="messages")
    body = question.model_dump(exclude={"text"}, exclude_none=True)
    if question.text is not None:
        body["messages"] = [{"role": "user", "content": question.text}]
    ask = make_ask(
        Route.CHAT,
        body,
        request_id="req_" + os.urandom(12).hex(),
        arrived=monotonic(),
        size=sum(len(str(message.get("content") or "").encode()) for message in body["messages"]),
    )
    return _explained(await services.cache.explain(name, ask, key_id=caller.key_id))


@router.delete("/subjects/{user:path}", dependencies=[Depends(TENANT_ADMIN)])
async def forget(
    user: Annotated[str, Path(description="As requests name it in `user`.", min_length=1, max_length=512)],
    request: Request,
    caller: Annotated[Caller, Depends(TENANT_ADMIN)],
    tenant: TenantName = None,
) -> Deleted:
    """Delete every answer that was given to a person, or that is about one, everywhere.

    Names that no path can carry stand in the query: `DELETE /v1/cache?user=`.
    """
    services = services_of(request)
    return Deleted(
        count=await services.cache.forget(whose(services.editions.catalog, caller, tenant).name, user)
    )


@router.get("/{answer}", dependencies=[Depends(TENANT_ADMIN)])
async def entry(
    answer: AnswerId,
    request: Request,
    caller: Annotated[Caller, Depends(TENANT_ADMIN)],
    tenant: TenantName = None,
) -> EntryCard:
    """An answer that is kept."""
    services = services_of(request)
    found = await services.cache.entry(whose(services.editions.catalog, caller, tenant).name, answer)
    if found is None:
        raise _no_entry(answer)
    return _entry(found)


@router.delete("/{answer}", dependencies=[Depends(TENANT_ADMIN)], status_code=204)
async def drop(
    answer: AnswerId,
    request: Request,
    caller: Annotated[Caller, Depends(TENANT_ADMIN)],
    tenant: TenantName = None,
) -> Response:
    """Delete an answer, and with it all that is known of the questions that share it."""
    services = services_of(request)
    if not await services.cache.drop(whose(services.editions.catalog, caller, tenant).name, answer):
        raise _no_entry(answer)
    return Response(status_code=204)


@router.post("/{answer}/feedback", dependencies=[Depends(MEMBER)])
async def feedback(
    answer: AnswerId,
    said: Feedback,
    request: Request,
    caller: Annotated[Caller, Depends(MEMBER)],
    tenant: TenantName = None,
) -> FeedbackTaken:
    """Say whether an answer from the cache was right. One that is called wrong is not given again."""
    services = services_of(request)
    name = whose(services.editions.catalog, caller, tenant).name
    if not await services.cache.feedback(name, answer, wrong=said.verdict == "wrong"):
        raise _no_entry(answer)
    return FeedbackTaken(id=answer, verdict=said.verdict)


def _known_model(services: Services, caller: Caller, tenant: str, model: str) -> None:
    """Answers of a model that was taken from the file or from a tenant may still be there; only the operator knows."""
    if caller.role is not Role.ADMIN and model not in services.editions.catalog.tenants[tenant].models:
        raise NotFound(f"There is no model {model[:100]!r}.", code="model_not_found", param="model")


def _no_entry(answer: str) -> NotFound:
    return NotFound(f"There is no kept answer {answer[:100]!r}.", code="cache_entry_not_found")


def _at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _stats(found: Stats) -> StatsCard:
    return StatsCard(
        tenant=found.tenant,
        since=_at(found.since),
        exact=found.exact,
        semantic=found.semantic,
        looks=dict(found.looks),
        bypassed=dict(found.bypassed),
        answers=found.answers,
        bytes=found.bytes,
        promise=PromiseCard.model_validate(found.promise) if found.promise else None,
    )


def _entry(found: Entry) -> EntryCard:
    return EntryCard(
        id=found.id,
        model=found.model,
        route=found.route,
        created=_at(found.created),
        expires=_at(found.expires),
        backend=found.backend,
        target=found.target,
        provider=found.provider,
        country=found.country,
        tags=list(found.tags),
    )


def _explained(found: Explained) -> ExplainedCard:
    return ExplainedCard(
        result=found.result,
        reason=found.reason.value if found.reason else None,
        language=found.language,
        answer=found.answer,
        prompt=found.prompt,
        rule=found.rule,
        needs=found.needs,
        confidence=found.confidence,
        agreeing=found.agreeing,
        near=[NeighbourCard.model_validate(each) for each in found.near],
    )
