"""The proxy of a Hugging Face Inference Endpoint, with an engine behind it that need not be awake.

Running, requests reach the engine. Scaled to zero, any request starts it and gets 503 meanwhile, or is held as
long as `X-Scale-Up-Timeout` allows. Paused, nothing starts it: 400. The bodies of the proxy's own 401 and 503
are not documented; these are plausible.
"""

from __future__ import annotations

import asyncio
from typing import Literal

from typing_extensions import override

from tests.fakes.engine import Engine
from tests.fakes.script import Plan
from tests.fakes.wire import Received, Reply, json_reply

State = Literal["running", "scaledToZero", "initializing", "paused"]


class EndpointFake(Engine):
    """An endpoint. The engine behind it is asked in process; its own `requests` stay empty."""

    def __init__(self, engine: Engine, *, state: State = "running", token: str = "hf_test") -> None:
        super().__init__()
        self.engine, self.token = engine, token
        self.server = engine.server
        self.woken = 0  # how often a request started a replica
        self._awake = asyncio.Event()
        self._state: State = state
        self.state = state

    @property
    def state(self) -> State:
        """Where the endpoint is in its life; setting it to running lets held requests through."""
        return self._state

    @state.setter
    def state(self, state: State) -> None:
        self._state = state
        if state == "running":
            self._awake.set()
        else:
            self._awake.clear()

    @override
    async def reply(self, request: Received, plan: Plan) -> Reply:
        if request.bearer != self.token:
            return json_reply({"error": "Unauthorized"}, 401)
        if self.state == "paused":
            return json_reply({"error": "Bad Request: Invalid state"}, 400)
        if self.state == "scaledToZero":
            self.woken += 1
            self.state = "initializing"
        if self.state == "initializing" and not await self._held(request):
            return json_reply({"error": "503 Service Unavailable"}, 503)
        return await self.engine.reply(request, plan)

    async def _held(self, request: Received) -> bool:
        """Wait for a replica as long as the client said; True when one is there."""
        patience = request.headers.get("x-scale-up-timeout", "")
        if not patience.isdecimal():
            return False
        try:
            async with asyncio.timeout(int(patience)):
                await self._awake.wait()
        except TimeoutError:
            return False
        return True
