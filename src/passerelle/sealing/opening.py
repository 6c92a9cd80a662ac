"""Makes what a process seals with."""

from __future__ import annotations

from collections.abc import Callable

from passerelle.domain.catalog import Catalog
from passerelle.sealing.keys import DataKeys, agree, read_key_encryption_key
from passerelle.sealing.seals import Seals
from passerelle.settings import Settings
from passerelle.stores.database import Database
from passerelle.stores.folder import DataFolder


async def open_seals(settings: Settings, folder: DataFolder, database: Database) -> Seals:
    """Raises CannotRun where this process has another key-encryption key than the others."""
    kek = read_key_encryption_key(settings, folder)
    await agree(database, kek)
    return Seals(DataKeys(database, kek))


def wanted(catalog: Callable[[], Catalog]) -> Callable[[str], bool]:
    """Does a tenant want what is stored of it sealed? What is left of one that is no longer configured stays so."""

    def encrypted(name: str) -> bool:
        tenant = catalog().tenants.get(name)
        return tenant is None or tenant.privacy.encrypted

    return encrypted
