"""A cache in one process, for code that calls it itself: the gateway's rules without the gateway.

A question that was kept word for word is always found. One that only means the same is found as far as the promise
allows: what is kept is compared with the answer of its neighbours, and only what the comparison leaves no doubt of is
found by meaning; a small part of such finds is held back, so that the caller asks its model and the answers can be
compared. Nothing is ever found in another space. Imported late: it needs numpy.
"""

from __future__ import annotations

import random
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import structlog

from passerelle.cache.answers import unfit
from passerelle.cache.brute import Brute, unit
from passerelle.cache.controller import Controller, Standing
from passerelle.cache.decide import Decision, first
from passerelle.cache.eligible import Eligibility, eligible
from passerelle.cache.entry import Kept, Member, Near
from passerelle.cache.facts import Agreement, compared, facts_of
from passerelle.cache.features import features_of
from passerelle.cache.guard import Objection, objection
from passerelle.cache.judge import ALIKE, APART, FEWEST, PIECE_ALIKE, likeness_of
from passerelle.cache.learn import learn, quarantined, to_compare
from passerelle.cache.seams import Opinion
from passerelle.cache.second import Check, Pair
from passerelle.domain.ask import Ask, Needs, Route
from passerelle.domain.cache import Caching, Semantic
from passerelle.text.pieces import pieces
from passerelle.text.words import Language, language_of, stems

if TYPE_CHECKING:
    from collections.abc import Sequence

    from passerelle.cache.entry import Vector

_log = structlog.get_logger(__name__)

MOST = 10_000  # answers, and questions found by meaning
LATE = 1_000  # texts whose vectors are kept: most questions are embedded when looked for, and again when kept
NEIGHBOURS = 8
DEFAULT = Caching(semantic=Semantic())

Embed = Callable[[str], "Vector"]
Tell = Callable[
    [str, str, str], bool | None
]  # do two answers to a question say the same? None: it cannot tell


@dataclass(frozen=True, slots=True)
class Hit:
    """An answer to give, and the question it was found by; None where that is the very same."""

    kept: Kept
    near: Near | None = None


@dataclass(frozen=True, slots=True)
class _Question:
    """What is worked out of a question once."""

    text: str
    language: Language
    vector: Vector


class Library:
    """Answers by their questions, in spaces that share nothing. Safe from several threads.

    `embed` gives a text's vector. `caching` says what is kept, for how long and what is promised. `tell` is asked
    where facts and vectors of two answers leave open whether they say the same, and `check` may refuse what would be
    found by meaning. At most `most` answers are kept; those not asked for the longest time leave first.
    """

    def __init__(
        self,
        embed: Embed,
        *,
        caching: Caching = DEFAULT,
        tell: Tell | None = None,
        check: Check | None = None,
        most: int = MOST,
        clock: Callable[[], float] = time.time,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._embed = embed
        self.caching = caching
        self._semantic = caching.semantic
        self._tell = tell
        self._check = check
        self._most = most
        self._clock = clock
        self._draw = draw
        self._lock = threading.RLock()
        self._exact: OrderedDict[tuple[str, str], Kept] = OrderedDict()
        self._answers: OrderedDict[str, Kept] = OrderedDict()  # of clusters, by id
        self._spaces: OrderedDict[str, Brute] = OrderedDict()
        self._vectors: OrderedDict[str, Vector] = OrderedDict()
        self._members = 0
        self._given: dict[str, int] = {}  # the notch that an answer was last given by
        given = self._semantic or Semantic()
        self._controller = Controller(max_error_rate=given.max_error_rate, shadow=given.shadow)

    def embed(self, text: str) -> Vector:
        """The text's vector, of length 1; of late texts it is kept. Raises ValueError for what is no vector."""
        with self._lock:
            if (known := self._vectors.get(text)) is not None:
                self._vectors.move_to_end(text)
                return known
        vector = unit(self._embed(text))
        if vector is None:
            raise ValueError(
                "The embedding is no vector with a direction: a list of numbers, not all of them 0."
            )
        vector = vector.copy()  # whoever gave it may write over it, nobody over this one
        vector.flags.writeable = False
        with self._lock:
            self._vectors[text] = vector
            while len(self._vectors) > LATE:
                self._vectors.popitem(last=False)
        return vector

    def find(self, space: str, text: str, *, vector: Vector | None = None, alike: bool = True) -> Hit | None:
        """The answer to give, None to ask for one. `alike` False finds the very same question only."""
        verdict = self._eligible(text)
        if not verdict.exact and not verdict.semantic:
            return None
        if (hit := self._same(space, text)) is not None:
            return hit
        if not alike or not verdict.semantic or self._semantic is None or space not in self._spaces:
            return None
        return self._alike(space, self._question(text, vector))

    def near(self, space: str, vector: Vector, *, most: int = NEIGHBOURS) -> Sequence[Near]:
        """The questions nearest to a vector, nearest first, whether or not their answers may be given."""
        with self._lock:
            brute = self._spaces.get(space)
            return () if brute is None else brute.near(vector, most=most, now=self._clock())

    def answer(self, cluster: str) -> Kept | None:
        """The answer of that id."""
        with self._lock:
            kept = self._answers.get(cluster)
            return kept if kept is not None and kept.expires > self._clock() else None

    def save(
        self,
        space: str,
        text: str,
        message: dict[str, Any],
        *,
        finish_reason: str = "stop",
        vector: Vector | None = None,
        alike: bool = True,
    ) -> bool:
        """Keep the answer to a question; whether it is kept. `alike` False keeps it for the very same question only."""
        verdict = self._eligible(text)
        if not (verdict.exact or verdict.semantic) or unfit(message, finish_reason) is not None:
            return False
        kept = self._kept(space, text, message, finish_reason)
        with self._lock:
            self._put(self._exact, (space, text), kept)
        if alike and verdict.semantic and self._semantic is not None:
            self._learn(kept, self._question(text, vector))
        return True

    def wrong(self, answer: str) -> int:
        """Somebody says that this answer is wrong: it is not given again. How many questions it was found for."""
        with self._lock:
            for key in [key for key, kept in self._exact.items() if kept.id == answer]:
                del self._exact[key]
            found = 0
            for brute in self._spaces.values():
                doubted = quarantined(m for m in brute.first(len(brute)) if m.cluster == answer)
                for member in doubted:
                    brute.add(member)
                found += len(doubted)
            if (
                self._answers.pop(answer, None) is not None
                and (notch := self._given.pop(answer, None)) is not None
            ):
                self._controller.checked(notch, wrong=True)
            return found

    def clear(self, space: str | None = None) -> None:
        """Forget one space, or all of them."""
        with self._lock:
            self._vectors.clear()  # vectors tell what was asked
            for name in [space] if space is not None else list(self._spaces):
                if (brute := self._spaces.pop(name, None)) is not None:
                    self._members -= len(brute)
            for key in [key for key in self._exact if space is None or key[0] == space]:
                del self._exact[key]
            for name in [
                name for name, kept in self._answers.items() if space is None or kept.partition == space
            ]:
                del self._answers[name]
                self._given.pop(name, None)

    def standing(self) -> Standing:
        """How loose the rule is now, and what that rests on."""
        with self._lock:
            return self._controller.standing()

    def _eligible(self, text: str) -> Eligibility:
        body = {"messages": [{"role": "user", "content": text}]}
        ask = Ask(
            Route.CHAT, "", body, stream=False, wants_usage=False, request_id="", needs=Needs(), arrived=0.0
        )
        return eligible(ask, self.caching)

    def _question(self, text: str, vector: Vector | None) -> _Question:
        known = None if vector is None else unit(vector)
        return _Question(text, language_of(text), self.embed(text) if known is None else known)

    def _same(self, space: str, text: str) -> Hit | None:
        with self._lock:
            kept = self._exact.get((space, text))
            if kept is None or not self.caching.exact:
                return None
            if kept.expires <= self._clock():
                del self._exact[space, text]
                return None
            self._exact.move_to_end((space, text))
            return Hit(kept)

    def _alike(self, space: str, question: _Question) -> Hit | None:
        assert self._semantic is not None  # noqa: S101 - else nobody comes here
        with self._lock:
            near = self.near(space, question.vector)
            decision = self._decided(near, question)
            if not decision.serve or decision.cluster is None or not self._controller.gives(decision.notch):
                return None
            kept = self.answer(decision.cluster)
        if kept is None or not self._allowed(Pair(question.text, question.vector, near[0], kept)):
            return None
        assert decision.notch is not None  # noqa: S101 - of a decision to serve
        if self._draw() < self._semantic.shadow:
            return None  # so that the caller asks its model, and `save` compares
        with self._lock:
            self._controller.served(decision.notch)
            self._given[kept.id] = decision.notch
            if space in self._spaces:
                self._spaces.move_to_end(space)
        return Hit(kept, near[0])

    def _decided(self, near: Sequence[Near], question: _Question) -> Decision:
        asked = features_of(question.text, question.language)

        def objects(member: Member) -> Objection | None:
            if member.features is None:
                member.features = features_of(member.text, member.language)
            return objection(asked, member.features)

        return first(self._controller.rules, near, objects)

    def _allowed(self, pair: Pair) -> bool:
        if self._check is None:
            return True
        try:
            return self._check(pair)
        except Exception as error:  # noqa: BLE001 - a check is somebody else's code: what it raises is a no
            _log.warning("cache_check_failed", error=type(error).__name__)
            return False

    def _learn(self, kept: Kept, question: _Question) -> None:
        """Compare a fresh answer with those of its neighbours, and keep the question where that leaves no doubt."""
        assert self._semantic is not None  # noqa: S101 - else nobody comes here
        near = self.near(kept.partition, question.vector)
        opinions: list[tuple[str, Opinion]] = []
        for cluster in to_compare(near):
            known = self.answer(cluster)
            opinion = Opinion.UNSURE if known is None else self._compare(known, kept)
            opinions.append((cluster, opinion))
            if opinion is Opinion.SAME:
                break
        lesson = learn(opinions)
        now = self._clock()
        with self._lock:
            decision = self._decided(near, question)
            said = dict(opinions).get(decision.cluster or "")
            if decision.serve and decision.notch is not None and said in (Opinion.SAME, Opinion.DIFFERENT):
                self._controller.checked(decision.notch, wrong=said is Opinion.DIFFERENT)
            if not lesson.keep:
                return
            expires = now + self._semantic.ttl
            if lesson.cluster is None:
                self._put(self._answers, kept.id, replace(kept, expires=expires))
            self._add(question, kept, cluster=lesson.cluster or kept.id, expires=expires)

    def _add(self, question: _Question, kept: Kept, *, cluster: str, expires: float) -> None:
        space = kept.partition
        brute = self._spaces.setdefault(space, Brute(bound=self._most))
        self._spaces.move_to_end(space)
        before = len(brute)
        brute.add(
            Member(
                id=_question_id(space, question.text),
                tenant="",
                partition=space,
                cluster=cluster,
                text=question.text,
                vector=question.vector,
                language=question.language,
                created=kept.created,
                expires=expires,
                features=features_of(question.text, question.language),
            )
        )
        self._members += len(brute) - before
        while self._members > self._most:
            oldest, least = next(iter(self._spaces.items()))
            least.drop(least.first(1)[0].id)
            self._members -= 1
            if not len(least):
                del self._spaces[oldest]

    def _compare(self, known: Kept, fresh: Kept) -> Opinion:
        one, other = known.message["content"], fresh.message["content"]
        opinion = compare(one, other, self.embed)
        if opinion is Opinion.UNSURE and self._tell is not None:
            said = self._tell(fresh.asked, one, other)
            return Opinion.UNSURE if said is None else Opinion.SAME if said else Opinion.DIFFERENT
        return opinion

    def _kept(self, space: str, text: str, message: dict[str, Any], finish_reason: str) -> Kept:
        now = self._clock()
        return Kept(
            id=f"ca_{secrets.token_hex(12)}",
            tenant="",
            partition=space,
            exact="",
            message=message,
            finish_reason=finish_reason,
            usage=None,
            model="",
            backend="",
            target="",
            provider="",
            country=None,
            created=now,
            expires=now + self.caching.ttl,
            asked=text,
        )

    def _put(self, where: OrderedDict[Any, Kept], key: Any, kept: Kept) -> None:
        where[key] = kept
        where.move_to_end(key)
        while len(where) > self._most:
            gone, _ = where.popitem(last=False)
            self._given.pop(gone, None)


def compare(one: str, other: str, embed: Embed) -> Opinion:
    """Whether two answers say the same, by their facts and then by their vectors, without a language model."""
    facts = compared(facts_of(one), facts_of(other))
    if facts is Agreement.IDENTICAL:
        return Opinion.SAME
    if facts is Agreement.DIFFERENT:
        return Opinion.DIFFERENT
    here, there = [[embed(piece) for piece in pieces(text)] for text in (one, other)]
    if not here or not there:
        return Opinion.UNSURE
    likeness = likeness_of(here, there, telling=min(len(stems(one)), len(stems(other))) >= FEWEST)
    if likeness.whole < APART and likeness.telling:
        return Opinion.DIFFERENT
    alike = likeness.whole >= ALIKE and likeness.least >= PIECE_ALIKE
    return Opinion.SAME if alike and facts is Agreement.AGREED else Opinion.UNSURE


def _question_id(space: str, text: str) -> str:
    """One for the same question in the same space: asked again, it takes its own place."""
    return f"cq_{sha256(f'{len(space)}:{space}{text}'.encode('utf-8', 'surrogatepass')).hexdigest()[:24]}"
