"""What is done to pass for somebody with a token, by name, and that it comes to nothing."""

from __future__ import annotations

import hmac
import json
import random
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from passerelle.tenancy.tokens import _MOST_BAD, LONGEST
from tests.fakes.oidc import Oidc, Signer, b64, compact, rsa_key
from tests.unit.tenancy.issuers import Rig, rigged


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    async with rigged() as made:
        yield made


async def test_alg_none_is_refused(rig: Rig) -> None:
    for name in ("none", "None", "nOnE", "", None):
        header = {"alg": name, "kid": "rsa-1", "typ": "JWT"}
        assert await rig.refusal(compact(header, rig.oidc.claims(), lambda _: b""))


async def test_a_public_key_is_no_shared_secret(rig: Rig) -> None:
    """HS256 "signed" with what everybody can read, in each form of it that libraries have fallen for."""
    public = rsa_key("rsa-1").public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    for secret in (pem, pem.rstrip(), der, json.dumps(rig.oidc.keys[0].jwk).encode(), b""):
        token = compact(
            {"alg": "HS256", "kid": "rsa-1"},
            rig.oidc.claims(),
            lambda raw, secret=secret: hmac.digest(secret, raw, "sha256"),
        )
        assert await rig.refusal(token) == "The token is malformed."


async def test_a_symmetric_key_in_the_set_signs_nothing(rig: Rig) -> None:
    rig.oidc.others = [{"kty": "oct", "kid": "shared", "alg": "HS256", "k": b64(b"s" * 32)}]
    token = compact(
        {"alg": "HS256", "kid": "shared"},
        rig.oidc.claims(),
        lambda raw: hmac.digest(b"s" * 32, raw, "sha256"),
    )
    assert await rig.refusal(token)


@pytest.mark.parametrize(
    "kid",
    ["../../../../dev/null", "' OR 1=1 --", "http://evil.example/key", "rsa-1\0", "", "é" * 200, "k" * 257],
)
async def test_a_key_name_is_compared_and_nothing_else(rig: Rig, kid: str) -> None:
    assert await rig.refusal(rig.oidc.token({"kid": kid}))
    assert {path.split("?")[0] for path in rig.oidc.asked} <= {
        "/realm/.well-known/openid-configuration",
        "/realm/keys",
    }


@pytest.mark.parametrize("kid", [1, ["rsa-1"], {"a": 1}, True])
async def test_a_key_name_is_text(rig: Rig, kid: object) -> None:
    assert await rig.refusal(rig.oidc.token({"kid": kid})) == "The token is malformed."


async def test_a_key_that_a_token_brings_along_is_not_looked_at(rig: Rig) -> None:
    evil = Signer.rs256("evil")
    async with Oidc(keys=[evil]) as attacker:
        for header in (
            {"jwk": evil.jwk},
            {"jku": f"{attacker.base}/realm/keys"},
            {"x5u": f"{attacker.base}/realm/keys"},
            {"x5c": ["MIIB"]},
        ):
            for kid in ("rsa-1", "evil", None):
                forged = {**header, "kid": kid}
                assert await rig.refusal(rig.oidc.token(forged, signer=evil))
            # Beside a good signature it does no harm either.
            assert await rig.caller(rig.oidc.token(header, jti=str(header)))
        assert attacker.asked == []


@pytest.mark.parametrize(
    "header",
    [
        {"crit": ["exp"]},
        {"crit": ["b64"], "b64": False},
        {"crit": ["kid"]},
        {"crit": []},
        {"crit": 1},
        {"b64": False},
        {"cty": "JWT"},
        {"enc": "A256GCM"},
        {"zip": "DEF"},
        {"typ": "logout+jwt"},
        {"typ": 1},
    ],
    ids=str,
)
async def test_what_must_be_understood_and_is_not_is_refused(rig: Rig, header: dict[str, Any]) -> None:
    assert await rig.refusal(rig.oidc.token(header)) == "The token is malformed."


async def test_an_encrypted_token_is_refused(rig: Rig) -> None:
    assert await rig.refusal(b"eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ.a.b.c.d")


@pytest.mark.parametrize("claim", ["exp", "iat", "iss", "aud", "sub"])
async def test_every_claim_that_decides_must_be_there(rig: Rig, claim: str) -> None:
    assert await rig.refusal(rig.oidc.token(**{claim: None}))


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": "tomorrow"},
        {"exp": True},
        {"exp": 1e300},
        {"exp": 10**400},
        {"iat": [1]},
        {"nbf": "x"},
        {"sub": 7},
        {"sub": ""},
        {"sub": "s" * 256},
        {"aud": {"a": 1}},
        {"aud": ["passerelle", 1]},
        {"iss": ["x"]},
    ],
    ids=lambda claims: str(claims)[:40],
)
async def test_a_claim_of_another_kind_is_refused(rig: Rig, claims: dict[str, Any]) -> None:
    assert await rig.refusal(rig.oidc.token(**claims))


@pytest.mark.parametrize("audience", ["passerelle2", "PASSERELLE", "passerelle ", "passerelle\0", "", []])
async def test_a_token_for_somebody_else_is_refused(rig: Rig, audience: object) -> None:
    assert await rig.refusal(rig.oidc.token(aud=audience))
    assert rig.oidc.asked == []


async def test_a_token_for_several_is_taken_where_we_are_one_of_them(rig: Rig) -> None:
    assert await rig.caller(rig.oidc.token(aud=["wiki", "passerelle"]))


async def test_a_token_of_another_issuer_is_refused(rig: Rig) -> None:
    async with Oidc() as other:
        assert await rig.refusal(other.token())
        assert await rig.refusal(rig.oidc.token(iss=rig.oidc.issuer + "/"))
        assert await rig.refusal(rig.oidc.token(iss=rig.oidc.issuer + "\0"))
        # One that claims our issuer's name with a key of its own.
        assert await rig.refusal(other.token(iss=rig.oidc.issuer, sub="x", signer=Signer.rs256("other")))
        assert other.asked == []


async def test_a_token_that_begins_like_a_known_one_is_another(rig: Rig) -> None:
    """CVE-2026-35030: a cache that knew tokens by their first characters, which all tokens of a key share."""
    known = rig.oidc.token()
    await rig.caller(known)
    head, claims, signature = known.split(b".")
    forged = b64(json.dumps(rig.oidc.claims(sub="root", roles=["admin"])).encode()).encode()

    for other in (
        b".".join((head, forged, signature)),
        b".".join((head, claims, signature[:-4] + b"AAAA")),
        b".".join((head, claims, b"")),
        known + b"A",
        known[:20] + b".x.y",
    ):
        assert rig.tokens.find(other) is None
        assert await rig.refusal(other)


async def test_a_huge_token_is_refused_unread(rig: Rig) -> None:
    token = rig.oidc.token(pad="x" * LONGEST)
    assert str(LONGEST) in await rig.refusal(token)
    assert rig.oidc.asked == []


async def test_garbage_of_any_kind_is_refused(rig: Rig) -> None:
    good = rig.oidc.token()
    head, claims, signature = good.split(b".")
    deep = b64(b'{"a":' + b"[" * 4000).encode()
    for token in (
        b"..",
        b"a.b.c",
        b"\0.\0.\0",
        good.replace(b".", b"\0.", 1),
        good[:-1] + b"\0",
        b"=" + good,
        head + b"=." + claims + b"." + signature,
        head + b"." + deep + b"." + signature,
        deep + b"." + claims + b"." + signature,
        b64(b'"alg"').encode() + b".e30." + signature,
        b64(b'["alg"]').encode() + b".e30." + signature,
        b64('{"alg": "RS256"}'.encode("utf-16")).encode() + b".e30." + signature,
        head + b"." + b64(b"[1]").encode() + b"." + signature,
        head + b"." + b64(b'{"exp": NaN}').encode() + b"." + signature,
        head + b"." + b64(b"\xff\xfe").encode() + b"." + signature,
    ):
        assert await rig.refusal(token)


async def test_a_claim_that_stands_twice_is_refused(rig: Rig) -> None:
    """Two readers may each take another one of them."""
    claims = json.dumps(rig.oidc.claims())
    twice = claims[:-1] + ', "aud": "passerelle"}'
    nested = claims[:-1] + ', "act": {"sub": "a", "sub": "b"}}'
    header = {"alg": "RS256", "kid": "rsa-1"}
    for payload in (twice, nested):
        token = compact(header, payload.encode(), rig.oidc.keys[0].sign)
        assert await rig.refusal(token) == "The token is malformed."
    doubled = b'{"alg": "none", "alg": "RS256", "kid": "rsa-1"}'
    assert await rig.refusal(compact(doubled, claims.encode(), rig.oidc.keys[0].sign))


async def test_a_signature_of_another_kind_of_key_is_refused() -> None:
    async with rigged(algorithms=("RS256", "PS256", "ES256", "EdDSA")) as rig:
        signers = [Signer.rs256(), Signer.es256(), Signer.ed25519()]
        rig.oidc.keys = signers
        for key in signers:
            for algorithm in {"RS256", "PS256", "ES256", "EdDSA"} - {key.algorithm}:
                assert await rig.refusal(rig.oidc.token({"alg": algorithm}, signer=key))


@pytest.mark.parametrize(
    "said",
    [{"use": "enc"}, {"alg": "RS512"}, {"key_ops": ["encrypt"]}, {"kty": "oct"}, {"d": "AQAB"}],
    ids=str,
)
async def test_a_key_that_is_for_something_else_verifies_nothing(rig: Rig, said: dict[str, Any]) -> None:
    other = Signer.rs256("other")
    rig.oidc.keys = [Signer.rs256(), replace(other, jwk={**other.jwk, **said})]
    assert await rig.refusal(rig.oidc.token(signer=other))


async def test_garbage_cannot_take_the_time_of_others(rig: Rig) -> None:
    known = rig.oidc.token()
    await rig.caller(known)
    rig.stands = time.time()
    forged = replace(rig.oidc.keys[0], sign=lambda _: b"x" * 256)
    most = int(_MOST_BAD)
    answers = [await rig.answer(rig.oidc.token(signer=forged, jti=str(number))) for number in range(2 * most)]
    assert answers[:most] == ["invalid_token"] * most
    assert answers[-1] == "too_many_bad_tokens"
    # Who is known goes on, and so does another tenant's issuer.
    assert rig.tokens.find(known) is not None
    async with Oidc() as other:
        rig.trust(acme=rig.trusted, globex=replace(rig.trusted, url=other.issuer))
        assert (await rig.caller(other.token())).tenant == "globex"
    rig.later = 10
    assert await rig.caller(rig.oidc.token(jti="after"))


async def test_whatever_is_changed_in_a_token_it_is_refused_in_words(rig: Rig) -> None:
    """Bytes of a good one changed, and parts of it replaced by any JSON, which its issuer signs or not."""
    draw = random.Random(7)
    good = rig.oidc.token()
    await rig.caller(good)
    values = [
        None,
        True,
        0,
        -1,
        2**70,
        1e308,
        "",
        "x",
        "\ud800",
        "\0",
        [],
        [[]],
        {},
        {"a": 1},
        "RS256",
        ["RS256"],
    ]
    for _ in range(300):
        raw = bytearray(good)
        for _ in range(draw.randrange(1, 4)):
            raw[draw.randrange(len(raw))] = draw.randrange(256)
        changed = bytes(raw)
        assert changed == good or await rig.answer(changed) in (
            "invalid_token",
            "too_many_bad_tokens",
            "nobody",
        )
    for _ in range(600):
        rig.later += 0.02  # so that not too many come at once
        header = {
            "alg": "RS256",
            "kid": "rsa-1",
            draw.choice(("alg", "kid", "typ", "crit", "jku", "x5c", "b64")): draw.choice(values),
        }
        claims = {
            **rig.oidc.claims(),
            draw.choice(("iss", "aud", "sub", "exp", "iat", "nbf", "jti", "")): draw.choice(values),
        }
        genuine = draw.random() < 0.5
        sign = rig.oidc.keys[0].sign if genuine else lambda _: b"x" * 256
        answer = await rig.answer(compact(header, claims, sign))
        assert answer in ("invalid_token", "too_many_bad_tokens") or (genuine and answer == "caller")
