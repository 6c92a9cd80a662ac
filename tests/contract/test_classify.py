"""Classifications by every kind that makes them: labels, scores, usage."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.contract.engines import CLASSIFIERS, SECRETS, Row
from tests.serving import Served, serving


@pytest.fixture(params=CLASSIFIERS, ids=lambda row: row.name)
async def engine(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Row, Any]]:
    row: Row = request.param
    async with row.make() as engine:
        yield row, engine


@pytest.fixture
async def served(engine: tuple[Row, Any]) -> AsyncIterator[Served]:
    row, fake = engine
    async with serving(row.configuration(fake, task="classify"), environment=SECRETS) as served:
        yield served


async def _post(served: Served, given: Any, **more: Any) -> tuple[int, dict[str, Any]]:
    body = {"model": "assistant", "input": given, **more}
    async with served.client() as http, http.post("/v1/classify", json=body) as reply:
        return reply.status, await reply.json()


async def test_each_input_gets_its_classes_in_the_order_of_the_input(
    served: Served, engine: tuple[Row, Any]
) -> None:
    status, payload = await _post(served, ["un", "un deux", "un deux trois"])

    assert status == 200, payload
    assert set(payload) == {"id", "object", "created", "model", "data", "usage"}
    assert (payload["object"], payload["model"]) == ("list", engine[0].model)
    assert payload["created"] > 1_700_000_000
    assert [item["index"] for item in payload["data"]] == [0, 1, 2]
    assert [item["label"] for item in payload["data"]] == ["positive", "negative", "positive"]
    for item in payload["data"]:
        assert item["num_classes"] == len(item["probs"]) == len(item["scores"]) == 2
        assert item["scores"][0] == {"label": item["label"], "score": max(item["probs"])}


async def test_probabilities_stand_in_the_models_own_order(served: Served) -> None:
    """Negative is the model's class 0, positive its class 1, whichever is likelier."""
    _, payload = await _post(served, ["un", "un deux"])

    assert [item["probs"] for item in payload["data"]] == [[0.25, 0.75], [0.75, 0.25]]


@pytest.mark.parametrize("given", ["un", ["un"], ["un", "deux"]], ids=repr)
async def test_one_text_or_many(served: Served, given: Any) -> None:
    """Two texts are two inputs, and not a pair of sentences."""
    status, payload = await _post(served, given)

    assert status == 200, payload
    assert len(payload["data"]) == (1 if isinstance(given, str) else len(given))


async def test_the_tokens_an_engine_counts_are_told_and_recorded(served: Served) -> None:
    _, payload = await _post(served, ["un deux", "trois"])

    assert payload["usage"]["prompt_tokens"] == payload["usage"]["total_tokens"] > 0
    await served.until(lambda: served.records)
    usage = served.records[0].usage
    assert usage is not None
    assert usage.prompt_tokens == payload["usage"]["prompt_tokens"]


async def test_a_classification_is_not_streamed(served: Served) -> None:
    status, payload = await _post(served, "un", stream=True)

    assert (status, payload["error"]["param"]) == (400, "stream")


async def test_a_model_for_something_else_does_not_classify_and_says_so(engine: tuple[Row, Any]) -> None:
    row, fake = engine
    async with serving(row.configuration(fake, task="embed"), environment=SECRETS) as served:
        status, payload = await _post(served, "un")

    assert (status, payload["error"]["code"], payload["error"]["param"]) == (400, "wrong_task", "model")
    assert fake.requests == []
