"""What a caller wants of the cache is read from the header and from the body; what is wrong in the body is told once."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.domain.ask import Ask, Route
from passerelle.domain.cache import NO_WISHES, Wishes
from passerelle.domain.errors import BadRequest
from passerelle.http.credentials import read_head
from passerelle.http.intake import make_ask
from passerelle.http.wishes import wishes_of

_UNASKED = Wishes(look=False)
_NOTHING = Wishes(look=False, keep=False)


@pytest.mark.parametrize(
    ("control", "wishes"),
    [
        (b"no-cache", _UNASKED),
        (b"No-Cache", _UNASKED),
        (b"no-store", _NOTHING),
        (b"no-cache, no-store", _NOTHING),
        (b"max-age=60", Wishes(max_age=60.0)),
        (b'max-age="60"', Wishes(max_age=60.0)),
        (b"max-age=60, max-age=5", Wishes(max_age=60.0)),
        (b"max-age=0", Wishes(look=False, max_age=0.0)),
        (b"only-if-cached", Wishes(only_kept=True)),
        (b" only-if-cached ,max-age=5 ", Wishes(max_age=5.0, only_kept=True)),
        (b"min-fresh=5, no-transform, stale-while-revalidate=1", NO_WISHES),
        (b'ext="a, no-store, b"', NO_WISHES),
        (b'ext="a\\", no-store, b"', NO_WISHES),
        (b'ext="never closed, no-store', NO_WISHES),
        (b"max-age=soon", NO_WISHES),
        (b"max-age=-1", NO_WISHES),
        (b"max-age", NO_WISHES),
        (b"no cache", NO_WISHES),
        (b",,=,;", NO_WISHES),
        (b"", NO_WISHES),
    ],
)
def test_the_header_says_what_rfc_9111_says(control: bytes, wishes: Wishes) -> None:
    assert wishes_of(control, None) == wishes


@given(st.binary(max_size=3000))
def test_whatever_stands_in_the_header_is_no_error(control: bytes) -> None:
    wishes_of(control, None)


@pytest.mark.parametrize(
    ("cache", "wishes"),
    [
        ({}, NO_WISHES),
        ({"no-cache": True}, _UNASKED),
        ({"no-cache": False, "no-store": None}, NO_WISHES),
        ({"no-store": True}, _NOTHING),
        ({"use-cache": False}, _NOTHING),
        ({"use-cache": True}, NO_WISHES),
        ({"ttl": 300}, Wishes(ttl=300.0)),
        ({"s-maxage": 1.5}, Wishes(max_age=1.5)),
        ({"s-maxage": 0}, Wishes(look=False, max_age=0.0)),
        ({"namespace": "spring"}, Wishes(namespace="spring")),
        ({"tags": ["a", "b", "a"]}, Wishes(tags=("a", "b"))),
    ],
)
def test_the_body_says_it_in_litellms_words(cache: dict[str, Any], wishes: Wishes) -> None:
    assert wishes_of(None, cache) == wishes


def test_the_stricter_of_both_holds() -> None:
    assert wishes_of(b"max-age=60", {"s-maxage": 5, "tags": ["x"]}) == Wishes(max_age=5.0, tags=("x",))
    assert wishes_of(b"max-age=5", {"s-maxage": 60}) == Wishes(max_age=5.0)
    assert wishes_of(b"no-store", {"no-cache": True}) == _NOTHING


@pytest.mark.parametrize(
    ("cache", "param"),
    [
        (True, "cache"),
        ("no-cache", "cache"),
        ([], "cache"),
        ({"no_cache": True}, "cache"),
        ({"no-cache": 1}, "cache.no-cache"),
        ({"ttl": 0}, "cache.ttl"),
        ({"ttl": True}, "cache.ttl"),
        ({"ttl": "1h"}, "cache.ttl"),
        ({"s-maxage": -1}, "cache.s-maxage"),
        ({"namespace": 5}, "cache.namespace"),
        ({"namespace": "x" * 129}, "cache.namespace"),
        ({"tags": "a"}, "cache.tags"),
        ({"tags": [""]}, "cache.tags"),
        ({"tags": ["a\n"]}, "cache.tags"),
        ({"tags": ["a"] * 17}, "cache.tags"),
    ],
)
def test_a_malformed_wish_is_one_clear_bad_request(cache: Any, param: str) -> None:
    with pytest.raises(BadRequest) as caught:
        wishes_of(None, cache)

    assert (caught.value.code, caught.value.param) == ("invalid_value", param)
    assert param in caught.value.message


def _ask(control: bytes | None = None, **fields: Any) -> Ask:
    body = {"model": "m", "messages": [{"role": "user", "content": "x"}], **fields}
    return make_ask(Route.CHAT, body, request_id="r", arrived=0.0, size=1, control=control)


def test_a_request_says_it_by_header_body_or_not_at_all() -> None:
    assert _ask().wishes is NO_WISHES
    assert _ask(b"no-cache").wishes == _UNASKED
    assert _ask(cache={"ttl": 5}).wishes == Wishes(ttl=5.0)
    assert _ask(cache=None).wishes is NO_WISHES


@pytest.mark.parametrize("cache", [None, {}, {"no-cache": True}])
def test_no_engine_is_told_of_the_cache(cache: Any) -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "x"}], "cache": cache, "seed": 1}
    ask = make_ask(Route.CHAT, body, request_id="r", arrived=0.0, size=1)

    assert set(ask.body) == {"model", "messages", "seed"}
    assert "cache" in body  # the caller's own object is nobody's to change


def test_several_lines_of_the_header_are_one() -> None:
    head = read_head([(b"cache-control", b"no-cache"), (b"cache-control", b"max-age=5")])

    assert head.cache_control == b"no-cache,max-age=5"
    assert read_head([]).cache_control is None
