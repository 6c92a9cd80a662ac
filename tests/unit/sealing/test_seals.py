"""What is sealed is opened with the tenant's key only, where it was put; and by nobody once the key is destroyed."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from passerelle.domain.errors import CannotRun, Unavailable
from passerelle.sealing.keys import DataKeys, agree, fingerprint, read_key_encryption_key
from passerelle.sealing.seals import Seals
from passerelle.sealing.values import Destroyed, Unreadable, Unsealed, is_sealed
from passerelle.settings import Settings
from passerelle.stores.database import Database
from passerelle.stores.folder import DataFolder

_KEK = bytes(range(32))
_WORDS = "Nathalie a dit: « c'est trop long »"


def _seals(database: Database, *, kek: bytes = _KEK, on: bool = True, check: float = 0.0) -> Seals:
    return Seals(DataKeys(database, kek), encrypted=lambda _: on, check_seconds=check)


async def test_it_opens_for_the_same_tenant_and_place_only(database: Database) -> None:
    seals = _seals(database)
    sealed = await seals.seal("a", _WORDS.encode(), b"here")
    again = await seals.seal("a", _WORDS.encode(), b"here")
    await seals.seal("b", b"", b"here")

    assert await seals.open("a", sealed, b"here") == _WORDS.encode()
    assert sealed != again
    assert b"Nathalie" not in sealed
    for tenant, value, bound in (
        ("b", sealed, b"here"),
        ("a", sealed, b"there"),
        ("a", sealed[:-1] + bytes([sealed[-1] ^ 1]), b"here"),
        ("a", sealed[:7] + b"\x02" + sealed[8:], b"here"),
        ("a", b"plain", b"here"),
        ("a", b"", b"here"),
    ):
        with pytest.raises(Unreadable):
            await seals.open(tenant, value, bound)


async def test_columns_of_every_kind_come_back_as_they_were(database: Database) -> None:
    for seals in (_seals(database), _seals(database, on=False), Unsealed()):
        seal = await seals.of("a")
        texts = ["", "x", _WORDS, "sealed:1:AAAA", "sealed:0:x", "sealed:1:" + "k3BTAQ" * 20, "\ud800"]
        for each in texts:
            assert seal.open_text(seal.seal_text(each, b"t"), b"t") == each
        values: list[object] = [None, 1, [], {}, {"a": [1, None]}, "é"]
        for value in (*values, {"sealed": "k3BTAQAA"}, {"unsealed": {"sealed": 1}}):
            assert seal.open_json(seal.seal_json(value)) == value
        for raw in (b"", b"x", b"\x93pS\x01" + bytes(40), b"\x93pS\x00x", os.urandom(5000)):
            assert seal.open_bytes(seal.seal_bytes(raw)) == raw


async def test_rows_from_before_are_read_as_they_are(database: Database) -> None:
    opener = await _seals(database).opener("a")
    assert opener.open_text("words") == "words"
    assert opener.open_json({"a": 1}) == {"a": 1}
    assert opener.open_bytes(b"%PDF") == b"%PDF"


async def test_a_tenant_that_no_longer_wants_it_still_reads_what_was_sealed(database: Database) -> None:
    sealed = (await _seals(database).of("a")).seal_text(_WORDS)
    plain = await _seals(database, on=False).of("a")
    assert plain.open_text(sealed) == _WORDS
    assert plain.seal_text(_WORDS) == _WORDS


async def test_reading_makes_no_key(database: Database) -> None:
    seals = _seals(database)
    await seals.opener("a")
    await _seals(database, on=False).of("a")
    assert await _rows(database) == []


async def test_a_destroyed_key_opens_nothing_and_another_one_follows_it(database: Database) -> None:
    here, there = _seals(database), _seals(database)
    old = await here.seal("a", b"old")
    other = await here.seal("b", b"other")
    assert await there.open("a", old) == b"old"

    assert await here.destroy("a") == 1
    assert await here.destroy("a") == 0

    for seals in (here, there):
        with pytest.raises(Destroyed):
            await seals.open("a", old)
        assert await seals.open("b", other) == b"other"
    new = await there.seal("a", b"new")
    assert await here.open("a", new) == b"new"
    with pytest.raises(Destroyed):
        await here.open("a", old)
    assert [(row.tenant, row.version, row.wrapped is None) for row in await _rows(database)] == [
        ("a", 1, True),
        ("a", 2, False),
        ("b", 1, False),
    ]


async def test_a_key_is_forgotten_here_at_once_and_elsewhere_after_a_while(database: Database) -> None:
    here, there = _seals(database, check=3600), _seals(database, check=3600)
    sealed = await here.seal("a", b"x")
    assert await there.open("a", sealed) == b"x"
    assert there.at_hand("a") is not None
    await here.destroy("a")

    with pytest.raises(Destroyed):
        await here.open("a", sealed)
    assert await there.open("a", sealed) == b"x"  # until it looks again
    there._check_seconds = 0.0
    assert there.at_hand("a", fresh=True) is None
    with pytest.raises(Destroyed):
        await there.open("a", sealed)


async def test_processes_that_begin_at_once_make_one_key(database: Database) -> None:
    each = [_seals(database) for _ in range(4)]
    sealed = await asyncio.gather(*(seals.seal("a", b"x") for seals in each))
    assert [await each[0].open("a", one) for one in sealed] == [b"x"] * 4
    assert len(await _rows(database)) == 1


async def test_who_listens_hears_of_every_key_that_is_made_and_of_none_twice(database: Database) -> None:
    heard: list[tuple[str, int]] = []

    async def told(tenant: str, version: int) -> None:
        heard.append((tenant, version))

    seals = [_seals(database) for _ in range(3)]
    for each in seals:
        each.tell(told)
    await asyncio.gather(*(each.seal("acme", b"x") for each in seals))
    await seals[0].destroy("acme")
    await seals[0].seal("acme", b"x")
    assert heard == [("acme", 1), ("acme", 2)]


async def test_another_key_encryption_key_opens_nothing_and_seals_nothing(database: Database) -> None:
    sealed = await _seals(database).seal("a", b"x")
    stranger = _seals(database, kek=bytes(32))
    with pytest.raises(Unreadable):
        await stranger.open("a", sealed)
    with pytest.raises(Unavailable, match="another key-encryption key"):
        await stranger.seal("a", b"x")
    assert len(await _rows(database)) == 1


async def test_rewrapped_keys_open_with_the_new_one_and_copies_of_old_ones_do_not(database: Database) -> None:
    seals, new = _seals(database), os.urandom(32)
    await agree(database, _KEK)
    sealed = await seals.seal("a", b"x")
    await seals.seal("b", b"x")
    await seals.destroy("b")
    old = await _rows(database)

    with pytest.raises(CannotRun, match="another key-encryption key"):
        await _seals(database, kek=bytes(32)).rewrap(new)
    assert await seals.rewrap(new) == 1

    assert await seals.open("a", sealed) == b"x"
    assert await _seals(database, kek=new).open("a", sealed) == b"x"
    with pytest.raises(Unreadable):
        await _seals(database).open("a", sealed)
    await agree(database, new)
    with pytest.raises(CannotRun, match="another key-encryption key"):
        await agree(database, _KEK)
    assert not {row.wrapped for row in old if row.wrapped} & {row.wrapped for row in await _rows(database)}


async def test_a_wrapped_key_opens_in_its_own_row_only(database: Database) -> None:
    seals = _seals(database)
    sealed = await seals.seal("a", b"x")
    await seals.seal("b", b"x")
    async with database.begin() as connection:
        await connection.execute(
            text(
                "UPDATE passerelle_keys.tenant_key SET wrapped = (SELECT wrapped FROM passerelle_keys.tenant_key"
                " WHERE tenant = 'b') WHERE tenant = 'a'"
            )
        )
    with pytest.raises(Unreadable):
        await seals.open("a", sealed)


async def test_known_keys_go_on_for_a_while_without_the_database(database: Database) -> None:
    seals = _seals(database, check=0)
    sealed = await seals.seal("a", b"x")
    broken = Database("postgresql://nobody@127.0.0.1:1/none")
    seals._keys = DataKeys(broken, _KEK)
    try:
        assert await seals.open("a", sealed) == b"x"
        for call in (seals.seal("b", b"x"), seals.destroy("a")):
            with pytest.raises(Unavailable):
                await call
    finally:
        await broken.aclose()


async def test_what_is_shown_of_keys_is_nothing(database: Database) -> None:
    keys = DataKeys(database, _KEK)
    seals = Seals(keys)
    seal = await seals.of("a")
    shown = f"{keys!r} {seals!r} {seal!r} {await seals.opener('a')!r} {fingerprint(_KEK)}"
    assert _KEK.hex()[:8] not in shown
    assert not is_sealed(shown.encode())


def test_the_key_encryption_key_is_one_that_is_given(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "d")
    folder.open()
    file = tmp_path / "kek"
    file.write_text(_KEK.hex())

    assert read_key_encryption_key(Settings(key_encryption_key=SecretStr(_KEK.hex())), folder) == _KEK
    assert read_key_encryption_key(Settings(key_encryption_key_file=file), folder) == _KEK
    file.write_text("not a key: secret")
    with pytest.raises(CannotRun, match="64 hexadecimal digits") as told:
        read_key_encryption_key(Settings(key_encryption_key_file=file), folder)
    assert "secret" not in str(told.value)


async def _rows(database: Database) -> list:  # type: ignore[type-arg]
    async with database.begin() as connection:
        found = await connection.execute(
            text("SELECT tenant, version, wrapped FROM passerelle_keys.tenant_key ORDER BY tenant, version")
        )
        return list(found.all())


def test_machines_with_one_pepper_derive_one_key_encryption_key(tmp_path: Path) -> None:
    given = Settings(pepper=SecretStr("ab" * 32))
    folders = [DataFolder(tmp_path / name) for name in ("one", "two")]
    for folder in folders:
        folder.open()
    one, two = (read_key_encryption_key(given, folder) for folder in folders)
    assert one == two != bytes.fromhex("ab" * 32)
    (tmp_path / "pepper").write_text("ab" * 32)
    assert read_key_encryption_key(Settings(pepper_file=tmp_path / "pepper"), folders[0]) == one
    assert read_key_encryption_key(Settings(pepper=SecretStr("cd" * 32)), folders[0]) != one

    assert read_key_encryption_key(Settings(), folders[1]) not in (one, two)  # of the folder's own pepper
    (tmp_path / "two" / "secrets" / "key-encryption").write_bytes(_KEK)
    assert read_key_encryption_key(given, folders[1]) == _KEK
