"""Usage as engines send it, in kinds that do not overlap, whatever it is."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from passerelle.domain.ledger import Certainty, TokenKind, UsageSource
from passerelle.ledger.usage import Counted, counted, estimate

_NAMES = [
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    "input_tokens",
    "output_tokens",
    "prompt_cache_hit_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
]
_DETAILS = [f"{side}_tokens_details" for side in ("prompt", "completion", "input", "output")]
_PARTS = ["cached_tokens", "reasoning_tokens", "audio_tokens", "cache_creation_tokens"]
_ODD = (
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.integers(0, 5000)
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(["12", "-3", "1e9", "٣"])
    | st.lists(st.integers(), max_size=2)
)
_USAGES = (
    st.dictionaries(
        st.sampled_from([*_NAMES, *_DETAILS]),
        _ODD | st.dictionaries(st.sampled_from(_PARTS), _ODD, max_size=4),
        max_size=9,
    )
    | _ODD
)


def _of(*usages: Any, sent: int = 400, received: int = 80, generates: bool = True) -> Counted:
    return counted(usages, sent=sent, received=received, generates=generates)


def _kinds(**tokens: int) -> dict[TokenKind, int]:
    return {TokenKind(kind): count for kind, count in tokens.items()}


@given(st.lists(_USAGES, max_size=3), st.integers(0, 10**6), st.integers(0, 10**6), st.booleans())
def test_no_usage_however_odd_raises_or_counts_below_nought(
    usages: list[Any], sent: int, received: int, generates: bool
) -> None:
    count = counted(usages, sent=sent, received=received, generates=generates)

    assert all(tokens > 0 for tokens in count.tokens.values())
    assert (count.certainty is Certainty.EXACT) == (not count.doubts)
    if sent:
        assert count.prompt > 0
    if sent and received and generates:
        assert count.total > count.prompt


@given(
    st.tuples(*[st.integers(0, 10_000)] * 7).filter(lambda parts: sum(parts[:4]) > 0 and sum(parts[4:]) > 0)
)
def test_the_kinds_of_an_openai_usage_add_up_to_its_total(parts: tuple[int, ...]) -> None:
    plain, cached, written, heard, output, reasoned, spoken = parts
    prompt, completion = plain + cached + written + heard, output + reasoned + spoken
    usage = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": cached, "audio_tokens": heard},
        "completion_tokens_details": {"reasoning_tokens": reasoned, "audio_tokens": spoken},
        "cache_creation_input_tokens": written,
    }
    count = _of(usage)

    assert count.total == usage["total_tokens"]
    assert count.certainty is Certainty.EXACT
    assert count.tokens == {
        kind: tokens
        for kind, tokens in _kinds(
            input=plain,
            cached_input=cached,
            cache_write=written,
            audio_input=heard,
            output=output,
            reasoning=reasoned,
            audio_output=spoken,
        ).items()
        if tokens
    }


def test_cached_tokens_are_a_kind_of_their_own() -> None:
    count = _of(
        {
            "prompt_tokens": 1000,
            "completion_tokens": 10,
            "prompt_tokens_details": {"cached_tokens": 900},
        }
    )

    assert count.tokens == _kinds(input=100, cached_input=900, output=10)


@pytest.mark.parametrize(
    ("usage", "kinds"),
    [
        # Anthropic counts beside `input_tokens` what it reads from and writes to its cache.
        (
            {
                "input_tokens": 10,
                "output_tokens": 5,
                "cache_read_input_tokens": 900,
                "cache_creation_input_tokens": 90,
            },
            _kinds(input=10, cached_input=900, cache_write=90, output=5),
        ),
        # OpenAI's Responses count them inside.
        (
            {
                "input_tokens": 1000,
                "output_tokens": 5,
                "total_tokens": 1005,
                "input_tokens_details": {"cached_tokens": 900},
            },
            _kinds(input=100, cached_input=900, output=5),
        ),
        # xAI counts reasoning beside the completion, which the total shows.
        (
            {
                "prompt_tokens": 10,
                "completion_tokens": 5,
                "total_tokens": 115,
                "completion_tokens_details": {"reasoning_tokens": 100},
            },
            _kinds(input=10, output=5, reasoning=100),
        ),
        # DeepSeek names its cache otherwise.
        (
            {"prompt_tokens": 10, "completion_tokens": 5, "prompt_cache_hit_tokens": 4},
            _kinds(input=6, cached_input=4, output=5),
        ),
    ],
)
def test_what_a_provider_counts_beside_is_not_lost_and_not_counted_twice(
    usage: dict[str, Any], kinds: dict[TokenKind, int]
) -> None:
    count = _of(usage)

    assert count.tokens == kinds
    assert count.certainty is Certainty.EXACT


def test_more_cached_tokens_than_the_prompt_has_are_marked_and_paid_as_input() -> None:
    count = _of(
        {"prompt_tokens": 100, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 900}}
    )

    assert count.tokens == _kinds(input=100, output=5)
    assert count.certainty is Certainty.ESTIMATED
    assert count.source is UsageSource.PROVIDER


@pytest.mark.parametrize("wrong", [-5, "many", None, True, 1.5, float("nan"), float("inf"), 10**40, [], {}])
def test_a_count_that_is_none_is_estimated_from_bytes_and_never_nought(wrong: Any) -> None:
    count = _of({"prompt_tokens": wrong, "completion_tokens": 7}, sent=401)

    assert count.tokens == _kinds(input=101, output=7)
    assert count.certainty is Certainty.ESTIMATED


@pytest.mark.parametrize("written", ["120", 120.0])
def test_a_count_in_another_type_is_believed_and_marked(written: Any) -> None:
    count = _of({"prompt_tokens": written, "completion_tokens": 7})

    assert count.tokens == _kinds(input=120, output=7)
    assert count.certainty is Certainty.ESTIMATED


def test_a_usage_of_noughts_for_an_answer_is_not_believed() -> None:
    count = _of({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0})

    assert count.tokens == _kinds(input=100, output=20)
    assert (count.certainty, count.source) == (Certainty.ESTIMATED, UsageSource.ESTIMATE)


def test_a_stream_cut_off_before_its_usage_is_estimated_from_what_was_delivered() -> None:
    count = _of(sent=401, received=81)

    assert count.tokens == _kinds(input=101, output=21)
    assert (count.certainty, count.source) == (Certainty.ESTIMATED, UsageSource.ESTIMATE)
    assert count.doubts == ("The engine did not say what it used: counted from bytes.",)


def test_usage_that_comes_twice_is_counted_once() -> None:
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}

    assert _of(usage, usage) == _of(usage)
    growing = _of({**usage, "completion_tokens": 1, "total_tokens": 11}, usage)
    assert (growing.tokens, growing.certainty) == (_kinds(input=10, output=5), Certainty.EXACT)


def test_usage_that_comes_twice_and_shrinks_is_the_larger_and_marked() -> None:
    count = _of({"prompt_tokens": 10, "completion_tokens": 50}, {"prompt_tokens": 10, "completion_tokens": 5})

    assert (count.tokens, count.certainty) == (_kinds(input=10, output=50), Certainty.ESTIMATED)


def test_a_count_that_two_names_give_differently_is_the_larger_and_marked() -> None:
    count = _of({"prompt_tokens": 10, "input_tokens": 12, "completion_tokens": 5})

    assert (count.tokens, count.certainty) == (_kinds(input=12, output=5), Certainty.ESTIMATED)


def test_embeddings_have_no_tokens_of_an_answer() -> None:
    count = _of({"prompt_tokens": 8, "total_tokens": 8}, generates=False, received=4000)

    assert (count.tokens, count.certainty) == (_kinds(input=8), Certainty.EXACT)


def test_a_total_alone_leaves_nothing_uncounted() -> None:
    count = _of({"total_tokens": 300}, sent=0, received=0)

    assert (count.total, count.certainty) == (300, Certainty.ESTIMATED)


@pytest.mark.parametrize(("size", "tokens"), [(0, 0), (1, 1), (4, 1), (5, 2), (-3, 0)])
def test_an_estimate_is_a_quarter_of_the_bytes_rounded_up(size: int, tokens: int) -> None:
    assert estimate(size) == tokens


_counts = st.integers(-2, 60) | st.none() | st.booleans() | st.just(2**70) | st.floats(0, 50)
_plainish = st.fixed_dictionaries(
    {"prompt_tokens": _counts, "completion_tokens": _counts},
    optional={
        "total_tokens": _counts,
        "prompt_tokens_details": st.none()
        | st.dictionaries(st.sampled_from(["cached_tokens", "audio_tokens"]), _counts),
        "completion_tokens_details": st.none()
        | st.dictionaries(st.sampled_from(["reasoning_tokens", "audio_tokens"]), _counts),
        "cost": _counts,
    },
)


@example(
    usage={
        "prompt_tokens": 1,
        "completion_tokens": 0,
        "total_tokens": 1,
        "prompt_tokens_details": {"cached_tokens": False},
    },
    sent=0,
    received=0,
    generates=False,
)
@given(usage=_plainish, sent=st.integers(0, 200), received=st.integers(0, 200), generates=st.booleans())
@settings(max_examples=500, deadline=None)
def test_the_short_way_counts_as_the_long_one(usage: Any, sent: int, received: int, generates: bool) -> None:
    if type(usage["prompt_tokens"]) is int and type(usage["completion_tokens"]) is int:
        usage.setdefault("total_tokens", usage["prompt_tokens"] + usage["completion_tokens"])
    short = counted([usage], sent=sent, received=received, generates=generates)
    long = counted([None, usage], sent=sent, received=received, generates=generates)
    assert short == long
