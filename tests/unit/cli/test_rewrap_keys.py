"""Another key-encryption key: what was sealed is still read with it, and by nobody who has the old one."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from passerelle.cli import passerelle
from passerelle.domain.errors import CannotRun
from passerelle.sealing.keys import DataKeys
from passerelle.sealing.opening import open_seals
from passerelle.sealing.seals import Seals
from passerelle.sealing.values import Unreadable
from passerelle.settings import Settings
from passerelle.stores.database import Database
from passerelle.stores.folder import DataFolder


def test_keys_are_wrapped_anew_and_the_folder_has_the_new_key(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    folder = DataFolder(tmp_path / "data")
    folder.open()
    old, new = folder.secret("key-encryption"), os.urandom(32)
    file = tmp_path / "new"
    file.write_text(new.hex())
    sealed = asyncio.run(_sealed(database_url, folder))

    arguments = ["rewrap-keys", "--data", str(folder.path), "--new-key-file", str(file)]
    done = CliRunner().invoke(passerelle, arguments, catch_exceptions=False)

    assert done.output.startswith("1 key is wrapped with the new key.")
    assert old.hex() not in done.output
    assert new.hex() not in done.output
    assert folder.secret("key-encryption") == new
    assert asyncio.run(_opened(database_url, folder, sealed)) == b"words"
    with pytest.raises(Unreadable):
        asyncio.run(_opened_with(database_url, old, sealed))
    with pytest.raises(CannotRun, match="in use"):
        CliRunner().invoke(passerelle, arguments, catch_exceptions=False)


async def _sealed(url: str, folder: DataFolder) -> bytes:
    database = Database(url)
    try:
        return await (await open_seals(Settings(), folder, database)).seal("acme", b"words")
    finally:
        await database.aclose()


async def _opened(url: str, folder: DataFolder, sealed: bytes) -> bytes:
    database = Database(url)
    try:
        return await (await open_seals(Settings(), folder, database)).open("acme", sealed)
    finally:
        await database.aclose()


async def _opened_with(url: str, kek: bytes, sealed: bytes) -> bytes:
    database = Database(url)
    try:
        return await Seals(DataKeys(database, kek)).open("acme", sealed)
    finally:
        await database.aclose()
