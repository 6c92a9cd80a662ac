"""Both bridges as the README shows them, with the packaged model."""

import pytest
from langchain_core.language_models import FakeListChatModel

from passerelle.bridges.gptcache import Bridge
from passerelle.bridges.langchain import PasserelleCache
from passerelle.bridges.packaged import packaged
from passerelle.cache.library import Library
from passerelle.domain.cache import Caching, Semantic
from tests.models import shared_models

from gptcache import Cache  # isort: skip - after ours, which disarms it
from gptcache.adapter.api import get, put  # isort: skip


@pytest.fixture
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    return Library(packaged(shared_models(tmp_path_factory)), caching=Caching(semantic=Semantic(shadow=0.0)))


def test_code_for_gptcache(library: Library) -> None:
    cache = Cache()
    Bridge(library, space="support").into(cache)
    put("How do I block a lost card?", "Call the number on the back of the card.", cache_obj=cache)
    assert get("How can I block a lost card?", cache_obj=cache) == "Call the number on the back of the card."
    assert get("How do I block a lost phone?", cache_obj=cache) is None
    assert get("How do I unblock a lost card?", cache_obj=cache) is None


def test_code_for_langchain(library: Library) -> None:
    model = FakeListChatModel(
        responses=["Call the number on the card.", "Another."], cache=PasserelleCache(library)
    )
    first = model.invoke("How do I block a lost card?").content
    assert model.invoke("How can I block a lost card?").content == first
    assert model.invoke("How do I unblock a lost card?").content == "Another."
