"""One built model for all tests of this room."""

from pathlib import Path

import pytest

from passerelle.backends.builtin.embedder import Embedder
from tests.models import shared_models


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that every worker of this run shares."""
    return shared_models(tmp_path_factory)


@pytest.fixture(scope="session")
def embedder(models: Path) -> Embedder:
    return Embedder(cache=models)
