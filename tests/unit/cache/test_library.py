"""A cache in one process: the same rules as the gateway's, called directly."""

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from passerelle.cache.library import Hit, Library, compare
from passerelle.cache.seams import Opinion
from passerelle.cache.second import Pair
from passerelle.domain.cache import Caching, Semantic

MORNING = "The counter opens every weekday in the morning and closes late in the evening."
BLOCK = "Call the number on the back of the card and the bank blocks it for you."
PLACES = ("counter", "library", "museum", "harbour", "garden", "theatre")
WAYS = (
    "When does the {} open on weekdays?",
    "On weekdays, when does the {} open?",
    "When does the {} open on weekdays, please?",
)


def embed(text: str) -> Any:
    """A direction for each place, and a little of one for the wording; answers stand where their letters say."""
    vector = np.zeros(256, np.float32)
    place = next((at for at, place in enumerate(PLACES) if place in text and text.endswith("?")), None)
    if place is None:
        vector[64 + sum(text.encode()) % 192] = 1.0
    else:
        vector[place] = 1.0
        vector[32 + len(text) % 8 + 8 * (text[0] == "O")] = 0.1
    return vector


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def library(**changes: Any) -> Library:
    given: dict[str, Any] = {"caching": Caching(semantic=Semantic(shadow=0.0)), **changes}
    return Library(given.pop("embed", embed), **given)


def ask(way: int = 0, place: int = 0) -> str:
    return WAYS[way].format(PLACES[place])


def said(hit: Hit | None) -> str | None:
    return None if hit is None else hit.kept.message["content"]


def keep(ours: Library, text: str, answer: str = MORNING, *, space: str = "s") -> bool:
    return ours.save(space, text, {"content": answer})


def test_the_same_question_and_one_that_means_the_same_are_found() -> None:
    ours = library()
    assert said(ours.find("s", ask())) is None
    assert keep(ours, ask())
    same, alike = ours.find("s", ask()), ours.find("s", ask(1))
    assert same is not None
    assert alike is not None
    assert same.near is None
    assert alike.near is not None
    assert alike.near.similarity > 0.97
    assert said(same) == said(alike) == MORNING
    assert ours.find("s", ask(0, 1)) is None
    assert ours.standing().served == 1


def test_nothing_is_found_in_another_space() -> None:
    ours = library()
    keep(ours, ask())
    for way in range(len(WAYS)):
        assert ours.find("t", ask(way)) is None


def test_exactly_finds_and_keeps_for_the_very_same_question_only() -> None:
    ours = library()
    ours.save("s", ask(), {"content": MORNING}, alike=False)
    assert ours.find("s", ask(1)) is None
    keep(ours, ask(1, 1))
    assert ours.find("s", ask(0, 1), alike=False) is None
    assert said(ours.find("s", ask(), alike=False)) == MORNING


@pytest.mark.parametrize("caching", [Caching(), Caching(semantic=None, exact=True)])
def test_without_a_semantic_part_only_the_same_question_is_found(caching: Caching) -> None:
    ours = library(caching=caching)
    keep(ours, ask())
    assert said(ours.find("s", ask())) == MORNING
    assert ours.find("s", ask(1)) is None


@pytest.mark.parametrize(
    "text",
    ["What is the weather today?", "Cancel my order please.", "Is jean.dupont@laposte.net a customer?", ""],
)
def test_what_may_not_be_kept_is_not(text: str) -> None:
    ours = library()
    assert not keep(ours, text)
    assert ours.find("s", text) is None


@pytest.mark.parametrize(
    ("answer", "finish"),
    [(MORNING, "length"), ("", "stop"), ("I'm sorry, but I can't help with that.", "stop")],
)
def test_an_answer_that_is_none_is_not_kept(answer: str, finish: str) -> None:
    ours = library()
    assert not ours.save("s", ask(), {"content": answer}, finish_reason=finish)
    assert ours.find("s", ask()) is None


def test_answers_leave_with_their_time() -> None:
    clock = Clock()
    ours = library(clock=clock, caching=Caching(ttl=10.0, semantic=Semantic(ttl=100.0, shadow=0.0)))
    keep(ours, ask())
    clock.now += 11
    found = ours.find("s", ask())
    assert found is not None
    assert found.near is not None  # no longer word for word, still by meaning
    clock.now += 100
    assert ours.find("s", ask()) is None
    assert ours.find("s", ask(1)) is None


def test_an_answer_that_says_the_same_joins_and_one_that_contradicts_stands_beside() -> None:
    ours = library()
    keep(ours, ask())
    keep(ours, ask(1))
    assert len({one.member.cluster for one in ours.near("s", embed(ask()))}) == 1
    keep(ours, ask(2), "No, it opens at 7 on 3 days.")
    assert len({one.member.cluster for one in ours.near("s", embed(ask()))}) == 2


@pytest.mark.parametrize(("verdict", "members"), [(None, 1), (True, 2), (False, 2)])
def test_what_facts_and_vectors_leave_open_is_told_by_somebody_or_found_word_for_word_only(
    verdict: bool | None, members: int
) -> None:
    other = "Every weekday the counter opens in the morning, and it closes late."
    asked: list[tuple[str, str, str]] = []

    def tell(question: str, one: str, two: str) -> bool | None:
        asked.append((question, one, two))
        return verdict

    ours = library(tell=tell, embed=lambda text: embed(text) if text.endswith("?") else embed("x"))
    keep(ours, ask())
    keep(ours, ask(1), other)
    assert len(ours.near("s", embed(ask()))) == members
    assert said(ours.find("s", ask(1))) == other
    assert asked == [(ask(1), MORNING, other)]


def test_a_wrong_answer_is_not_given_again() -> None:
    ours = library()
    keep(ours, ask())
    keep(ours, ask(1))
    found = ours.find("s", ask(2))
    assert found is not None
    assert ours.wrong(found.kept.id) == 2
    assert ours.find("s", ask()) is None
    assert ours.find("s", ask(2)) is None
    assert ours.wrong("ca_unknown") == 0
    assert ours.standing().wrong == 1


def test_a_part_of_what_is_found_by_meaning_is_held_back_and_compared() -> None:
    draws = iter([0.01, 0.5])
    ours = library(caching=Caching(semantic=Semantic(shadow=0.03)), draw=lambda: next(draws))
    keep(ours, ask())
    assert ours.find("s", ask(1)) is None
    keep(ours, ask(1))
    standing = ours.standing()
    assert (standing.checked, standing.wrong) == (1, 0)
    assert said(ours.find("s", ask(2))) == MORNING


def test_errors_that_are_seen_close_the_search_by_meaning() -> None:
    ours = library()
    for at, place in enumerate(PLACES):
        keep(ours, ask(0, at), f"The {place} opens at 7 and nobody waits outside for long.")
        keep(ours, ask(1, at), f"No, the {place} has been closed for 90 years and is a ruin.")
    assert ours.standing().wrong > 1
    assert ours.standing().rule.name == "exact"
    fresh = "When does the gallery open on weekdays?"
    assert ours.find("s", fresh) is None
    assert ours.find("s", ask()) is not None


@pytest.mark.parametrize("check", [lambda pair: False, lambda pair: 1 / 0])
def test_a_check_may_refuse_and_what_it_raises_is_a_no(check: Callable[[Pair], bool]) -> None:
    ours = library(check=check)
    keep(ours, ask())
    assert ours.find("s", ask(1)) is None
    assert ours.find("s", ask()) is not None


def test_a_check_is_shown_what_would_be_given() -> None:
    seen: list[Pair] = []
    ours = library(check=lambda pair: seen.append(pair) is None)
    keep(ours, ask())
    assert ours.find("s", ask(1)) is not None
    (pair,) = seen
    assert (pair.text, pair.near.member.text, pair.kept.message["content"]) == (ask(1), ask(), MORNING)


def test_what_is_kept_is_bounded_over_all_spaces() -> None:
    ours = library(most=5)
    for at in range(12):
        keep(ours, ask(at % 3, at % len(PLACES)), space=f"s{at}")
    spaces = [at for at in range(12) if ours.near(f"s{at}", embed(ask(at % 3, at % len(PLACES))))]
    assert spaces == [7, 8, 9, 10, 11]
    assert ours.find("s0", ask(0, 0)) is None
    assert ours.find("s11", ask(2, 5)) is not None


def test_one_space_is_cleared_or_all() -> None:
    ours = library()
    for space in ("s", "t"):
        keep(ours, ask(), space=space)
    ours.clear("s")
    assert [said(ours.find(space, ask(way))) for space in ("s", "t") for way in (0, 1)] == [
        None,
        None,
        MORNING,
        MORNING,
    ]
    ours.clear()
    assert ours.find("t", ask()) is None
    keep(ours, ask())
    assert ours.find("s", ask(1)) is not None


def test_a_vector_without_direction_is_told() -> None:
    with pytest.raises(ValueError, match="direction"):
        Library(lambda text: np.zeros(4, np.float32)).embed("x")


def test_a_text_is_embedded_once_while_it_is_asked_about_and_nobody_writes_over_its_vector() -> None:
    asked: list[str] = []

    def counting(text: str) -> Any:
        asked.append(text)
        return embed(text)

    ours = library(embed=counting)
    ours.find("s", ask())
    keep(ours, ask())
    ours.find("s", ask(1))
    ours.find("s", ask(1))
    assert asked == [ask(), ask(1)]
    with pytest.raises(ValueError, match="read-only"):
        ours.embed(ask())[0] = 5.0
    ours.clear()
    ours.embed(ask())
    assert len(asked) == 3


def test_threads_share_it() -> None:
    ours, failures = library(most=40), []

    def work(number: int) -> None:
        try:
            for at in range(60):
                text = ask(at % 3, (at + number) % len(PLACES))
                if ours.find(f"s{at % 5}", text) is None:
                    keep(ours, text, f"The place {text[-20:]} opens.", space=f"s{at % 5}")
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


@pytest.mark.parametrize(
    ("one", "other", "opinion"),
    [
        (MORNING, MORNING, Opinion.SAME),
        (MORNING, BLOCK, Opinion.DIFFERENT),
        ("It costs 5 euros a month.", "It costs 7 euros a month.", Opinion.DIFFERENT),
        ("Yes.", "Maybe.", Opinion.UNSURE),
        ("...", "!", Opinion.UNSURE),
    ],
)
def test_two_answers_are_compared_without_a_model(one: str, other: str, opinion: Opinion) -> None:
    assert compare(one, other, embed) is opinion
