"""A chat's body as a question to documents, and what of it is refused."""

from __future__ import annotations

from time import monotonic
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.domain.ask import Route
from passerelle.domain.caller import ANY_GROUP, Caller, Role
from passerelle.domain.errors import BadRequest, Forbidden, Refused
from passerelle.domain.rag import MOST_TURNS, Question, Turn
from passerelle.http.intake import make_ask
from passerelle.http.rag_filters import conditions_of
from passerelle.pipelines.rag.spoken import question_of

BODY: dict[str, Any] = {
    "model": "rag/docs",
    "messages": [{"role": "user", "content": "Who built the bridge?"}],
}
ANNA = Caller("key_anna", "acme", Role.MEMBER, groups=frozenset({"hr", "it"}))


def question(more: dict[str, Any], caller: Caller = ANNA) -> tuple[Question, tuple[str, ...]]:
    ask = make_ask(Route.CHAT, {**BODY, **more}, request_id="req_1", arrived=monotonic(), size=100)
    return question_of(caller, ask, conditions_of=conditions_of)


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"functions": [{"name": "f"}]}, "functions"),
        ({"n": 2}, "n"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"logprobs": True}, "logprobs"),
        ({"top_logprobs": 3}, "top_logprobs"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"audio": {"voice": "x", "format": "wav"}}, "audio"),
        ({"web_search_options": {"a": 1}}, "web_search_options"),
        ({"seed": "x"}, "seed"),
        ({"user": 7}, "user"),
        ({"metadata": []}, "metadata"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]}, "messages.0.content"),
        ({"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]}, "messages.0.content"),
        ({"messages": [{"role": "user", "content": ["text"]}]}, "messages.0.content"),
        ({"messages": [*BODY["messages"], {"role": "tool", "content": "x"}]}, "messages.1.role"),
        ({"messages": [*BODY["messages"], {"role": "king", "content": "x"}]}, "messages.1.role"),
        ({"messages": [*BODY["messages"], {"role": "assistant", "content": "x"}]}, "messages"),
        ({"messages": [{"role": "system", "content": "x"}]}, "messages"),
        ({"messages": [{"role": "user", "content": " "}]}, "messages"),
        ({"messages": [{"role": "user", "content": "x" * 8_001}]}, "messages"),
        ({"messages": [*BODY["messages"], *BODY["messages"]], "rag": {"conversation": "c"}}, "messages"),
        ({"rag": "docs"}, "rag"),
        ({"rag": {"collection": "docs"}}, "rag"),
        ({"rag": {"k": 0}}, "rag.k"),
        ({"rag": {"k": True}}, "rag.k"),
        ({"rag": {"mode": "best"}}, "rag.mode"),
        ({"rag": {"mode": []}}, "rag.mode"),
        ({"rag": {"groups": "hr"}}, "rag.groups"),
        ({"rag": {"filter": []}}, "rag.filter"),
        ({"rag": {"filter": {"year": {"about": 1}}}}, "filter"),
        ({"rag": {"model": ""}}, "rag.model"),
        ({"rag": {"conversation": 1}}, "rag.conversation"),
    ],
    ids=lambda value: str(value)[:40],
)  # fmt: skip
def test_what_cannot_be_honoured_is_refused_by_name(more: dict[str, Any], param: str) -> None:
    with pytest.raises(BadRequest) as caught:
        question(more)
    assert caught.value.param == param
    assert "x" * 50 not in caught.value.message


def test_what_asks_for_nothing_special_is_no_reason_to_refuse() -> None:
    harmless = {
        "tools": [], "tool_choice": "none", "n": 1, "response_format": {"type": "text"}, "logprobs": False,
        "modalities": ["text"], "logit_bias": {}, "rag": {}, "stop": None, "user": None,
    }  # fmt: skip
    asked, ignored = question({**harmless, "store": True, "reasoning_effort": "low"})
    assert asked.options == {}
    assert ignored == ("store", "reasoning_effort")


def test_a_question_is_for_the_keys_own_groups_unless_it_names_some_of_them() -> None:
    assert question({})[0].groups == ANNA.groups
    assert question({"rag": {"groups": ["it"]}})[0].groups == frozenset({"it"})
    assert question({"rag": {"groups": []}})[0].groups == frozenset()
    with pytest.raises(Forbidden) as caught:
        question({"rag": {"groups": ["board"]}})
    assert caught.value.code == "group_not_yours"
    any_group = Caller("key_app", "acme", Role.MEMBER, groups=frozenset({ANY_GROUP}))
    assert question({"rag": {"groups": ["board"]}}, any_group)[0].groups == frozenset({"board"})


def test_of_a_long_conversation_the_last_turns_are_read() -> None:
    turns = [{"role": ("user", "assistant")[n % 2], "content": str(n)} for n in range(2 * MOST_TURNS + 1)]
    asked, _ = question({"messages": turns})
    assert len(asked.turns) == MOST_TURNS
    assert asked.turns[-1] == Turn("user", str(2 * MOST_TURNS))


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
_RAG = st.dictionaries(
    st.sampled_from(["groups", "filter", "k", "mode", "model", "conversation", "more"]), _JSON, max_size=4
)
_MESSAGE = st.fixed_dictionaries(
    {"role": st.sampled_from(["system", "user", "assistant", "tool", ""]), "content": _JSON}
)


@given(
    rag=_RAG | _JSON,
    messages=st.lists(_MESSAGE, max_size=3) | _JSON,
    more=st.dictionaries(
        st.sampled_from(["tools", "n", "user", "seed", "stop", "logprobs", "x"]), _JSON, max_size=3
    ),
)
def test_whatever_is_sent_is_a_question_or_one_clear_refusal(
    rag: Any, messages: Any, more: dict[str, Any]
) -> None:
    try:
        asked, _ = question({"rag": rag, "messages": messages, **more})
    except Refused:
        return
    assert asked.turns[-1].role == "user"
    assert asked.asked.strip()
