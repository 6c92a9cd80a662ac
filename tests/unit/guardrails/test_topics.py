"""The default threshold, with the packaged embedder on a small set in two languages."""

from __future__ import annotations

from collections.abc import Sequence

from passerelle.backends.builtin.embedder import Embedder
from passerelle.domain.guardrails import Topics
from passerelle.guardrails.judges import TopicJudge
from passerelle.text.pieces import pieces
from tests.unit.guardrails.topics import LABELS, QUESTIONS


class _Packaged:
    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder

    async def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        return self._embedder.embed(texts).vectors.tolist()  # type: ignore[no-any-return]


async def test_the_nearest_label_is_right_in_both_languages_at_the_default_threshold(
    embedder: Embedder,
) -> None:
    denied = TopicJudge(Topics(tuple(LABELS.items()), deny=frozenset(LABELS)), _Packaged(embedder))
    found = [(await denied.judge(text, "t"), topic) for text, topic in QUESTIONS if topic]
    assert [one for one, _ in found] == [topic for _, topic in found]


async def test_english_that_is_about_nothing_named_is_near_to_nothing_and_french_is_not(
    embedder: Embedder,
) -> None:
    """The packaged embedder reads English; French sentences are near to each other whatever they say."""
    allowed = TopicJudge(Topics(tuple(LABELS.items()), allow=frozenset(LABELS)), _Packaged(embedder))
    found = [await allowed.judge(text, "t") for text, topic in QUESTIONS if not topic]
    assert found == ["no-topic"] * 4 + [None] * 4


def test_pieces_hold_every_letter_of_a_text() -> None:
    text = "Une phrase. " * 100 + "x" * 1_200
    assert "".join("".join(pieces(text)).split()) == "".join(text.split())
    assert max(map(len, pieces(text))) <= 501
    assert pieces("…") == []
