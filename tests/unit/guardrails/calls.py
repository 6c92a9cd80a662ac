"""Rules, requests and streams for the tests of guardrails."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import orjson

from passerelle.domain.ask import Ask, Needs, Route
from passerelle.domain.catalog import Tenant
from passerelle.domain.guardrails import Guardrail, Rule, Side
from passerelle.guardrails.guard import Guard, Guards
from passerelle.guardrails.watch import Watch

BOTH = frozenset(Side)


class Vectors:
    """An embedder with a dimension for each of a few words; `fails` makes it raise."""

    def __init__(self, *words: str) -> None:
        self.words = words
        self.texts: list[str] = []
        self.fails = False

    async def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        if self.fails:
            raise RuntimeError("no vectors, and a secret text")
        await asyncio.sleep(0)
        self.texts += texts
        return [[float(word in text.lower()) for word in self.words] + [0.01] for text in texts]


class Opinion:
    """A moderator that flags a word; `fails` makes it raise, `hangs` makes it never answer."""

    def __init__(self, word: str = "harm") -> None:
        self.word = word
        self.texts: list[str] = []
        self.fails = self.hangs = False

    async def flagged(self, model: str, text: str, *, tenant: str) -> str | None:
        if self.fails:
            raise RuntimeError("no opinion, and a secret text")
        if self.hangs:
            await asyncio.Event().wait()
        self.texts.append(text)
        return "violence" if self.word in text else None


def rule(what: Rule, *, name: str = "rule", blocks: bool = True, sides: frozenset[Side] = BOTH) -> Guardrail:
    return Guardrail(name, what, sides, blocks=blocks)


def guard(*rules: Guardrail, embedder: Any = None, moderator: Any = None) -> Guard:
    found = Guards(embedder or Vectors(), moderator or Opinion()).of(
        Tenant("t", ("m",), guardrails=rules), "m"
    )
    assert found is not None
    return found


def ask(body: dict[str, Any] | None = None, *, route: Route = Route.CHAT, stream: bool = True) -> Ask:
    body = {"messages": [{"role": "user", "content": "Hello"}], **(body or {})}
    return Ask(route, "m", body, stream=stream, wants_usage=False, request_id="r", needs=Needs(), arrived=0.0)


def said(text: str, *, role: str = "user") -> Ask:
    return ask({"messages": [{"role": role, "content": text}]})


def watch(*rules: Guardrail, of: Ask | None = None, embedder: Any = None, moderator: Any = None) -> Watch:
    found = guard(*rules, embedder=embedder, moderator=moderator).output(of or ask())
    assert found is not None
    return found


def event(text: str | None = None, *, choice: int = 0, finish: str | None = None, **delta: Any) -> bytes:
    inside = {"content": text, **delta} if text is not None else delta
    chunk = {"id": "c", "choices": [{"index": choice, "delta": inside, "finish_reason": finish}]}
    return b"data: " + orjson.dumps(chunk) + b"\n\n"


def text_of(stream: bytes, choice: int = 0) -> str:
    """What a reader of the stream has read of a choice."""
    out = []
    for line in stream.split(b"\n\n"):
        if line.startswith(b"data: {"):
            for each in orjson.loads(line[6:])["choices"]:
                if each["index"] == choice:
                    out.append(each["delta"].get("content") or "")
    return "".join(out)
