"""The packaged embedder, built once."""

import pytest

from passerelle.backends.builtin.embedder import Embedder
from tests.models import shared_models


@pytest.fixture(scope="session")
def embedder(tmp_path_factory: pytest.TempPathFactory) -> Embedder:
    return Embedder(cache=shared_models(tmp_path_factory))
