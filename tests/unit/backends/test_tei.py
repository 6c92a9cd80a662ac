"""What kind `tei` may be configured with."""

from typing import Any

import pytest
from pydantic import ValidationError

from passerelle.backends.tei import TeiOptions
from passerelle.domain.ask import Task


def _options(**more: Any) -> TeiOptions:
    return TeiOptions.model_validate({"kind": "tei", "url": "http://tei:80", **more})


def test_it_embeds_ranks_and_classifies_and_does_not_chat() -> None:
    assert TeiOptions.tasks == {Task.EMBED, Task.RERANK, Task.CLASSIFY}
    assert _options().batch is None


@pytest.mark.parametrize("batch", [0, -1, 1.5, "32", True])
def test_a_batch_is_a_whole_number_of_at_least_one(batch: object) -> None:
    with pytest.raises(ValidationError, match="batch"):
        _options(batch=batch)


@pytest.mark.parametrize("route", ["/embed", "/rerank", "/predict", "/v1/embeddings"])
def test_a_url_that_names_a_route_is_refused(route: str) -> None:
    with pytest.raises(ValidationError, match="names a route"):
        _options(url=f"http://tei:80{route}")
