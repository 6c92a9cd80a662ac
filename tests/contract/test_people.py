"""Every kind, one contract: no engine is told whom a request is for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from passerelle.subjects.pseudonyms import Pseudonyms
from tests.contract.engines import ROWS, SECRETS, Row
from tests.serving import PEPPER, Served, serving

ANNA = "anna.de-castel@exemple.fr"
PSEUDONYM = Pseudonyms(PEPPER).of("acme", ANNA)
NAMES: dict[str, Any] = {
    "user": ANNA,
    "safety_identifier": ANNA,
    "prompt_cache_key": ANNA,
    "metadata": {"user_id": ANNA, "project": "alpha"},
}
ASKED = {"model": "assistant", "messages": [{"role": "user", "content": "Dis bonjour."}]}


@pytest.fixture(params=ROWS, ids=lambda row: row.name)
def row(request: pytest.FixtureRequest) -> Row:
    found: Row = request.param
    return found


@pytest.fixture
async def engine(row: Row) -> AsyncIterator[Any]:
    async with row.make() as engine:
        yield engine


def told(engine: Any) -> str:
    """All that it was ever sent."""
    return "\n".join([str(each) for each in engine.requests])


@pytest.mark.parametrize("stream", [False, True])
async def test_no_engine_hears_a_name(row: Row, engine: Any, stream: bool) -> None:
    async with serving(row.configuration(engine), environment=SECRETS) as served:
        await row.known(served)
        await _ask(served, **NAMES, stream=stream)
    assert "Dis bonjour." in told(engine)
    assert "castel" not in told(engine)
    assert [began.subject for began in served.ledger.began] == [PSEUDONYM]


async def test_where_the_tenant_says_so_no_engine_hears_that_there_is_one(row: Row, engine: Any) -> None:
    said = row.configuration(engine)
    said["tenants"]["acme"]["privacy"] = {"user": "drop"}
    async with serving(said, environment=SECRETS) as served:
        await row.known(served)
        await _ask(served, **NAMES)
    assert "Dis bonjour." in told(engine)
    assert PSEUDONYM not in told(engine)
    assert "castel" not in told(engine)


async def _ask(served: Served, **said: Any) -> None:
    async with (
        served.client() as client,
        client.post("/v1/chat/completions", json={**ASKED, **said}) as reply,
    ):
        assert reply.status == 200, await reply.text()
        await reply.read()
