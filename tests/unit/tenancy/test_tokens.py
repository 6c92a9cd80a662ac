"""A token is taken when its tenant's issuer signed it for us and for now, and for as long as all that is so."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from passerelle.domain.caller import Role
from passerelle.domain.errors import KeysUnavailable
from passerelle.domain.identity import Issuer
from passerelle.tenancy.tokens import LEEWAY, Tokens
from tests.fakes.oidc import Signer
from tests.unit.tenancy.issuers import Rig, rigged


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    async with rigged() as made:
        yield made


async def test_a_good_token_is_a_member_of_the_tenant_its_issuer_stands_for(rig: Rig) -> None:
    expires = int(time.time()) + 500
    token = rig.oidc.token(exp=expires)
    assert rig.tokens.find(token) is None
    caller = await rig.caller(token)

    assert (caller.tenant, caller.role, caller.expires, caller.name) == ("acme", Role.MEMBER, expires, "")
    assert rig.oidc.fetched == 1


async def test_an_id_names_the_holder_to_nobody_and_stays_the_same(rig: Rig) -> None:
    first, again = await rig.caller(rig.oidc.token()), await rig.caller(rig.oidc.token(jti="2"))
    bob = await rig.caller(rig.oidc.token(sub="bob"))
    null = await rig.caller(rig.oidc.token(sub="alice\0"))

    assert first.key_id == again.key_id
    assert len({first.key_id, bob.key_id, null.key_id}) == 3
    assert first.key_id.startswith("oidc:")
    assert "alice" not in first.key_id
    elsewhere = Tokens(lambda: rig.catalog, b"q" * 32, key_sets=rig.key_sets)
    other = await elsewhere.resolve(rig.oidc.token())
    assert other is not None
    assert other.key_id != first.key_id


@pytest.mark.parametrize(
    "signer",
    [Signer.rs256(), Signer.ps256(), Signer.es256(), Signer.ed25519(), Signer.ed25519(algorithm="Ed25519")],
    ids=lambda signer: signer.algorithm,
)
async def test_every_signature_of_the_list_is_taken_where_the_issuer_has_it(signer: Signer) -> None:
    async with rigged(algorithms=(signer.algorithm,)) as rig:
        rig.oidc.keys = [signer]
        assert (await rig.caller(rig.oidc.token())).tenant == "acme"
    async with rigged(algorithms=("RS512",)) as rig:
        rig.oidc.keys = [signer]
        assert "signed in a way" in await rig.refusal(rig.oidc.token())


async def test_the_words_that_a_header_may_hold_besides_do_no_harm(rig: Rig) -> None:
    for typ in ("JWT", "jwt", "application/at+jwt", None):
        assert await rig.caller(rig.oidc.token({"typ": typ, "nonce": "n-0S6", "x5t": "AAAA"}))


async def test_a_configuration_that_drops_the_issuer_ends_its_tokens(rig: Rig) -> None:
    token = rig.oidc.token()
    caller = await rig.caller(token)
    rig.trust(acme=rig.trusted)  # the same words in a new file
    assert rig.tokens.find(token) == caller
    assert rig.tokens.alive(caller)

    rig.trust(acme=())
    assert rig.tokens.find(token) is None
    assert not rig.tokens.alive(caller)
    assert await rig.tokens.resolve(token) is None
    rig.trust(globex=rig.trusted)
    assert not rig.tokens.alive(caller)
    assert (await rig.caller(token)).tenant == "globex"


async def test_a_configuration_that_takes_a_grant_back_ends_what_stood_on_it() -> None:
    async with rigged(tenant_admin=frozenset({"boss"}), grant=Role.TENANT_ADMIN) as rig:
        token = rig.oidc.token(roles=["boss"])
        caller = await rig.caller(token)
        rig.trust(acme=Issuer(rig.oidc.issuer, "passerelle"))

        assert rig.tokens.find(token) is None
        assert not rig.tokens.alive(caller)
        assert (await rig.caller(token)).role is Role.MEMBER


async def test_an_issuer_that_is_dropped_while_its_keys_are_asked_for_lets_nobody_in(rig: Rig) -> None:
    rig.oidc.gate.clear()
    waiting = asyncio.create_task(rig.answer(rig.oidc.token()))
    async with asyncio.timeout(10):
        while not rig.oidc.asked:
            await asyncio.sleep(0.005)
    rig.trust(globex=rig.trusted)
    rig.oidc.gate.set()

    assert await waiting == "invalid_token"


async def test_a_key_that_is_withdrawn_ends_its_tokens(rig: Rig) -> None:
    token = rig.oidc.token()
    await rig.caller(token)
    rig.oidc.keys = [Signer.rs256("rsa-2")]
    assert rig.tokens.find(token) is not None
    assert await rig.caller(rig.oidc.token())  # whose key is not known yet, so that the keys are read again

    assert rig.tokens.find(token) is None
    assert "publishes" in await rig.refusal(token)


async def test_what_is_remembered_is_bounded(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("passerelle.tenancy.tokens._MOST", 5)
    tokens = [rig.oidc.token(sub=str(number)) for number in range(8)]
    for token in tokens:
        await rig.caller(token)

    assert [rig.tokens.find(token) is not None for token in tokens] == [False] * 3 + [True] * 5


async def test_where_no_tenant_takes_tokens_nothing_is_read(rig: Rig) -> None:
    rig.trust(acme=())
    assert await rig.tokens.resolve(rig.oidc.token()) is None


async def test_a_provider_that_is_away_is_never_the_callers_fault(rig: Rig) -> None:
    rig.oidc.mood = "503"
    with pytest.raises(KeysUnavailable):
        await rig.tokens.resolve(rig.oidc.token())


async def test_times_hold_within_a_minute(rig: Rig) -> None:
    now = int(time.time())
    assert await rig.refusal(rig.oidc.token(exp=now - LEEWAY - 5)) == "The token has expired."
    assert await rig.caller(rig.oidc.token(exp=now - LEEWAY + 30))
    for name in ("nbf", "iat"):
        assert await rig.refusal(rig.oidc.token(**{name: now + LEEWAY + 5})) == "The token is not valid yet."
        assert await rig.caller(rig.oidc.token(**{name: now + LEEWAY - 30}))


async def test_a_token_that_was_taken_ends_when_it_says(rig: Rig) -> None:
    token = rig.oidc.token()
    caller = await rig.caller(token)
    assert rig.tokens.alive(caller)
    rig.later = 600 + LEEWAY + 1

    assert rig.tokens.find(token) is None
    assert not rig.tokens.alive(caller)
    assert await rig.refusal(token) == "The token has expired."


async def test_issuer_and_audience_decide_the_tenant_and_nothing_else_does(rig: Rig) -> None:
    rig.trust(acme=rig.trusted, globex=replace(rig.trusted, audience="globex"))
    claims = {"tenant": "globex", "tid": "globex", "org": "globex", "azp": "globex"}

    assert (await rig.caller(rig.oidc.token(**claims))).tenant == "acme"
    assert (await rig.caller(rig.oidc.token(aud="globex"))).tenant == "globex"
    assert "more than one tenant" in await rig.refusal(rig.oidc.token(aud=["passerelle", "globex"]))


async def test_of_two_audiences_of_one_tenant_the_lesser_grant_counts(rig: Rig) -> None:
    more = replace(rig.trusted, audience="admin", grant=Role.TENANT_ADMIN, tenant_admin=frozenset({"boss"}))
    rig.trust(acme=(more, rig.trusted))
    caller = await rig.caller(rig.oidc.token(aud=["admin", "passerelle"], roles=["boss"]))
    assert caller.role is Role.MEMBER
    caller = await rig.caller(rig.oidc.token(aud=["admin"], roles=["boss"]))
    assert caller.role is Role.TENANT_ADMIN


async def test_roles_never_exceed_the_grant() -> None:
    says = {"roles": ["admin", "tenant-admin", "tenant_admin", "boss"]}
    async with rigged(tenant_admin=frozenset({"boss"})) as rig:
        assert (await rig.caller(rig.oidc.token(**says))).role is Role.MEMBER
    async with rigged(tenant_admin=frozenset({"boss"}), grant=Role.TENANT_ADMIN) as rig:
        assert (await rig.caller(rig.oidc.token(**says))).role is Role.TENANT_ADMIN
        assert (await rig.caller(rig.oidc.token(roles=["admin"]))).role is Role.MEMBER
    async with rigged(tenant_admin=frozenset({"boss"}), grant=Role.ADMIN) as rig:
        assert (await rig.caller(rig.oidc.token(**says))).role is Role.MEMBER


@pytest.mark.parametrize(
    ("path", "claims", "let_in"),
    [
        ("roles", {"roles": ["chat"]}, True),
        ("roles", {"roles": "wiki chat"}, True),
        ("roles", {"roles": "wikichat"}, False),
        ("roles", {"roles": [["chat"], {"chat": 1}, 1, None]}, False),
        ("roles", {"roles": {"chat": True}}, False),
        ("roles", {}, False),
        ("realm_access.roles", {"realm_access": {"roles": ["chat"]}}, True),
        ("realm_access.roles", {"realm_access": ["roles"]}, False),
        ("https://acme.example/roles", {"https://acme.example/roles": ["chat"]}, True),
    ],
)
async def test_where_roles_are_asked_for_one_must_be_there(
    path: str, claims: dict[str, Any], let_in: bool
) -> None:
    async with rigged(claim=path, member=frozenset({"chat"})) as rig:
        if let_in:
            assert (await rig.caller(rig.oidc.token(**claims))).role is Role.MEMBER
        else:
            assert "roles" in await rig.refusal(rig.oidc.token(**claims))
