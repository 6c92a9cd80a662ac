"""`Asker`: how a pipeline asks the gateway in process, always as a call of a tenant.

Limits, routing, guardrails, cache, money and policy apply as they do to a call from outside. Whatever happens, every
answer is settled and closed here, so that no chain can forget it. Errors of the gateway come through as they are.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, Any

import orjson

from passerelle.domain.ask import IMAGE_BYTES, Ask, Capability, Needs, Route, Task
from passerelle.domain.cache import NO_WISHES, Wishes
from passerelle.domain.caller import INTERNAL, Caller, Role
from passerelle.domain.errors import BadRequest, Blocked, Fault, Unavailable, UpstreamFailed
from passerelle.gateway.gateway import tenant_of
from passerelle.gateway.record import Outcome
from passerelle.routing.plan import find_model
from passerelle.wire.sse import data_of, events

if TYPE_CHECKING:
    from passerelle.gateway.edition import Editions
    from passerelle.gateway.recalled import Given

_OURS = "x-passerelle-"
_NAMES = {"model": "target"}  # LangChain's own word for another thing
_COUNTED = (Route.CHAT, Route.COMPLETIONS)  # routes whose context is bounded


@dataclass(frozen=True, slots=True)
class Told:
    """What the gateway says of an answer: who gave it, whether it was kept, and what it costs.

    `facts` are the headers of such an answer without their prefix: `backend`, `provider`, `target`, `cache`,
    `attempts`, `country` and more. `cost` is an amount and a currency, or `unknown`.
    """

    request_id: str
    cost: str
    facts: Mapping[str, str] = field(default_factory=dict)

    def metadata(self) -> dict[str, str]:
        """As LangChain's metadata of a response."""
        return {"request_id": self.request_id, "cost": self.cost, **self.facts}


@dataclass(frozen=True, slots=True)
class Asker:
    """Asks for one caller. Make one for each; it holds nothing open.

    `use` marks calls that only Passerelle itself makes: no guardrail looks at them, no cache keeps their answers, and
    any model of the file may be asked. Leave it empty where the words are a tenant's or a document's.
    """

    ask: Callable[[Caller, Ask], Awaitable[Given]]
    editions: Editions
    caller: Caller
    use: str = ""
    patience: float | None = None  # seconds after which an answer is of no use
    wishes: Wishes = NO_WISHES  # of the cache
    collection: str = ""  # whose passages its calls hold

    @classmethod
    def within(
        cls,
        ask: Callable[[Caller, Ask], Awaitable[Given]],
        editions: Editions,
        *,
        tenant: str,
        pipeline: str,
        patience: float | None = None,
    ) -> Asker:
        """One for work that nobody waits for with a key of his own, such as a job's.

        Of the tenant's limits, those of tokens bind such calls; those of requests and of calls under way are for keys.
        """
        caller = Caller(f"{INTERNAL}{pipeline}", tenant, Role.MEMBER, pipeline)
        return cls(ask, editions, caller, patience=patience)

    def offers(self, model: str, capability: Capability) -> bool:
        """Is there a target that may be asked and offers it, as far as is known?

        Raises Refused for a model that there is not, or that is not the tenant's to use.
        """
        edition = self.editions.current
        tenant = tenant_of(self.caller, edition.catalog)
        found = edition.catalog.models.get(model) if self.use else None
        if found is None:
            found = find_model(edition.catalog, tenant, model, Task.CHAT)
        return bool(edition.plan(tenant, found, Needs(frozenset({capability}))).targets)

    async def whole(self, route: Route, body: dict[str, Any]) -> tuple[dict[str, Any], Told]:
        """The answer's JSON object. Raises PasserelleError."""
        asked = self._asked(route, body)
        answer = await self.ask(self.caller, asked)
        try:
            said = answer.body
            told = _told(asked, answer)
            answer.settle(Outcome.ANSWERED)
        finally:
            answer.close()
        try:
            document = orjson.loads(said)
        except orjson.JSONDecodeError as error:
            raise broken() from error
        if not isinstance(document, dict):
            raise broken()
        return document, told

    async def stream(self, body: dict[str, Any]) -> AsyncGenerator[dict[str, Any] | Told, None]:
        """The chunks of a chat's answer, the last of them with its usage, then what the gateway says of it.

        Whoever leaves before the end hangs up, as a caller does. Raises PasserelleError.
        """
        asked = self._asked(
            Route.CHAT, {**body, "stream": True, "stream_options": {"include_usage": True}}, stream=True
        )
        answer = await self.ask(self.caller, asked)
        try:
            async with aclosing(_blocks(answer)) as blocks:
                async for block in blocks:
                    for chunk in _chunks(block):
                        yield chunk
            closing = answer.closing()
            told = _told(asked, answer)
            answer.settle(Outcome.ANSWERED)  # all of it was read, also where nobody waits for the figures
            for chunk in _chunks(closing):
                yield chunk
            yield told
            await answer.linger()
        finally:
            answer.close()

    def _asked(self, route: Route, body: dict[str, Any], *, stream: bool = False) -> Ask:
        if not isinstance(body.get("model"), str) or not body["model"]:
            message = f"A model for {route.task.value} must be named."
            raise BadRequest(message, code="missing_model", param="model")
        size = len(orjson.dumps(body))
        needs, size = _needs(route, body, size)
        return Ask(
            route=route,
            model=self._known(body["model"]),
            body=body,
            stream=stream,
            wants_usage=stream,
            request_id="req_" + os.urandom(12).hex(),
            needs=needs,
            arrived=monotonic(),
            patience=self.patience,
            size=size,
            use=self.use,
            wishes=self.wishes,
            collection=self.collection,
        )

    def _known(self, model: str) -> str:
        """Calls that are ours go to any model of the file, and only to one of the file."""
        if self.use and model not in self.editions.catalog.models:
            message = f"The model {model[:200]!r} is none of this configuration."
            raise BadRequest(message, code="model_not_found", param="model")
        return model


def broken() -> UpstreamFailed:
    """An answer that is none of the protocol."""
    return UpstreamFailed(Fault.BROKEN, "The model's answer is not what its protocol says.")


async def _blocks(answer: Given) -> AsyncGenerator[bytes, None]:
    """What is relayed of a stream; how it breaks off is settled."""
    try:
        while block := await answer.read():
            yield block
    except UpstreamFailed as failure:
        answer.settle(Outcome.BROKEN, failure.fault.value)
        raise
    except (Blocked, Unavailable) as refusal:
        answer.settle(Outcome.BLOCKED, refusal.code)
        raise


def _chunks(block: bytes) -> list[dict[str, Any]]:
    chunks = []
    for event in events(block):
        data = data_of(event)
        if data is None or data.strip() == b"[DONE]":
            continue
        try:
            chunk = orjson.loads(data)
        except orjson.JSONDecodeError as error:
            raise broken() from error
        if isinstance(chunk, dict):
            chunks.append(chunk)
    return chunks


def _told(asked: Ask, answer: Given) -> Told:
    return Told(asked.request_id, answer.cost().decode("ascii"), facts_of(answer))


def facts_of(answer: Given) -> dict[str, str]:
    """The facts of `Told`."""
    facts = {}
    for name, value in answer.facts:
        short = name.decode("ascii").removeprefix(_OURS)
        facts[_NAMES.get(short, short)] = value.decode("ascii")
    return facts


def _needs(route: Route, body: Mapping[str, Any], size: int) -> tuple[Needs, int]:
    """What a target must offer, and the bytes of what is asked, in which every image counts the same.

    The context is a floor that no tokenizer undercuts by much: 8 bytes a token.
    """
    wants: set[Capability] = set()
    images = _images(body) if route is Route.CHAT else []
    text = size - sum([len(url) for url in images]) + IMAGE_BYTES * len(images)
    if body.get("tools"):
        wants.add(Capability.TOOLS)
    if images:
        wants.add(Capability.VISION)
    form = body.get("response_format")
    if form and form.get("type") not in (None, "text"):
        wants.add(Capability.STRUCTURED_OUTPUT)
    output = body.get("max_completion_tokens") or body.get("max_tokens") or 0
    context = (0 if images else size // 8) + output
    return Needs(frozenset(wants), context if route in _COUNTED else 0), text


def _images(body: Mapping[str, Any]) -> list[str]:
    """The addresses of all images, of which some hold the image."""
    found = []
    for message in body.get("messages") or ():
        content = message.get("content")
        for part in content if isinstance(content, list) else ():
            if isinstance(part, dict) and part.get("type") in ("image_url", "input_image"):
                image = part.get("image_url")
                url = image.get("url") if isinstance(image, dict) else image
                found.append(url if isinstance(url, str) else "")
    return found
