"""What each kind of rule says of one text: the word for what it found, or None."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol

from passerelle.domain.guardrails import Embedder, Injection, Moderation, Moderator, Topics, Words
from passerelle.guardrails.injection import weigh
from passerelle.guardrails.words import Lexicon
from passerelle.text.pieces import pieces

TOO_LONG = "too-long"  # more text than the rule reads, or more texts
MOST_TEXTS = 1_000  # of one call, each of which a rule asks a model about
NO_TOPIC = "no-topic"  # near to none of the labels

_IN_THREAD = 16_384  # characters from which a text is looked at beside the event loop
_BATCH = 16  # pieces in one call of the embedder
_PATIENCE = 10.0  # seconds one call of the embedder may take


class Judge(Protocol):
    """Looks at whole texts. Raises anything when it cannot."""

    async def judge(self, text: str, tenant: str) -> str | None:
        """What it found, None when nothing. `tenant` is whose text it is."""


class WordJudge:
    """Banned words and phrases."""

    def __init__(self, rule: Words) -> None:
        self.lexicon = Lexicon(rule.phrases)

    async def judge(self, text: str, tenant: str) -> str | None:
        """Nothing of the text or the phrase is said; a list of banned words may itself be confidential."""
        if len(text) > _IN_THREAD:
            return "words" if await asyncio.to_thread(self.lexicon.found, text) else None
        return "words" if self.lexicon.found(text) else None


class InjectionJudge:
    """Signs of prompt injection."""

    def __init__(self, rule: Injection) -> None:
        self._threshold = rule.threshold

    async def judge(self, text: str, tenant: str) -> str | None:
        """The name of the heaviest sign."""
        if len(text) > _IN_THREAD:
            score, sign = await asyncio.to_thread(weigh, text, self._threshold)
        else:
            score, sign = weigh(text, self._threshold)
        # Weights are tenths; their sum may fall short of the threshold by less than a rounding.
        return sign if score >= self._threshold - 1e-9 else None


class TopicJudge:
    """The nearest topic of every piece of a text. The labels' vectors are computed once, at the first text."""

    def __init__(self, rule: Topics, embedder: Embedder) -> None:
        self._rule = rule
        self._embedder = embedder
        self._lock = asyncio.Lock()
        self._names = [name for name, examples in rule.labels for _ in examples]
        self._vectors: Any = None

    async def judge(self, text: str, tenant: str) -> str | None:
        """The topic that is denied, or not allowed; `no-topic` where only some are allowed and none is near."""
        if len(text) > self._rule.longest:
            return TOO_LONG
        labels = await self._labels()
        parts = pieces(text)
        for start in range(0, len(parts), _BATCH):
            vectors = await self._embed(parts[start : start + _BATCH])
            for row in vectors @ labels.T:
                best = int(row.argmax())
                if (found := self._refused(self._names[best], float(row[best]))) is not None:
                    return found
        return None

    def _refused(self, name: str, score: float) -> str | None:
        near = score >= self._rule.threshold
        if self._rule.allow is not None:
            if not near:
                return NO_TOPIC
            return None if name in self._rule.allow else name
        return name if near and name in self._rule.deny else None

    async def _labels(self) -> Any:
        if self._vectors is None:
            async with self._lock:
                if self._vectors is None:
                    examples = [example for _, given in self._rule.labels for example in given]
                    self._vectors = await self._embed(examples)
        return self._vectors

    async def _embed(self, texts: Sequence[str]) -> Any:
        """Rows of length 1. Raises ValueError for vectors that mean nothing."""
        import numpy as np  # noqa: PLC0415 - heavy, and no other rule needs it

        async with asyncio.timeout(_PATIENCE):
            rows = await self._embedder.embed(texts)
        vectors = np.asarray(rows, dtype=np.float32)
        if vectors.ndim != 2 or len(vectors) != len(texts) or not np.isfinite(vectors).all():
            raise ValueError("the embedder gave no vector for each text")
        return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


class ModerationJudge:
    """Asks a model of the file."""

    def __init__(self, rule: Moderation, moderator: Moderator) -> None:
        self._rule = rule
        self._moderator = moderator

    async def judge(self, text: str, tenant: str) -> str | None:
        """The category the model found."""
        if len(text) > self._rule.longest:
            return TOO_LONG
        if not text.strip():
            return None
        async with asyncio.timeout(self._rule.timeout):
            return await self._moderator.flagged(self._rule.model, text, tenant=tenant)
