"""Where tests keep the packaged embedding model: built once a run, shared by its workers."""

import os
from pathlib import Path

import pytest


def shared_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """PASSERELLE_TEST_CACHE when set, else a folder beside the run's files; the first worker builds into it."""
    named = os.environ.get("PASSERELLE_TEST_CACHE")
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base
    return Path(named) if named else shared / "models"


@pytest.fixture(scope="session")
def model_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the packaged embedding model lies."""
    return shared_models(tmp_path_factory)
