"""Kind `hf-providers`: Hugging Face Inference Providers, through Hugging Face's router or straight to one of them.

The router chooses among providers by a suffix of the model's id; `auto` is the absence of one (the suffix
`:auto` is refused there). Its route is for chat alone: other tasks go to a provider's own route.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal, Self

import orjson
import structlog
from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from passerelle.backends import openai, provider_answers, provider_survey
from passerelle.backends.base import Reply
from passerelle.backends.batches import in_batches
from passerelle.backends.http_backend import Dialect, Sent, exchange, usage_of
from passerelle.backends.provider_catalog import POLICIES
from passerelle.backends.provider_parties import ADDRESSES, HUB, PARTIES, ROUTER_PARTY, over, placed
from passerelle.backends.provider_routes import TASKS, Way, way
from passerelle.backends.ranks import documents_of, ranking, unread
from passerelle.backends.tei_answers import classification
from passerelle.config.base import SecretReference, host_of
from passerelle.config.fields import BackendOptions, Url
from passerelle.config.parties import PartyFields
from passerelle.domain.ask import Ask, Capability, Route, Task
from passerelle.domain.catalog import BackendSpec, Location, Party, Target
from passerelle.domain.errors import CannotRun, Fault, UpstreamFailed
from passerelle.domain.facts import Load, Survey
from passerelle.wire.provider_mappings import ProviderMappings, Serving
from passerelle.wire.upstream import Upstream, read_whole

_log = structlog.get_logger(__name__)

_PREPARE_SECONDS = 8.0  # of a survey, for the ways to the models
ROUTER = "https://router.huggingface.co/v1"
# Whose route for text generation speaks OpenAI's /v1/completions.
COMPLETE = frozenset({"deepinfra", "featherless-ai", "novita", "together"})


def _known(provider: str) -> str:
    if provider not in PARTIES.keys() | POLICIES:
        raise ValueError(
            f"is not a provider; write auto, fastest, cheapest, preferred or one of {', '.join(sorted(PARTIES))}"
        )
    return provider


def _named(provider: str) -> str:
    if provider not in PARTIES:
        raise ValueError(f"is not a provider; write one of {', '.join(sorted(PARTIES))}")
    return provider


ProviderName = Annotated[
    str,
    AfterValidator(_named),
    WithJsonSchema({"type": "string", "pattern": f"^({'|'.join(sorted(PARTIES))})$"}),
]


class ProviderFields(PartyFields):
    """What you know of a provider, in place of what this package ships."""


class RouterFields(PartyFields):
    """What is agreed with Hugging Face about its router, in place of what it documents."""


class HfProvidersOptions(BackendOptions):
    """Options of kind `hf-providers`."""

    tasks: ClassVar[frozenset[Task]] = frozenset(Task)

    kind: Literal["hf-providers"]
    provider: Annotated[str, AfterValidator(_known)] = Field(
        default="auto",
        description="auto, preferred, cheapest or fastest (of those a tenant's policy permits), or one by its name.",
    )
    via: Literal["router", "direct"] = Field(
        default="router", description="Through Hugging Face's router, or straight to the named provider."
    )
    token: SecretReference = Field(
        description="A Hugging Face token that may call Inference Providers; the provider's own key for `direct`."
    )
    bill_to: str | None = Field(default=None, description="The organisation on the Hub that pays.")
    router: RouterFields | None = Field(
        default=None,
        description="What is agreed with Hugging Face about its router, which sees every request.",
    )
    providers: dict[ProviderName, ProviderFields] = Field(
        default_factory=dict,
        description="What you know of providers that may be chosen; a policy asks for it.",
    )
    url: Url | None = Field(
        default=None, description="Another address for the router or the provider: that of a proxy of yours."
    )

    @model_validator(mode="after")
    def _direct_is_to_one(self) -> Self:
        if self.via == "direct" and (self.provider in POLICIES or self.provider == "hf-inference"):
            raise ValueError(
                f"has `via: direct`, which needs a provider's name; {self.provider} exists behind the router only"
            )
        if self.via == "direct" and self.bill_to:
            raise ValueError("has `bill_to`, which only the router reads; remove it, or write `via: router`")
        return self

    def secrets(self) -> dict[str, str]:
        """Field name to secret reference, for every secret that is set."""
        return {"token": self.token}

    def contradiction(self, values: Mapping[str, str]) -> str | None:
        """The router takes Hugging Face's own tokens, and nobody else does."""
        own = values["token"].startswith("hf_")
        if self.via == "router" and not own:
            return (
                "the token does not begin with hf_, so it is not one of Hugging Face, which is all the router takes; "
                "a provider's own key needs `via: direct`"
            )
        if self.via == "direct" and own:
            return f"the token is one of Hugging Face, and {self.provider} is asked directly, with a key of its own"
        return None

    def lacking(self) -> frozenset[Capability]:
        """Few providers know the legacy text route."""
        return frozenset() if self.provider in COMPLETE else frozenset({Capability.COMPLETIONS})

    def choice(self) -> str | None:
        """Of the providers that a tenant's policy permits, the one is taken that is best by the catalogue."""
        return self.provider if self.provider in ("cheapest", "fastest") else None

    def reaches(self) -> frozenset[str]:
        """The router or the provider itself, and the Hub, which says who serves what."""
        if self.url:
            return frozenset({HUB, host_of(self.url)})
        if self.via == "router":
            return frozenset({HUB, host_of(ROUTER)})
        return frozenset({HUB, *ADDRESSES[self.provider]})

    def payer(self) -> str | None:
        """The organisation of `bill_to`."""
        return self.bill_to

    def billable(self) -> bool:
        """The router bills the organisation it is told to."""
        return self.via == "router"

    def hosts(self) -> tuple[Party, ...]:
        """Every provider, with what the configuration states of it."""
        return tuple(self.party(name) for name in PARTIES)

    def party(self, provider: str) -> Party:
        """A provider as a party: what the configuration states, else what is known."""
        return over(PARTIES[provider], self.providers.get(provider, ProviderFields()).as_party(provider))

    def where(self) -> Location:
        """That of the provider: as the backend states it, else as it is known of the one that is named."""
        stated = super().where()
        known = self.party(self.provider).location if self.provider in PARTIES else Location()
        return placed(known, stated)

    def parties(self, name: str) -> tuple[Party, ...]:
        """The router, unless the provider is asked directly, then the provider: both see every request.

        The router's location is not documented by its operator, a company in the United States; it states that
        it stores no bodies and trains on nothing.
        """
        (stated,) = super().parties(name)
        if self.provider in PARTIES:
            stated = over(self.party(self.provider), stated)
        elif self.choice() is None:
            stated = replace(stated, unnamed=True)
        if self.via == "direct":
            return (stated,)
        router = f"{name} (router)"
        agreed = (self.router or RouterFields()).as_party(router)
        return (over(replace(ROUTER_PARTY, name=router), agreed), stated)


class HfProviders:
    """The router's chat route, and every provider's own routes."""

    def __init__(self, spec: BackendSpec) -> None:
        options: HfProvidersOptions = spec.options
        self._options = options
        self._name = spec.name
        self._key = spec.secrets["token"]
        router = options.via == "router"
        self._mappings = ProviderMappings(self._key if router else None)
        self._upstream = Upstream(
            (options.url or ROUTER) if router else "",
            headers={"Authorization": f"Bearer {self._key}"},
            connect=spec.limits.connect,
            names=options.reaches(),
        )
        self._ways: dict[tuple[str, Serving], Way] = {}
        self._parties = {name: options.party(name) for name in PARTIES}

    async def start(self, ask: Ask, target: Target, wait: float = 0.0) -> Reply:
        """See `Backend.start`."""
        try:
            if ask.route is Route.CHAT and self._options.via == "router":
                return await exchange(ask, self._chat(ask, target), self._dialect(target), self._upstream)
            found = await self._way(ask, target)
            if ask.route in (Route.CHAT, Route.COMPLETIONS):
                sent = self._openai(ask, target, found)
                return await exchange(ask, sent, self._dialect(target, found), self._upstream)
            return await _TASK[ask.route](self, ask, target, found)
        except UpstreamFailed as failure:
            if failure.fault is Fault.MODEL:
                self._mappings.forget(target.model)
            raise

    def _provider(self, target: Target) -> str | None:
        """The provider that is asked by name; None leaves the choice to the router."""
        if target.host is not None:
            return target.host.name
        return self._options.provider if self._options.provider in PARTIES else None

    def _chat(self, ask: Ask, target: Target) -> Sent:
        chosen = target.host.name if target.host else self._options.provider
        if ":" in target.model:  # a suffix of its own would choose a provider that no policy was asked about
            message = f"{target.model} names a provider; say which one is asked by `provider` of the backend."
            raise UpstreamFailed(Fault.MODEL, message)
        sent = openai.request(ask, target)
        sent.body["model"] = target.model if chosen == "auto" else f"{target.model}:{chosen}"
        return replace(sent, headers=self._billed(target))

    def _billed(self, target: Target) -> dict[str, str]:
        payer = target.bill_to or self._options.bill_to
        return {"X-HF-Bill-To": payer} if payer and self._options.via == "router" else {}

    def _dialect(self, target: Target, found: Way | None = None) -> Dialect:
        asked = found.provider if found else self._provider(target)

        def provider(reply_headers: Mapping[str, str]) -> str:
            return self._answerer(reply_headers, asked)

        return Dialect(openai.request, openai.reply, None, provider)

    def _answerer(self, reply_headers: Mapping[str, str], asked: str | None) -> str:
        """Who answered, as far as is told; `asked` is the provider that was named, None when none was.

        Another one than was named has seen what no policy was asked about: that is the operator's to know.
        """
        # Bytes that are no text come as surrogates, which no log can hold.
        said = reply_headers.get("x-inference-provider", "").encode("ascii", "replace").decode()[:100]
        if said and asked and said != asked:
            _log.error("another_provider_answered", backend=self._name, asked=asked, answered=said)
        return said or asked or self._options.provider

    async def _way(self, ask: Ask, target: Target) -> Way:
        """The way to a provider of this model for this task. Raises UpstreamFailed(MODEL) when nobody serves it."""
        task, wanted = TASKS[ask.route], self._provider(target)
        serving = [
            each
            for each in await self._mappings.of(target.model)
            if each.task == task and each.provider in PARTIES and wanted in (None, each.provider)
        ]
        if not serving:
            by = f"{wanted} does not serve" if wanted else "no provider serves"
            raise UpstreamFailed(Fault.MODEL, f"For {task}, {by} the model {target.model}.")
        best = next((each for each in serving if each.live), serving[0])
        return await self._to(best, target.model)

    async def _to(self, serving: Serving, model: str) -> Way:
        key = (model, serving)
        if key not in self._ways:
            # In a thread, because the library takes a second to import.
            self._ways[key] = await asyncio.to_thread(
                way, serving, model=model, key=self._key, base=self._options.url
            )
        return self._ways[key]

    def _openai(self, ask: Ask, target: Target, found: Way) -> Sent:
        """A request in OpenAI's shape, with what this provider wants otherwise."""
        sent = openai.request(ask, target)
        field = "messages" if ask.route is Route.CHAT else "prompt"
        inputs = sent.body.pop(field)
        sent.body.pop("model")
        return Sent(found.url, found.body(inputs, sent.body), headers=self._headers(found, target))

    def _headers(self, found: Way, target: Target) -> dict[str, str]:
        return {**found.headers, **self._billed(target)}

    async def _post(self, ask: Ask, target: Target, found: Way, body: dict[str, Any]) -> tuple[Any, Reply]:
        """A provider's document, and the reply that says who gave it, still without a body."""
        response = await self._upstream.post(
            found.url, orjson.dumps(body), request_id=ask.request_id, headers=self._headers(found, target)
        )
        provider = self._answerer(response.headers, found.provider)
        upstream_id = response.headers.get("x-request-id")
        answer = provider_answers.document(await read_whole(response))
        return answer, Reply(provider, upstream_id=upstream_id)

    async def _embed(self, ask: Ask, target: Target, found: Way) -> Reply:
        parameters = {"dimensions": ask.body.get("dimensions")}
        answer, reply = await self._post(ask, target, found, found.body(ask.body["input"], parameters))
        document = provider_answers.embeddings(ask, answer, model=target.model)
        return replace(reply, body=orjson.dumps(document), usage=usage_of(document))

    async def _rerank(self, ask: Ask, target: Target, found: Way) -> Reply:
        documents = documents_of(ask)
        inputs = {"source_sentence": ask.body["query"], "sentences": documents}
        answer, reply = await self._post(ask, target, found, found.body(inputs, {}))
        scores = provider_answers.similarities(answer, count=len(documents))
        document = ranking(ask, scores, model=target.model, tokens=None)
        return replace(reply, body=orjson.dumps(document), ignored=unread(ask))

    async def _classify(self, ask: Ask, target: Target, found: Way) -> Reply:
        given = ask.body["input"]
        texts = [given] if isinstance(given, str) else given

        async def one(batch: Collection[str]) -> tuple[Any, Reply]:
            (text,) = batch
            return await self._post(ask, target, found, found.body(text, {}))

        answers = await in_batches(texts, one, most=1)
        predicted = [provider_answers.labels(answer) for answer, _ in answers]
        document = classification(ask, predicted, (), model=target.model, tokens=None)
        return replace(answers[0][1], body=orjson.dumps(document))

    async def survey(self, models: Collection[str]) -> Survey:
        """What the router's catalogue says of these models, and the Hub of those that are not for chat."""
        provider = self._options.provider if self._options.provider in PARTIES else None
        catalog = self._upstream if self._options.via == "router" else None
        found = await provider_survey.survey(
            models, catalog=catalog, mappings=self._mappings, provider=provider, parties=self._parties
        )
        if catalog is None:
            # What the first request would wait for: the library's import, and the way to each model.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_PREPARE_SECONDS):
                    await asyncio.gather(*(self._prepare(model) for model in models))
        return found

    async def _prepare(self, model: str) -> None:
        with contextlib.suppress(UpstreamFailed):
            for serving in await self._mappings.of(model):
                if serving.provider == self._options.provider:
                    await self._to(serving, model)

    async def load(self) -> Load | None:
        """Providers do not tell."""
        return None

    async def resume(self) -> None:
        """There is nothing to resume."""
        raise CannotRun("Inference Providers cannot be resumed.", "They are never paused.")

    async def aclose(self) -> None:
        """Close the pool."""
        await self._upstream.aclose()


_TASK = {
    Route.EMBEDDINGS: HfProviders._embed,
    Route.RERANK: HfProviders._rerank,
    Route.CLASSIFY: HfProviders._classify,
}


def open_backend(spec: BackendSpec) -> HfProviders:
    """A backend of this kind, from its checked configuration."""
    return HfProviders(spec)
