"""A provider's keys are asked for once by whoever waits, kept while it is away, and never replaced by nonsense."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pytest

from passerelle.domain.errors import KeysUnavailable
from passerelle.domain.identity import Issuer
from passerelle.tenancy.jwks import EVERY, STALE, UNKNOWN_EVERY, KeySets, PublicKey, read_keys
from passerelle.wire.jwks import NotFetched, fetch_keys
from tests.fakes.oidc import DISCOVERY, KEYS, Oidc, Signer, number


@dataclass
class Rig:
    """A provider, what is known of it, and a clock that can be put forward."""

    oidc: Oidc
    sets: KeySets
    issuer: Issuer
    later: float = field(default=0.0)

    async def find(self, kid: str | None = "rsa-1", algorithm: str = "RS256") -> PublicKey | None:
        return await self.sets.find(self.issuer, algorithm, kid)


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    async with Oidc() as oidc:
        made: Rig
        sets = KeySets(clock=lambda: time.monotonic() + made.later)
        made = Rig(oidc, sets, Issuer(oidc.issuer, "passerelle"))
        yield made
        await sets.aclose()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


async def test_a_herd_is_one_fetch(rig: Rig) -> None:
    rig.oidc.gate.clear()
    waiting = [asyncio.create_task(rig.find()) for _ in range(500)]
    await until(lambda: bool(rig.oidc.asked))
    for gone in waiting[:250]:  # callers that hang up take nothing from the others
        gone.cancel()
    rig.oidc.gate.set()
    found = await asyncio.gather(*waiting[250:])

    assert all(found)
    assert rig.oidc.asked == [DISCOVERY, KEYS]
    await asyncio.gather(*waiting[:250], return_exceptions=True)


async def test_a_new_key_is_found_at_its_first_token(rig: Rig) -> None:
    await rig.find()
    rig.oidc.keys.append(Signer.rs256("rsa-2"))
    found = await asyncio.gather(*(rig.find("rsa-2") for _ in range(100)))

    assert all(found)
    assert rig.oidc.fetched == 2


async def test_names_that_nobody_knows_cost_one_fetch_in_half_a_minute(rig: Rig) -> None:
    await rig.find()
    for number_ in range(50):
        assert await rig.find(f"made-up-{number_}") is None
    assert rig.oidc.fetched == 2
    rig.later = UNKNOWN_EVERY + 1
    assert await asyncio.gather(*(rig.find(f"another-{n}") for n in range(50))) == [None] * 50
    assert rig.oidc.fetched == 3


async def test_known_keys_go_on_for_a_day_while_the_provider_is_away(rig: Rig) -> None:
    key = await rig.find()
    assert key is not None
    rig.oidc.mood = "hang up"
    rig.later = STALE - 60
    rig.sets.look([rig.issuer])
    await until(lambda: rig.sets.away() == [rig.oidc.issuer])

    assert await rig.find() == key
    assert rig.sets.holds(rig.issuer, key)
    with pytest.raises(KeysUnavailable):  # it may have new keys by now: not the caller's fault
        await rig.find("rsa-2")
    rig.later = STALE + 60
    assert not rig.sets.holds(rig.issuer, key)
    with pytest.raises(KeysUnavailable):
        await rig.find()
    rig.oidc.mood = "answer"
    rig.later += 60
    assert await rig.find() is not None
    assert rig.sets.away() == []


async def test_a_provider_that_never_answered_is_asked_again_more_and_more_slowly(rig: Rig) -> None:
    rig.oidc.mood = "500"
    for _ in range(20):
        with pytest.raises(KeysUnavailable):
            await rig.find()
    assert len(rig.oidc.asked) == 1
    rig.later = 1.1
    rig.oidc.mood = "answer"
    assert await rig.find() is not None


async def test_keys_are_looked_at_again_in_the_background(rig: Rig) -> None:
    rig.sets.look([rig.issuer])
    await until(lambda: rig.oidc.fetched == 1)
    old = await rig.find()
    assert old is not None
    rig.oidc.keys = [Signer.rs256("rsa-2")]
    rig.sets.look([rig.issuer])
    assert rig.oidc.fetched == 1  # not due
    rig.later = EVERY + 1
    rig.sets.look([rig.issuer])
    await until(lambda: not rig.sets.holds(rig.issuer, old))
    rig.sets.look([])
    rig.oidc.mood = "503"
    with pytest.raises(KeysUnavailable):  # forgotten, and the provider is away
        await rig.find("rsa-2")


@pytest.mark.parametrize("mood", ["garbage", "redirect", "huge", "hang up", "404", "503"])
async def test_a_bad_answer_never_replaces_good_keys(rig: Rig, mood: str) -> None:
    assert await rig.find() is not None
    rig.oidc.mood = mood
    rig.later = EVERY + 1
    rig.sets.look([rig.issuer])
    await until(lambda: rig.sets.away() == [rig.oidc.issuer])

    assert await rig.find() is not None
    assert "/elsewhere" not in rig.oidc.asked


async def test_a_set_without_a_usable_key_replaces_nothing(rig: Rig) -> None:
    assert await rig.find() is not None
    rig.oidc.keys, rig.oidc.others = [], [{"kty": "oct", "k": "AAAA"}]
    rig.later = EVERY + 1
    rig.sets.look([rig.issuer])
    await until(lambda: rig.sets.away() == [rig.oidc.issuer])

    assert await rig.find() is not None


async def test_a_token_without_a_key_name_needs_a_key_that_nobody_can_mistake(rig: Rig) -> None:
    rig.oidc.keys = [Signer.rs256(), Signer.es256()]
    assert await rig.find(None, "RS256") is not None
    rig.later = EVERY
    rig.oidc.keys.append(Signer.rs256("rsa-2"))
    rig.sets.look([rig.issuer])
    await until(lambda: rig.oidc.fetched >= 2)
    assert await rig.find("rsa-2") is not None
    assert await rig.find(None, "RS256") is None


# --- how it is fetched ---


async def test_a_document_of_another_issuer_is_refused() -> None:
    async with Oidc() as oidc:
        for said in ("https://evil.example", oidc.issuer + "/", None, 1):
            oidc.discovery = {"issuer": said}
            with pytest.raises(NotFetched, match="another issuer"):
                await fetch_keys(oidc.issuer)
        assert KEYS not in oidc.asked


@pytest.mark.parametrize(
    "address", ["http://keys.example/jwks", "file:///etc/passwd", "gopher://x", "", None, 7, "http://["]
)
async def test_an_address_of_keys_that_others_could_change_is_refused(address: object) -> None:
    async with Oidc() as oidc:
        oidc.discovery = {"jwks_uri": address}
        with pytest.raises(NotFetched, match="https"):
            await fetch_keys(oidc.issuer)


async def test_where_the_keys_are_said_to_be_no_document_is_asked_for() -> None:
    async with Oidc() as oidc:
        assert len(await fetch_keys("https://unreachable.example", f"{oidc.base}{KEYS}")) == 1
        assert oidc.asked == [KEYS]


async def test_a_provider_that_says_nothing_is_waited_for_so_long_and_no_longer() -> None:
    async with Oidc(mood="silent") as oidc:
        with pytest.raises(NotFetched, match=r"within 0\.2 seconds"):
            await fetch_keys(oidc.issuer, limit=0.2)
    with pytest.raises(NotFetched, match="cannot be reached"):
        await fetch_keys(oidc.issuer)


async def test_a_set_of_too_many_keys_is_refused() -> None:
    async with Oidc(others=[{}] * 100) as oidc:
        with pytest.raises(NotFetched, match="more than 64 keys"):
            await fetch_keys(oidc.issuer)


# --- what is a key ---


@pytest.mark.parametrize(
    "changes",
    [
        {"kty": "oct"},
        {"kty": "AKP"},
        {"kty": ["RSA"]},
        {"kty": None},
        {"use": "enc"},
        {"use": ["sig"]},
        {"key_ops": ["sign"]},
        {"key_ops": "verify"},
        {"d": "AQAB"},
        {"kid": 1},
        {"alg": ["RS256"]},
        {"n": None},
        {"n": 5},
        {"n": "?"},
        {"n": ""},
        {"n": "A" * 100_000},
        {"n": number((1 << 1023) + 1)},  # a modulus that can be broken
        {"n": number((1 << 16_383) + 1)},  # one that takes long
        {"e": number((1 << 2047) + 1)},
        {"e": "AA"},
        {"e": "Ag"},  # 2
    ],
    ids=lambda changes: str(changes)[:30],
)
def test_what_is_no_key_for_signatures_is_passed_over(changes: dict[str, object]) -> None:
    good = Signer.rs256().jwk
    assert [key.kid for key in read_keys([None, [], "x", {**good, **changes}, good])] == ["rsa-1"]


def test_a_point_off_the_curve_is_no_key() -> None:
    good = Signer.es256().jwk
    assert len(read_keys([good])) == 1
    for changes in (
        {"x": good["y"]},
        {"crv": "P-384"},
        {"crv": "secp256k1"},
        {"crv": ["P-256"]},
        {"y": None},
    ):
        assert read_keys([{**good, **changes}]) == ()
    assert read_keys([{**Signer.ed25519().jwk, "crv": "X25519"}]) == ()


def test_what_stands_beside_a_key_is_not_looked_at() -> None:
    beside = {"x5c": "not a list", "x5u": "ftp://x", "ext": True, "x5t": 1}
    assert len(read_keys([{**Signer.rs256().jwk, **beside}])) == 1
