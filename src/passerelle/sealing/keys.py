"""Data keys, one for each tenant, wrapped by the key-encryption key; only a key that is gone forgets for good.

A tenant's key is 32 random bytes. The database has it as AES-256-GCM under the key-encryption key, bound to the tenant
and the key's number, in a schema of its own that a backup may leave out. Destroyed, its row stays and says when. A
backup that has the wrapped keys opens until the key-encryption key is changed and the old one thrown away.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog
from psycopg import Error as DriverError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from passerelle.domain.errors import CannotRun
from passerelle.settings import Settings
from passerelle.stores import secrets
from passerelle.stores.database import Database
from passerelle.stores.folder import DataFolder

_log = structlog.get_logger(__name__)

KEY_ENCRYPTION = "key-encryption"  # what the secret is called
KEY_BYTES = 32
NONCE_BYTES = 12  # NIST SP 800-38D, the length AES-GCM is made for

_PURPOSE = b"passerelle data key "
_FIND = text(
    "SELECT version, wrapped, wrapped_by FROM passerelle_keys.tenant_key WHERE tenant = :tenant ORDER BY version"
)
_PUT = text("""
INSERT INTO passerelle_keys.tenant_key (tenant, version, wrapped, wrapped_by)
VALUES (:tenant, :version, :wrapped, :by) ON CONFLICT (tenant, version) DO NOTHING
""")
_DESTROY = text("""
UPDATE passerelle_keys.tenant_key SET wrapped = NULL, destroyed_at = clock_timestamp()
WHERE tenant = :tenant AND wrapped IS NOT NULL
""")
_LOCK = text("LOCK TABLE passerelle_keys.tenant_key IN EXCLUSIVE MODE")
_ALL = text("""
SELECT tenant, version, wrapped, wrapped_by FROM passerelle_keys.tenant_key
WHERE wrapped IS NOT NULL ORDER BY tenant, version
""")
_REWRAP = text("""
UPDATE passerelle_keys.tenant_key SET wrapped = :wrapped, wrapped_by = :by
WHERE tenant = :tenant AND version = :version
""")
_RENOTE = text("UPDATE installation SET value = :value WHERE name = :name")
_SHRINK = "VACUUM (FULL) passerelle_keys.tenant_key"  # or the old row stays on the disk for a while


@dataclass(frozen=True, slots=True)
class DataKey:
    """A tenant's key of that number, from 1. `key` is None when it was destroyed, or is wrapped by another one."""

    version: int
    key: bytes | None
    foreign: bool = False  # wrapped by a key-encryption key that is not ours


def read_key_encryption_key(settings: Settings, folder: DataFolder) -> bytes:
    """The key-encryption key of this process: 32 bytes. Raises CannotRun, and never quotes it.

    Without one that is given, or put into the folder, it is derived from the pepper (HKDF-SHA256, RFC 5869, expanded
    once): machines that share that share a database, and need no second secret for it.
    """
    if settings.key_encryption_key is not None:
        return secrets.from_digits(
            settings.key_encryption_key.get_secret_value(), "PASSERELLE_KEY_ENCRYPTION_KEY"
        )
    if settings.key_encryption_key_file is not None:
        return read_key_file(settings.key_encryption_key_file)
    if folder.has(KEY_ENCRYPTION):
        return folder.secret(KEY_ENCRYPTION)
    extracted = hmac.digest(b"passerelle sealing", _pepper(settings, folder), "sha256")
    return hmac.digest(extracted, b"key-encryption\x01", "sha256")


def _pepper(settings: Settings, folder: DataFolder) -> bytes:
    if settings.pepper is not None:
        return secrets.from_digits(settings.pepper.get_secret_value(), "PASSERELLE_PEPPER")
    if settings.pepper_file is not None:
        return secrets.from_file(settings.pepper_file, called="pepper", setting="PASSERELLE_PEPPER_FILE")
    return folder.secret("pepper")


def read_key_file(file: Path) -> bytes:
    """A key-encryption key in a file. Raises CannotRun, and never quotes it."""
    return secrets.from_file(file, called="key-encryption key", setting="PASSERELLE_KEY_ENCRYPTION_KEY_FILE")


async def agree(database: Database, kek: bytes) -> None:
    """Note the key's fingerprint where none is noted yet. Raises CannotRun where another one is."""
    ours = fingerprint(kek)
    if await secrets.noted(database, KEY_ENCRYPTION, ours) != ours:
        raise CannotRun(
            "What is stored in the database was sealed under another key-encryption key: none of it could be read here.",
            "Give this process the others' pepper; where they have a key of its own, copy their DATA/secrets/key-encryption "
            "into its data folder before the first start, or name it with PASSERELLE_KEY_ENCRYPTION_KEY_FILE, or set PASSERELLE_KEY_ENCRYPTION_KEY "
            "to its 64 hexadecimal digits (xxd -p -c 64 DATA/secrets/key-encryption). After `passerelle rewrap-keys` it is the new one.",
        )


def fingerprint(kek: bytes) -> str:
    """What tells key-encryption keys apart and gives nothing of them away."""
    return secrets.fingerprint(kek, "key-encryption key")


async def _nobody(tenant: str, version: int) -> None:
    """Who hears of keys where nobody does."""


class DataKeys:
    """Tenants' keys in the database. Everything raises what the database raises."""

    def __init__(self, database: Database, kek: bytes) -> None:
        self._database = database
        self._kek = kek
        self._by = fingerprint(kek)
        # Hears of every key that is made here, by its tenant and number.
        self.told: Callable[[str, int], Awaitable[None]] = _nobody

    def __repr__(self) -> str:
        """Nothing of the key."""
        return "DataKeys(...)"

    async def find(self, tenant: str) -> list[DataKey]:
        """All keys that a tenant has or had, oldest first."""
        async with self._database.begin() as connection:
            rows = (await connection.execute(_FIND, {"tenant": tenant})).all()
        return [self._read(tenant, row.version, row.wrapped, row.wrapped_by) for row in rows]

    async def make(self, tenant: str) -> list[DataKey]:
        """As `find`, with a new key where none is in use; whoever is first makes it."""
        while True:
            known = await self.find(tenant)
            if known and known[-1].key is not None:
                return known
            if known and known[-1].foreign:
                return known  # there is one, which this process cannot read
            version = known[-1].version + 1 if known else 1
            values = {
                "tenant": tenant,
                "version": version,
                "wrapped": _wrap(self._kek, os.urandom(KEY_BYTES), tenant, version),
                "by": self._by,
            }
            async with self._database.begin() as connection:
                made = (await connection.execute(_PUT, values)).rowcount
            if made:
                await self.told(tenant, version)

    async def destroy(self, tenant: str) -> int:
        """Nothing that was sealed with a tenant's keys is opened again, by anybody: how many ended."""
        async with self._database.begin() as connection:
            ended = (await connection.execute(_DESTROY, {"tenant": tenant})).rowcount
        if ended:
            await self._shrink()
        return ended

    async def rewrap(self, new: bytes) -> int:
        """Wrap every key with a new key-encryption key, all or none: how many.

        Processes that have the old one go on with the keys that they know, for seconds, and must be started again.
        Raises CannotRun where one is wrapped by a key that is not ours.
        """
        async with self._database.begin() as connection:
            await connection.execute(_LOCK)
            rows: Sequence[DataKey]
            found = (await connection.execute(_ALL)).all()
            rows = [self._read(row.tenant, row.version, row.wrapped, row.wrapped_by) for row in found]
            if any(each.foreign for each in rows):
                raise CannotRun(
                    "A tenant's key is wrapped by another key-encryption key than this process has.",
                    "Run this with the key that is in use.",
                )
            changed = [
                {
                    "tenant": row.tenant,
                    "version": row.version,
                    "wrapped": _wrap(new, each.key or b"", row.tenant, row.version),
                    "by": fingerprint(new),
                }
                for row, each in zip(found, rows, strict=True)
            ]
            if changed:
                await connection.execute(_REWRAP, changed)
            await connection.execute(_RENOTE, {"name": KEY_ENCRYPTION, "value": fingerprint(new)})
        self._kek, self._by = new, fingerprint(new)
        await self._shrink()
        return len(changed)

    def _read(self, tenant: str, version: int, wrapped: bytes | None, by: str) -> DataKey:
        if wrapped is None:
            return DataKey(version, None)
        key = _unwrap(self._kek, bytes(wrapped), tenant, version) if by == self._by else None
        return DataKey(version, key, foreign=key is None)

    async def _shrink(self) -> None:
        """Rewrite the table, so that no old row is left in its file."""
        try:
            connection = await self._database.alone()
            try:
                await connection.execute(_SHRINK)
            finally:
                await connection.close()
        except (DriverError, SQLAlchemyError, OSError) as error:
            # Autovacuum does it later; what counts has been committed.
            _log.warning("keys_not_shrunk", error=type(error).__name__)


def _wrap(kek: bytes, key: bytes, tenant: str, version: int) -> bytes:
    # OpenSSL is of some weight, and a process may have nothing to seal.
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(kek).encrypt(nonce, key, _place(tenant, version))


def _unwrap(kek: bytes, wrapped: bytes, tenant: str, version: int) -> bytes | None:
    """The key; None where this is not what wrapped it for this place."""
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - as above
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

    try:
        return AESGCM(kek).decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], _place(tenant, version))
    except (InvalidTag, ValueError):
        return None


def _place(tenant: str, version: int) -> bytes:
    return _PURPOSE + version.to_bytes(4) + tenant.encode()
