"""The packaged embedding model, for what is written without a language model."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.models import shared_models


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where it is kept."""
    return shared_models(tmp_path_factory)
