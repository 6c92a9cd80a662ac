"""Whose documents a key or a token may see: what is granted is carried whole, and nothing else makes a group."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from passerelle.domain.caller import Caller, Role, groups_of
from passerelle.domain.errors import Forbidden
from passerelle.domain.identity import Membership, is_group
from passerelle.stores.database import Database
from passerelle.tenancy.environment import read_keys
from passerelle.tenancy.ring import KeyRing
from passerelle.tenancy.store import KeyStore
from tests.unit.tenancy.issuers import rigged

_PEPPER = b"p" * 32
_BY_NAME = Membership(names=(("guid-1", "teachers"), ("guid-2", "Direction générale"), ("servers", "*")))


async def test_a_key_is_in_the_groups_it_was_made_with(database: Database) -> None:
    store = KeyStore(database, _PEPPER)
    minted = await store.create(tenant="acme", role=Role.MEMBER, groups=["b", "Élèves de 3e", "b", "*"])
    ring = KeyRing(store, _PEPPER, environment={})

    groups = frozenset({"b", "Élèves de 3e", "*"})
    assert minted.info.groups == groups
    assert await store.list_keys("acme") == [minted.info]
    found = await ring.resolve(minted.text.encode())
    assert found == Caller(minted.info.id, "acme", Role.MEMBER, groups=groups)
    another = KeyRing(store, _PEPPER, environment={})
    await another.refresh()
    assert another.find(minted.text.encode()) == found
    assert another.alive(found)


async def test_a_rotated_key_leaves_its_groups_to_the_new_one(database: Database) -> None:
    store = KeyStore(database, _PEPPER)
    old = await store.create(tenant="acme", role=Role.MEMBER, groups=["a", "b"])
    new = await store.rotate(old.info.id, overlap=timedelta(days=1))
    kept = await store.get(old.info.id)

    assert kept is not None
    assert kept.groups == new.info.groups == {"a", "b"}


async def test_a_key_from_before_there_were_groups_is_in_none(database: Database) -> None:
    statement = text(
        "INSERT INTO api_key (id, tenant, role, name, digest, hint)"
        " VALUES ('key_old', 'acme', 'member', '', decode(repeat('00', 32), 'hex'), 'psr_…0000')"
    )
    async with database.begin() as connection:
        await connection.execute(statement)
    info = await KeyStore(database, _PEPPER).get("key_old")

    assert info is not None
    assert info.groups == info.caller().groups == frozenset()


def test_a_key_of_the_environment_is_in_no_group() -> None:
    (caller,) = read_keys("acme:7f3b0c44d1e85a9260bbf1ce", {"acme"}).values()
    assert caller.groups == frozenset()
    with pytest.raises(Forbidden, match="may not speak for the group 'a'"):
        groups_of(caller, ["a"])


@pytest.mark.parametrize(
    ("name", "good"),
    [
        ("a", True),
        ("Direction générale", True),
        ("/a/b", True),
        ("x" * 200, True),
        ("x" * 201, False),
        ("", False),
        (" a", False),
        ("a\n", False),
        ("a\0b", False),
        ("a\x1b[2Jb", False),
        ("a\u202eb", False),
        ("\ud800", False),
    ],
)
def test_the_name_of_a_group_can_be_shown_and_kept(name: str, good: bool) -> None:
    assert is_group(name) is good
    assert Membership().groups([name]) == ({name} if good else set())


@pytest.mark.parametrize(
    ("by", "claims", "groups"),
    [
        (None, {"groups": ["a", "b"]}, set()),
        (Membership(), {"groups": ["a", "b"]}, {"a", "b"}),
        (Membership(), {"groups": "Direction générale"}, {"Direction générale"}),
        (Membership(), {"groups": ["*", "a"]}, {"a"}),
        (Membership(), {"groups": "*"}, set()),
        (Membership(), {"groups": [1, None, {"a": 1}, ["b"], "", " c", "d\n"]}, set()),
        (Membership(), {"groups": {"a": True}}, set()),
        (Membership(), {"roles": ["a"], "group": ["a"]}, set()),
        (Membership(), {}, set()),
        (Membership("realm_access.groups"), {"realm_access": {"groups": ["a"]}}, {"a"}),
        (Membership("https://acme.example/groups"), {"https://acme.example/groups": ["a"]}, {"a"}),
        (Membership(prefix="/docs/"), {"groups": ["/docs/a", "/docs/", "/docs/*", "/docs", "b"]}, {"a"}),
        (_BY_NAME, {"groups": ["guid-1", "guid-2"]}, {"teachers", "Direction générale"}),
        (_BY_NAME, {"groups": ["teachers", "guid-3", "*", "a"]}, set()),
        (_BY_NAME, {"groups": "servers"}, {"*"}),
    ],
)
async def test_a_token_is_in_the_groups_that_its_issuers_words_make_of_it(
    by: Membership | None, claims: dict[str, Any], groups: set[str]
) -> None:
    async with rigged(groups=by) as rig:
        caller = await rig.caller(rig.oidc.token(**claims))
        assert caller.groups == groups
        assert rig.tokens.alive(caller)


async def test_a_token_of_too_many_groups_is_refused_rather_than_cut() -> None:
    most = [str(number) for number in range(256)]
    async with rigged(groups=Membership()) as rig:
        assert len((await rig.caller(rig.oidc.token(groups=most))).groups) == 256
        assert "too many groups" in await rig.refusal(rig.oidc.token(groups=[*most, "x"]))
        rig.trust(acme=replace(rig.trusted, groups=Membership(prefix="1")))
        assert len((await rig.caller(rig.oidc.token(groups=[*most, "x"]))).groups) == 110


async def test_other_groups_hold_from_the_next_token_and_other_words_at_once() -> None:
    async with rigged(groups=Membership()) as rig:
        before, after = rig.oidc.token(groups=["a", "b"]), rig.oidc.token(groups=["b"])
        assert (await rig.caller(before)).groups == {"a", "b"}
        assert (await rig.caller(after)).groups == {"b"}
        assert (await rig.caller(before)).key_id == (await rig.caller(after)).key_id

        rig.trust(acme=replace(rig.trusted, groups=Membership(names=(("b", "c"),))))
        assert rig.tokens.find(before) is None
        assert (await rig.caller(before)).groups == {"c"}


async def test_of_two_audiences_the_one_without_groups_counts() -> None:
    async with rigged() as rig:
        more = replace(rig.trusted, audience="a-first", groups=Membership())
        rig.trust(acme=(more, rig.trusted))
        token = rig.oidc.token(aud=["a-first", "passerelle"], groups=["a"])
        assert (await rig.caller(token)).groups == set()
        assert (await rig.caller(rig.oidc.token(aud="a-first", groups=["a"]))).groups == {"a"}
