"""`/admin/backends` and `/admin/explain`: what backends say of themselves, and what follows for a tenant."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field

from passerelle.domain.ask import Capability, Needs
from passerelle.domain.catalog import BackendSpec
from passerelle.domain.errors import BadRequest, CannotRun, NotFound, Unavailable
from passerelle.domain.facts import Facts, Host, Known, Survey
from passerelle.gateway.edition import Edition
from passerelle.gateway.watch import Watch
from passerelle.http.access import ADMIN
from passerelle.http.services import services_of
from passerelle.routing.explain import explain
from passerelle.routing.notes import nearest

router = APIRouter(prefix="/admin", tags=["Operate"])


class PriceCard(BaseModel):
    """A price; absent figures are not known."""

    currency: str
    input_per_million: Decimal | None = None
    output_per_million: Decimal | None = None
    per_hour: Decimal | None = Field(default=None, description="Of one replica.")


class ModelCard(BaseModel):
    """What is known of one model at a backend."""

    model: str
    offers: list[str] = []
    lacks: list[str] = []
    context: int | None = Field(default=None, description="Tokens.")
    price: PriceCard | None = None
    providers: list[str] = Field(default=[], description="Of a router, those that serve it now.")


class LoadCard(BaseModel):
    """How full a backend is, and whether it is left alone, as the process that answers sees it."""

    calls: int = Field(default=0, description="In flight.")
    waiting: int = Field(default=0, description="Calls that wait for a place.")
    places: int | None = Field(
        default=None, description="Calls it may be sent at once; absent without a limit."
    )
    refused: int = Field(default=0, description="Calls that were given no place, since the start.")
    engine_running: int | None = Field(default=None, description="Calls its engine says it works on.")
    engine_waiting: int | None = Field(
        default=None, description="Calls its engine says wait in its own queue."
    )
    breaker: str = Field(default="closed", description="`closed`, `open` or `half-open`.")
    reason: str | None = Field(default=None, description="What it rests for.")
    rests_seconds: float = Field(default=0, description="Until it is asked again.")


class BackendCard(BaseModel):
    """A backend and what it says of itself. `state` is `off` without its secret, `unasked` before the first survey."""

    name: str
    kind: str
    state: str
    country: str | None
    operator: str | None
    about: dict[str, str] = {}
    problems: list[str] = []
    models: list[ModelCard] = []
    load: LoadCard = LoadCard()


class BackendCards(BaseModel):
    """Every backend of the configuration in force."""

    configuration: str
    backends: list[BackendCard]


@router.get("/backends", dependencies=[Depends(ADMIN)])
async def every_backend(request: Request, *, ask: bool = True) -> BackendCards:
    """What is known of every backend: asked now, or with `ask=false` as it was last heard."""
    services = services_of(request)
    if ask:
        await services.scout.look()
    edition = services.editions.current
    surveys = edition.surveys()
    loads = _loads(services.watch)
    cards = [
        _card(spec, surveys.get(name), loads.get(name)) for name, spec in edition.catalog.backends.items()
    ]
    return BackendCards(configuration=edition.catalog.version, backends=cards)


@router.post("/backends/{name}/resume", dependencies=[Depends(ADMIN)])
async def resume(request: Request, name: str) -> BackendCard:
    """Start a backend that was paused; it may take minutes until it answers."""
    services = services_of(request)
    edition = services.editions.enter()
    try:
        spec = _spec(edition, name)
        try:
            await edition.backend(name).resume()
        except CannotRun as error:
            raise BadRequest(str(error), code="cannot_resume") from error
        await services.scout.look(names={name})
        return _card(spec, edition.surveys()[name], _loads(services.watch).get(name))
    finally:
        services.editions.leave(edition)


class Explained(BaseModel):
    """Who would answer, in order, and why not the others; `text` is for a terminal."""

    text: str
    plan: dict[str, Any]


@router.get("/explain", dependencies=[Depends(ADMIN)])
async def explained(
    request: Request, tenant: str, model: str, needs: Annotated[list[Capability] | None, Query()] = None
) -> Explained:
    """The plan of a tenant for a model on what is known now of the backends; sends nothing."""
    edition = services_of(request).editions.current
    try:
        found = explain(edition.catalog, tenant, model, Needs(frozenset(needs or ())), known=edition.known)
    except CannotRun as error:
        raise NotFound(str(error), code="unknown_name") from error
    return Explained(text=found.as_text(), plan=found.as_json())


def _spec(edition: Edition, name: str) -> BackendSpec:
    spec = edition.catalog.backends.get(name)
    if spec is None:
        said = f"There is no backend {name[:100]!r}. {nearest(name[:100], edition.catalog.backends)}"
        raise NotFound(said, code="unknown_backend")
    if spec.off is not None:
        raise Unavailable(f"The backend {name!r} is switched off: {spec.off}.", code="backend_off")
    return spec


def _loads(watch: Watch) -> dict[str, LoadCard]:
    """What is known of the load on every backend that calls have come for."""
    cards: dict[str, LoadCard] = {}
    for room in watch.places.snapshot():
        cards[room.backend] = LoadCard(
            calls=room.in_flight,
            waiting=room.waiting,
            places=room.limit,
            refused=room.refused,
            engine_running=room.load.running if room.load else None,
            engine_waiting=room.load.waiting if room.load else None,
        )
    for name, breaker in watch.breakers.snapshot().items():
        card = cards.setdefault(name, LoadCard())
        card.breaker, card.rests_seconds = breaker.state, round(breaker.rests, 1)
        card.reason = breaker.reason.value if breaker.reason else None
    return cards


def _card(spec: BackendSpec, survey: Survey | None, load: LoadCard | None) -> BackendCard:
    card = BackendCard(
        name=spec.name,
        kind=spec.kind,
        state="off" if spec.off else survey.state.value if survey else "unasked",
        country=spec.location.country,
        operator=spec.location.operator,
        problems=[f"It is switched off: {spec.off}."] if spec.off else [],
        load=load or LoadCard(),
    )
    if survey is not None:
        card.about = dict(survey.about)
        card.problems += survey.problems
        card.models = [_model(name, known) for name, known in sorted(survey.models.items())]
    return card


def _model(name: str, known: Known) -> ModelCard:
    facts = known.facts
    price = facts.price
    return ModelCard(
        model=name,
        offers=sorted(capability.value for capability in facts.has),
        lacks=sorted(capability.value for capability in facts.lacks),
        context=facts.context,
        price=PriceCard.model_validate(price, from_attributes=True) if price else None,
        providers=[_host(host) for host in known.hosts],
    )


def _host(host: Host) -> str:
    """A provider in a few words, such as `groq: USD 0.15/0.75 per million, 480 tokens/s`."""
    said = [_priced(host.facts)] if host.facts.price else []
    said += [f"{host.throughput:g} tokens/s"] if host.throughput else []
    return f"{host.provider}: {', '.join(said)}" if said else host.provider


def _priced(facts: Facts) -> str:
    price = facts.price
    assert price is not None  # asked by the caller  # noqa: S101
    figures = (price.input_per_million, price.output_per_million)
    return f"{price.currency} {'/'.join('?' if each is None else str(each) for each in figures)} per million"
