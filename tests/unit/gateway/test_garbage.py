"""A call leaves nothing behind that only the garbage collector could take away.

Exceptions that hold frames which hold them are the usual way to do so. Under a flood of refusals a round of the collector
over them stops every stream for a tenth of a second, each second.
"""

from __future__ import annotations

import asyncio
import gc
import random
from collections.abc import MutableMapping
from dataclasses import replace
from typing import Any

import orjson
import pytest

from passerelle.domain.ask import Route
from passerelle.domain.caller import Caller, Role
from passerelle.domain.limits import Concurrency, Rates
from passerelle.domain.limits import Limits as LimitsOf
from passerelle.gateway.edition import Editions
from passerelle.http.inference import Inference
from passerelle.http.intake import Limits
from passerelle.http.vigil import Vigil
from tests.books import Ledger, pricing
from tests.serving import KEY, FixedKeys, gateway_of
from tests.unit.gateway.test_flight import _Backend, _catalog

_CALLS = 200
_HEADERS = [(b"authorization", b"Bearer " + KEY.encode()), (b"content-type", b"application/json")]


async def _call(app: Inference, body: dict[str, Any]) -> int:
    """One call by a caller who stays to the end; its status."""
    raw: list[bytes] = [orjson.dumps({"model": "m", "messages": [{"role": "user", "content": "x"}], **body})]
    status = 0

    async def receive() -> MutableMapping[str, Any]:
        if raw:
            return {"type": "http.request", "body": raw.pop(), "more_body": False}
        return await asyncio.get_running_loop().create_future()  # type: ignore[no-any-return]

    async def send(message: MutableMapping[str, Any]) -> None:
        nonlocal status
        status = message.get("status", status)

    await app({"headers": _HEADERS}, receive, send)
    return status


@pytest.mark.parametrize(
    ("does", "stream", "places", "status"),
    [
        ("whole", False, None, 200),
        ("stream", True, None, 200),
        ("server", False, None, 503),
        ("server", True, None, 503),
        ("request", False, None, 400),
        ("broken", True, None, 200),
        ("whole", False, Concurrency(1, waiting=0), 503),
        ("stream", True, Concurrency(1, waiting=0), 503),
        ("limited", False, None, 429),
    ],
)
async def test_a_call_leaves_no_garbage(
    does: str, stream: bool, places: Concurrency | None, status: int
) -> None:
    catalog = _catalog()
    if does == "limited":
        limited = replace(catalog.tenants["t"], limits=LimitsOf(tenant=Rates(rpm=1)))
        catalog = replace(catalog, tenants={"t": limited})
    editions = Editions(catalog, lambda _: _Backend([]), pricing)
    gateway = gateway_of(editions, books=Ledger().books, sinks=[], draw=random.Random(1).random)
    keys = FixedKeys({KEY.encode(): Caller("key_test", "t", Role.MEMBER)})
    app = Inference(Route.CHAT, ask=gateway.ask, keys=keys, limits=Limits(), vigil=Vigil(keys.alive))
    held = []
    if places is not None:
        tenant = editions.catalog.tenants["t"]
        for spec in editions.catalog.backends.values():
            object.__setattr__(spec, "concurrency", places)
            held.append(await gateway.watch.places.enter(spec, tenant, 1, 1.0))
    body = {"does": does, "stream": stream}
    for _ in range(20):  # what is made once is made now
        await _call(app, body)
    assert await _call(app, body) in (status, 503)  # a backend that fails so often comes to rest
    gc.collect()
    gc.disable()
    try:
        for _ in range(_CALLS):
            await _call(app, body)
        left = gc.collect()
    finally:
        gc.enable()
        for place in held:
            place.leave()
        await gateway.aclose()
        await editions.aclose()
    assert left < _CALLS
