"""The keys of the first start are made once, private, and made again when they do not work any more."""

from __future__ import annotations

import stat
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from passerelle.cli.demo import first_keys
from passerelle.domain.caller import Role
from passerelle.parts import Parts
from passerelle.stores.database import Database
from passerelle.tenancy.keys import looks_minted
from passerelle.tenancy.ring import KeyRing
from passerelle.tenancy.store import KeyStore

_PEPPER = b"p" * 32


def parts_of(database: Database, folder: Path, *tenants: str) -> Parts:
    """The parts that first keys are made of, on a real database."""
    store = KeyStore(database, _PEPPER)
    ring = KeyRing(store, _PEPPER, environment={})
    parts = SimpleNamespace(
        services=SimpleNamespace(key_store=store, key_ring=ring),
        folder=SimpleNamespace(path=folder),
        live=SimpleNamespace(catalog=SimpleNamespace(tenants=dict.fromkeys(tenants))),
    )
    return cast("Parts", parts)


async def test_first_keys_are_made_once_and_private(database: Database, tmp_path: Path) -> None:
    parts = parts_of(database, tmp_path, "demo")
    first, second = await first_keys(parts), await first_keys(parts)

    assert first == second
    assert first.demo is not None
    assert looks_minted(first.demo)
    roles = {info.role: info.tenant for info in await parts.services.key_store.list_keys()}
    assert roles == {Role.ADMIN: None, Role.MEMBER: "demo"}
    assert len(await parts.services.key_store.list_keys()) == 2
    for file in (first.admin_file, tmp_path / "demo.key"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


async def test_without_a_tenant_demo_there_is_an_admin_key_only(database: Database, tmp_path: Path) -> None:
    made = await first_keys(parts_of(database, tmp_path, "acme"))

    assert made.demo is None
    assert looks_minted(made.admin_file.read_text().strip())
    assert not (tmp_path / "demo.key").exists()


@pytest.mark.parametrize("how", ["damaged", "empty", "revoked", "admin's"])
async def test_a_key_that_does_not_work_is_made_again(database: Database, tmp_path: Path, how: str) -> None:
    parts = parts_of(database, tmp_path, "demo")
    first, file = await first_keys(parts), tmp_path / "demo.key"
    if how == "revoked":
        (made,) = await parts.services.key_store.list_keys("demo")
        await parts.services.key_store.revoke(made.id)
        await parts.services.key_ring.refresh()
    else:
        wrong = {"damaged": b"psr_\xff\xfe\n", "empty": b"", "admin's": first.admin_file.read_bytes()}
        file.write_bytes(wrong[how])

    again = await first_keys(parts)

    assert again.demo not in (None, first.demo)
    assert file.read_text() == f"{again.demo}\n"
    caller = parts.services.key_ring.find(file.read_bytes().strip())
    assert caller is not None
    assert (caller.tenant, caller.role) == ("demo", Role.MEMBER)
