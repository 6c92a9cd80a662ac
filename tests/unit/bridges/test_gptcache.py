"""Code written for GPTCache, over our cache: its own calls, unchanged."""

from collections.abc import Callable
from typing import Any

import pytest

from passerelle.bridges.gptcache import Bridge, Found
from passerelle.cache.library import Library
from tests.unit.bridges.questions import CARD, HOURS, HOURS_AGAIN, MORNING, embed, library

from gptcache import Cache, Config  # isort: skip - after ours, which disarms it
from gptcache.adapter.adapter import adapt  # isort: skip
from gptcache.adapter.api import get, put  # isort: skip
from gptcache.manager.scalar_data.base import Answer  # isort: skip
from gptcache.processor.pre import last_content  # isort: skip
from gptcache.session import Session  # isort: skip
from gptcache.similarity_evaluation import (  # isort: skip
    ExactMatchEvaluation,
    NumpyNormEvaluation,
    SearchDistanceEvaluation,
    TimeEvaluation,
)
from gptcache.utils.error import CacheError  # isort: skip


def cache_over(bridge: Bridge, **options: Any) -> Any:
    cache = Cache()
    bridge.into(cache, **options)
    return cache


@pytest.fixture
def ours() -> Library:
    return library()


@pytest.fixture
def cache(ours: Library) -> Any:
    return cache_over(Bridge(ours, space="a"))


def test_put_and_get_as_its_users_write_them(cache: Any) -> None:
    assert get(HOURS, cache_obj=cache) is None
    put(HOURS, MORNING, cache_obj=cache)
    assert get(HOURS, cache_obj=cache) == MORNING
    assert get(HOURS_AGAIN, cache_obj=cache) == MORNING
    assert get(CARD, cache_obj=cache) is None


def test_an_adapter_of_its_own_asks_the_model_once(ours: Library) -> None:
    cache = cache_over(Bridge(ours, space="a"), pre_embedding_func=last_content)
    asked: list[Any] = []

    def model(**request: Any) -> str:
        asked.append(request)
        return MORNING

    def call(text: str) -> Any:
        return adapt(
            model,
            lambda kept: kept,
            lambda said, update, **_: update(Answer(said)) or said,
            messages=[{"role": "user", "content": text}],
            cache_obj=cache,
        )

    assert [call(HOURS), call(HOURS), call(HOURS_AGAIN)] == [MORNING] * 3
    assert len(asked) == 1


def test_questions_and_answers_are_imported_as_it_imports_them(cache: Any) -> None:
    cache.import_data([HOURS, CARD], [MORNING, "Call the bank at once and say that it is lost."])
    assert get(HOURS, cache_obj=cache) == MORNING
    assert get(CARD, cache_obj=cache) == "Call the bank at once and say that it is lost."


def test_spaces_share_nothing(ours: Library) -> None:
    here, there = (cache_over(Bridge(ours, space=space)) for space in ("a", "b"))
    put(HOURS, MORNING, cache_obj=here)
    assert get(HOURS, cache_obj=there) is None
    assert get(HOURS_AGAIN, cache_obj=there) is None


@pytest.mark.parametrize(
    ("make", "gives"),
    [
        (SearchDistanceEvaluation, True),
        (NumpyNormEvaluation, True),
        (lambda: TimeEvaluation("distance", {}), True),
        (lambda: TimeEvaluation("distance", {}, time_range=-1.0), False),
        (ExactMatchEvaluation, False),
    ],
)
def test_an_evaluation_of_its_own_may_refuse(ours: Library, make: Callable[[], Any], gives: bool) -> None:
    cache = cache_over(
        Bridge(ours, space="a"), similarity_evaluation=make(), config=Config(disable_report=True)
    )
    put(HOURS, MORNING, cache_obj=cache)
    assert get(HOURS_AGAIN, cache_obj=cache) == (MORNING if gives else None)


def test_no_evaluation_and_no_threshold_brings_back_what_the_rule_refuses() -> None:
    everything = SearchDistanceEvaluation()
    everything.evaluation = lambda *_, **__: 4.0
    refusing = library(check=lambda pair: False)
    cache = cache_over(
        Bridge(refusing, space="a"), similarity_evaluation=everything, config=Config(similarity_threshold=0.0)
    )
    put(HOURS, MORNING, cache_obj=cache)
    assert get(HOURS_AGAIN, cache_obj=cache) is None
    assert get(HOURS, cache_obj=cache) == MORNING


def test_its_threshold_is_one_on_the_cosine(ours: Library) -> None:
    cache = cache_over(
        Bridge(ours, space="a"), config=Config(similarity_threshold=0.999, disable_report=True)
    )
    put(HOURS, MORNING, cache_obj=cache)
    assert get(HOURS_AGAIN, cache_obj=cache) is None
    assert get(HOURS, cache_obj=cache) == MORNING


def test_what_it_is_told_of_a_hit(cache: Any) -> None:
    put(HOURS, MORNING, cache_obj=cache)
    told: list[Any] = []
    get(HOURS_AGAIN, cache_obj=cache, hit_callback=told.extend)
    assert [question for question, _ in told] == [HOURS]
    assert told[0][1] == pytest.approx(0.99, abs=0.01)


def test_a_search_gives_the_squared_distance_as_its_vector_stores_do(ours: Library) -> None:
    bridge = Bridge(ours, space="a")
    bridge.store.save(HOURS, MORNING, bridge.embed(HOURS))
    (found,) = bridge.store.search(bridge.embed(HOURS_AGAIN), top_k=5)
    distance, answer = found
    assert isinstance(found, Found)
    assert distance == pytest.approx(float(((embed(HOURS) - embed(HOURS_AGAIN)) ** 2).sum()), abs=1e-5)
    assert answer.startswith("ca_")


def test_an_answer_that_contradicts_its_neighbours_is_given_to_nobody_else(cache: Any) -> None:
    put(HOURS, MORNING, cache_obj=cache)
    put(HOURS_AGAIN, "No, it is closed on 3 weekdays.", cache_obj=cache)
    assert get(HOURS, cache_obj=cache) == MORNING
    assert get(HOURS_AGAIN, cache_obj=cache) == "No, it is closed on 3 weekdays."


def test_sessions_are_refused_because_they_keep_nothing_apart(cache: Any, ours: Library) -> None:
    put(HOURS, MORNING, cache_obj=cache)
    with pytest.raises(CacheError, match="space"):
        get(HOURS, cache_obj=cache, session=Session(name="x", data_manager=cache.data_manager))
    with pytest.raises(CacheError, match="space"):
        cache.data_manager.delete_session("x")
    with pytest.raises(CacheError, match="space"):
        cache.data_manager.add_session(None, "x", None)
    assert cache.data_manager.list_sessions() == []


def test_a_vector_without_its_words_is_refused_with_the_cure(ours: Library) -> None:
    cache = Cache()
    bridge = Bridge(ours, space="a")
    cache.init(
        embedding_func=lambda text, **_: embed(text),
        data_manager=bridge.store,
        pre_func=lambda d, **_: d["prompt"],
    )
    with pytest.raises(CacheError, match=r"Bridge\.embed"):
        get(HOURS, cache_obj=cache)


@pytest.mark.parametrize("asked", [b"bytes", ["list"], None])
def test_only_text_is_looked_up(ours: Library, asked: object) -> None:
    with pytest.raises(CacheError, match="text"):
        Bridge(ours, space="a").embed(asked)


def test_only_text_is_kept(ours: Library) -> None:
    bridge = Bridge(ours, space="a")
    with pytest.raises(CacheError, match="text"):
        bridge.store.save(HOURS, Answer(b"an image", 1), bridge.embed(HOURS))


def test_nothing_is_reported_or_flushed_to_a_disk(
    cache: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    put(HOURS, MORNING, cache_obj=cache)
    get(HOURS, cache_obj=cache)
    cache.flush()
    cache.data_manager.close()
    assert list(tmp_path.iterdir()) == []
