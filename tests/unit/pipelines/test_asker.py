"""What a pipeline asks is planned as the same request from outside would be."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from passerelle.domain.ask import IMAGE_BYTES, Capability, Route
from passerelle.domain.errors import BadRequest, Forbidden, NotFound
from passerelle.http.intake import make_ask
from passerelle.pipelines.models.asker import Asker
from tests.fakes.openai_like import OpenAiLike
from tests.unit.pipelines.asking import asker_of, asking, over

_IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 9_000}}
_SAYS = [{"role": "user", "content": "Où est passé l'été ?"}]


@pytest.mark.parametrize(
    ("route", "body"),
    [
        (Route.CHAT, {"messages": _SAYS}),
        (Route.CHAT, {"messages": _SAYS, "max_tokens": 700}),
        (Route.CHAT, {"messages": _SAYS, "tools": [{"type": "function"}], "max_completion_tokens": 5}),
        (Route.CHAT, {"messages": _SAYS, "response_format": {"type": "json_object"}}),
        (Route.CHAT, {"messages": _SAYS, "response_format": {"type": "text"}}),
        (Route.CHAT, {"messages": [{"role": "user", "content": [{"type": "text", "text": "?"}, _IMAGE]}]}),
        (Route.EMBEDDINGS, {"input": ["Où ?", "Là."] * 50}),
        (Route.RERANK, {"query": "Où ?", "documents": ["Là.", "Ici."]}),
    ],
)
async def test_it_needs_and_weighs_what_the_same_request_from_outside_does(
    route: Route, body: dict[str, Any]
) -> None:
    body = {"model": "assistant", **body}
    async with asking() as (_, _, asker):
        ours = asker._asked(route, body)
    theirs = make_ask(route, body, request_id="req_1", arrived=0.0, size=len(orjson.dumps(body)))
    assert (ours.needs, ours.size, ours.stream) == (theirs.needs, theirs.size, theirs.stream)
    if Capability.VISION in ours.needs.capabilities:
        assert ours.size < IMAGE_BYTES + 500


async def test_what_a_model_offers_is_known_before_it_is_asked() -> None:
    async with asking() as (engine, _, asker):
        assert asker.offers("assistant", Capability.STRUCTURED_OUTPUT)
        with pytest.raises(NotFound):
            asker.offers("nobody", Capability.TOOLS)
        with pytest.raises(Forbidden):
            asker_of_other(asker).offers("assistant", Capability.TOOLS)
        assert engine.requests == []


async def test_a_call_of_our_own_goes_to_a_model_of_the_file_or_is_refused_by_name() -> None:
    async with OpenAiLike() as engine:
        configuration = over(engine, models={"allow": ["assistant"]})
        configuration["models"]["small"] = configuration["models"]["assistant"]  # type: ignore[index]
        async with asking(configuration) as (_, gateway, asker):
            ours = Asker(asker.ask, asker.editions, asker.caller, use="rag-rewrite")
            said, told = await ours.whole(Route.CHAT, {"model": "small", "messages": _SAYS})
            with pytest.raises(BadRequest) as caught:
                await ours.whole(Route.CHAT, {"model": "nobody", "messages": _SAYS})
            with pytest.raises(NotFound):
                await asker.whole(Route.CHAT, {"model": "small", "messages": _SAYS})
    assert said["choices"]
    assert told.metadata()["backend"] == "engine"
    assert caught.value.code == "model_not_found"
    assert {began.use for began in gateway.ledger.began} == {"rag-rewrite"}


def asker_of_other(asker: Asker) -> Asker:
    """The same, of a tenant that there is not."""
    return Asker.within(asker.ask, asker.editions, tenant="initech", pipeline="rag")


async def test_patience_and_wishes_go_with_every_call() -> None:
    async with asking() as (_, gateway, _asker):
        asked = asker_of(gateway, patience=3.0)._asked(Route.CHAT, {"model": "assistant", "messages": _SAYS})
    assert asked.patience == 3.0
    assert asked.request_id.startswith("req_")
