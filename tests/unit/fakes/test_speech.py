"""Tokens are words: however an answer is cut, its parts add up."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.script import Answer, ToolCall
from tests.fakes.speech import Limits, count, prompt_text, say, tokens_of, vector, words

TEXTS = st.text(alphabet="ab é\n.", max_size=40)


@given(TEXTS)
def test_words_add_up_to_the_text_and_each_is_one_token(text: str) -> None:
    assert "".join(words(text)) == text
    assert sum(map(count, words(text))) == count(text)


@given(TEXTS, st.none() | st.integers(0, 6), st.lists(TEXTS, max_size=2), st.booleans())
def test_limits_cut_text_and_cost_alike(text: str, most: int | None, stop: list[str], keep: bool) -> None:
    said = say(Answer(text), Limits(max_tokens=most, stop=tuple(stop), keep_stop=keep), prompt_tokens=2)
    assert text.startswith(said.text)
    assert said.completion_tokens == count(said.text)
    assert most is None or said.completion_tokens <= most
    if not keep:
        assert not any(s and s in said.text for s in stop)


@given(st.lists(TEXTS, max_size=6), st.none() | st.integers(0, 6))
def test_pieces_do_not_change_what_is_said(pieces: list[str], most: int | None) -> None:
    cut = say(Answer(pieces=tuple(pieces) or ("a",)), Limits(max_tokens=most), prompt_tokens=0)
    whole = say(Answer("".join(pieces) or ("" if pieces else "a")), Limits(max_tokens=most), prompt_tokens=0)
    assert (cut.text, cut.completion_tokens, cut.finish) == (
        whole.text,
        whole.completion_tokens,
        whole.finish,
    )


def test_tools_are_called_only_when_offered() -> None:
    answer = Answer("non", tools=(ToolCall("weather", '{"city": "Paris"}'),))
    assert say(answer, Limits(), prompt_tokens=0).text == "non"
    offered = say(answer, Limits(tools=True), prompt_tokens=0)
    assert (offered.text, offered.tools, offered.completion_tokens) == ("", answer.tools, 3)


def test_a_prompt_is_the_text_of_all_its_messages() -> None:
    parts = [{"type": "text", "text": "et lui"}, {"type": "image_url", "image_url": {"url": "x"}}]
    messages = [
        {"role": "system", "content": "Bonjour"},
        {"role": "user", "content": parts},
        {"role": "tool"},
    ]
    assert prompt_text(messages).split() == ["Bonjour", "et", "lui"]


def test_vectors_depend_on_the_input_alone() -> None:
    assert vector("un", 8) == vector("un", 8) != vector("deux", 8)
    assert (tokens_of("un deux"), tokens_of([1, 2, 3])) == (2, 3)
