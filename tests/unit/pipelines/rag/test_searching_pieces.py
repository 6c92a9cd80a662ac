"""Passages made fit to be read, whose offsets stay those of the document."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from passerelle.domain.rag import MOST_QUESTION, Found
from passerelle.domain.retrieval import Chunk
from passerelle.pipelines.rag.searching_pieces import distinct, joined, shortened

_TEXT = "abcdefghijklmnopqrstuvwxyz" * 4


def piece(start: int, end: int, **fields: Any) -> Found:
    given = {"document": "d", "text": _TEXT[start:end], **fields}
    return Found(Chunk(id=f"{start}-{end}", start=start, end=end, **given), 1.0)


@given(
    st.lists(st.tuples(st.integers(0, 100), st.integers(1, 30)), max_size=12),
    st.integers(1, 6),
    st.integers(10, 80),
)
def test_whatever_is_joined_is_the_documents_text_between_its_offsets(
    spans: list[tuple[int, int]], k: int, longest: int
) -> None:
    pieces = [piece(start, min(len(_TEXT), start + length)) for start, length in spans]
    shown = joined(pieces, k, longest=longest)
    assert len(shown) <= k
    for one in shown:
        assert one.chunk.text == _TEXT[one.chunk.start : one.chunk.end]
        assert len(one.chunk.text) <= max(longest, 30)


def test_what_does_not_touch_or_is_of_another_place_stays_apart() -> None:
    alone = [
        piece(0, 20),
        piece(21, 30),
        piece(20, 30, document="e"),
        piece(20, 30, page=2),
        piece(20, 30, headings=("x",)),
        piece(15, 30, text="y" * 15),
        piece(20, 30, text="short"),
    ]
    assert joined(alone, 9, longest=99) == alone
    assert len(joined([piece(0, 20), piece(20, 30)], 9, longest=99)) == 1
    assert len(joined([piece(0, 20), piece(20, 30)], 9, longest=29)) == 2


def test_the_better_ones_id_and_scores_are_kept() -> None:
    (one,) = joined([piece(20, 40), piece(10, 25)], 2, longest=99)
    assert (one.chunk.id, one.chunk.start, one.chunk.end) == ("20-40", 10, 40)


def test_copies_are_left_out_whatever_their_spaces_and_capitals() -> None:
    some = [piece(0, 3, text="Un  mot"), piece(5, 9, text="un mot"), piece(9, 12)]
    assert distinct(some) == [some[0], some[2]]


@given(st.text(alphabet="ab ", min_size=MOST_QUESTION - 2, max_size=MOST_QUESTION + 50))
def test_a_question_is_never_too_long(question: str) -> None:
    assert len(shortened(question)) <= MOST_QUESTION


def test_a_question_of_one_endless_word_is_cut_too() -> None:
    assert 0 < len(shortened("x" * 1_000_000)) <= MOST_QUESTION
