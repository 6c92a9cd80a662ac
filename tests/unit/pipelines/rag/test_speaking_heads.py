"""The head of an answer from documents says who answers and how limits stand, as an ordinary model's does."""

from __future__ import annotations

import pytest

from passerelle.domain.limits import Meter, Standing
from passerelle.domain.rag import Begun, Refusal, Said
from tests.unit.pipelines.rag.reading import PAGE, TEXT, Scene, Scripted, answered, answering

BODY = {"model": "rag/docs", "messages": [{"role": "user", "content": "Who built the bridge?"}]}


@pytest.mark.parametrize("stream", [True, False])
async def test_the_head_says_who_answers_and_how_limits_stand(*, stream: bool) -> None:
    begun = Begun(
        {
            "backend": "engine",
            "provider": "own",
            "target": "fake",
            "cache": "miss",
            "country": "FR",
            "request_id": "x",
        },
        (Standing(Meter.REQUESTS, 60, 59, 1.0),),
    )
    said = answered(facts=begun.facts, overhead=0.01)
    scene = Scene(Scripted([begun, Said(TEXT), PAGE, said]))
    async with answering(scene) as served, served.client() as http:
        async with http.post("/v1/chat/completions", json={**BODY, "stream": stream}) as reply:
            text = (await reply.read()).decode()
    headers = reply.headers
    assert [headers[f"x-passerelle-{name}"] for name in ("backend", "provider", "model", "cache", "country")] == [
        "engine", "own", "fake", "miss", "FR",
    ]  # fmt: skip
    assert not {"x-passerelle-target", "x-passerelle-request_id"} & {name.lower() for name in headers}
    assert (headers["x-ratelimit-limit-requests"], headers["x-ratelimit-remaining-requests"]) == ("60", "59")
    assert ("x-passerelle-cost" in headers) is not stream
    assert TEXT.split()[0] in text


async def test_a_refusal_without_a_model_says_how_limits_stand() -> None:
    refused = answered("I don't know.", citations=(), refusal=Refusal.NOTHING_FOUND, cost="0 EUR", facts={})
    scene = Scene(Scripted([Begun({}, (Standing(Meter.REQUESTS, 60, 59, 1.0),)), refused]))
    async with answering(scene) as served, served.client() as http:
        for stream in (True, False):
            async with http.post("/v1/chat/completions", json={**BODY, "stream": stream}) as reply:
                await reply.read()
            assert reply.headers["x-ratelimit-remaining-requests"] == "59"
            assert "x-passerelle-backend" not in reply.headers
