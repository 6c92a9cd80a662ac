"""Kept answers are sealed with the tenant's own key too: with its end they are noise, also to whoever has the pepper."""

from __future__ import annotations

import pytest

from passerelle.cache.secrets import Secrets, Unreadable, Unready
from passerelle.sealing.values import is_sealed
from tests.sealing import KeysAtHand

_PEPPER = b"p" * 32


async def test_what_is_kept_opens_until_the_tenants_key_is_destroyed() -> None:
    keys = KeysAtHand()
    secrets = Secrets(_PEPPER, keys)
    for tenant in ("a", "b"):
        await secrets.ready(tenant, within=1)
    kept = {tenant: secrets.seal(tenant, "entry 1", b"It is here.") for tenant in ("a", "b")}

    assert secrets.unseal("a", "entry 1", kept["a"]) == b"It is here."
    assert is_sealed(Secrets(_PEPPER).unseal("a", "entry 1", kept["a"]))
    for tenant, place in (("b", "entry 1"), ("a", "entry 2")):
        with pytest.raises(Unreadable):
            secrets.unseal(tenant, place, kept["a"])

    await keys.destroy("a")
    with pytest.raises(Unreadable):
        secrets.unseal("a", "entry 1", kept["a"])
    await secrets.ready("a", within=1)
    with pytest.raises(Unreadable):
        secrets.unseal("a", "entry 1", kept["a"])
    assert secrets.unseal("b", "entry 1", kept["b"]) == b"It is here."


async def test_nothing_is_written_before_the_tenants_key_is_known() -> None:
    secrets = Secrets(_PEPPER, KeysAtHand())
    with pytest.raises(Unready):
        secrets.seal("a", "entry 1", b"It is here.")
    await secrets.ready("a", within=1)
    assert secrets.unseal("a", "entry 1", secrets.seal("a", "entry 1", b"It is here.")) == b"It is here."


async def test_entries_from_before_and_of_tenants_that_want_none_are_read_as_they_are() -> None:
    old = Secrets(_PEPPER).seal("a", "entry 1", b"It is here.")
    for keys in (KeysAtHand(), KeysAtHand(on=False)):
        secrets = Secrets(_PEPPER, keys)
        await secrets.ready("a", within=1)
        assert secrets.unseal("a", "entry 1", old) == b"It is here."
    plain = Secrets(_PEPPER, KeysAtHand(on=False))
    assert (
        Secrets(_PEPPER).unseal("a", "entry 1", plain.seal("a", "entry 1", b"It is here.")) == b"It is here."
    )
