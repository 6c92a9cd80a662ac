"""Vectors of passages: paid once each, and a model that is away is waited for."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import pytest

from passerelle.domain.errors import Fault, OverLimit, Unavailable, UpstreamFailed
from passerelle.domain.retrieval import Chunk
from passerelle.jobs.kinds import Later
from passerelle.pipelines.rag.ingesting_vectors import Paid, embed


@dataclass
class _Model:
    """Fails as it is told, call by call; `most` texts are all that fit into a minute."""

    fails: list[Exception | None] = field(default_factory=list)
    most: int = 1_000
    paid: Counter[str] = field(default_factory=Counter)
    calls: int = 0

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        self.calls += 1
        if len(texts) > self.most:
            raise OverLimit("More than a minute holds.", retry_after=None, code="tokens_exceed_limit")
        if self.fails and (error := self.fails.pop(0)) is not None:
            raise error
        self.paid.update(texts)
        return [[float(len(each)), 1.0] for each in texts]


def _chunks(count: int) -> list[Chunk]:
    return [Chunk(id=f"c{number}", document="d", text=f"texte {number}") for number in range(count)]


async def _tell(done: int, total: int) -> None:
    pass


async def test_what_was_embedded_before_a_failure_is_not_paid_for_again() -> None:
    limit = OverLimit("No tokens left.", retry_after=20.0)
    model, paid, chunks = _Model([None, None, None, limit]), Paid(), _chunks(200)
    found: dict[str, list[float]] = {}
    with pytest.raises(OverLimit):
        await embed(model, chunks, found, _tell)
    assert 0 < len(found) < len(chunks)
    paid.keep(found, by="v")

    assert paid.take(chunks, by="w") == {}
    again = paid.take(chunks, by="v")
    await embed(model, chunks, again, _tell)

    assert set(again) == {chunk.id for chunk in chunks}
    assert model.paid == Counter(chunk.indexed for chunk in chunks)
    assert paid.take(chunks, by="v") == {}


@pytest.mark.parametrize(
    "error",
    [
        Unavailable("No target is up."),
        UpstreamFailed(Fault.CONNECT, "Refused."),
        UpstreamFailed(Fault.TIMEOUT_FIRST_CONTENT, "Slow."),
        UpstreamFailed(Fault.RESTING, "It rests."),
        UpstreamFailed(Fault.CREDENTIALS, "401"),
    ],
    ids=lambda error: getattr(error, "fault", "unavailable"),
)
async def test_a_model_that_is_away_is_waited_for(error: Exception) -> None:
    with pytest.raises(Later, match="cannot be asked now"):
        await embed(_Model([error]), _chunks(3), {}, _tell)


@pytest.mark.parametrize("fault", [Fault.SERVER, Fault.BROKEN])
async def test_an_engine_that_breaks_at_one_text_alone_counts_as_a_try(fault: Fault) -> None:
    with pytest.raises(UpstreamFailed):
        await embed(_Model([UpstreamFailed(fault, "It broke.")]), _chunks(3), {}, _tell)
    with pytest.raises(Later):
        await embed(_Model([UpstreamFailed(fault, "It broke.")] * 2), _chunks(3), {}, _tell)


@pytest.mark.parametrize("fault", [Fault.REQUEST, Fault.MODEL, Fault.UNSUPPORTED, Fault.PLACE])
async def test_what_somebody_must_change_is_not_waited_for(fault: Fault) -> None:
    model = _Model([UpstreamFailed(fault, "No.")])
    with pytest.raises(UpstreamFailed):
        await embed(model, _chunks(3), {}, _tell)
    assert model.calls == 1


async def test_calls_are_made_small_enough_for_a_tenant_of_few_tokens() -> None:
    found: dict[str, list[float]] = {}
    model = _Model(most=5)
    await embed(model, _chunks(40), found, _tell)
    assert len(found) == 40
    assert model.paid.total() == 40
    with pytest.raises(OverLimit):
        await embed(_Model(most=0), _chunks(1), {}, _tell)


def test_what_is_kept_in_memory_is_bounded() -> None:
    paid = Paid(most=10)
    paid.keep({f"c{number}": [1.0, 2.0] for number in range(20)}, by=None)
    paid.keep({"c19": [3.0, 4.0]}, by=None)
    assert set(paid.take(_chunks(20), by=None)) == {"c15", "c16", "c17", "c18", "c19"}
