"""A person is erased by a service that is killed in the middle: what there was is told whole, and nothing is left."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import orjson
import psycopg

from tests.database import driver_address, postgres
from tests.e2e.money import Shop, configuration, engine, shop, until, verb
from tests.e2e.replies import Reply

__all__ = ["postgres"]

_USER = "ana.canary@example.org"
_WORDS = "La canariculture commence le lundi."
_DOCUMENTS = "/v1/rag/collections/faq/documents"
_SUBJECT = "/v1/privacy/subjects/ana.canary%40example.org"


def _call(house: Shop, path: str, *, key: str, body: Any = None) -> Reply:
    found = house.call(path, key=key, body=body)
    assert found.status < 300, found.raw
    return found


def _fill(house: Shop, chief: str) -> None:
    said = [
        {"key": "mine", "text": _WORDS, "metadata": {"subjects": [_USER, "bob"]}},
        {"key": "other", "text": "Les autres viennent le mardi.", "metadata": {"subjects": ["bob"]}},
    ]
    _call(house, _DOCUMENTS, key=chief, body={"documents": said})
    until(lambda: all(each["state"] == "ready" for each in _papers(house, chief)), within=60)
    for _ in range(2):
        house.chat("acme", user=_USER)
    house.chat("acme", user="bob")


def _papers(house: Shop, chief: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = _call(house, _DOCUMENTS, key=chief).json["data"]
    return found


def _request(house: Shop, chief: str, request: str) -> dict[str, Any]:
    found: dict[str, Any] = _call(house, f"/v1/privacy/requests/{request}?wait=10", key=chief).json
    return found


def _tables(address: str) -> bytes:
    """Everything that stands in the database, as text."""
    with psycopg.connect(driver_address(address), autocommit=True) as connection:
        names = connection.execute(
            "SELECT schemaname || '.' || quote_ident(tablename) FROM pg_tables "
            "WHERE schemaname IN ('public', 'passerelle_keys')"
        ).fetchall()
        found = [connection.execute(f"SELECT each::text FROM {name} AS each").fetchall() for (name,) in names]
    return repr(found).encode()


def test_an_erasure_survives_a_kill_and_leaves_nothing_but_its_receipt(tmp_path: Path, postgres: Any) -> None:
    address = postgres.make()
    extra = {"DATABASE_URL": address}
    with engine() as url:
        config = configuration(url)
        config["tenants"]["acme"] |= {"cache": True, "rag": {"conversations": {"keep": "1d"}}}
        with shop(tmp_path, config, extra=extra) as first:
            chief = first.chief("acme")
            _fill(first, chief)
            before = first.await_requests("acme", 3)["total"]
            exported = _call(first, f"{_SUBJECT}/export", key=chief, body={}).json["id"]
            until(lambda: _request(first, chief, exported)["state"] == "done", within=60)
            whole = _call(first, f"/v1/privacy/requests/{exported}/export", key=chief).json
            assert [each["key"] for each in whole["stores"]["documents"]] == ["mine"]
            assert whole["stores"]["documents"][0]["metadata"]["subjects"] == [_USER], "nobody else's name"
            request = _call(first, f"{_SUBJECT}/erase", key=chief, body={}).json["id"]
            assert first.service.stop(signal.SIGKILL) == -signal.SIGKILL
        with shop(tmp_path, config, extra=extra) as second:
            until(lambda: _request(second, chief, request)["state"] == "done", within=90)
            receipt = _call(second, f"/v1/privacy/requests/{request}/receipt", key=chief)
            stores = {each["store"]: each for each in receipt.json["receipt"]["stores"]}
            assert stores["documents"]["before"]["documents"] == 1
            assert not any(each["total_after"] for each in stores.values())
            assert [each["key"] for each in _papers(second, chief)] == ["other"]
            assert second.report(key=chief)["total"] == before, "the ledger's sums are unchanged"
            file = tmp_path / "receipt.json"
            file.write_bytes(orjson.dumps(receipt.json))
            assert verb("privacy", "verify", str(file)).returncode == 0
            assert second.order("privacy", "retention", "--tenant", "acme").returncode == 0
            left = _tables(address)
            assert _USER.encode() not in left
            assert b"canariculture" not in left
            done = second.order("privacy", "wipe", "--tenant", "acme", "--confirm", "acme", "--json")
            assert done.returncode == 0, done.stderr
            card = orjson.loads(done.stdout)
            said = second.order("privacy", "receipt", card["id"], "--tenant", "acme")
            wiped = {each["store"]: each for each in orjson.loads(said.stdout)["receipt"]["stores"]}
            assert wiped["documents"]["before"]["documents"] == 1
            assert wiped["keys"]["before"]["keys"] == 1
            assert not any(each["total_after"] for each in wiped.values())
            assert second.call("/v1/models", key=chief).status == 401
            logs = second.service.output.read_text()
        assert _USER not in logs
        assert _WORDS not in logs
