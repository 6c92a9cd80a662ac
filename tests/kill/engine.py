"""An engine that is never killed and writes down, before and after, each request it was asked."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from typing_extensions import override

from tests.fakes import openai_shape as shape
from tests.fakes.openai_like import OPENAI, OpenAiLike
from tests.fakes.openai_shape import Turn
from tests.fakes.script import Answer, Close, Fail, Pace, Plan, Reset, Status, Touch, Wait
from tests.fakes.wire import Line, Received


class Witness:
    """A file of what engines did, and the same in memory. Each line is in the file before anything follows from it."""

    def __init__(self, file: Path) -> None:
        self._handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self.heard: list[Heard] = []

    def write(self, what: str, **fields: object) -> None:
        """One line."""
        os.write(self._handle, json.dumps({"what": what, **fields}).encode() + b"\n")

    def close(self) -> None:
        """Nothing more is heard."""
        os.close(self._handle)


@dataclass
class Heard:
    """A request that an engine was sent."""

    backend: str
    id: str  # the engine's own, in the head of its reply
    request_id: str
    usage: Mapping[str, Any] | None = None  # what it was to cost, as soon as there was an answer to give
    finished: bool = False  # the whole answer has gone out
    over: bool = field(default=False, compare=False)


class WitnessedEngine(OpenAiLike):
    """OpenAI's own, at a human pace. `fails` is the share of requests that go wrong, each in a way of its own."""

    def __init__(self, name: str, witness: Witness, chance: Random, *, fails: float = 0.0) -> None:
        super().__init__(OPENAI, answer=self._words)
        self.name = name
        self.fails = fails
        self.pace = (0.002, 0.02)  # seconds between two words, at least and at most
        self._witness = witness
        self._chance = chance
        self._flying: dict[int, Heard] = {}

    def _words(self, request: Received) -> Answer:
        words = ["un", "deux", "trois", "quatre", "cinq", "six", "sept", "huit", "neuf", "dix"]
        said = " ".join(self._chance.choice(words) for _ in range(self._chance.randint(5, 60)))
        return Answer(said, cached_tokens=self._chance.choice((0, 0, 1)))

    @override
    async def exchange(self, line: Line, request: Received) -> None:
        if request.method != "POST":
            await super().exchange(line, request)
            return
        name = f"{self.name}-{len(self.requests):06d}"
        heard = Heard(self.name, name, request.headers["x-request-id"])
        self._flying[id(request)] = heard
        self._witness.write("heard", backend=self.name, id=name, request_id=heard.request_id)
        self._witness.heard.append(heard)
        try:
            await super().exchange(line, request)
            heard.finished = heard.usage is not None and not line.ours
            self._witness.write("over", id=name, finished=heard.finished, usage=heard.usage)
        finally:
            heard.over = True
            del self._flying[id(request)]

    @override
    def headers(self, request: Received) -> dict[str, str]:
        return {"x-request-id": self._flying[id(request)].id}

    @override
    def turn(self, request: Received, plan: Plan, prompt: str) -> Turn:
        turn = super().turn(request, plan, prompt)
        if plan.get(Fail) is None:
            self._flying[id(request)].usage = shape.usage(turn)
        return turn

    @override
    def _plan(self, request: Received) -> Plan:
        if request.method != "POST":
            return Plan()
        streams = bool(request.body.get("stream"))
        pace = self._chance.uniform(*self.pace)
        touches: list[Touch] = [Pace(pace) if streams else Wait(pace * 10)]
        if self._chance.random() < self.fails:
            inside: tuple[Touch, ...] = (
                (Close(after=3), Fail("generation", 4)) if streams else (Close(after=0),)
            )
            touches.append(self._chance.choice((Status(500), Status(503), Reset(), *inside)))
        return Plan(tuple(touches))
