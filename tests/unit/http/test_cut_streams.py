"""A live answer whose caller loses its key ends with an error, its engine is hung up on, and what was said is charged."""

from __future__ import annotations

import asyncio

import orjson

from passerelle.domain.caller import Caller, Role
from passerelle.http.vigil import COMMENT, Patience
from tests.fakes.openai_like import OPENAI, OpenAiLike
from tests.fakes.script import Wait
from tests.serving import KEY, FixedKeys, one_backend, serving

_BODY = {"model": "assistant", "stream": True, "messages": [{"role": "user", "content": "Bonjour"}]}
_COST = {"input_per_million": 1, "output_per_million": 2, "currency": "EUR"}
_BRISK = Patience(tick=0.01, silence=0.05, trust=0.02, reading=30)


async def test_a_revoked_key_ends_its_live_stream() -> None:
    keys = FixedKeys({KEY.encode(): Caller("key_test", "acme", Role.MEMBER)})
    async with asyncio.timeout(8), OpenAiLike(OPENAI) as engine:
        engine.always(Wait(asyncio.Event(), before=3))
        async with (
            serving(
                one_backend("openai", engine.url, model=engine.model, cost=_COST), keys=keys, patience=_BRISK
            ) as served,
            served.client() as http,
        ):
            reply = await http.post("/v1/chat/completions", json=_BODY)
            heard = b""
            assert reply.status == 200, await reply.text()
            while COMMENT not in heard:
                heard += await reply.content.readany()
                assert not reply.content.at_eof(), heard
            keys.callers = {}
            heard += await reply.content.read()
            await engine.until(lambda: engine.hung_up)
            await served.until(lambda: served.records)

    last = heard.rstrip().rsplit(b"\n\n", 1)[-1]
    assert orjson.loads(last.removeprefix(b"data: "))["error"]["code"] == "key_revoked"
    assert b"[DONE]" not in heard
    (record,) = served.records
    assert (record.outcome, record.code) == ("cut", "key_revoked")
    (ended,) = served.ledger.ended
    assert (ended.payer, ended.served, ended.outcome) == ("tenant:acme", True, "cut")
    assert all(line.quantity > 0 for line in ended.lines)
    assert len(ended.lines) == 2
    assert served.ledger.open() == set()
