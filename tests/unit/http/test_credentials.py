"""Who calls is read the same way on every route, from keys and from tokens, and what is not read costs nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from passerelle.domain.caller import Caller
from passerelle.domain.errors import Unauthenticated
from passerelle.domain.identity import Issuer
from passerelle.http.credentials import Head, authenticate, read_head
from passerelle.tenancy.tokens import Tokens
from tests.fakes.oidc import Oidc, Signer
from tests.fakes.vllm import VllmFake
from tests.serving import Served, catalog_of, one_backend, serving

_BODY = {"model": "assistant", "messages": [{"role": "user", "content": "Bonjour"}]}


@pytest.mark.parametrize(
    ("value", "returns"),
    [(b"0", 0), (b"1", 1), (b"999", 999), (b"1000", 0), (b"-1", 0), (b"1.5", 0), (b"", 0), ("٣".encode(), 0)],
)
def test_how_often_a_client_came_back_is_a_small_number_or_nothing(value: bytes, returns: int) -> None:
    assert read_head([(b"x-stainless-retry-count", value)]).returns == returns


class _Counting:
    """Nobody's keys, and how often they were asked."""

    def __init__(self) -> None:
        self.asked = 0

    def find(self, secret: bytes) -> Caller | None:
        self.asked += 1
        return None

    async def resolve(self, secret: bytes) -> Caller | None:
        return None

    def alive(self, caller: Caller) -> bool:
        return False


@pytest.mark.parametrize(
    ("secret", "asked"),
    [
        (b"k" * 512, 1),
        (b"k" * 513, 0),
        (b"h." + b"p" * 8188 + b".s", 1),
        (b"h." + b"p" * 8189 + b".s", 0),
        (b"h.p" + b"p" * 600, 0),
        (b"a.b.c.d." + b"p" * 600, 0),
    ],
)
async def test_what_is_too_long_to_be_a_key_or_a_token_is_not_looked_up(secret: bytes, asked: int) -> None:
    keys = _Counting()
    with pytest.raises(Unauthenticated):
        await authenticate(Head("r", bearer=b"Bearer " + secret), keys)
    assert keys.asked == asked


# --- tokens through the whole application ---


@dataclass
class Rig:
    """A provider, an engine and a gateway between them."""

    oidc: Oidc
    served: Served
    http: aiohttp.ClientSession

    async def chat(self, token: bytes, header: str = "Authorization") -> tuple[int, str]:
        """The status, and the code of the error."""
        value = token.decode("latin-1")
        headers = {header: f"Bearer {value}" if header == "Authorization" else value}
        async with self.http.post("/v1/chat/completions", json=_BODY, headers=headers) as reply:
            document = await reply.json()
            if reply.status == 401:
                assert reply.headers["www-authenticate"] == "Bearer"
            return reply.status, document.get("error", {}).get("code", "")

    async def get(self, path: str, token: bytes) -> int:
        async with self.http.get(path, headers={"Authorization": f"Bearer {token.decode()}"}) as reply:
            return reply.status


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    async with Oidc() as oidc, VllmFake(model="fake") as engine:
        words = {
            "issuer": oidc.issuer,
            "audience": "passerelle",
            "roles": {"tenant_admin": ["boss"]},
            "grant": "tenant-admin",
        }
        configuration = {
            **one_backend("vllm", engine.url),
            "tenants": {"acme": {"oidc": [words]}, "globex": {}},
        }
        served: Served
        tokens = Tokens(lambda: served.editions.catalog, b"p" * 32)
        async with serving(configuration, keys=tokens, whole=True) as served, served.client(None) as http:
            yield Rig(oidc, served, http)
        await tokens.aclose()


async def test_a_token_is_all_that_a_call_needs(rig: Rig) -> None:
    token = rig.oidc.token()
    assert await rig.chat(token) == (200, "")
    assert await rig.chat(token, "X-API-Key") == (200, "")

    record = rig.served.records[0]
    assert record.tenant == "acme"
    assert record.key_id.startswith("oidc:")
    assert "alice" not in str(record)
    assert rig.oidc.fetched == 1


async def test_a_token_opens_the_routes_of_its_role_and_no_others(rig: Rig) -> None:
    member, boss = rig.oidc.token(), rig.oidc.token(roles=["boss", "admin"])

    assert await rig.get("/v1/models", member) == 200
    assert await rig.get("/v1/models", boss) == 200
    assert await rig.get("/admin/keys", member) == 403
    assert await rig.get("/metrics", boss) == 403


async def test_a_bad_token_is_401_and_a_provider_that_is_away_503(rig: Rig) -> None:
    evil = Signer.rs256("evil")
    rig.oidc.mood = "503"
    assert await rig.chat(rig.oidc.token()) == (503, "keys_unavailable")
    rig.oidc.mood = "answer"
    async with asyncio.timeout(10):  # it is asked again after a second
        while (await rig.chat(rig.oidc.token()))[0] == 503:
            await asyncio.sleep(0.05)
    for token in (b"a.b.c", rig.oidc.token(exp=1), rig.oidc.token(aud="other")):
        assert await rig.chat(token) == (401, "invalid_token")
    assert await rig.chat(rig.oidc.token(signer=evil)) == (401, "invalid_token")
    assert await rig.chat(rig.oidc.token(pad="x" * 9000)) == (401, "invalid_api_key")


async def test_a_live_configuration_takes_and_drops_issuers(rig: Rig) -> None:
    token = rig.oidc.token()
    assert await rig.chat(token) == (200, "")
    configuration = one_backend("vllm", "http://127.0.0.1:9")
    rig.served.publish(configuration)
    assert (await rig.chat(token))[0] == 401
    rig.served.publish(
        {
            **configuration,
            "tenants": {"globex": {"oidc": [{"issuer": rig.oidc.issuer, "audience": "passerelle"}]}},
        }
    )
    assert await rig.get("/v1/models", token) == 200


def test_the_catalog_carries_what_the_file_says() -> None:
    words = {"issuer": "https://login.example", "audience": "a", "algorithms": ["ES256", "ES256"]}
    configuration = {**one_backend("vllm", "http://127.0.0.1:9"), "tenants": {"acme": {"oidc": [words]}}}
    catalog = catalog_of(configuration, environment={}, models=Path("unused"))
    assert catalog.tenants["acme"].issuers == (Issuer("https://login.example", "a", algorithms=("ES256",)),)
