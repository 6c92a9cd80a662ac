"""The filter of a search means conditions, or is refused with the name at fault."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.domain.errors import BadRequest
from passerelle.domain.retrieval import Condition
from passerelle.http.rag_filters import conditions_of


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (None, ()),
        ({}, ()),
        ({"lang": "fr"}, (Condition("lang", any_of=("fr",)),)),
        ({"lang": ["fr", "en"]}, (Condition("lang", any_of=("fr", "en")),)),
        ({"draft": False}, (Condition("draft", any_of=(False,)),)),
        ({"draft": {"not": True}}, (Condition("draft", none_of=(True,)),)),
        ({"year": {"gte": 2020, "lt": 2025.5}}, (Condition("year", at_least=2020, below=2025.5),)),
        ({"year": {"gt": 0, "lte": -1}}, (Condition("year", above=0, at_most=-1),)),
        ({"kind": {"in": ["a", 1], "not": ["b"]}}, (Condition("kind", any_of=("a", 1), none_of=("b",)),)),
        ({"a": 1, "b": {"not": 2}}, (Condition("a", any_of=(1,)), Condition("b", none_of=(2,)))),
    ],
)
def test_a_filter_means_conditions(said: dict[str, Any] | None, meant: tuple[Condition, ...]) -> None:
    assert conditions_of(said) == meant


@pytest.mark.parametrize(
    "said",
    [
        {"": 1}, {'a"b': 1}, {"a\0": 1}, {"a\ud800": 1}, {"x" * 201: 1}, {"groups": "hr"}, {"tenant_id": "other"},
        {"collection": "x"}, {"a": None}, {"a": 1.5}, {"a": []}, {"a": ["x"] * 65}, {"a": [["x"]]}, {"a": {}},
        {"a": {"eq": 1}}, {"a": {"in": "x"}}, {"a": {"in": []}}, {"a": {"not": None}}, {"a": {"gte": "2020"}},
        {"a": {"gte": True}}, {"a": {"gte": float("nan")}}, {"a": {"gte": float("inf")}}, {"a": {"gte": 10**400}},
        {"a": 2**63}, {"a": "x" * 1001}, {"a": "\ud800"}, {"a": "\0"},
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_refused_by_name(said: dict[str, Any]) -> None:
    with pytest.raises(BadRequest) as refused:
        conditions_of(said)

    assert (refused.value.code, refused.value.param) == ("invalid_filter", "filter")
    refused.value.message.encode()


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["in", "not", "gt", "x"]), inner)
    ),
    max_leaves=6,
)


@given(st.dictionaries(st.text(st.characters(), max_size=5), _JSON, max_size=3))
def test_anything_that_json_can_say_is_understood_or_refused(said: dict[str, Any]) -> None:
    try:
        conditions = conditions_of(said)
    except BadRequest:
        return
    assert [each.name for each in conditions] == list(said)
