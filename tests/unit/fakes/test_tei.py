"""The TEI fake answers in the shapes of TEI's own OpenAPI document and refuses as its code does."""

from __future__ import annotations

import asyncio
import base64
import struct
from typing import Any

import pytest
from huggingface_hub import AsyncInferenceClient

from tests.fakes import script
from tests.fakes.client import get, post
from tests.fakes.openapi import problems
from tests.fakes.script import Fail
from tests.fakes.tei import Kind, Launch, TeiFake


@pytest.mark.parametrize(
    ("kind", "path", "body", "schema"),
    [
        ("embedding", "/embed", {"inputs": "un"}, "EmbedResponse"),
        ("embedding", "/embed", {"inputs": ["un", [1, 2]]}, "EmbedResponse"),
        ("embedding", "/", {"inputs": "un"}, "EmbedResponse"),
        ("embedding", "/embed_all", {"inputs": "un deux"}, "EmbedAllResponse"),
        ("embedding", "/embed_sparse", {"inputs": "un deux"}, "EmbedSparseResponse"),
        ("embedding", "/v1/embeddings", {"input": ["un", "deux"], "model": "any"}, "OpenAICompatResponse"),
        ("embedding", "/embeddings", {"input": "un", "encoding_format": "base64"}, "OpenAICompatResponse"),
        (
            "embedding",
            "/similarity",
            {"inputs": {"source_sentence": "un", "sentences": ["un", "deux"]}},
            "SimilarityResponse",
        ),
        ("embedding", "/tokenize", {"inputs": ["un deux"]}, "TokenizeResponse"),
        ("embedding", "/decode", {"ids": [1, 2]}, "DecodeResponse"),
        (
            "reranker",
            "/rerank",
            {"query": "un", "texts": ["deux", "un"], "return_text": True},
            "RerankResponse",
        ),
        ("reranker", "/", {"query": "un", "texts": ["deux"]}, "RerankResponse"),
        ("classifier", "/predict", {"inputs": "un"}, "PredictResponse"),
        ("classifier", "/predict", {"inputs": [["un"], ["un", "deux"]]}, "PredictResponse"),
    ],
)
async def test_answers_fit_their_schema(kind: Kind, path: str, body: Any, schema: str) -> None:
    async with TeiFake(kind=kind) as tei:
        heard = await post(tei.url + path, body)
        assert heard.status == 200
        assert problems(heard.json, schema, "tei") == []


@pytest.mark.parametrize("kind", ["embedding", "reranker", "classifier"])
async def test_the_model_is_described(kind: Kind) -> None:
    async with TeiFake(kind=kind) as tei:
        info = (await get(f"{tei.url}/info")).json
        assert problems(info, "Info", "tei") == []
        assert list(info["model_type"]) == [kind]


async def test_errors_are_flat_and_say_type_where_the_document_says_error_type() -> None:
    async with TeiFake() as tei:
        texts = ["x"] * 33
        native = await post(f"{tei.url}/embed", {"inputs": texts})
        openai = await post(f"{tei.url}/v1/embeddings", {"input": texts})
        message = "batch size 33 > maximum allowed batch size 32"
        assert (native.status, native.json) == (422, {"error": message, "error_type": "Validation"})
        assert problems(native.json, "ErrorResponse", "tei") == []
        assert (openai.status, openai.json) == (422, {"message": message, "code": 422, "type": "Validation"})
        assert problems(openai.json, "OpenAICompatErrorResponse", "tei") == [
            "OpenAICompatErrorResponse: error_type is missing"
        ]


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        ({"inputs": []}, 400, "Empty"),
        ({"inputs": ""}, 422, "Validation"),
        ({"inputs": "x " * 600}, 422, "Validation"),
    ],
)
async def test_inputs_that_cannot_be_embedded_are_refused(body: Any, status: int, kind: str) -> None:
    async with TeiFake() as tei:
        heard = await post(f"{tei.url}/embed", body)
        assert (heard.status, heard.json["error_type"]) == (status, kind)


async def test_long_inputs_are_cut_when_asked() -> None:
    async with TeiFake() as tei:
        heard = await post(f"{tei.url}/embed", {"inputs": "x " * 600, "truncate": True})
        assert (heard.status, heard.headers["x-compute-tokens"]) == (200, "512")


@pytest.mark.parametrize(
    ("kind", "status", "error_type"),
    [("overloaded", 429, "Overloaded"), ("generation", 424, "Backend")],
)
async def test_failures_have_their_status(kind: Any, status: int, error_type: str) -> None:
    async with TeiFake() as tei:
        tei.script(Fail(kind))
        heard = await post(f"{tei.url}/v1/embeddings", {"input": "x"})
        assert (heard.status, heard.json["type"], heard.json["code"]) == (status, error_type, status)


async def test_overload_refuses_single_inputs_and_lets_batches_wait() -> None:
    async with TeiFake(launch=Launch(max_concurrent_requests=1)) as tei:
        gate = asyncio.Event()
        tei.script(script.Wait(gate))
        slow = asyncio.create_task(post(f"{tei.url}/embed", {"inputs": "x"}))
        await tei.until(lambda: tei.live == 1)
        assert (await post(f"{tei.url}/embed", {"inputs": "x"})).status == 429
        assert (await post(f"{tei.url}/embed", {"inputs": ["x"]})).status == 200
        gate.set()
        assert (await slow).status == 200


async def test_wrong_types_and_long_bodies_are_refused_in_plain_text() -> None:
    async with TeiFake(launch=Launch(payload_limit=200)) as tei:
        for body, status in (({"inputs": 1}, 422), ({}, 422), ({"inputs": "x" * 300}, 413)):
            heard = await post(f"{tei.url}/embed", body)
            assert (heard.status, heard.headers["content-type"]) == (status, "text/plain; charset=utf-8")


async def test_a_model_of_another_kind_is_a_failed_dependency() -> None:
    async with TeiFake() as tei, TeiFake(kind="reranker") as reranker:
        rerank = await post(f"{tei.url}/rerank", {"query": "x", "texts": ["y"]})
        embed = await post(f"{reranker.url}/embed", {"inputs": "x"})
        assert {rerank.status, embed.status} == {424}


async def test_both_encodings_hold_the_same_vector_of_length_one() -> None:
    async with TeiFake(dimensions=32) as tei:
        url = f"{tei.url}/v1/embeddings"
        plain = (await post(url, {"input": "été", "dimensions": 16})).json["data"][0]["embedding"]
        coded = (await post(url, {"input": "été", "dimensions": 16, "encoding_format": "base64"})).json
        assert list(struct.unpack("<16f", base64.b64decode(coded["data"][0]["embedding"]))) == plain
        assert abs(sum(x * x for x in plain) - 1) < 1e-6


async def test_texts_that_share_words_with_the_query_rank_first() -> None:
    async with TeiFake(kind="reranker") as tei:
        ranks = (
            await post(f"{tei.url}/rerank", {"query": "chat noir", "texts": ["chien", "chat noir"]})
        ).json
        assert [rank["index"] for rank in ranks] == [1, 0]
        assert "text" not in ranks[0]


async def test_a_key_protects_all_but_health_and_metrics() -> None:
    async with TeiFake(api_key="secret") as tei:
        refused = await post(f"{tei.url}/embed", {"inputs": "x"})
        assert (refused.status, refused.body) == (401, b"")
        assert (await get(f"{tei.url}/info")).status == 401
        for path in ("/health", "/ping", "/", "/metrics"):
            assert (await get(tei.url + path)).status == 200
        tei.healthy = False
        assert (await get(f"{tei.url}/health")).json == {"error": "unhealthy", "error_type": "Unhealthy"}


async def test_hugging_faces_own_client_is_at_home() -> None:
    async with TeiFake() as tei, AsyncInferenceClient(tei.url) as client:
        assert (await client.feature_extraction(["un", "deux"])).shape == (2, 8)
