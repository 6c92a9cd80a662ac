"""Who has no cache pays nothing for those who have one: not one call into its code."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import pytest

import passerelle.cache
from passerelle.domain.caller import Caller, Role
from tests.fakes.openai_like import OPENAI, OpenAiLike
from tests.serving import one_backend, serving

_ROOM = str(Path(passerelle.cache.__file__).parent)
_KEYS = {name: f"test-key-of-tenant-{name}-0123456789" for name in ("acme", "keeps")}


@contextmanager
def _calls_into(room: str) -> Iterator[Counter[str]]:
    """Calls of functions that are defined in a folder, while the block runs; of this thread."""
    calls: Counter[str] = Counter()

    def seen(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(room):
            calls[frame.f_code.co_qualname] += 1

    sys.setprofile(seen)
    try:
        yield calls
    finally:
        sys.setprofile(None)


@pytest.mark.parametrize(("tenant", "none"), [("acme", True), ("keeps", False)])
async def test_a_tenant_without_cache_calls_nothing_of_it_while_others_have_one(
    tenant: str, none: bool
) -> None:
    async with OpenAiLike(OPENAI, answer="The capital of France is Paris.") as engine:
        configuration = one_backend("openai", engine.url, model=engine.model)
        configuration["tenants"] = {"acme": {}, "keeps": {"cache": True}}
        callers = {key.encode(): Caller(f"key_{name}", name, Role.MEMBER) for name, key in _KEYS.items()}
        async with serving(configuration, callers=callers) as served, served.client(_KEYS[tenant]) as http:
            body = {"model": "assistant", "messages": [{"role": "user", "content": "The capital of France?"}]}
            with _calls_into(_ROOM) as calls:
                for stream in (False, True):
                    async with http.post("/v1/chat/completions", json={**body, "stream": stream}) as reply:
                        assert reply.status == 200
                        await reply.read()

    assert (not calls) is none, calls
