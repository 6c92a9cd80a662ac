"""Clients that keep asking, whatever happens to the service, and remember what they were told."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

import aiohttp

_PATH = "/v1/chat/completions"
_PROMPT = "Écris une phrase sur la passerelle, puis une autre sur la rivière qui coule dessous."
_TIMEOUT = aiohttp.ClientTimeout(total=30)


@dataclass
class Told:
    """What a client learned of one request."""

    request_id: str
    tenant: str
    outcome: str  # `whole`: all of the answer; `left`: by the client itself; `broken`; or the status
    user: str = ""  # whom it is for


@dataclass
class Traffic:
    """`workers` clients at once on the tenants of `keys`. `url` is None while there is nobody to ask."""

    keys: Mapping[str, str]
    chance: Random
    workers: int = 8
    url: str | None = None
    told: list[Told] = field(default_factory=list)
    asking: int = 0  # requests under way
    _asked: int = 0
    _up: asyncio.Event = field(default_factory=asyncio.Event)
    _over: bool = False

    def at(self, url: str | None) -> None:
        """Where to ask from now on."""
        self.url = url
        (self._up.set if url else self._up.clear)()

    @property
    def answered(self) -> int:
        """Requests that got the whole of their answers."""
        return sum(told.outcome == "whole" for told in self.told)

    def end(self) -> None:
        """No more requests; those under way are waited for by who runs this."""
        self._over = True
        self._up.set()

    async def run(self) -> None:
        """Ask until `end`."""
        async with aiohttp.ClientSession(timeout=_TIMEOUT) as session, asyncio.TaskGroup() as group:
            for _ in range(self.workers):
                group.create_task(self._client(session))

    async def _client(self, session: aiohttp.ClientSession) -> None:
        while not self._over:
            await self._up.wait()
            if self.url is None:
                continue
            self._asked += 1
            tenant = self.chance.choice(list(self.keys))
            user = f"person-{self._asked % 5}" if self._asked % 2 else ""
            told = Told(f"ask-{self._asked:06d}", tenant, "broken", user)
            self.told.append(told)
            self.asking += 1
            try:
                told.outcome = await self._ask(session, self.url, told)
            except (aiohttp.ClientError, OSError):
                await asyncio.sleep(0.02)  # it has just been killed: the next news is where it is now
            finally:
                self.asking -= 1

    async def _ask(self, session: aiohttp.ClientSession, url: str, told: Told) -> str:
        draw = self.chance.random()
        stream, leaves = draw < 0.6, draw < 0.15 or draw > 0.95
        body: dict[str, Any] = {
            "model": "assistant",
            "messages": [{"role": "user", "content": _PROMPT}],
            "max_tokens": 200,
            "stream": stream,
            **({"user": told.user} if told.user else {}),
        }
        headers = {"authorization": f"Bearer {self.keys[told.tenant]}", "x-request-id": told.request_id}
        patience = self.chance.uniform(0.0, 0.3) if leaves else None
        try:
            async with asyncio.timeout(patience):
                async with session.post(url + _PATH, json=body, headers=headers) as reply:
                    raw = await reply.read()
        except TimeoutError:
            return "left"
        if reply.status != 200:
            return str(reply.status)
        return "whole" if not stream or raw.endswith(b"data: [DONE]\n\n") else "broken"
