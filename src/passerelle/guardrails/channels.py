"""Texts of a streamed answer as they grow: one channel for each text, of each choice."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from passerelle.domain.guardrails import Injection, Moderation, Topics
from passerelle.guardrails import fold
from passerelle.guardrails.findings import Held
from passerelle.guardrails.judges import WordJudge
from passerelle.guardrails.words import Reading

OVERLAP = 600  # characters before what is new that a rule sees again, so that a cut hides nothing from it
_OF_TOPICS = 100


class Channel:
    """One text. `readings` follow banned words; `recent` is what other rules have not all seen, and `OVERLAP` more."""

    __slots__ = ("_carry", "_escaped", "_paced", "length", "readings", "recent")

    def __init__(self, words: Sequence[WordJudge], *, escaped: bool, paced: bool) -> None:
        self.readings = [Reading(judge.lexicon) for judge in words]
        self.recent = ""
        self.length = 0  # characters that have come, after unescaping
        self._escaped = escaped
        self._paced = paced
        self._carry = ""  # an escape of JSON that is cut off

    def plain(self, piece: str) -> str:
        """A piece of the text, out of the escapes of JSON where it is JSON."""
        if self._escaped:
            piece = self._carry + piece
            whole = fold.whole_escapes(piece)
            self._carry = piece[whole:]
            piece = fold.unescaped(piece[:whole])
        if self._paced:
            self.recent += piece
        self.length += len(piece)
        return piece

    def forget(self, seen: int) -> None:
        """Every rule has seen so many characters."""
        keep = self.length - seen + OVERLAP
        if len(self.recent) > keep:
            self.recent = self.recent[-keep:]


class Pace:
    """A rule that looks at a stream every so many characters. `cleared`: the last event that it lets go."""

    __slots__ = ("_overlap", "_seen", "cleared", "every", "rule", "unseen")

    def __init__(self, rule: Held) -> None:
        assert isinstance(rule.rule, Topics | Injection | Moderation)  # no other kind looks so  # noqa: S101
        self.rule = rule
        self.every = rule.rule.every
        # A topic is judged by what is new: much of what was there before would outweigh it.
        self._overlap = _OF_TOPICS if isinstance(rule.rule, Topics) else OVERLAP
        self.unseen = 0
        self.cleared = 0
        self._seen: dict[Channel, int] = {}

    def seen(self, channel: Channel) -> int:
        """How many characters of a channel it has looked at."""
        return self._seen.get(channel, 0)

    def windows(self, channels: Iterable[Channel]) -> list[str]:
        """What is new in each channel, with some characters before it."""
        found = []
        for channel in channels:
            new = channel.length - self.seen(channel)
            if new:
                found.append(channel.recent[-(new + self._overlap) :])
        return found

    def looked(self, channels: Iterable[Channel], event: int) -> None:
        """It has looked at everything up to this event."""
        self._seen = {channel: channel.length for channel in channels}
        self.unseen = 0
        self.cleared = event
