"""What everything else in a process stands on: its settings, its folder, its database, its secrets and keys."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass

from passerelle.auditing import Auditing, open_auditing
from passerelle.configured import load_catalog
from passerelle.domain.caller import Caller
from passerelle.domain.catalog import Catalog
from passerelle.sealing.opening import open_seals
from passerelle.sealing.seals import Seals
from passerelle.settings import Settings
from passerelle.stores.database import Database
from passerelle.stores.folder import DataFolder
from passerelle.stores.opening import open_database
from passerelle.telemetry.metrics import Metrics
from passerelle.tenancy.environment import read_keys
from passerelle.tenancy.pepper import agree, read_pepper
from passerelle.tenancy.ring import KeyRing
from passerelle.tenancy.store import KeyStore


@dataclass(frozen=True, slots=True)
class Ground:
    """What everything else stands on."""

    settings: Settings
    catalog: Catalog  # that the process begins with
    folder: DataFolder
    database: Database
    pepper: bytes
    store: KeyStore
    ring: KeyRing
    metrics: Metrics
    auditing: Auditing
    seals: Seals


async def open_ground(settings: Settings, stack: AsyncExitStack, *, shares_folder: bool) -> Ground:
    """What is quick to fail comes first: the file, then the folder, then the database. Raises CannotRun.

    `shares_folder`: its parent owns the data folder.
    """
    catalog = load_catalog(settings)
    environment_keys = _environment_keys(settings, catalog)
    folder = DataFolder(settings.data)
    folder.open()
    if not shares_folder:
        folder.lock()
    stack.callback(folder.close)
    pepper = read_pepper(settings, folder)
    database = await open_database(settings, folder, stack)
    await agree(database, pepper)
    seals = await open_seals(settings, folder, database)
    store = KeyStore(database, pepper)
    ring = KeyRing(store, pepper, environment=environment_keys)
    await ring.refresh()
    auditing = open_auditing(database, pepper)
    seals.tell(auditing.key_made)
    return Ground(settings, catalog, folder, database, pepper, store, ring, Metrics(), auditing, seals)


def _environment_keys(settings: Settings, catalog: Catalog) -> dict[bytes, Caller]:
    if settings.api_keys is None:
        return {}
    return read_keys(settings.api_keys.get_secret_value(), catalog.tenants)
