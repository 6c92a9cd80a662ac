"""Vectors for the cache: in process, or by a model of the file as a call of the tenant; never of two models mixed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from passerelle.backends.builtin.errors import ModelMissing
from passerelle.backends.builtin.texts import Texts
from passerelle.domain.cache import Semantic
from passerelle.domain.errors import PasserelleError, Unavailable, UpstreamFailed
from passerelle.gateway.embedding import Embeddings, _vectors
from tests.fakes.openai_like import OPENAI, OpenAiLike
from tests.fakes.script import Fail, Wait
from tests.models import shared_models
from tests.serving import one_backend
from tests.unit.gateway.internal import Inside, inside

if TYPE_CHECKING:
    from passerelle.cache.entry import Vector

_OWN = Semantic(embedder="embeddings")


class _Packaged:
    """Stands for the packaged model where a test is about others."""

    def __init__(self) -> None:
        self.asked: list[tuple[tuple[str, ...], bool]] = []
        self.missing = False

    @property
    def version(self) -> str:
        if self.missing:
            raise ModelMissing("It is not there.", "Install it.")
        return "packaged-1"

    async def rows(self, texts: Sequence[str], *, aside: bool = False) -> Sequence[Vector]:
        self.asked.append((tuple(texts), aside))
        return list(np.ones((len(texts), 1), np.float32))


def _configuration(engine: OpenAiLike, *, model: str | None = None, **tenant: object) -> dict[str, Any]:
    configuration: dict[str, Any] = one_backend("openai", engine.url, model=engine.model)
    targets = [{"backend": "engine", "model": model or engine.model}]
    configuration["models"]["embeddings"] = {"task": "embed", "targets": targets}
    configuration["tenants"] = {
        "acme": {"models": {"allow": ["assistant"]}, **tenant}, "globex": {"models": {"allow": ["assistant"]}}
    }  # fmt: skip
    return configuration


def _embeddings(gateway: Inside, packaged: _Packaged | None = None) -> Embeddings:
    return Embeddings(gateway.gateway.ask, gateway.editions, packaged or _Packaged())


def _inputs(engine: OpenAiLike) -> list[list[str]]:
    return [request.body["input"] for request in engine.requests if request.method == "POST"]


async def test_texts_that_come_together_are_one_call_of_the_tenant() -> None:
    async with OpenAiLike(OPENAI) as engine, inside(_configuration(engine)) as gateway:
        embedding = _embeddings(gateway).of(_OWN, "acme")
        assert embedding is not None
        first, second, again = await asyncio.gather(*map(embedding.vector, ("un", "deux", "un")))
        assert _inputs(engine) == [["un", "deux"]]
    assert first.dtype == np.float32
    assert abs(float(first @ first) - 1) < 1e-6
    assert np.array_equal(first, again)
    assert not np.array_equal(first, second)
    (began,) = gateway.ledger.began
    assert (began.tenant, began.key_id, began.use) == ("acme", "internal:cache-embed", "cache-embed")
    assert not gateway.ledger.open()


async def test_tenants_are_never_in_one_call() -> None:
    async with OpenAiLike(OPENAI) as engine, inside(_configuration(engine)) as gateway:
        embeddings = _embeddings(gateway)
        both = [embeddings.of(_OWN, tenant) for tenant in ("acme", "globex")]
        await asyncio.gather(*[each.vector(f"secret {i}") for i, each in enumerate(both) if each is not None])
        assert sorted(_inputs(engine)) == [["secret 0"], ["secret 1"]]
        assert {began.tenant for began in gateway.ledger.began} == {"acme", "globex"}


async def test_texts_that_come_while_others_are_on_their_way_wait_for_one_call() -> None:
    go = asyncio.Event()
    async with OpenAiLike(OPENAI) as engine:
        engine.always(Wait(go, before=-1))
        async with inside(_configuration(engine)) as gateway:
            embedding = _embeddings(gateway).of(_OWN, "acme")
            assert embedding is not None
            asked = [asyncio.ensure_future(embedding.vector("a"))]
            await _until(lambda: len(gateway.ledger.began) == 1)
            asked.append(asyncio.ensure_future(embedding.vector("b")))
            await _until(lambda: len(gateway.ledger.began) == 2)
            asked += [asyncio.ensure_future(embedding.vector(text)) for text in "cdef"]
            await asyncio.sleep(0)
            asked[2].cancel()  # its caller waits no longer
            go.set()
            await asyncio.gather(*asked, return_exceptions=True)
            assert _inputs(engine)[:2] == [["a"], ["b"]]
            assert [len(texts) for texts in _inputs(engine)[2:]] == [3]


async def test_many_texts_are_several_calls_of_a_bounded_size() -> None:
    async with OpenAiLike(OPENAI) as engine, inside(_configuration(engine)) as gateway:
        embedding = _embeddings(gateway).of(_OWN, "acme")
        assert embedding is not None
        found = await embedding.vectors([f"text {i}" for i in range(70)], aside=True)
        assert len(found) == 70
        assert [len(texts) for texts in _inputs(engine)] == [32, 32, 6]
        await embedding.vectors(["x" * 40_000, "y" * 40_000])
        assert [len(texts) for texts in _inputs(engine)[3:]] == [1, 1]


async def test_an_engine_that_fails_fails_every_text_and_the_next_ones_are_tried() -> None:
    async with OpenAiLike(OPENAI) as engine:
        engine.script(Fail("validation"))
        async with inside(_configuration(engine)) as gateway:
            embedding = _embeddings(gateway).of(_OWN, "acme")
            assert embedding is not None
            failed = await asyncio.gather(*map(embedding.vector, "ab"), return_exceptions=True)
            assert all(isinstance(each, PasserelleError) for each in failed)
            assert (await embedding.vector("a")).ndim == 1


async def test_no_semantic_cache_where_the_policy_forbids_the_embedder() -> None:
    async with OpenAiLike(OPENAI) as engine:
        configuration = _configuration(engine, policy="home")
        configuration["backends"]["home"] = {
            "kind": "openai", "url": engine.url, "location": {"country": "FR"}
        }  # fmt: skip
        configuration["models"]["assistant"]["targets"][0]["backend"] = "home"
        configuration["policies"] = {"home": {"countries": ["FR"]}}
        async with inside(configuration) as gateway:
            embeddings = _embeddings(gateway)
            assert embeddings.of(_OWN, "acme") is None
            assert "policy" in (embeddings.why_not(_OWN, "acme") or "")
            assert embeddings.of(_OWN, "globex") is not None
            assert embeddings.of(Semantic(), "acme") is not None
            assert not engine.requests


async def test_what_is_no_embedding_model_or_is_several_is_no_embedder() -> None:
    async with OpenAiLike(OPENAI) as engine:
        configuration = _configuration(engine)
        configuration["models"]["embeddings"]["targets"].append({"backend": "engine", "model": "another"})
        async with inside(configuration) as gateway:
            embeddings = _embeddings(gateway)
            assert "different models" in (embeddings.why_not(_OWN, "acme") or "")
            for name in ("assistant", "gone"):
                assert embeddings.of(Semantic(embedder=name), "acme") is None


async def test_another_model_behind_the_name_is_another_version_and_old_texts_do_not_reach_it() -> None:
    async with OpenAiLike(OPENAI) as engine, inside(_configuration(engine)) as gateway:
        embeddings = _embeddings(gateway)
        before = embeddings.of(_OWN, "acme")
        assert before is not None
        gateway.publish(_configuration(engine, degraded=True))
        assert embeddings.of(_OWN, "acme") is before
        gateway.publish(_configuration(engine, model="another"))
        after = embeddings.of(_OWN, "acme")
        assert after is not None
        assert after.version != before.version
        with pytest.raises(Unavailable):
            await before.vector("text")
        assert not gateway.ledger.began


async def test_an_e5_model_is_given_the_prefix_that_it_was_trained_with() -> None:
    async with OpenAiLike(OPENAI, model="intfloat/multilingual-e5-small") as engine:
        async with inside(_configuration(engine)) as gateway:
            embedding = _embeddings(gateway).of(_OWN, "acme")
            assert embedding is not None
            await embedding.vector("Bonjour")
            assert _inputs(engine) == [["query: Bonjour"]]


async def test_the_packaged_model_costs_no_call_and_no_record() -> None:
    packaged = _Packaged()
    async with OpenAiLike(OPENAI) as engine, inside(_configuration(engine)) as gateway:
        embeddings = _embeddings(gateway, packaged)
        embedding = embeddings.of(Semantic(), "acme")
        assert embedding is not None
        assert embedding.version == "packaged-1"
        await embedding.vector("a")
        await embedding.vectors(["b", "c"], aside=True)
        assert not gateway.ledger.began
        packaged.missing = True
        assert embeddings.of(Semantic(), "acme") is None
        assert embeddings.why_not(Semantic(), "acme") == "It is not there. Install it."
    assert packaged.asked == [(("a",), False), (("b",), True), (("c",), True)]


async def test_the_packaged_model_gives_the_same_vector_whichever_thread_works(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    texts = Texts(shared_models(tmp_path_factory))
    try:
        assert texts.version.startswith("builtin/all-MiniLM-L6-v2")
        (first,), (aside,) = await asyncio.gather(
            texts.rows(["Bonjour"]), texts.rows(["Bonjour"], aside=True)
        )
        assert first.dtype == np.float32
        assert np.array_equal(first, aside)
        assert np.allclose(await texts.embed(["Bonjour"]), first)
    finally:
        await texts.aclose()


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b'{"data": []}',
        b'{"data": [{"index": 0, "embedding": []}]}',
        b'{"data": [{"index": 0, "embedding": [0, 0]}]}',
        b'{"data": [{"index": 0, "embedding": [1, "a"]}]}',
        b'{"data": [{"index": 0, "embedding": [1e999]}]}',
        b'{"data": [{"index": 0, "embedding": "%%"}]}',
        b'{"data": [{"index": 0, "embedding": [1]}, {"index": 1, "embedding": [1]}]}',
        b'{"data": [{"index": 0, "embedding": {"a": 1}}]}',
    ],
)
def test_an_answer_without_a_vector_for_each_text_is_a_failure(body: bytes) -> None:
    with pytest.raises(UpstreamFailed):
        _vectors(body, 1)


def test_vectors_are_in_the_order_of_the_texts_and_of_length_1_in_either_form() -> None:
    body = b'{"data": [{"index": 1, "embedding": "AAAAQAAAAAA="}, {"index": 0, "embedding": [0, 3]}]}'
    assert [vector.tolist() for vector in _vectors(body, 2)] == [[0.0, 1.0], [1.0, 0.0]]


def test_no_model_is_loaded_by_asking_for_its_version(tmp_path: Path) -> None:
    assert Texts(tmp_path).version
    assert not list(tmp_path.iterdir())


async def _until(condition: object) -> None:
    assert callable(condition)
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.002)
