"""PostgreSQL: an engine with short limits, and the schema brought up to date before anybody uses it."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import Connection, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from passerelle.domain.errors import CannotRun

_T = TypeVar("_T")

NEWEST = "0011"  # the last step in `migrations/versions`; a test keeps it so

_MIGRATIONS = Path(__file__).with_name("migrations")
_LOCK = 0x70617373  # advisory: processes that start together migrate one after another
_PING_SECONDS = 3.0
_LARGE = 1024 * 1024  # bytes of one value
_CARRIED = "carried"
# Milliseconds. A change of the schema may rightly take longer than any query.
_QUERY_LIMIT, _MIGRATION_LIMIT = 5_000, 600_000
# Unless the address says otherwise. A peer that vanished without a word is noticed within seconds.
_DEFAULTS = {
    "application_name": "passerelle",
    "connect_timeout": "2",
    "tcp_user_timeout": "5000",
    "keepalives_idle": "10",
    "keepalives_interval": "2",
    "keepalives_count": "3",
}

# What the driver and the pool raise when the server is not there or does not answer.
Outage = (OperationalError, InterfaceError, PoolTimeout, OSError)


def driver_url(address: str) -> URL:
    """Any usual form of PostgreSQL address as an SQLAlchemy URL for psycopg. Raises CannotRun, quoting nothing."""
    try:
        url = make_url(address)
    except (ArgumentError, ValueError):
        # Without the cause: it may quote the password.
        raise CannotRun(
            "DATABASE_URL is not a database address.", "Write postgresql://user:password@host:5432/name."
        ) from None
    if url.drivername.split("+")[0] not in ("postgres", "postgresql"):
        raise CannotRun(
            f"DATABASE_URL names {url.drivername.split('+')[0]}; Passerelle runs on PostgreSQL.",
            "Give a postgresql:// address, or unset it for the embedded server.",
        )
    return url.set(drivername="postgresql+psycopg")


class Database:
    """A pool of connections to one database. Whoever makes it, closes it."""

    def __init__(self, address: str) -> None:
        url = driver_url(address)
        self._settings = _settings(url)
        self.engine: AsyncEngine = create_async_engine(
            url,
            pool_size=5,
            max_overflow=5,
            pool_timeout=2,
            pool_pre_ping=True,
            pool_recycle=1800,
            # The one used last knows our statements and has its memory: the others are for when it is busy.
            pool_use_lifo=True,
            hide_parameters=True,  # values of queries never reach a log
            connect_args=self._settings,
        )
        event.listen(self.engine.sync_engine, "checkin", _leave)

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        """A connection inside a transaction, committed when the block ends well."""
        async with self.engine.begin() as connection:
            yield connection

    async def alone(self) -> psycopg.AsyncConnection[Any]:
        """A connection that no pool knows, without transactions, for its caller to close. Raises psycopg.Error."""
        return await psycopg.AsyncConnection.connect(autocommit=True, **self.connecting())

    def connecting(self) -> dict[str, Any]:
        """How the driver itself connects; the password is among it."""
        arguments, named = self.engine.dialect.create_connect_args(self.engine.url)
        given = conninfo_to_dict(*arguments) if arguments else {}
        return {**given, **named, **self._settings}

    async def ping(self) -> bool:
        """Does the database answer, within three seconds?"""
        try:
            await within(_PING_SECONDS, self._select_one())
        except Outage:
            return False
        return True

    async def migrate(self) -> None:
        """Bring the schema up to date, all of it or nothing, one process after another.

        Raises CannotRun when that fails, or when the schema is newer than this program.
        """
        try:
            async with self.engine.begin() as connection:
                if await _is_current(connection):
                    return
                await connection.execute(text(f"SET LOCAL statement_timeout = {_MIGRATION_LIMIT}"))
                await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
                if not await _is_current(connection):
                    await connection.run_sync(_upgrade)
        except (DBAPIError, *Outage) as error:
            raise CannotRun(
                f"The database cannot be used: {_said(error)}.",
                "Check DATABASE_URL and that PostgreSQL runs.",
            ) from error

    async def aclose(self) -> None:
        """Close every connection."""
        await self.engine.dispose()

    async def _select_one(self) -> None:
        async with self.engine.connect() as connection:
            await connection.execute(text("SELECT 1"))


def carried(connection: AsyncConnection, size: int) -> None:
    """Tell of a value of that many bytes, sent or read. After a large one the connection is not used again.

    libpq keeps its buffers at the size of the largest value for as long as a connection lasts, about five times it
    in all: every connection of the pool would come to hold that much.
    """
    if size >= _LARGE:
        connection.info[_CARRIED] = True


def _leave(_connection: object, entry: ConnectionPoolEntry) -> None:
    """The pool opens another one when it needs one."""
    if entry.info.pop(_CARRIED, False):
        entry.invalidate()


async def within(seconds: float, work: Coroutine[Any, Any, _T] | asyncio.Task[_T]) -> _T:
    """What the work gives. Raises TimeoutError, and CancelledError, at once: the work is cancelled, not waited for.

    The driver takes ten seconds to give up a connection whose other end is silent.
    """
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait({task}, timeout=seconds)
    finally:
        if not task.done():
            task.cancel()
            task.add_done_callback(_forget)
    if not task.done():
        raise TimeoutError(errno.ETIMEDOUT, f"the database did not answer within {seconds:g} s")
    return task.result()


def _forget(task: asyncio.Task[Any]) -> None:
    """Nobody waits for it, so nobody wants to hear how it ended."""
    if not task.cancelled():
        task.exception()


def _settings(url: URL) -> dict[str, str]:
    """The driver's settings. What the address says goes first: later options win, and the rest is left to it."""
    settings = {name: value for name, value in _DEFAULTS.items() if name not in url.query}
    given = url.query.get("options", "")
    # Compiling a statement costs more than any of ours, and estimates of JSON make all of them look worth it.
    ours = f"-c statement_timeout={_QUERY_LIMIT} -c timezone=UTC -c jit=off"
    return {**settings, "options": f"{ours} {given if isinstance(given, str) else ' '.join(given)}".rstrip()}


async def _is_current(connection: AsyncConnection) -> bool:
    """Is the schema the one of this program? Raises CannotRun when it is one this program does not know."""
    if (await connection.execute(text("SELECT to_regclass('alembic_version')"))).scalar() is None:
        return False
    revision = (await connection.execute(text("SELECT version_num FROM alembic_version"))).scalar()
    if revision is not None and revision > NEWEST:
        raise CannotRun(
            f"The database's schema is {revision}; this program knows none after {NEWEST}.",
            "Run the newer program, or give this one a database of its own.",
        )
    return bool(revision == NEWEST)


def _upgrade(connection: Connection) -> None:
    from alembic import command  # noqa: PLC0415 - only when the schema is behind; a start need not wait for it
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _said(error: BaseException) -> str:
    """The driver's own words without the statement and its values."""
    original = getattr(error, "orig", None) or error
    lines = str(original).strip().splitlines() or [type(error).__name__]
    return lines[0][:300].rstrip(".")
