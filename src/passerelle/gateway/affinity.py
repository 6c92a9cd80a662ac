"""The turns of a conversation go to the same replica, whose cache holds what they have in common.

A request's chance at each of several equal targets is the hash of the tenant, the beginning of its conversation
and the target (weighted rendezvous hashing: Thaler and Ravishankar, 1998): every turn gets the same order, a
replica that is added or lost moves only its own share, and over all conversations the load follows the weights.
A replica with too large a share of what is in flight comes last (consistent hashing with bounded loads:
Mirrokni, Thorup and Zadimoghaddam, 2018), so that one busy conversation cannot overload it.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from math import ceil
from typing import Any

import orjson

from passerelle.domain.ask import Ask, Route
from passerelle.domain.catalog import Target

_BOUND = 1.25  # times its share of the load that a replica may have in flight
_FREE = 4  # requests in flight that a replica may always have
_LONGEST = 4_096  # characters of a message that are looked at


class Flight:
    """How many requests are in flight on each target of this process."""

    def __init__(self) -> None:
        self._count: dict[str, int] = {}

    def begin(self, target: Target) -> None:
        """A try begins."""
        name = target.name
        self._count[name] = self._count.get(name, 0) + 1

    def end(self, target: Target) -> None:
        """It is over, its stream included."""
        name = target.name
        left = self._count[name] - 1
        if left:
            self._count[name] = left
        else:
            del self._count[name]

    def on(self, target: Target) -> int:
        """How many now."""
        return self._count.get(target.name, 0)

    def crowded(self, equals: list[Target]) -> frozenset[Target]:
        """Those of some equal targets that have more than their share in flight."""
        flying = {target: self.on(target) for target in equals}
        total = sum(flying.values()) + 1
        weights = sum(target.weight for target in equals)
        return frozenset(
            target
            for target, now in flying.items()
            if now >= max(_FREE, ceil(_BOUND * total * target.weight / weights))
        )


def chances(tenant: str, ask: Ask, draw: Callable[[], float]) -> Callable[[Target], float]:
    """Gives each target this request's chance at it: the conversation's hash, or a draw where there is none."""
    key = beginning(ask)
    if key is None:
        return lambda _: draw()
    seed = blake2b(tenant.encode() + b"\0" + key, digest_size=16).digest()

    def chance(target: Target) -> float:
        hashed = blake2b(target.name.encode(), key=seed, digest_size=8).digest()
        return int.from_bytes(hashed, "big") / 2.0**64

    return chance


def beginning(ask: Ask) -> bytes | None:
    """What every turn of a conversation has in common; None for a request that has no turns.

    The caller's own `prompt_cache_key` (OpenAI's word for it), else all up to the first message of the user.
    """
    if ask.route is not Route.CHAT:
        return None
    stated = ask.body.get("prompt_cache_key")
    if isinstance(stated, str) and stated:
        return b"key\0" + stated.encode()
    parts: list[Any] = [ask.model]
    for message in ask.body["messages"]:
        parts += (message["role"], _text(message.get("content")))
        if message["role"] == "user":
            break
    return orjson.dumps(parts)


def _text(content: Any) -> Any:
    if isinstance(content, str):
        return content[:_LONGEST]
    if isinstance(content, list):  # an image says little about a conversation, and is long
        return [part.get("text", "")[:_LONGEST] for part in content if _is_text(part)]
    return None


def _is_text(part: Any) -> bool:
    return isinstance(part, dict) and isinstance(part.get("text", ""), str)
