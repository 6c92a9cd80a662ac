"""Answers are compared by what is cheapest first, and whoever cannot decide says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from passerelle.cache.entry import Kept
from passerelle.cache.judge import AnswerJudge, Budget, Vectors, likeness_of
from passerelle.cache.seams import Judged, Opinion
from passerelle.domain.cache import Judging, Semantic
from passerelle.domain.errors import Unavailable
from passerelle.text.pieces import pieces

if TYPE_CHECKING:
    from passerelle.cache.entry import Vector

_ASKED = Semantic(judge=Judging("small", calls_per_day=4))
_UNSURE = Judged(Opinion.UNSURE, "none")
_ONE = "You can change the address of your account in the settings."
_OTHER = "Open the settings of the account and edit your postal address there."


def _kept(content: object, **fields: object) -> Kept:
    kept = Kept("ca_1", "acme", "p", "e", {"content": content}, "stop", None, "m", "b", "t", "self", None, 0.0, 1.0,
                asked="How do I change my address?")  # fmt: skip
    return replace(kept, **fields)  # type: ignore[arg-type]


@dataclass
class _Embedders:
    """Vectors in a plane, by their angle's cosine to the first."""

    cosine: float = 0.8
    fails: bool = False
    away: bool = False
    asked: list[Sequence[str]] = field(default_factory=list)

    def of(self, semantic: Semantic, tenant: str) -> Vectors | None:
        return None if self.away else self

    async def vectors(self, texts: Sequence[str], *, aside: bool = False) -> Sequence[Vector]:
        assert aside
        self.asked.append(texts)
        if self.fails:
            raise Unavailable("no")
        turned = (self.cosine, (1 - self.cosine**2) ** 0.5)
        return [np.asarray((1.0, 0.0) if i == 0 else turned, np.float32) for i, _ in enumerate(texts)]


@dataclass
class _Telling:
    says: bool | None = True
    fails: Exception | None = None
    again: bool | Exception | None = None  # what it says the second time, where that is something else
    asked: list[tuple[str, str, tuple[str, str], str]] = field(default_factory=list)

    async def same(self, model: str, question: str, answers: tuple[str, str], *, tenant: str) -> bool | None:
        self.asked.append((model, question, answers, tenant))
        if self.fails:
            raise self.fails
        if self.again is None or len(self.asked) % 2:
            return self.says
        if isinstance(self.again, Exception):
            raise self.again
        return self.again


async def _judged(
    one: object, other: object, *, embedders: _Embedders | None = None, telling: _Telling | None = None,
    semantic: Semantic = _ASKED,
) -> Judged:  # fmt: skip
    judge = AnswerJudge(embedders or _Embedders(), telling or _Telling())
    return await judge.compare(_kept(one), _kept(other), semantic=semantic)


async def test_facts_decide_before_anybody_is_asked() -> None:
    embedders, telling = _Embedders(), _Telling()
    assert await _judged(
        "It takes 2 days.", "It takes 3 days.", embedders=embedders, telling=telling
    ) == Judged(Opinion.DIFFERENT, "facts")
    assert await _judged("Yes.", " yes. ", embedders=embedders, telling=telling) == Judged(
        Opinion.SAME, "facts"
    )
    assert (embedders.asked, telling.asked) == ([], [])


@pytest.mark.parametrize(
    ("cosine", "opinion", "by"),
    [(0.98, Opinion.SAME, "embedding"), (0.5, Opinion.DIFFERENT, "embedding"), (0.8, Opinion.SAME, "model")],
)
async def test_vectors_decide_where_they_are_plain(cosine: float, opinion: Opinion, by: str) -> None:
    assert await _judged(_ONE, _OTHER, embedders=_Embedders(cosine)) == Judged(opinion, by)


async def test_answers_that_sound_alike_and_say_unequally_much_are_for_somebody_who_understands() -> None:
    telling = _Telling(says=False)
    more = f"{_OTHER} It takes 3 days."
    judged = await _judged(_ONE, more, embedders=_Embedders(0.99), telling=telling)
    assert judged == Judged(Opinion.DIFFERENT, "model")


async def test_a_short_answer_is_not_called_different_for_the_little_it_says() -> None:
    assert await _judged("Yes.", f"Yes. {_ONE}", embedders=_Embedders(0.1)) == Judged(Opinion.SAME, "model")


async def test_the_model_hears_the_question_and_both_answers_for_its_tenant() -> None:
    telling = _Telling()
    await _judged(_ONE, _OTHER, telling=telling)
    assert telling.asked[0] == ("small", "How do I change my address?", (_ONE, _OTHER), "acme")


@pytest.mark.parametrize(("says", "opinion"), [(True, Opinion.SAME), (False, Opinion.DIFFERENT)])
async def test_the_model_is_asked_again_with_the_answers_the_other_way_round(
    says: bool, opinion: Opinion
) -> None:
    telling = _Telling(says=says)
    assert await _judged(_ONE, _OTHER, telling=telling) == Judged(opinion, "model")
    assert [answers for _, _, answers, _ in telling.asked] == [(_ONE, _OTHER), (_OTHER, _ONE)]


@pytest.mark.parametrize(("says", "again"), [(False, True), (True, False), (True, Unavailable("no"))])
async def test_what_is_not_said_twice_is_doubt(says: bool, again: bool | Exception) -> None:
    assert await _judged(_ONE, _OTHER, telling=_Telling(says=says, again=again)) == _UNSURE


async def test_a_word_for_whose_second_time_no_call_is_left_is_doubt() -> None:
    telling = _Telling()
    one_call = Semantic(judge=Judging("small", calls_per_day=1))
    assert await _judged(_ONE, _OTHER, telling=telling, semantic=one_call) == _UNSURE
    assert len(telling.asked) == 1


async def test_facts_and_vectors_are_not_asked_twice() -> None:
    embedders, telling = _Embedders(0.5), _Telling(says=False)
    assert await _judged(_ONE, _OTHER, embedders=embedders, telling=telling) == Judged(
        Opinion.DIFFERENT, "embedding"
    )
    assert (len(embedders.asked), telling.asked) == (1, [])


@pytest.mark.parametrize(
    "telling", [_Telling(says=None), _Telling(fails=Unavailable("no")), _Telling(fails=KeyError())]
)
async def test_a_model_without_a_verdict_leaves_it_open(telling: _Telling) -> None:
    assert await _judged(_ONE, _OTHER, telling=telling) == _UNSURE


@pytest.mark.parametrize("embedders", [_Embedders(fails=True), _Embedders(away=True)])
async def test_without_vectors_the_model_is_asked(embedders: _Embedders) -> None:
    assert await _judged(_ONE, _OTHER, embedders=embedders) == Judged(Opinion.SAME, "model")
    assert await _judged(_ONE, _OTHER, embedders=embedders, semantic=Semantic()) == _UNSURE


@pytest.mark.parametrize("said", [None, "", "x" * 20_001, [{"type": "text", "text": "Yes."}]])
async def test_what_has_no_words_or_too_many_is_not_compared(said: object) -> None:
    embedders, telling = _Embedders(), _Telling()
    assert await _judged(said, _ONE, embedders=embedders, telling=telling) == _UNSURE
    assert await _judged(_ONE, said, embedders=embedders, telling=telling) == _UNSURE
    assert (embedders.asked, telling.asked) == ([], [])


async def test_an_answer_that_broke_off_is_not_compared() -> None:
    judge = AnswerJudge(_Embedders(0.99), _Telling())
    cut = _kept(_ONE, finish_reason="length")
    assert await judge.compare(cut, _kept(_ONE), semantic=_ASKED) == _UNSURE


async def test_a_days_calls_are_counted_and_the_next_day_begins_at_midnight_utc() -> None:
    now = [86_399.0]
    telling = _Telling()
    judge = AnswerJudge(_Embedders(), telling, clock=lambda: now[0])
    opinions = [(await judge.compare(_kept(_ONE), _kept(_OTHER), semantic=_ASKED)).opinion for _ in range(3)]
    assert opinions == [Opinion.SAME, Opinion.SAME, Opinion.UNSURE]
    other = replace(_kept(_ONE), tenant="globex")
    assert (await judge.compare(other, _kept(_OTHER), semantic=_ASKED)).opinion is Opinion.SAME
    now[0] = 86_400.0
    assert (await judge.compare(_kept(_ONE), _kept(_OTHER), semantic=_ASKED)).opinion is Opinion.SAME
    assert len(telling.asked) == 8


def test_processes_share_a_days_calls() -> None:
    budget = Budget(lambda: 0.0, processes=lambda: 4)
    assert [budget.take("acme", 10) for _ in range(3)] == [True, True, False]
    assert budget.spent("acme") == 2


def test_one_part_that_the_other_answer_lacks_is_seen_beside_many_that_it_has() -> None:
    plane = [np.asarray(each, np.float32) for each in ((1.0, 0.0), (0.6, 0.8))]
    likeness = likeness_of([plane[0]] * 9, [*[plane[0]] * 9, plane[1]], telling=True)
    assert likeness.whole > 0.97
    assert likeness.least == pytest.approx(0.6)


def test_a_text_is_cut_between_sentences_and_nothing_of_it_is_lost() -> None:
    text = " ".join(f"Sentence number {i} says something." for i in range(80)) + " " + "x" * 1_200
    cut = pieces(text)
    assert max(map(len, cut)) <= 500
    assert "".join("".join(cut).split()) == "".join(text.split())
    assert pieces(" … ") == []
