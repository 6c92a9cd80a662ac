"""Streams: what is found never leaves whole, what is not found leaves unchanged, and little is held back."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from passerelle.domain.errors import Blocked, Unavailable, UpstreamFailed
from passerelle.domain.guardrails import Injection, Moderation, Topics, Words
from passerelle.guardrails import fold
from passerelle.guardrails.watch import MOST_HELD, Watch
from passerelle.guardrails.words import Lexicon
from tests.unit.guardrails.calls import Opinion, Vectors, event, rule, text_of, watch

PHRASES = ("bad word", "arnaque", "a b", "x")
_LEXICON = Lexicon(PHRASES)
_PIECES = st.sampled_from(
    [
        "bad",
        "b",
        "ad",
        " ",
        "wor",
        "d",
        "word",
        "s",
        "-",
        "\u200b",
        "\u0301",
        "arna",
        "que",
        "QUE",
        "a",
        "B",
        "x",
        "é",
        ".",
    ]
)


async def _through(looks: Watch, blocks: list[bytes]) -> tuple[bytes, bool]:
    """What leaves, and whether it was stopped."""
    out = b""
    try:
        for block in blocks:
            out += await looks.take(block)
        out += await looks.finish()
    except Blocked:
        return out, True
    return out, False


def _whole_words(seen: str, *, of: str) -> str:
    """What was seen of a text, without the beginning of a word that goes on: "x" is no word of "xylophone"."""
    rest = fold.words(of[len(seen) :])
    words = fold.words(seen)
    return words.rpartition(" ")[0] if rest and not rest.startswith(" ") else words


@settings(max_examples=400, deadline=None)
@given(pieces=st.lists(st.tuples(_PIECES, st.integers(0, 1)), max_size=30), size=st.integers(1, 5))
async def test_a_banned_phrase_never_leaves_whole_however_it_is_cut(
    pieces: list[tuple[str, int]], size: int
) -> None:
    events = [event(piece, choice=choice) for piece, choice in pieces]
    blocks = [b"".join(events[at : at + size]) for at in range(0, len(events), size)]
    out, stopped = await _through(watch(rule(Words(PHRASES))), blocks)

    texts = ["".join(piece for piece, at in pieces if at == choice) for choice in (0, 1)]
    assert stopped == any(_LEXICON.found(text) for text in texts)
    seen = [_whole_words(text_of(out, choice), of=texts[choice]) for choice in (0, 1)]
    assert not any(map(_LEXICON.found, seen))
    assert stopped or out == b"".join(blocks)


@settings(max_examples=200, deadline=None)
@given(pieces=st.lists(st.text(max_size=40), max_size=30))
async def test_without_a_finding_the_bytes_are_the_same_and_little_is_held(pieces: list[str]) -> None:
    looks = watch(rule(Words(("never said phrase",))), rule(Injection(every=50), name="i", blocks=True))
    out = b""
    for piece in [": comment", *pieces]:
        out += await looks.take(event(piece) + b": keep-alive\n\n\n\n")
        assert looks.held <= looks.window + 40
    assert out + await looks.finish() == b"".join(
        event(piece) + b": keep-alive\n\n\n\n" for piece in [": comment", *pieces]
    )


async def test_nothing_of_a_phrase_leaves_while_it_may_become_one() -> None:
    looks = watch(rule(Words(("bad word",))))

    assert await looks.take(event("Hello ")) == event("Hello ")
    assert await looks.take(event("ba")) == b""
    assert await looks.take(event("d wo")) == b""
    assert text_of(await looks.take(event("rk done "))) == "bad work done "
    assert await looks.take(event("bad word")) == b""
    with pytest.raises(Blocked, match="'rule'") as blocked:
        await looks.take(event("!"))
    assert "bad" not in blocked.value.message
    with pytest.raises(Blocked):
        await looks.finish()


async def test_a_phrase_at_the_very_end_is_found_before_the_end_is_told() -> None:
    looks = watch(rule(Words(("arnaque",))))
    assert await looks.take(event("arnaque")) == b""
    with pytest.raises(Blocked):
        await looks.take(event(finish="stop"))


async def test_order_is_kept_across_texts_tools_and_ends() -> None:
    looks = watch(rule(Words(("bad word",))))
    call = [{"index": 0, "id": "k", "function": {"name": "f", "arguments": '{"a":'}}]
    parts = [
        event(role="assistant"),
        event("bad"),
        event(tool_calls=call),
        b": note\n\n",
        event(finish="stop"),
    ]
    out = b""
    for part in parts:
        out += await looks.take(part)
    assert out + await looks.finish() == b"".join(parts)


@pytest.mark.parametrize("cut", range(1, 30))
async def test_escapes_in_the_arguments_of_tools_hide_nothing(cut: int) -> None:
    arguments = '{"q":"\\u0062ad\\n\\u0077ord"}'
    looks = watch(rule(Words(("bad word",))))
    calls = [
        event(tool_calls=[{"index": 0, "function": {"arguments": part}}])
        for part in (arguments[:cut], arguments[cut:])
    ]
    _, stopped = await _through(looks, [*calls, event(finish="tool_calls")])
    assert stopped


async def test_a_choice_that_stalls_does_not_hold_the_others_for_ever() -> None:
    looks = watch(rule(Words(("bad word",))))
    await looks.take(event("bad ", choice=0))
    out = b""
    for _ in range(40):
        out += await looks.take(event("and so on ", choice=1))
        assert looks.held <= looks.window + len("and so on ")
    assert text_of(out, 0) == "bad "
    with pytest.raises(Blocked):
        await looks.take(event("word.", choice=0))


async def test_a_whole_phrase_is_not_let_go_to_make_room() -> None:
    looks = watch(rule(Words(("arnaque",))))
    await looks.take(event("arnaque"))
    out, stopped = await _through(looks, [event("\u200b" * 10) for _ in range(1_000)])
    assert stopped
    assert b"arnaque" not in out


async def test_topics_are_looked_at_every_so_many_characters_and_at_the_end() -> None:
    vectors = Vectors("course", "vote")
    topics = Topics((("c", ("course",)), ("p", ("vote",))), deny=frozenset({"p"}), every=50)
    looks = watch(rule(topics), embedder=vectors)
    assert await looks.take(event(role="assistant")) == event(role="assistant")
    assert await looks.take(event("The course is long. ")) == b""
    assert text_of(await looks.take(event("It has many lessons to do. " * 6))) != ""
    assert await looks.take(event("Now vote.")) == b""
    with pytest.raises(Blocked):
        await looks.finish()


async def test_a_rule_that_only_monitors_holds_nothing_back_and_says_what_it_found() -> None:
    opinion = Opinion()
    looks = watch(
        rule(Moderation("m", every=50), blocks=False),
        rule(Words(("bad",)), name="w", blocks=False),
        moderator=opinion,
    )
    for text in ("bad ", "some harm " * 10, "harm " * 20):
        assert await looks.take(event(text)) == event(text)
    assert await looks.finish() == b""
    assert [(v.rule, v.label, v.blocked) for v in looks.verdicts] == [
        ("w", "words", False),
        ("rule", "violence", False),
    ]
    assert len(opinion.texts) == 1  # it has said what it has to say


async def test_a_rule_that_cannot_be_asked_ends_the_stream() -> None:
    opinion = Opinion()
    opinion.fails = True
    looks = watch(rule(Moderation("m", every=50)), moderator=opinion)
    with pytest.raises(Unavailable) as failed:
        await looks.take(event("text " * 20))
    assert failed.value.code == "guardrail_unavailable"
    assert "secret" not in failed.value.message


async def test_what_cannot_be_read_does_not_pass() -> None:
    with pytest.raises(UpstreamFailed):
        await watch(rule(Words(("bad",)))).take(b"data: {not json\n\n")


async def test_many_bytes_without_text_do_not_pile_up() -> None:
    looks = watch(rule(Words(("bad word",))), rule(Injection(every=400), name="i"))
    await looks.take(event("bad "))
    out = 0
    for _ in range(2_000):
        out += len(await looks.take(b": " + b"x" * 1_000 + b"\n\n"))
    assert out > 2_000_000 - MOST_HELD - 1_100


class _Calm:
    """A moderator that keeps nothing and finds nothing."""

    async def flagged(self, model: str, text: str, *, tenant: str) -> str | None:
        return None


async def test_memory_is_flat_over_a_long_stream() -> None:
    looks = watch(rule(Words(PHRASES[:2])), rule(Moderation("m"), name="m"), moderator=_Calm())
    block = b"".join(event("une phrase ordinaire de la réponse, bad luck " * 20) for _ in range(50))
    sent = 0
    tracemalloc.start()
    try:
        while sent < 8 * 1_048_576:
            sent += len(block)
            await looks.take(block)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 3 * 1_048_576
