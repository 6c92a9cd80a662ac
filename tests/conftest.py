"""Fixtures that several rooms use."""

from collections.abc import Iterator

import pytest

from tests.database import database, database_url, postgres
from tests.redis_server import one_redis, redis_server

__all__ = ["compiled_once", "database", "database_url", "one_redis", "postgres", "redis_server"]


@pytest.fixture(scope="session", autouse=True)
def compiled_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The processes that tests start share compiled modules, also where Python is told to write none."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
        patch.setenv("PYTHONPYCACHEPREFIX", str(tmp_path_factory.getbasetemp().parent / "compiled"))
        yield
