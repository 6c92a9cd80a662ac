"""What `serve --demo` does at its first start, and how it greets."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

import click

from passerelle.domain.ask import Task
from passerelle.domain.caller import Role
from passerelle.domain.catalog import Catalog
from passerelle.parts import Parts
from passerelle.stores.folder import write_private

_TENANT = "demo"


@dataclass(frozen=True, slots=True)
class FirstKeys:
    """The demo tenant's key, if the configuration has that tenant, and where the admin key lies."""

    demo: str | None
    admin_file: Path


async def first_keys(parts: Parts) -> FirstKeys:
    """The keys of the first start, made once and kept in the data folder."""
    demo = None
    if _TENANT in parts.live.catalog.tenants:
        demo = await _kept(
            parts, parts.folder.path / "demo.key", tenant=_TENANT, role=Role.MEMBER, name="demo"
        )
    admin_file = parts.folder.path / "admin.key"
    await _kept(parts, admin_file, tenant=None, role=Role.ADMIN, name="first admin")
    return FirstKeys(demo, admin_file)


async def _kept(parts: Parts, file: Path, *, tenant: str | None, role: Role, name: str) -> str:
    """The key in a file, if it still works, else a new one."""
    services = parts.services
    text = await asyncio.to_thread(_read, file)
    if text is not None:
        caller = services.key_ring.find(text.encode())
        if caller is not None and caller.tenant == tenant:
            return text
    minted = await services.key_store.create(tenant=tenant, role=role, name=name)
    write_private(file, f"{minted.text}\n".encode())
    await services.key_ring.refresh()
    return minted.text


def _read(file: Path) -> str | None:
    return file.read_text(encoding="ascii", errors="replace").strip() if file.exists() else None


def welcome(keys: FirstKeys, *, address: str, catalog: Catalog) -> None:
    """Tell a newcomer what to do next: one line that answers."""
    click.echo(f"  API documentation   {address}/docs")
    click.echo(f"  admin key           in {keys.admin_file}")
    if keys.demo is None:
        return
    click.echo(f"  key of tenant demo  {keys.demo}")
    names = (catalog.models[name] for name in catalog.tenants[_TENANT].models)
    model = next((model.name for model in names if model.task is Task.CHAT), None)
    if model is None:
        return
    click.echo("\nTry it:\n")
    question = (
        "Answer from this text: The footbridge was opened in 1894. It is 62 metres long and made of iron. "
        "When was the footbridge opened?"
    )
    click.echo(
        f"curl -s {address}/v1/chat/completions -H 'Authorization: Bearer {keys.demo}' -H 'content-type: application/json' "
        f'-d \'{{"model": "{model}", "messages": [{{"role": "user", "content": "{question}"}}]}}\'\n'
    )
