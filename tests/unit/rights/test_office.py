"""What is asked about a person is done in every store, survives its workers, and is proven by a signed receipt."""

from __future__ import annotations

import io
import json
import zipfile
from datetime import timedelta

import pytest
from sqlalchemy import text

from passerelle.domain.errors import Conflict, NotFound
from passerelle.domain.privacy import Deed
from passerelle.rights.proofs import holds
from passerelle.stores.database import Database
from tests.unit.rights.scene import PSEUDONYMS, SIGNER, now, scene

USER = "ana.perez@example.org"
MINE = ("acme", PSEUDONYMS.of("acme", USER))
OTHER = ("acme", PSEUDONYMS.of("acme", "somebody else"))


async def test_an_erasure_reaches_every_store_and_its_receipt_says_what_there_was(database: Database) -> None:
    made = scene(database, "documents", "surveys")
    made.stores["documents"].rows = {MINE: [{"n": 1}, {"n": 2}], OTHER: [{"n": 3}]}
    async with made.worked():
        standing = await made.over(await made.office.ask("acme", Deed.ERASE, USER, by="key_1"))
    assert standing.state == "done"
    signed = await made.office.receipt("acme", standing.request.id)
    assert holds(signed)
    assert holds(signed, SIGNER.public)
    assert not holds(signed, b"x" * 32)
    receipt = signed["receipt"]
    stores = {each["store"]: each for each in receipt["stores"]}
    assert stores["documents"]["before"] == {"rows": 2}
    assert stores["documents"]["total_after"] == 0
    assert stores["surveys"]["before"] == {"rows": 0}, "a store with nothing stands there too"
    assert {"exports", "files", "ledger", "audit", "requests", "sightings"} <= set(stores)
    assert [
        (each["provider"], each["calls"], each["first_day"], each["last_day"]) for each in receipt["upstream"]
    ] == [
        ("self", 7, "2026-11-05", "2026-11-05"),
        ("together", 4, "2026-11-02", "2026-11-05"),
    ]
    assert set(receipt["upstream"][0]["letter"]) == {"en", "fr"}
    assert receipt["in_time"]
    assert made.stores["documents"].rows == {OTHER: [{"n": 3}]}
    assert [each[2] for each in made.noted] == ["right.asked", "right.done"]


async def test_what_works_for_a_person_ends_before_anything_of_it_is_deleted(database: Database) -> None:
    made = scene(database, "documents", "corrections")
    made.stores["jobs"].rows = {MINE: [{"n": 1}]}
    made.stores["jobs"].slow = 1
    order: list[str] = []
    for name, store in made.stores.items():
        store.done = _Telling(name, order)
    async with made.worked():
        standing = await made.over(await made.office.ask("acme", Deed.ERASE, USER, by="key_1"))
    assert standing.state == "done"
    assert order[:3] == ["jobs", "jobs", "corrections"]
    assert order[-1] == "cache-exact", "whatever else was answered from, may have filled it"


class _Telling(list[str]):
    def __init__(self, name: str, order: list[str]) -> None:
        super().__init__()
        self._name, self._order = name, order

    def append(self, said: str) -> None:
        super().append(said)
        self._order.append(self._name)


async def test_the_name_of_a_person_is_nowhere_in_the_database(database: Database) -> None:
    made = scene(database, "documents")
    made.stores["documents"].rows = {MINE: [{"n": 1}]}
    async with made.worked():
        for deed in (Deed.EXPORT, Deed.ERASE, Deed.RESTRICT, Deed.LIFT):
            await made.over(await made.office.ask("acme", deed, USER, by="key_1"))
    for table in ("privacy_request", "privacy_export", "job", "job_item", "job_event", "subject_restriction"):
        async with database.begin() as connection:
            rows = (await connection.execute(text(f"SELECT * FROM {table}"))).all()
        assert USER not in repr(rows), table
    assert USER not in repr(made.noted)


async def test_a_store_that_is_away_is_tried_again_until_it_is_back(database: Database) -> None:
    made = scene(database, "documents", "surveys")
    made.stores["documents"].rows = {MINE: [{"n": 1}]}
    made.stores["documents"].away = 2
    made.stores["surveys"].slow = 1
    made.stores["surveys"].rows = {MINE: [{"n": 1}]}
    async with made.worked():
        standing = await made.over(await made.office.ask("acme", Deed.ERASE, USER, by="key_1"))
    assert standing.state == "done"
    receipt = (await made.office.receipt("acme", standing.request.id))["receipt"]
    stores = {each["store"]: each for each in receipt["stores"]}
    assert stores["surveys"]["before"] == {"rows": 1}, "what was counted first is what there was"
    assert stores["surveys"]["total_after"] == stores["documents"]["total_after"] == 0


async def test_while_an_erasure_is_under_way_the_same_is_the_same_request(database: Database) -> None:
    made = scene(database)
    first = await made.office.ask("acme", Deed.ERASE, USER, by="key_1")
    again = await made.office.ask("acme", Deed.ERASE, USER, by="key_2")
    other = await made.office.ask("acme", Deed.ERASE, "somebody else", by="key_1")
    assert first.request.id == again.request.id != other.request.id
    with pytest.raises(Conflict):
        await made.office.receipt("acme", first.request.id)
    assert [each.request.id for each in await made.office.requests("acme", user=USER)] == [first.request.id]


async def test_another_tenants_request_is_not_found(database: Database) -> None:
    made = scene(database, tenants=("acme", "other"))
    standing = await made.office.ask("acme", Deed.RESTRICT, USER, by="key_1")
    with pytest.raises(NotFound):
        await made.office.request("other", standing.request.id)
    assert not await made.office.requests("other")


async def test_an_export_is_sealed_at_rest_and_read_as_json_and_as_a_zip(database: Database) -> None:
    made = scene(database, "documents")
    rows = [{"n": number, "said": "canary-words " * 20_000} for number in range(8)]
    made.stores["documents"].rows = {MINE: rows}
    async with made.worked():
        standing = await made.over(await made.office.ask("acme", Deed.EXPORT, USER, by="key_1"))
    assert standing.export_until is not None
    async with database.begin() as connection:
        kept = (await connection.execute(text("SELECT content FROM privacy_export"))).scalars().all()
    assert len(kept) > 1
    assert not any(b"canary" in bytes(each) for each in kept)
    blocks = await made.office.export("acme", standing.request.id, packed=False, by="key_1")
    whole = json.loads(b"".join([block async for block in blocks]))
    assert whole["stores"]["documents"] == rows
    assert whole["stores"]["keys"] == []
    blocks = await made.office.export("acme", standing.request.id, packed=True, by="key_1")
    with zipfile.ZipFile(io.BytesIO(b"".join([block async for block in blocks]))) as packed:
        assert packed.testzip() is None
        assert json.loads(packed.read("documents.json")) == rows
        assert json.loads(packed.read("keys.json")) == []
    assert made.noted[-1][2] == "right.export_fetched"


async def test_an_export_ends_after_seven_days_and_with_an_erasure(database: Database) -> None:
    made = scene(database, "documents")
    made.stores["documents"].rows = {MINE: [{"n": 1}]}
    async with made.worked():
        exported = await made.over(await made.office.ask("acme", Deed.EXPORT, USER, by="key_1"))
        await made.office.forget(now() + timedelta(days=6))
        assert (await made.office.request("acme", exported.request.id)).export_until is not None
        await made.over(await made.office.ask("acme", Deed.ERASE, USER, by="key_1"))
        with pytest.raises(NotFound):
            await made.office.export("acme", exported.request.id, packed=False, by="key_1")
        made.stores["documents"].rows = {MINE: [{"n": 1}]}
        later = await made.over(await made.office.ask("acme", Deed.EXPORT, USER, by="key_1"))
    await made.office.forget(now() + timedelta(days=8))
    with pytest.raises(NotFound):
        await made.office.export("acme", later.request.id, packed=False, by="key_1")


async def test_a_restriction_holds_at_once_and_has_a_receipt(database: Database) -> None:
    made = scene(database)
    standing = await made.office.ask("acme", Deed.RESTRICT, USER, by="key_1")
    assert standing.state == "done"
    assert made.restrictions.holds(*MINE)
    receipt = await made.office.receipt("acme", standing.request.id)
    assert holds(receipt)
    assert receipt["receipt"]["stores"][0]["total_after"] == 1
    await made.office.ask("acme", Deed.LIFT, USER, by="key_1")
    assert not made.restrictions.holds(*MINE)


async def test_a_wipe_is_refused_while_its_tenant_is_configured_unless_it_is_named(
    database: Database,
) -> None:
    made = scene(database, "documents")
    for confirm in (None, "other", ""):
        with pytest.raises(Conflict):
            await made.office.wipe("acme", confirm=confirm, by="operator")
    made.stores["documents"].rows = {MINE: [{"n": 1}], OTHER: [{"n": 2}], ("gone", "u_1"): [{"n": 3}]}
    async with made.worked():
        standing = await made.over(await made.office.wipe("acme", confirm="acme", by="operator"), 40.0)
        assert standing.state == "done"
        gone = await made.over(await made.office.wipe("gone", confirm=None, by="operator"), 40.0)
    receipt = (await made.office.receipt("acme", standing.request.id))["receipt"]
    stores = {each["store"]: each for each in receipt["stores"]}
    assert stores["documents"]["before"] == {"rows": 2}
    assert stores["documents"]["total_after"] == 0
    assert receipt["key_destroyed"]
    assert receipt["subject"] is None
    assert made.seal.destroyed == ["acme", "gone"]
    assert not made.stores["documents"].rows
    assert (await made.office.request("gone", gone.request.id)).state == "done"
    assert ("acme", "system", "tenant.wiped", standing.request.id) in made.noted


async def test_what_is_kept_for_too_long_is_told(database: Database) -> None:
    made = scene(database, "conversations", "surveys")
    made.stores["conversations"].first = now() - timedelta(hours=1)
    kept = {each.retention.store: each for each in await made.office.retention("acme")}
    assert not kept["conversations"].late, "the hour in which nothing was swept yet"
    made.stores["conversations"].first = now() - timedelta(hours=3)
    made.stores["surveys"].first = now() - timedelta(days=4000)
    made.stores["keys"].away = 1
    found = await made.office.retention("acme")
    kept = {each.retention.store: each for each in reversed(found)}
    assert kept["conversations"].late, "the tenant keeps none"
    assert not kept["surveys"].late, "they are kept until they are deleted"
    assert kept["keys"].away
