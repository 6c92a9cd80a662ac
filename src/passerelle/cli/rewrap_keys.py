"""`passerelle rewrap-keys`: another key-encryption key, so that wrapped keys in old backups open nothing any more."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import click

from passerelle.cli.options import with_settings
from passerelle.domain.errors import CannotRun
from passerelle.sealing.keys import KEY_ENCRYPTION, DataKeys, agree, read_key_encryption_key, read_key_file
from passerelle.settings import Settings
from passerelle.stores.folder import DataFolder
from passerelle.stores.opening import open_database


@click.command("rewrap-keys")
@click.option(
    "--new-key-file",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="The new key, as 32 bytes or 64 hexadecimal digits: `openssl rand -hex 32`.",
)
@with_settings
def rewrap_keys(settings: Settings, new_key_file: Path) -> None:
    """Wrap tenants' keys with another key-encryption key. What is stored is not touched.

    Services that run have to be started again, with the new key. Throw the old one away: without it, the wrapped keys
    in older backups open nothing, and what was erased since is gone from them too.
    """
    count = asyncio.run(_rewrapped(settings, read_key_file(new_key_file)))
    click.echo(f"{count} {'key is' if count == 1 else 'keys are'} wrapped with the new key.")
    if settings.key_encryption_key is None and settings.key_encryption_key_file is None:
        click.echo(f"It is in {DataFolder(settings.data).path / 'secrets' / KEY_ENCRYPTION}.")
    else:
        click.echo("Set PASSERELLE_KEY_ENCRYPTION_KEY or PASSERELLE_KEY_ENCRYPTION_KEY_FILE to the new key.")
    click.echo("Start every service again, and throw the old key away.")


async def _rewrapped(settings: Settings, new: bytes) -> int:
    folder = DataFolder(settings.data)
    folder.open()
    old = read_key_encryption_key(settings, folder)
    if old == new:
        raise CannotRun("That is the key that is in use.", "Make another one: openssl rand -hex 32.")
    async with AsyncExitStack() as stack:
        database = await open_database(settings, folder, stack)
        await agree(database, old)
        count = await DataKeys(database, old).rewrap(new)
    if settings.key_encryption_key is None and settings.key_encryption_key_file is None:
        folder.replace_secret(KEY_ENCRYPTION, new)
    return count
