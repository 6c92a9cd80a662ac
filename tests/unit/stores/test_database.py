"""The database is what the program expects, or the reason is said in one line."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from passerelle.domain.errors import CannotRun
from passerelle.stores import database as room
from passerelle.stores.database import NEWEST, Database, Outage, carried, driver_url
from tests.database import Postgres

_SCRIPTS = Path(room.__file__).with_name("migrations")


async def fetch(database: Database, query: str) -> object:
    async with database.begin() as connection:
        return (await connection.execute(text(query))).scalar()


@pytest.mark.parametrize(
    "address",
    [
        "postgres://u:p@h:5/n",
        "postgresql://u:p@h:5/n",
        "postgresql+psycopg://u:p@h:5/n",
        "postgresql+asyncpg://u:p@h:5/n",
    ],
)
def test_every_usual_form_of_address_means_the_same(address: str) -> None:
    assert driver_url(address).render_as_string(hide_password=False) == "postgresql+psycopg://u:p@h:5/n"


@pytest.mark.parametrize("address", ["", "hunter2", "postgres://u:hunter2@h:port/n", "mysql://u:hunter2@h/n"])
def test_another_address_is_refused_without_quoting_it(address: str) -> None:
    with pytest.raises(CannotRun) as refused:
        driver_url(address)

    assert "DATABASE_URL" in refused.value.cause
    assert "postgresql://" in refused.value.cure
    assert "hunter2" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_the_newest_step_is_the_one_the_program_expects() -> None:
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS))

    assert ScriptDirectory.from_config(config).get_heads() == [NEWEST]


def test_steps_are_numbered_in_their_order() -> None:
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS))
    steps = [step.revision for step in ScriptDirectory.from_config(config).walk_revisions()][::-1]

    assert steps == [f"{number:04}" for number in range(1, len(steps) + 1)]


async def test_a_new_database_gets_the_schema_and_an_old_one_keeps_it(postgres: Postgres) -> None:
    database = Database(postgres.make(migrated=False))
    try:
        await database.migrate()
        await database.migrate()
        assert await fetch(database, "SELECT version_num FROM alembic_version") == NEWEST
        assert await fetch(database, "SELECT count(*) FROM api_key") == 0
    finally:
        await database.aclose()


async def test_processes_that_start_together_migrate_once(postgres: Postgres) -> None:
    address = postgres.make(migrated=False)
    databases = [Database(address) for _ in range(6)]
    try:
        await asyncio.gather(*(database.migrate() for database in databases))
        assert await fetch(databases[0], "SELECT count(*) FROM alembic_version") == 1
    finally:
        await asyncio.gather(*(database.aclose() for database in databases))


async def test_a_step_that_fails_leaves_the_database_as_it_was(postgres: Postgres) -> None:
    database = Database(postgres.make(migrated=False))
    try:
        async with database.begin() as connection:
            await connection.execute(text("CREATE TABLE api_key (mine int)"))
        with pytest.raises(CannotRun, match='relation "api_key" already exists'):
            await database.migrate()
        assert await fetch(database, "SELECT to_regclass('alembic_version')") is None
    finally:
        await database.aclose()


async def test_a_newer_schema_is_refused(database: Database) -> None:
    async with database.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    with pytest.raises(
        CannotRun, match=rf"schema is 9999; this program knows none after {NEWEST}\. Run the newer"
    ):
        await database.migrate()


def test_a_schema_that_is_current_costs_no_import_of_alembic(database_url: str) -> None:
    program = (
        "import asyncio, sys; from passerelle.stores.database import Database\n"
        "async def main():\n"
        "    database = Database(sys.argv[1]); await database.migrate(); await database.aclose()\n"
        "asyncio.run(main()); sys.exit('alembic' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", program, database_url], check=False).returncode == 0


async def test_a_database_that_is_not_there_is_one_clear_error_and_no_password(tmp_path: Path) -> None:
    database = Database(f"postgresql://passerelle:hunter2@/nothing?host={tmp_path}")
    try:
        assert not await database.ping()
        with pytest.raises(
            CannotRun, match=r"The database cannot be used: .*\w\. Check DATABASE_URL"
        ) as refused:
            await database.migrate()
        assert "hunter2" not in str(refused.value)
        assert "\n" not in str(refused.value)
    finally:
        await database.aclose()


async def test_a_query_that_takes_too_long_is_ended_by_the_server(database: Database) -> None:
    assert await database.ping()
    assert await fetch(database, "SHOW statement_timeout") == "5s"
    assert await fetch(database, "SHOW timezone") == "UTC"

    async with database.begin() as connection:
        await connection.execute(text("SET LOCAL statement_timeout = 20"))
        with pytest.raises(OperationalError, match="statement timeout") as ended:
            await connection.execute(text("SELECT pg_sleep(60)"))
        await connection.rollback()
    assert isinstance(ended.value, Outage)


async def test_what_the_address_says_goes_before_our_own_settings(database_url: str) -> None:
    separator = "&" if "?" in database_url else "?"
    database = Database(
        f"{database_url}{separator}application_name=mine&options=-c%20statement_timeout%3D9000"
    )
    try:
        assert await fetch(database, "SHOW application_name") == "mine"
        assert await fetch(database, "SHOW statement_timeout") == "9s"
    finally:
        await database.aclose()


async def test_an_error_never_quotes_the_values_of_a_query(database: Database) -> None:
    with pytest.raises(Exception, match="division by zero") as failed:
        async with database.begin() as connection:
            await connection.execute(text("SELECT length(:value) / 0"), {"value": "hunter2"})

    assert not re.search("hunter2", str(failed.value))


async def test_connections_that_broke_are_replaced(database: Database) -> None:
    async with database.begin() as first, database.begin() as second:
        ids = [(await c.execute(text("SELECT pg_backend_pid()"))).scalar() for c in (first, second)]
    async with database.begin() as connection:
        others = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid = ANY(:ids)"
        mine = (await connection.execute(text("SELECT pg_backend_pid()"))).scalar()
        await connection.execute(text(others), {"ids": [pid for pid in ids if pid != mine]})

    async with database.begin() as first, database.begin() as second:
        now = {(await c.execute(text("SELECT pg_backend_pid()"))).scalar() for c in (first, second)}
    assert len(now) == 2


async def test_a_connection_that_carried_a_large_value_is_left(database: Database) -> None:
    async def backend(size: int) -> object:
        async with database.begin() as connection:
            carried(connection, size)
            return (await connection.execute(text("SELECT pg_backend_pid()"))).scalar()

    first = await backend(1_000)
    assert await backend(5_000_000) == first
    second = await backend(1_000)
    assert second != first
    assert await backend(1_000) == second
