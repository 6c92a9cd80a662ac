"""Kind `tei`: a Text Embeddings Inference container (TEI 1.9, docs/openapi.json): embeddings, rankings, classes.

It refuses batches over its limit instead of splitting them; that is done here, and the parts make one answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar, Literal, Self

import orjson
from pydantic import Field, model_validator

from passerelle.backends import openai, probes, ranks
from passerelle.backends import tei_answers as answers
from passerelle.backends.base import Reply
from passerelle.backends.batches import TooMany, in_batches
from passerelle.backends.http_backend import Probe, parse_reply, survey, usage_of
from passerelle.backends.tei_answers import Part
from passerelle.config.fields import UrlOptions
from passerelle.domain.ask import Ask, Route, Task, Usage
from passerelle.domain.catalog import BackendSpec, Target
from passerelle.domain.errors import CannotRun, Fault, Told, UpstreamFailed
from passerelle.domain.facts import Load, State, Survey
from passerelle.wire.upstream import Upstream, read_whole

BATCH = 32  # inputs: TEI's own default of --max-client-batch-size
PAYLOAD = 2_000_000  # bytes: its default of --payload-limit, which /info does not tell

_OVER_BATCH = re.compile(r"batch size \d+ > maximum allowed batch size (\d+)", re.IGNORECASE)
_OTHER_MODEL = re.compile(r"model is not an? [\w-]+ model", re.IGNORECASE)
_OPTIONS = ("raw_scores", "truncate", "truncation_direction")  # of /rerank and /predict, by TEI's names

_Shape = Callable[[Sequence[Any]], dict[str, Any]]  # the body that carries some inputs
_Parse = Callable[[bytes], Any]


class TeiOptions(UrlOptions):
    """Options of kind `tei`."""

    tasks: ClassVar[frozenset[Task]] = frozenset({Task.EMBED, Task.RERANK, Task.CLASSIFY})

    kind: Literal["tei"]
    batch: int | None = Field(
        default=None,
        ge=1,
        le=100_000,
        description="Inputs it takes at once, its --max-client-batch-size; without it, what it says, else 32.",
    )

    @model_validator(mode="after")
    def _no_native_route_in_url(self) -> Self:
        if self.url.endswith(("/embed", "/rerank", "/predict", "/info")):
            raise ValueError("has a url that names a route; write the server's base, such as http://host:80")
        return self


def open_backend(spec: BackendSpec) -> TeiBackend:
    """A backend of this kind, from its checked configuration."""
    return TeiBackend(spec)


class TeiBackend:
    """One container, which serves one model of one of three types."""

    def __init__(self, spec: BackendSpec) -> None:
        self._upstream = openai.open_upstream(spec)
        self._line = Line(self._upstream, openai.served_by(spec)({}))
        self._engine = Tei(spec.options.batch)

    async def start(self, ask: Ask, target: Target, wait: float = 0.0) -> Reply:
        """See `Backend.start`."""
        return await self._engine.answer(ask, target, self._line)

    async def survey(self, models: Collection[str]) -> Survey:
        """See `Backend.survey`."""
        return await survey(self._engine.probe, self._upstream, models)

    async def load(self) -> Load | None:
        """Its batches are short: what is in flight says enough."""
        return None

    async def resume(self) -> None:
        """There is nothing to resume."""
        raise CannotRun("This backend cannot be resumed.", "Only one of kind hf-endpoint can be paused.")

    async def aclose(self) -> None:
        """Close the pool."""
        await self._upstream.aclose()


@dataclass(frozen=True, slots=True)
class Line:
    """How a request reaches a container: through which pool, whose name answers carry, with which headers."""

    upstream: Upstream
    provider: str
    headers: Mapping[str, str] = field(default_factory=dict)


class Tei:
    """What is known of one container, and how it is asked. `batch` is its limit, None where nobody stated it.

    What a survey by `probe` teaches is used: how many inputs a batch may have, how the classes are ordered.
    """

    def __init__(self, batch: int | None = None) -> None:
        self.probe = Probe(("/info",), self._learn)
        self._stated = batch
        self._most = batch or BATCH
        self._labels: tuple[str, ...] = ()  # of a classifier, in its own order
        self._asked: frozenset[str] = frozenset()  # labels that /info was asked for and did not know

    async def answer(self, ask: Ask, target: Target, line: Line) -> Reply:
        """The whole answer, however many batches it takes. Raises UpstreamFailed, as `Backend.start` does."""
        if ask.route is Route.EMBEDDINGS:
            return await self._embed(ask, target, line)
        if ask.route is Route.RERANK:
            return await self._rerank(ask, target, line)
        return await self._classify(ask, target, line)

    async def _embed(self, ask: Ask, target: Target, line: Line) -> Reply:
        given = ask.body["input"]
        single = isinstance(given, str) or isinstance(given[0], int)
        # A parameter that is null is an error there, while OpenAI reads it as absent.
        fixed = {name: value for name, value in ask.body.items() if value is not None}
        fixed["model"] = target.model

        def shape(items: Sequence[Any]) -> dict[str, Any]:
            return {**fixed, "input": given if single else items}

        items = [given] if single else given
        send = partial(self._send, ask, line, shape, path="/v1/embeddings", parse=parse_reply)
        parts = await in_batches(items, send, most=self._most)
        payload = answers.embeddings(parts)
        changed = openai.reply(ask, payload) or len(parts) > 1
        return _reply(line, parts, orjson.dumps(payload) if changed else parts[0].raw)

    async def _rerank(self, ask: Ask, target: Target, line: Line) -> Reply:
        fixed = {"query": ask.body["query"], **_options(ask)}

        def shape(items: Sequence[Any]) -> dict[str, Any]:
            return {**fixed, "texts": items}

        send = partial(self._send, ask, line, shape, path="/rerank", parse=answers.rows)
        parts = await in_batches(ranks.documents_of(ask), send, most=self._most)
        scores, tokens = answers.scores(parts), answers.tokens_of(parts)
        payload = ranks.ranking(ask, scores, model=target.model, tokens=tokens)
        return _reply(line, parts, orjson.dumps(payload), ignored=ranks.unread(ask))

    async def _classify(self, ask: Ask, target: Target, line: Line) -> Reply:
        given = ask.body["input"]
        fixed = _options(ask)

        def shape(items: Sequence[Any]) -> dict[str, Any]:
            # A bare list of two strings would be read as a pair of sentences.
            return {**fixed, "inputs": [[text] for text in items]}

        items = [given] if isinstance(given, str) else given
        send = partial(self._send, ask, line, shape, path="/predict", parse=answers.rows)
        parts = await in_batches(items, send, most=self._most)
        predicted, tokens = answers.predictions(parts), answers.tokens_of(parts)
        order = await self._order(frozenset(predicted[0]), line)
        payload = answers.classification(ask, predicted, order, model=target.model, tokens=tokens)
        return _reply(line, parts, orjson.dumps(payload))

    async def _send(
        self, ask: Ask, line: Line, shape: _Shape, items: Sequence[Any], *, path: str, parse: _Parse
    ) -> Part:
        """One batch, sent and read."""
        body = orjson.dumps(shape(items))
        if len(body) > PAYLOAD and len(items) > 1:
            raise TooMany((len(items) + 1) // 2)
        try:
            response = await line.upstream.post(
                line.upstream.base.removesuffix("/v1") + path,
                body,
                request_id=ask.request_id,
                headers=line.headers,
            )
        except UpstreamFailed as failure:
            raise self._understood(failure, len(items)) from failure
        raw = await read_whole(response)
        document = parse(raw)
        usage = usage_of(document) if isinstance(document, dict) else None
        counted = response.headers.get("x-compute-tokens", "")
        tokens = usage.prompt_tokens if usage else int(counted) if counted.isdecimal() else None
        return Part(document, len(items), tokens, raw, response.headers.get("x-request-id"))

    def _understood(self, failure: UpstreamFailed, count: int) -> Exception:
        """What a refusal of a batch of so many inputs means."""
        told = failure.told
        if over := _OVER_BATCH.search(told.message):
            most = int(over[1])
            if not 0 < most < count:
                return UpstreamFailed(
                    Fault.SERVER, "The engine contradicts itself about its batches.", told=told
                )
            self._most = min(self._most, most)
            return TooMany(most)
        if told.status == 413 and count > 1:
            return TooMany((count + 1) // 2)
        if told.status == 424 and (other := _OTHER_MODEL.search(told.message)):
            message = f"The engine that is configured for this cannot do it: {other[0]}."
            return UpstreamFailed(Fault.UNSUPPORTED, message, told=Told(424, told.message, param="model"))
        return failure

    async def _order(self, labels: frozenset[str], line: Line) -> tuple[str, ...]:
        """These classes in the model's own order, which only /info tells; () where it does not."""
        if labels not in (self._asked, frozenset(self._labels)):
            found = await survey(self.probe, line.upstream, ())
            if found.state is State.READY:
                self._asked = labels
        return self._labels if labels == frozenset(self._labels) else ()

    def _learn(self, documents: Mapping[str, Any], models: Collection[str]) -> Survey:
        info = documents.get("/info")
        if not isinstance(info, dict):
            return Survey(State.READY)
        self._labels = answers.labels_of(info)
        most = info.get("max_client_batch_size")
        if isinstance(most, int) and probes.positive(most):
            self._most = min(self._stated or most, most)
        return answers.described(info, models, batch=self._stated)


def _reply(line: Line, parts: Sequence[Part], body: bytes, *, ignored: tuple[str, ...] = ()) -> Reply:
    tokens = answers.tokens_of(parts)
    usage = None if tokens is None else Usage(prompt_tokens=tokens)
    return Reply(line.provider, body, usage=usage, upstream_id=parts[0].upstream_id, ignored=ignored)


def _options(ask: Ask) -> dict[str, Any]:
    return {name: ask.body[name] for name in _OPTIONS if ask.body.get(name) is not None}
