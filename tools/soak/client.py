"""One request as a caller makes it, and what became of it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from time import perf_counter

import aiohttp
import orjson

MODEL = "assistant"
_PATH = "/v1/chat/completions"


class End(StrEnum):
    """How a request ended for its caller."""

    WHOLE = "whole"  # 200, and all of it
    REFUSED = "refused"  # 429 or 503, with a Retry-After
    SPENT = "spent"  # 429: the budget is used up
    BLOCKED = "blocked"  # 400: by a guardrail
    DENIED = "denied"  # 401
    LATE = "late"  # nothing whole within the caller's patience
    LEFT = "left"  # the caller hung up on purpose
    BROKEN = "broken"  # a stream without its end mark
    LOST = "lost"  # no answer at all: the connection failed
    STRANGE = "strange"  # any other answer


@dataclass(frozen=True, slots=True)
class Wish:
    """What a caller asks. Times are seconds."""

    key: str
    stream: bool = False
    text: str = "Bonjour"
    patience: float = 30.0
    leaves: float | None = None  # hangs up after so long
    once: str | None = None  # an Idempotency-Key


@dataclass(frozen=True, slots=True)
class Seen:
    """What became of it."""

    end: End
    at: float  # when it was asked, by `perf_counter`
    seconds: float
    status: int = 0
    code: str | None = None
    request_id: str = ""
    original: str | None = None  # of an answer that is a replay: the request that ran
    said: str = ""  # of a strange one


@dataclass(slots=True)
class Tally:
    """Everything that was seen in a phase."""

    seen: list[Seen] = field(default_factory=list)

    def ends(self) -> dict[str, int]:
        """How many of each end."""
        return dict(sorted(Counter(each.end.value for each in self.seen).items()))

    def of(self, *ends: End) -> list[Seen]:
        """Those with one of these ends."""
        return [each for each in self.seen if each.end in ends]

    def strange(self) -> list[str]:
        """What nobody should see, in words, without repeats."""
        found = Counter(
            f"{each.end.value}: {each.status} {each.code or ''} {each.said}".strip()
            for each in self.of(End.STRANGE, End.BROKEN, End.LOST)
        )
        return [f"{number} x {words}" for words, number in found.most_common(10)]


def quantile(values: Iterable[float], share: float) -> float:
    """The value that this share of the values does not exceed; NaN of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


async def ask(session: aiohttp.ClientSession, wish: Wish) -> Seen:
    """Ask, and wait for the end."""
    body = {
        "model": MODEL,
        "stream": wish.stream,
        "max_tokens": 20,
        "messages": [{"role": "user", "content": wish.text}],
    }
    headers = {
        "authorization": f"Bearer {wish.key}",
        "content-type": "application/json",
        "x-stainless-read-timeout": f"{wish.patience:g}",
    }
    if wish.once is not None:
        headers["idempotency-key"] = wish.once
    began = perf_counter()
    seconds = wish.patience if wish.leaves is None else min(wish.leaves, wish.patience)
    try:
        async with asyncio.timeout(seconds):
            async with session.post(_PATH, data=orjson.dumps(body), headers=headers) as reply:
                said = await reply.read()
    except TimeoutError:
        return Seen(End.LATE if wish.leaves is None else End.LEFT, began, perf_counter() - began)
    except (aiohttp.ClientError, OSError) as error:
        return Seen(End.LOST, began, perf_counter() - began, said=f"{type(error).__name__}: {error}"[:120])
    end, code = _judged(reply, said, stream=wish.stream)
    return Seen(
        end,
        began,
        perf_counter() - began,
        status=reply.status,
        code=code,
        request_id=reply.headers.get("x-request-id", ""),
        original=reply.headers.get("x-passerelle-original-request-id"),
        said=said[-160:].decode(errors="replace") if end in (End.STRANGE, End.BROKEN) else "",
    )


def _judged(reply: aiohttp.ClientResponse, said: bytes, *, stream: bool) -> tuple[End, str | None]:
    if reply.status == 200:
        if stream:
            return (End.WHOLE if said.endswith(b"data: [DONE]\n\n") else End.BROKEN), None
        return (End.WHOLE if said.endswith(b"}") else End.BROKEN), None
    try:
        code = orjson.loads(said)["error"]["code"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return End.STRANGE, None
    if reply.status == 401:
        return End.DENIED, code
    if reply.status == 400 and code == "content_filter":
        return End.BLOCKED, code
    if reply.status == 429 and code == "insufficient_quota":
        return End.SPENT, code
    if reply.status in (429, 503) and "retry-after" in reply.headers:
        return End.REFUSED, code
    return End.STRANGE, code
