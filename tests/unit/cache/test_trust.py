"""What is counted is shared once, by all processes and through every failure, and is known before anything is given."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import cast

import pytest

from passerelle.cache.shelf import Shelf
from passerelle.cache.trust import Trust
from passerelle.domain.cache import Caching, Semantic
from passerelle.domain.catalog import Tenant
from passerelle.domain.errors import Unavailable

_SEMANTIC = Semantic(max_error_rate=0.05)
_TENANT = Tenant("t", ("m",), cache=Caching(semantic=_SEMANTIC))


class _Counts:
    """A store of counts that can be away, and can lose what it is given."""

    def __init__(self) -> None:
        self.sums: Counter[str] = Counter()
        self.away = False
        self.deaf = False

    async def settled(self) -> None: ...

    def count(self, tenant: str, counts: Mapping[str, float]) -> None:
        if not self.deaf:
            self.sums.update({name: int(number) for name, number in counts.items()})

    async def counts(self, tenant: str) -> Mapping[str, float]:
        if self.away:
            raise Unavailable("away")
        return dict(self.sums)


def _trust(store: _Counts, version: str = "e1") -> Trust:
    return Trust(cast("Shelf", store), lambda _: version)


def _checked(trust: Trust, tenant: Tenant = _TENANT) -> tuple[int, int]:
    counts = trust.of(tenant).counts()
    return counts.get("1:checked", 0), counts.get("1:wrong", 0)


def _stored(store: _Counts) -> tuple[int, int]:
    sums = {name.partition(":")[2]: number for name, number in store.sums.items()}
    return sums.get("1:checked", 0), sums.get("1:wrong", 0)


async def test_what_two_processes_count_is_added_once() -> None:
    store = _Counts()
    one, other = _trust(store), _trust(store)
    for trust, wrong in ((one, False), (one, True), (other, False)):
        trust.of(_TENANT).checked(1, wrong=wrong)
    for _ in range(3):
        await one.share()
        await other.share()

    assert _stored(store) == _checked(one) == _checked(other) == (3, 1)


async def test_nothing_counted_is_forgotten_while_the_store_is_away() -> None:
    store = _Counts()
    trust = _trust(store)
    trust.of(_TENANT).checked(1, wrong=True)
    store.away = True
    await trust.share()
    assert _checked(trust) == (1, 1)
    store.away = False
    await trust.share()
    await trust.share()

    assert _stored(store) == _checked(trust) == (1, 1)


async def test_what_was_sent_and_did_not_arrive_is_sent_again() -> None:
    store = _Counts()
    trust = _trust(store)
    trust.of(_TENANT).checked(1, wrong=True)
    store.deaf = True
    await trust.share()
    store.deaf = False
    for _ in range(3):
        await trust.share()
        assert _checked(trust) == (1, 1)

    assert _stored(store) == (1, 1)


async def test_another_promise_loses_nothing_that_is_not_shared_yet() -> None:
    store = _Counts()
    trust = _trust(store)
    trust.of(_TENANT).checked(1, wrong=True)
    stricter = replace(_TENANT, cache=Caching(semantic=replace(_SEMANTIC, max_error_rate=0.01)))
    assert _checked(trust, stricter) == (1, 1)
    # A call that began before the reload asks for what held then.
    assert _checked(trust, _TENANT) == (1, 1)
    await trust.share()
    await trust.share()

    assert _stored(store) == _checked(trust, stricter) == (1, 1)


async def test_another_embedder_and_back_leaves_what_was_counted() -> None:
    store, versions = _Counts(), ["e1"]
    trust = Trust(cast("Shelf", store), lambda _: versions[0])
    trust.of(_TENANT).checked(1, wrong=True)
    versions[0] = "e2"
    assert _checked(trust) == (0, 0)
    versions[0] = "e1"
    assert _checked(trust) == (1, 1)


async def test_a_process_that_begins_gives_nothing_before_it_knows_what_others_found_wrong() -> None:
    store = _Counts()
    old = _trust(store)
    for _ in range(20):
        old.of(_TENANT).checked(1, wrong=True)
    await old.share()
    new = _trust(store)
    store.away = True
    with pytest.raises(Unavailable):
        await new.read(_TENANT)
    store.away = False

    assert not (await new.read(_TENANT)).gives(1)
    store.away = True
    assert not (await new.read(_TENANT)).gives(1)  # it is read once
