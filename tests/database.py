"""One embedded PostgreSQL for a test session, and a migrated database of its own for every test that wants one.

Import the fixtures in a `conftest.py`: `from tests.database import database, database_url, postgres`.
"""

from __future__ import annotations

import asyncio
import itertools
import shutil
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from passerelle.stores.database import Database
from passerelle.stores.embedded import EmbeddedPostgres

_TEMPLATE = "migrated"


@dataclass
class Postgres:
    """A running server that makes databases."""

    address: str
    data: Path
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def make(self, *, migrated: bool = True) -> str:
        """A new database; its address."""
        name = f"test_{next(self._numbers)}"
        self._execute(f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE if migrated else 'template0'}")
        return self._address_of(name)

    def drop(self, address: str) -> None:
        """Drop a database, also while somebody is connected to it."""
        self._execute(f"DROP DATABASE {make_url(address).database} WITH (FORCE)")

    def make_template(self) -> None:
        """The database that the others are copied from."""
        # What a test writes need not survive a loss of power.
        for setting in ("fsync", "full_page_writes", "synchronous_commit"):
            self._execute(f"ALTER SYSTEM SET {setting} = off")
        # A connection that a cancelled test gave up in its greeting keeps its database from being dropped so long.
        self._execute("ALTER SYSTEM SET authentication_timeout = 5")
        self._execute("SELECT pg_reload_conf()")
        self._execute(f"CREATE DATABASE {_TEMPLATE}")
        asyncio.run(_migrate(self._address_of(_TEMPLATE)))

    def _address_of(self, name: str) -> str:
        return make_url(self.address).set(database=name).render_as_string(hide_password=False)

    def _execute(self, statement: str) -> None:
        with psycopg.connect(driver_address(self.address), autocommit=True) as connection:
            connection.execute(statement)  # names are ours


def driver_address(address: str) -> str:
    """The same address for psycopg itself."""
    return address.replace("postgresql+psycopg:", "postgresql:", 1)


async def _migrate(address: str) -> None:
    database = Database(address)
    try:
        await database.migrate()
    finally:
        await database.aclose()


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """The session's server."""
    data = tmp_path_factory.mktemp("postgres")
    embedded = EmbeddedPostgres(data)
    server = Postgres(embedded.start(), data)
    try:
        server.make_template()
        yield server
    finally:
        embedded.close()
        shutil.rmtree(data)


@pytest.fixture
def database_url(postgres: Postgres) -> Iterator[str]:
    """The address of a migrated database that this test has for itself."""
    address = postgres.make()
    yield address
    postgres.drop(address)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A pool on a migrated database that this test has for itself."""
    opened = Database(database_url)
    yield opened
    await opened.aclose()
