"""Watches an answer on its way to the caller: a whole body, or a stream with a small part held back.

Events are held back whole and leave in their order, byte for byte as they came. Of a stream is held what may still
become a banned phrase, and what the rules that look every so many characters have not seen yet; never the whole.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import orjson

from passerelle.domain.ask import Ask
from passerelle.domain.errors import Fault, PasserelleError, UpstreamFailed
from passerelle.domain.guardrails import Schema, Side, Verdict
from passerelle.guardrails import fold, schema
from passerelle.guardrails.channels import Channel, Pace
from passerelle.guardrails.findings import Findings, Held
from passerelle.guardrails.judges import WordJudge
from passerelle.guardrails.reading import Path, answered
from passerelle.guardrails.words import Reading
from passerelle.wire.sse import data_of

MOST_HELD = 262_144  # bytes of events; what waits behind a text that does not go on is let go
MOST_CHANNELS = 1_024
_ROOM = 64  # characters held beside twice the longest phrase, for spaces and what folds to nothing

_ANSWER = (("content",), ("text",))  # where the text of a choice stands


class _Event:
    __slots__ = ("data", "ends", "number", "size")

    def __init__(self, data: bytes, number: int) -> None:
        self.data = data
        self.number = number
        self.size = 0  # characters of text
        self.ends: list[tuple[Held, Reading, int]] = []  # where its text ends, for each rule that may hold it

    def free(self) -> bool:
        """Is all of its text before anything that may become a phrase?"""
        return all(end <= reading.total - reading.begun for _, reading, end in self.ends)


class Watch:
    """Looks at one answer. After it has raised, it raises the same again."""

    def __init__(self, rules: tuple[Held, ...], ask: Ask, *, tenant: str) -> None:
        self._findings = Findings(Side.OUTPUT, tenant)
        self._rules = rules
        self._words = [(rule, rule.judge) for rule in rules if isinstance(rule.judge, WordJudge)]
        self._paces = [
            Pace(rule) for rule in rules if rule.judge is not None and not isinstance(rule.judge, WordJudge)
        ]
        self._schemas = [rule for rule in rules if isinstance(rule.rule, Schema)]
        form = ask.body.get("response_format")
        self._json = isinstance(form, dict) and form.get("type") not in (None, "text")
        self._check = _wanted(ask) if self._schemas else None
        self._excused: set[Any] = set()  # choices that need not be what the schema wants
        self._answers: dict[
            Any, list[str]
        ] = {}  # text of each choice, kept only where it is checked at its end
        self._channels: dict[Path, Channel] = {}
        self._held: deque[_Event] = deque()
        self._numbers = 0
        self._size = self._bytes = 0  # characters and bytes held
        longest = max([judge.lexicon.longest for rule, judge in self._words if rule.blocks], default=0)
        every = max([pace.every for pace in self._paces if pace.rule.blocks], default=0)
        self.window = every + (2 * longest + _ROOM if longest else 0)  # characters held back, at most
        self._error: PasserelleError | None = None

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """What was found so far."""
        return self._findings.verdicts

    @property
    def held(self) -> int:
        """Characters of text that are held back now."""
        return self._size

    async def whole(self, body: bytes) -> None:
        """Look at a whole answer. Raises Blocked, Unavailable, or UpstreamFailed where it cannot be read."""
        choices = _choices(_parsed(body, "The engine's answer is not JSON."))
        texts: list[str] = []
        for choice in choices:
            for path, text in answered(choice):
                texts.append(fold.unescaped(text) if self._escaped(path) else text)
        for rule in self._rules:
            await self._findings.ask(rule, texts)
        for choice in choices:
            if self._check is not None:
                for path, text in answered(choice):
                    self._keep(path, text)
            self._judge(choice.get("index", 0))

    async def take(self, block: bytes) -> bytes:
        """Whole events come; what may go out now goes. Raises Blocked, Unavailable, or UpstreamFailed."""
        if self._error is not None:
            raise self._error
        try:
            for event in _split(block):
                self._read(event)
            for pace in self._paces:
                if not pace.unseen:
                    pace.cleared = self._numbers
                elif pace.unseen >= pace.every or self._bytes > MOST_HELD:
                    await self._look(pace)
            return self._release()
        except PasserelleError as error:
            self._error = error
            raise

    async def finish(self) -> bytes:
        """The stream has ended: the rest goes out, or what `take` raises is raised."""
        if self._error is not None:
            raise self._error
        try:
            for channel in self._channels.values():
                self._end(channel)
            for number in list(self._answers):
                self._judge(number)
            for pace in self._paces:
                await self._look(pace)
        except PasserelleError as error:
            self._error = error
            raise
        rest = b"".join([event.data for event in self._held])
        self._held.clear()
        self._size = self._bytes = 0
        return rest

    def _read(self, data: bytes) -> None:
        """Take one event in."""
        self._numbers += 1
        event = _Event(data, self._numbers)
        self._held.append(event)
        self._bytes += len(data)
        payload = data_of(data)
        if payload is None or payload.strip() == b"[DONE]":
            return
        ended = []
        for choice in _choices(_parsed(payload, "An event of the stream is not JSON.")):
            for path, text in answered(choice):
                self._feed(event, path, text)
            if choice.get("finish_reason"):
                ended.append(choice.get("index", 0))
        for number in ended:
            for path, channel in self._channels.items():
                if path[0] == number:
                    self._end(channel)
            self._judge(number)
        self._size += event.size

    def _feed(self, event: _Event, path: Path, text: str) -> None:
        channel = self._channels.get(path)
        if channel is None:
            if len(self._channels) >= MOST_CHANNELS:
                raise UpstreamFailed(Fault.BROKEN, "The engine's stream holds too many texts at once.")
            judges = [judge for _, judge in self._words]
            channel = Channel(judges, escaped=self._escaped(path), paced=bool(self._paces))
            self._channels[path] = channel
        if self._check is not None:
            self._keep(path, text)
        plain = channel.plain(text)
        event.size += len(text)
        for (rule, _), reading in zip(self._words, channel.readings, strict=True):
            if reading.take(plain) and not self._findings.has(rule):
                self._findings.add(rule, "words")
            if rule.blocks:
                event.ends.append((rule, reading, reading.total))
        for pace in self._paces:
            pace.unseen += len(plain)

    def _end(self, channel: Channel) -> None:
        """A text has ended, and with it its last word."""
        for (rule, _), reading in zip(self._words, channel.readings, strict=True):
            if reading.end() and not self._findings.has(rule):
                self._findings.add(rule, "words")

    async def _look(self, pace: Pace) -> None:
        """Have a rule look at what is new to it."""
        channels = self._channels.values()
        if pace.unseen:
            await self._findings.ask(pace.rule, pace.windows(channels))
        pace.looked(channels, self._numbers)
        for channel in channels:
            channel.forget(min([other.seen(channel) for other in self._paces]))

    def _release(self) -> bytes:
        """Every event from the first on that nothing holds; where too much is held, more."""
        cleared = min([pace.cleared for pace in self._paces if pace.rule.blocks], default=self._numbers)
        out: list[bytes] = []
        held = self._held
        while held and held[0].number <= cleared:
            if not held[0].free():
                if self._size <= self.window and self._bytes <= MOST_HELD:
                    break
                # The beginning of what may become a phrase leaves; its end, which completes it, never does.
                self._decide(held[0])
            event = held.popleft()
            self._size -= event.size
            self._bytes -= len(event.data)
            out.append(event.data)
        return b"".join(out)

    def _decide(self, event: _Event) -> None:
        """Let nothing go that is a whole phrase already and only waits for its last word to end."""
        for rule, reading, _ in event.ends:
            if reading.complete:
                self._findings.add(rule, "words")

    def _keep(self, path: Path, text: str) -> None:
        """Keep the text of an answer that is checked as a whole, as long as it can still be right."""
        if path[1] in ("tool_calls", "function_call", "refusal"):
            self._excused.add(path[0])
        elif path[1:] in _ANSWER:
            kept = self._answers.setdefault(path[0], [])
            kept.append(text)
            if len(kept) > 1_024:  # many small pieces take more room than their text
                kept[:] = ["".join(kept)[: schema.LONGEST + 1]]

    def _judge(self, number: Any) -> None:
        """A choice has ended: is it what its caller's schema wants? One that calls tools or declines need not be."""
        text = "".join(self._answers.pop(number, ()))
        if self._check is None or number in self._excused:
            return
        self._excused.add(number)  # it has been looked at
        wrong = self._check(text)
        for rule in self._schemas:
            if wrong is not None and not self._findings.has(rule):
                self._findings.add(rule, wrong)

    def _escaped(self, path: Path) -> bool:
        """Is the text at this place JSON, in which letters may be escaped?"""
        return path[-1] == "arguments" or (self._json and path[1:] in _ANSWER)


def _wanted(ask: Ask) -> Callable[[str], str | None] | None:
    try:
        return schema.wanted(ask.body)
    except schema.Unreadable:
        return lambda _: schema.UNREADABLE


def _split(block: bytes) -> Iterator[bytes]:
    """The events of a block; joined again they are the block, blank lines and all."""
    start = 0
    while start < len(block):
        end = block.find(b"\n\n", start)
        stop = len(block) if end < 0 else end + 2
        yield block[start:stop]
        start = stop


def _parsed(data: bytes, otherwise: str) -> Any:
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        raise UpstreamFailed(Fault.BROKEN, otherwise) from None


def _choices(document: Any) -> list[Mapping[str, Any]]:
    given = document.get("choices") if isinstance(document, dict) else None
    return [choice for choice in given if isinstance(choice, dict)] if isinstance(given, list) else []
