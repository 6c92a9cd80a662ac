"""What tests of whole processes share."""

from pathlib import Path

import pytest

from tests.models import shared_models


@pytest.fixture(scope="session")
def model_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the packaged embedding model lies."""
    return shared_models(tmp_path_factory)
