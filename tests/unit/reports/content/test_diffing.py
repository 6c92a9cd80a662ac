"""A diff turns a text into what it became and back, word by word, however long and however different."""

from __future__ import annotations

import itertools

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from passerelle.reports.content.diffing import applied, changed, diff, document, undone

_PART = st.sampled_from(
    ["La ", "formation ", "dure ", "14 h", ". ", "\n\n", "<b>", "</b>", "**", "# ", "é", " ", "\r\n", "« oui »", "…", "\U0001f600", "word "]
)  # fmt: skip
_TEXT = st.lists(_PART, max_size=60).map("".join) | st.text(max_size=60)


@settings(max_examples=250, deadline=None)
@given(before=_TEXT, after=_TEXT)
def test_the_operations_turn_one_text_into_the_other_and_back(before: str, after: str) -> None:
    ops = diff(before, after)

    assert applied(before, ops) == after
    assert undone(after, ops) == before
    assert "".join(op.old for op in ops) == before
    assert "".join(op.new for op in ops) == after
    assert all((op.kind == "equal") is (op.old == op.new) for op in ops)
    assert all(one.kind == "equal" or other.kind == "equal" for one, other in itertools.pairwise(ops))


@given(text=_TEXT)
def test_a_text_that_stays_is_equal(text: str) -> None:
    assert all(op.kind == "equal" for op in diff(text, text))


def _kinds(before: str, after: str) -> list[tuple[str, str, str]]:
    return [(op.kind, op.old, op.new) for op in diff(before, after)]


def test_words_are_compared_and_not_letters() -> None:
    assert _kinds("Un cours court.", "Un cours long.") == [
        ("equal", "Un cours ", "Un cours "),
        ("replace", "court", "long"),
        ("equal", ".", "."),
    ]


def test_two_changed_words_beside_each_other_are_one_change() -> None:
    assert ("replace", "très simple", "fort utile") in _kinds(
        "Un cours très simple ici.", "Un cours fort utile ici."
    )


def test_a_paragraph_that_was_moved_stays_in_one_piece() -> None:
    first, second = "Le premier paragraphe parle de la durée.\n\n", "Le second paragraphe parle du prix.\n\n"

    ops = diff(first + second, second + first)

    assert [op.kind for op in ops] in (["insert", "equal", "delete"], ["delete", "equal", "insert"])


def test_a_tag_is_kept_whole() -> None:
    ops = diff('<p class="a">Un cours</p>', '<p class="b">Un cours</p>')

    assert [(op.old, op.new) for op in ops if op.kind != "equal"] == [('<p class="a">', '<p class="b">')]


def test_the_json_form_says_where_each_stretch_is() -> None:
    found = document(diff("Un cours court.", "Un cours long."))

    assert orjson.loads(orjson.dumps(found)) == found
    assert found[1] == {"op": "replace", "before": [9, 14], "after": [9, 13], "old": "court", "new": "long"}


def test_operations_of_another_text_are_refused() -> None:
    with pytest.raises(ValueError, match="another text"):
        applied("autre chose", diff("Un cours court.", "Un cours long."))


def test_changed_words_are_counted() -> None:
    assert changed(diff("Un cours très court.", "Un cours long.")) == (2, 1)


_WORDS = [f"mot{number % 97}" for number in range(40_000)]
_LONG = " ".join(_WORDS)[:200_000]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (_LONG[:60_000], _LONG[:60_000].replace("mot5 ", "mot6 ")),
        (_LONG, " ".join(reversed(_WORDS))[:200_000]),
        ("a " * 100_000, "b a " * 50_000),
        ("Même phrase.\n" * 15_000, "Même phrase. Autre.\n" * 10_000),
        ("x" * 200_000, "y" * 200_000),
        ("." * 200_000, "!" * 199_999),
        ("<" * 200_000, "<b" * 100_000),
        (". ".join(f"Phrase {n} du texte" for n in range(2_500)), ". ".join(f"Texte {n} en phrases" for n in range(2_500))),
    ],
)  # fmt: skip
def test_long_texts_that_differ_everywhere_are_compared_to_their_end(before: str, after: str) -> None:
    ops = diff(before, after)
    assert applied(before, ops) == after
