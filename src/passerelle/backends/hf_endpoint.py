"""Kind `hf-endpoint`: a dedicated Hugging Face Inference Endpoint, found by its name, woken when it sleeps.

It is never asked anything only to learn about it while it may scale to zero: each request, a probe included, puts
off its sleep, which is paid for.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection
from dataclasses import replace
from time import monotonic
from typing import Annotated, ClassVar, Literal

import orjson
from pydantic import Field, StringConstraints

from passerelle.backends import endpoint_survey, gauges, openai
from passerelle.backends.base import Reply
from passerelle.backends.dialects import SERVERS
from passerelle.backends.endpoint_belief import AWAY, Belief
from passerelle.backends.endpoint_engines import Engine, engine_of
from passerelle.backends.http_backend import Dialect, exchange, survey
from passerelle.backends.probes import served
from passerelle.backends.provider_parties import placed
from passerelle.backends.tei import Line, Tei
from passerelle.backends.tgi_completion import needs_native
from passerelle.backends.tgi_native import Native
from passerelle.config.base import SecretReference
from passerelle.config.durations import Duration
from passerelle.config.fields import BackendOptions
from passerelle.domain.ask import Ask, Capability, Route, Task
from passerelle.domain.catalog import BackendSpec, Location, Party, Target
from passerelle.domain.errors import CannotRun, Fault, Told, UpstreamFailed
from passerelle.domain.facts import Known, Load, State, Survey
from passerelle.wire.endpoints import Endpoint, EndpointControl, endpoint_hosts
from passerelle.wire.upstream import Upstream

_FRESH_NAMES = 600.0  # seconds the served model's name is believed
_NAMES_SECONDS = 10.0  # for the engine to tell it
_ASLEEP = {"scaledToZero": State.ASLEEP, "initializing": State.WAKING, "pending": State.WAKING}
_LOST = {"failed": "It has failed", "updateFailed": "Its last update has failed"}
_SPOKEN = frozenset({Route.CHAT, Route.COMPLETIONS, Route.EMBEDDINGS})  # by every engine but TEI
_RETRY = 20.0  # seconds a caller is told to wait while a replica starts, which takes minutes


_TASKS_OF = {
    "tei": frozenset({Task.EMBED, Task.RERANK, Task.CLASSIFY}),
    "tgi": frozenset({Task.CHAT}),
    "transformers": frozenset({Task.CHAT}),
}


class HfEndpointOptions(BackendOptions):
    """Options of kind `hf-endpoint`."""

    tasks: ClassVar[frozenset[Task]] = frozenset(Task)

    kind: Literal["hf-endpoint"]
    endpoint: Annotated[
        str,
        StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*/[a-z0-9][a-z0-9-]*$"),
        Field(description="namespace/name", examples=["formation/qwen-eu"]),
    ]
    token: SecretReference = Field(
        description="A Hugging Face token that may see and ask the endpoint.", examples=["env:HF_TOKEN"]
    )
    scale_up_timeout: Duration = Field(
        default=600.0, description="How long a replica may take to start after a sleep."
    )
    while_asleep: Literal["failover", "wait"] = Field(
        default="failover",
        description="While it wakes: go on to the next target where there is one, or `wait` all the same.",
    )
    engine: Literal["auto", "tgi", "vllm", "sglang", "llama.cpp", "transformers", "tei", "openai"] = Field(
        default="auto", description="What runs in it; `auto` asks Hugging Face."
    )

    def secrets(self) -> dict[str, str]:
        """Field name to secret reference, for every secret that is set."""
        return {"token": self.token}

    def able(self) -> frozenset[Task]:
        """What its engine can do, where the configuration states which it is."""
        if self.engine == "auto":
            return self.tasks
        return _TASKS_OF.get(self.engine, frozenset({Task.CHAT, Task.EMBED}))

    def lacking(self) -> frozenset[Capability]:
        """What its engine cannot do, where the configuration states which it is."""
        return SERVERS[self.engine].lacks if self.engine in SERVERS else self.lacks

    def wake(self) -> tuple[float, bool]:
        """Its replicas may take this long to start."""
        return self.scale_up_timeout, self.while_asleep == "wait"

    def reaches(self) -> frozenset[str]:
        """The control plane, and what stands below its domain."""
        return endpoint_hosts()

    def where(self) -> Location:
        """Hugging Face runs it; in which country is the operator's to say, and checked against its region."""
        stated = super().where()
        known = Location(None, "Hugging Face, Inc.", "US")
        return placed(known, stated)

    def parties(self, name: str) -> tuple[Party, ...]:
        """Hugging Face states that it stores no payloads of endpoints and trains on none.

        The place is promised where it is stated: nothing is sent to an endpoint that runs in another.
        """
        (party,) = super().parties(name)
        kept = 0 if self.retention_days is None else self.retention_days
        pinned = self.pinned if self.pinned is not None else party.location.country is not None or None
        return (replace(party, trains=self.trains or False, retention_days=kept, pinned=pinned),)


class HfEndpoint:
    """One endpoint. Opened by its name; its address is learned at the first request."""

    def __init__(self, spec: BackendSpec, control: EndpointControl) -> None:
        options: HfEndpointOptions = spec.options
        self._spec = spec
        self._options = options
        self._control = control
        self._headers = {"Authorization": f"Bearer {spec.secrets['token']}"}
        self._belief = Belief(control)
        self._upstream: Upstream | None = None
        self._pools: list[Upstream] = []
        self._native = Native()
        self._names: tuple[float, frozenset[str]] | None = None
        self._naming: asyncio.Future[frozenset[str]] | None = None
        self._waking: asyncio.Future[None] | None = None
        self._roused = float("-inf")  # when starting a replica was last over
        self._tei = Tei()
        self._prices = endpoint_survey.Prices(control)

    async def start(self, ask: Ask, target: Target, wait: float = 0.0) -> Reply:
        """See `Backend.start`. Raises WAKING, PAUSED or PLACE where it cannot be asked now."""
        until = monotonic() + wait
        endpoint = await self._reach(until)
        if endpoint.state in _ASLEEP and wait < 1:
            raise self._wake(endpoint)
        try:
            return await self._ask(ask, target, endpoint, until)
        except UpstreamFailed as failure:
            meant = await self._explained(failure)
            if meant is failure:
                raise
            raise meant from failure

    async def _ask(self, ask: Ask, target: Target, endpoint: Endpoint, until: float) -> Reply:
        engine = engine_of(self._options.engine, endpoint.engine)
        # Held on to: another request, or a survey, may learn of another address meanwhile.
        upstream = self._at(endpoint)
        names = await self._served(engine, upstream, until)
        try:
            return await self._send(ask, _named(target, names), engine, upstream, until=until)
        except UpstreamFailed as said:
            failure = engine.meant(said)
            if failure.fault is not Fault.MODEL or not engine.named:
                raise failure from (said if failure is not said else said.__cause__)
        # It may have been started again with another model.
        fresh = await self._served(engine, upstream, until, anew=True)
        if _named(target, fresh) == _named(target, names):
            raise failure
        return await self._send(ask, _named(target, fresh), engine, upstream, until=until)

    async def _send(
        self, ask: Ask, target: Target, engine: Engine, upstream: Upstream, *, until: float
    ) -> Reply:
        provider = openai.served_by(self._spec)
        held = self._held(until)
        if engine.name == "tei":
            return await self._tei.answer(ask, target, Line(upstream, provider({}), held))
        if engine.name == "tgi" and needs_native(ask):
            return await self._native.start(ask, target, upstream=upstream, provider=provider, headers=held)
        if ask.route not in _SPOKEN:
            message = f"The engine {engine.name} of an endpoint does not {ask.route.task.value}."
            raise UpstreamFailed(Fault.UNSUPPORTED, message, told=Told(param="model"))
        sent = replace(engine.request(ask, target), headers=held)
        dialect = Dialect(engine.request, engine.reply, engine.rewrite, provider)
        return await exchange(ask, sent, dialect, upstream)

    @staticmethod
    def _held(until: float) -> dict[str, str]:
        """The header that has the endpoint's proxy hold a request until a replica is there."""
        seconds = int(until - monotonic())
        return {"X-Scale-Up-Timeout": str(seconds)} if seconds >= 1 else {}

    async def _reach(self, until: float) -> Endpoint:
        """The endpoint once it has an address. Raises where it cannot answer, whoever waits."""
        while True:
            endpoint = await self._belief.now()
            self._refuse(endpoint)
            if endpoint.url is not None:
                return endpoint
            if monotonic() + AWAY > until:
                raise self._starting()
            await asyncio.sleep(AWAY)

    def _refuse(self, endpoint: Endpoint) -> None:
        """Raise where no request can be answered, or none may be sent."""
        name = self._options.endpoint
        country = endpoint_survey.country_of(endpoint.hardware)
        if country and self._spec.location.country not in (None, country):
            raise UpstreamFailed(
                Fault.PLACE, f"The endpoint {name} runs in {country}, not where it is said to."
            )
        if endpoint.state == "paused":
            raise self._paused()
        if endpoint.state in _LOST:
            raise UpstreamFailed(Fault.SERVER, f"{_LOST[endpoint.state]}: the endpoint {name}.")

    def _at(self, endpoint: Endpoint) -> Upstream:
        base = f"{endpoint.url}/v1"
        if self._upstream is None or self._upstream.base != base:
            # One at a former address may still be read from.
            self._upstream = Upstream(
                base,
                headers=self._headers,
                connect=self._spec.limits.connect,
                names=self._options.reaches(),
            )
            self._pools.append(self._upstream)
        return self._upstream

    async def _served(
        self, engine: Engine, upstream: Upstream, until: float, *, anew: bool = False
    ) -> frozenset[str]:
        """The model names the engine goes by; empty where they do not matter or it does not tell."""
        if not engine.named:
            return frozenset()
        if not anew and self._names is not None and monotonic() - self._names[0] < _FRESH_NAMES:
            return self._names[1]
        held = self._held(until)
        if held:  # each caller waits as long as it can for an engine that wakes
            return await self._ask_names(upstream, held)
        return await self._learn_names(upstream)

    async def _learn_names(self, upstream: Upstream) -> frozenset[str]:
        """Ask for the names, once for all who wait for them."""
        if self._naming is None or self._naming.done():
            self._naming = asyncio.ensure_future(self._ask_names(upstream, {}))
            self._naming.add_done_callback(_heard)
        return await asyncio.shield(self._naming)

    async def _ask_names(self, upstream: Upstream, held: dict[str, str]) -> frozenset[str]:
        limit = _NAMES_SECONDS + float(held.get("X-Scale-Up-Timeout", 0))
        try:
            raw = await upstream.get("/models", limit=limit, headers=held)
            names = frozenset(served(orjson.loads(raw)))
        except orjson.JSONDecodeError:
            names = frozenset()
        except UpstreamFailed as failure:
            if failure.told.status not in (404, 405):
                if self._names is not None:
                    return self._names[1]  # the same, as far as is known
                raise
            names = frozenset()
        self._names = (monotonic(), names)
        return names

    async def _explained(self, failure: UpstreamFailed) -> UpstreamFailed:
        """The failure, or what its proxy meant by it: asleep, starting, paused."""
        status = failure.told.status
        if status == 400 and "invalid state" in failure.told.message.lower():
            self._belief.forget()
            return self._paused()
        if status not in (502, 503, 504):
            return failure
        try:
            now = await self._belief.doubted()
            self._refuse(now)
        except UpstreamFailed as said:
            return said if said.fault in (Fault.PAUSED, Fault.PLACE) else failure
        return self._wake(now) if now.state in _ASLEEP else failure

    def _resume_with(self) -> str:
        return f"Resume it: passerelle doctor --resume {self._spec.name}."

    def _paused(self) -> UpstreamFailed:
        message = f"The endpoint {self._options.endpoint} is paused. {self._resume_with()}"
        return UpstreamFailed(Fault.PAUSED, message)

    def _wake(self, endpoint: Endpoint) -> UpstreamFailed:
        """Have a replica started in the background, once for all who ask; tells them that it is."""
        resting = monotonic() - self._roused < AWAY  # it has just been tried
        if endpoint.url is not None and not resting and (self._waking is None or self._waking.done()):
            self._waking = asyncio.ensure_future(self._rouse(endpoint))
        return self._starting()

    def _starting(self) -> UpstreamFailed:
        message = f"The endpoint {self._options.endpoint} was asleep and is being started."
        return UpstreamFailed(Fault.WAKING, message, told=Told(retry_after=_RETRY))

    async def _rouse(self, endpoint: Endpoint) -> None:
        limit = self._options.scale_up_timeout
        try:
            upstream = self._at(endpoint)
            held = {"X-Scale-Up-Timeout": str(int(limit))}
            await upstream.get(f"{endpoint.url}{endpoint.health_route}", limit=limit + 5, headers=held)
            self._belief.forget()  # it runs now
        except UpstreamFailed:
            pass  # whether it woke is asked of the control plane
        self._roused = monotonic()

    async def survey(self, models: Collection[str]) -> Survey:
        """Its state, replicas, hardware and price; the engine itself is asked only where it never sleeps."""
        try:
            endpoint = await self._belief.look()
        except UpstreamFailed as failure:
            return Survey(State.DOWN, problems=(failure.message,))
        price, unpriced = await self._prices.of(endpoint.hardware)
        engine = engine_of(self._options.engine, endpoint.engine)
        inside: Survey | None = None
        problems: tuple[str, ...] = ()
        if endpoint.state == "running" and endpoint.min_replica > 0 and endpoint.url is not None:
            upstream = self._at(endpoint)
            probe = self._tei.probe if engine.name == "tei" else engine.probe
            inside = await survey(probe, upstream, ())
            if engine.named:
                with contextlib.suppress(UpstreamFailed):
                    await self._learn_names(upstream)
            problems = inside.problems
        # It serves one model, whatever a target calls it.
        facts = next(iter(inside.models.values()), Known()) if inside else Known()
        known = dict.fromkeys(models, facts)
        return endpoint_survey.read(
            endpoint,
            engine=engine.name,
            known=known,
            price=price,
            unpriced=unpriced,
            stated=self._spec.location.country,
            cure=self._resume_with(),
            problems=problems,
        )

    async def load(self) -> Load | None:
        """Of an engine that never sleeps and is not one of several: a balancer answers for any one of those."""
        endpoint = await self._belief.now()
        only = endpoint.min_replica == 1 == endpoint.max_replica
        if endpoint.state != "running" or endpoint.url is None or not only:
            return None
        engine = engine_of(self._options.engine, endpoint.engine)
        return await gauges.ask(engine.gauges, self._at(endpoint))

    async def resume(self) -> None:
        """Start it after somebody paused it."""
        try:
            self._belief.learn(await self._control.resume())
        except UpstreamFailed as failure:
            raise CannotRun(
                failure.message, f"Resume {self._options.endpoint} on Hugging Face's own pages."
            ) from failure

    async def aclose(self) -> None:
        """Close the pools; waking it goes on at Hugging Face."""
        under_way = [task for task in (self._waking, self._naming) if task is not None]
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
        await self._belief.aclose()
        await self._native.aclose()
        for pool in self._pools:
            await pool.aclose()


def _named(target: Target, names: frozenset[str]) -> Target:
    """The target under the name that the engine goes by."""
    if not names or target.model in names:
        return target
    return replace(target, model=min(names))


def _heard(done: asyncio.Future[frozenset[str]]) -> None:
    """Nobody need be left to hear of a failure."""
    if not done.cancelled():
        done.exception()


def open_backend(spec: BackendSpec) -> HfEndpoint:
    """A backend of this kind, from its checked configuration."""
    namespace, _, name = spec.options.endpoint.partition("/")
    return HfEndpoint(spec, EndpointControl(namespace, name, token=spec.secrets["token"]))
