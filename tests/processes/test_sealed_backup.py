"""A backup of what a tenant stored is worth nothing once its key is destroyed; the other tenant's is what it was."""

from __future__ import annotations

import asyncio
import base64
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import make_url

from passerelle.sealing.keys import DataKeys, read_key_encryption_key
from passerelle.sealing.seals import Seals
from passerelle.sealing.values import MAGIC, Destroyed, Opener, Unreadable
from passerelle.settings import Settings
from passerelle.stores.database import Database
from passerelle.stores.folder import DataFolder
from tests.database import driver_address
from tests.e2e.rag_scene import CANARY, Client, house
from tests.embedded import embedded
from tests.processes import texts_estate
from tests.processes.texts_estate import TENANTS, Estate, all_it_was_shown, asked, own

_ENDED, _OTHER = TENANTS
_QUESTION = "What do the sheets say of the trainer?"
# What a tenant calls its things, and how it wants them worked on, is not sealed: it is asked for by it.
_PLAIN = {
    "banned", "brandname", "category", "context", "definition", "example", "file", "grid", "heading", "key", "note",
    "recipe", "recipetitle", "textfile", "title", "tone",
}  # fmt: skip
_CONTENT = {
    "comment", "segment", "doc", "docname", "dochead", "meta", "subject", "question", "thumb", "text", "texttitle",
    "edited",
}  # fmt: skip
_BOUNDS = (b"rag_answer", b"rag_document", b"survey", b"content", b"passage")
_SEALED = re.compile(rb"sealed:1:([A-Za-z0-9+/=]+)")
_SEALED_JSON = re.compile(rb'"{1,2}sealed"{1,2}: ?"{1,2}([A-Za-z0-9+/=]+)"')
_SEALED_BYTES = re.compile(rb"\\\\?x(" + MAGIC.hex().encode() + rb"[0-9a-f]+)")


@dataclass
class Backup:
    """All tables as text, but for those of keys; and the store of passages."""

    tables: dict[str, bytes]
    vectors: bytes

    @property
    def everything(self) -> bytes:
        return b"\n".join((*self.tables.values(), self.vectors))


@pytest.fixture(scope="module")
def estate(tmp_path_factory: pytest.TempPathFactory, model_cache: Path) -> Iterator[tuple[Estate, Path]]:
    folder = tmp_path_factory.mktemp("sealed")
    with house(folder, _config, answer=all_it_was_shown, models=model_cache) as running:
        made = Estate(running)
        for tenant in TENANTS:
            running.make(tenant, "open")
            running.make(tenant, "chief", role="tenant-admin")
            made.ids[tenant], made.jobs[tenant] = {}, []
            _settle_documents(made, tenant)
            texts_estate._settle_surveys(made, tenant)
            texts_estate._settle_texts(made, tenant)
        yield made, folder / "d"


def _config(url: str) -> dict[str, Any]:
    made = texts_estate.config(url)
    for name in TENANTS:
        made["tenants"][name] = {"rag": {"conversations": {"keep": "30d"}}}
    return made


def _settle_documents(estate: Estate, tenant: str) -> None:
    client = estate.client(tenant)
    shelf = {"name": "docs"}
    asked(client, "POST", "/v1/rag/collections", shelf)
    text = f"# {own(tenant, 'doctitle')}\n\n## {own(tenant, 'dochead')}\n\nThe trainer is {own(tenant, 'doc')}.\n"
    given = {
        "key": "sheet",
        "text": text,
        "title": own(tenant, "docname"),
        "metadata": {"about": own(tenant, "meta"), "subjects": [own(tenant, "subject")]},
    }
    told = client.ask("POST", "/v1/rag/collections/docs/documents", {"documents": [given]})
    assert told.status == 202, told.raw
    estate.house.over(client, told.json["job"])
    found = {"collection": "docs", "query": "trainer", "filter": {"about": own(tenant, "meta")}}
    assert asked(client, "POST", "/v1/rag/search", found)["data"]
    question = {"collection": "docs", "question": f"{_QUESTION} {own(tenant, 'question')}"}
    answer = asked(client, "POST", "/v1/rag/chat", question)
    estate.ids[tenant]["conversation"] = answer["conversation"]
    thumb = {"thumb": "up", "comment": own(tenant, "thumb")}
    asked(client, "POST", f"/v1/rag/answers/{answer['id']}/feedback", thumb)


def test_nothing_of_a_tenant_is_in_a_backup_once_its_key_is_destroyed(estate: tuple[Estate, Path]) -> None:
    made, data = estate
    kek = read_key_encryption_key(Settings(), DataFolder(data))
    with embedded(data) as address:
        backup = _backup(address, data)
        assert own(_ENDED, "comment").encode() not in backup.everything
        assert _words(b"\n".join(backup.tables.values())) <= _PLAIN
        assert _words(backup.vectors) <= _PLAIN

        before = asyncio.run(_opened(address, kek, backup))
        for tenant in TENANTS:
            assert _words(before[tenant]) >= _CONTENT
        for tenant in TENANTS:
            assert _says(made.client(tenant), made.ids[tenant], tenant) == {"question", "comment", "text"}

        assert asyncio.run(_destroyed(address, kek)) > 0

        restored = _restore(address, backup)
        after = asyncio.run(_opened(restored, kek, _backup(restored, data)))
        assert after[_ENDED] == b""
        assert after[_OTHER] == before[_OTHER]
    for path in (f"/v1/rag/conversations/{made.ids[_ENDED]['conversation']}",):
        told = _patiently(made.client(_ENDED), path)
        assert (told.status, told.json["error"]["code"]) == (404, "erased")
    assert _says(made.client(_OTHER), made.ids[_OTHER], _OTHER) == {"question", "comment", "text"}


def _words(seen: bytes) -> set[str]:
    """Where the canaries of something stood."""
    return {
        re.sub(r"^canary\d\d(open|hr|sales)", "", each[0].decode().lower()) for each in CANARY.finditer(seen)
    }


def _says(client: Client, ids: dict[str, Any], tenant: str) -> set[str]:
    """What the service still tells of each store."""
    client.close()  # the other end closes what nobody used for a while
    seen = {
        "question": asked(client, "GET", f"/v1/rag/conversations/{ids['conversation']}"),
        "comment": asked(client, "GET", f"/v1/surveys/{ids['survey']}/runs/{ids['run']}/comments"),
        "text": asked(client, "GET", f"/v1/content/jobs/{ids['content']}/items"),
    }
    return {where for where, said in seen.items() if own(tenant, where) in repr(said)}


def _patiently(client: Client, path: str) -> Any:
    """Its keys are looked at again every three seconds."""
    client.close()
    for _ in range(100):
        told = client.ask("GET", path)
        if told.status != 200:
            return told

        time.sleep(0.1)
    return told


def _backup(address: str, data: Path) -> Backup:
    with psycopg.connect(driver_address(address)) as connection:
        names = [row[0] for row in connection.execute(_TABLES)]
        tables = {}
        for name in names:
            wanted = sql.SQL("COPY (SELECT * FROM public.{}) TO STDOUT (FORMAT csv)").format(
                sql.Identifier(name)
            )
            with connection.cursor().copy(wanted) as copy:
                tables[name] = b"".join(bytes(part) for part in copy)
    aside = data.parent / "vectors-copy"
    shutil.rmtree(aside, ignore_errors=True)
    shutil.copytree(data / "vectors", aside, ignore=shutil.ignore_patterns("*.sock", "*.lock"))
    vectors = b"\n".join(path.read_bytes() for path in sorted(aside.rglob("*")) if path.is_file())
    return Backup(tables, vectors)


_TABLES = """
SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'
    AND table_name <> 'alembic_version' ORDER BY 1
"""


def _restore(address: str, backup: Backup) -> str:
    """Another database with all of it, beside the keys as they are now."""
    with psycopg.connect(driver_address(address), autocommit=True) as connection:
        connection.execute("CREATE DATABASE restored")
    restored = make_url(address).set(database="restored").render_as_string(hide_password=False)
    asyncio.run(_migrated(restored))
    with (
        psycopg.connect(driver_address(address)) as live,
        psycopg.connect(driver_address(restored)) as connection,
    ):
        connection.execute("SET session_replication_role = replica")  # in no order of what refers to what
        for name, rows in backup.tables.items():
            table = sql.Identifier(name)
            if connection.execute(sql.SQL("SELECT FROM public.{} LIMIT 1").format(table)).fetchall():
                connection.execute(
                    sql.SQL("DELETE FROM public.{}").format(table)
                )  # what a new one begins with
            into = sql.SQL("COPY public.{} FROM STDIN (FORMAT csv)").format(sql.Identifier(name))
            with connection.cursor().copy(into) as copy:
                copy.write(rows)
        with (
            live.cursor().copy("COPY passerelle_keys.tenant_key TO STDOUT") as source,
            connection.cursor().copy("COPY passerelle_keys.tenant_key FROM STDIN") as copy,
        ):
            for part in source:
                copy.write(part)
    return restored


async def _migrated(address: str) -> None:
    database = Database(address)
    try:
        await database.migrate()
    finally:
        await database.aclose()


async def _destroyed(address: str, kek: bytes) -> int:
    database = Database(address)
    try:
        return await Seals(DataKeys(database, kek)).destroy(_ENDED)
    finally:
        await database.aclose()


async def _opened(address: str, kek: bytes, backup: Backup) -> dict[str, bytes]:
    """By tenant, all that its keys open of a backup."""
    database = Database(address)
    seals = Seals(DataKeys(database, kek))
    sealed = _values(backup.everything)
    try:
        found = {}
        for tenant in TENANTS:
            opener = await seals.opener(tenant)
            found[tenant] = b"\n".join(filter(None, (_one(opener, each) for each in sealed)))
        return found
    finally:
        await database.aclose()


def _values(everything: bytes) -> list[bytes]:
    """Whatever has the form of a sealed value."""
    letters = [*_SEALED.findall(everything), *_SEALED_JSON.findall(everything)]
    values = {base64.b64decode(each[: len(each) // 4 * 4]) for each in letters}
    values |= {bytes.fromhex(each.decode()) for each in _SEALED_BYTES.findall(everything)}
    return sorted(values)


def _one(opener: Opener, value: bytes) -> bytes:
    for bound in _BOUNDS:
        try:
            return opener.open(value, bound)
        except (Destroyed, Unreadable):
            continue
    return b""
