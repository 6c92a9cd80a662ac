"""Opens the database: the configured one, or one of our own in the data folder, with its schema up to date."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from passerelle.settings import Settings
from passerelle.stores.database import Database
from passerelle.stores.embedded import EmbeddedPostgres
from passerelle.stores.folder import DataFolder


async def open_database(settings: Settings, folder: DataFolder, stack: AsyncExitStack) -> Database:
    """The database, closed with the stack. Raises CannotRun."""
    if settings.database_url is not None:
        address = settings.database_url.get_secret_value()
    else:
        embedded = EmbeddedPostgres(folder.path)
        address = await asyncio.to_thread(embedded.start)
        stack.push_async_callback(asyncio.to_thread, embedded.close)
    database = Database(address)
    stack.push_async_callback(database.aclose)
    await database.migrate()
    return database
