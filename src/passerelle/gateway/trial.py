"""`Trial`: the books of one try. What begins is on disk before the engine hears of it; it ends once."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from time import monotonic
from types import UnionType
from typing import Any

import orjson
import structlog

from passerelle.domain.ask import Ask, Route, Usage
from passerelle.domain.caller import Caller
from passerelle.domain.catalog import Target, Tenant
from passerelle.domain.errors import Fault, Unavailable, UpstreamFailed
from passerelle.domain.ledger import Began, Certainty, Ended, Line, UsageSource
from passerelle.gateway.books import Books
from passerelle.gateway.edition import Edition
from passerelle.gateway.pricing import Charged, Spared
from passerelle.gateway.record import Outcome
from passerelle.gateway.relay import text_bytes
from passerelle.ledger.quotes import Quote
from passerelle.ledger.usage import Counted, counted
from passerelle.routing.plan import Plan

_log = structlog.get_logger(__name__)

# After these an engine may have worked, and may want to be paid. After all others it has said that it did not.
_MAYBE_PAID = frozenset({Fault.BROKEN, Fault.TIMEOUT_FIRST_CONTENT, Fault.TIMEOUT_TOTAL})
_GENERATING = frozenset({Route.CHAT, Route.COMPLETIONS})
_ROUTERS = frozenset({"hf-providers"})  # kinds whose price is that of whoever serves
_CAPACITY = "operator:capacity"
_RETRY = "operator:retry"
_NOTHING = Charged((), None, 0)
_UNLIMITED = 1024  # tokens of an answer, where the caller sets no limit
_IS_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}").fullmatch
_PLAIN = frozenset({"prompt_tokens", "completion_tokens", "total_tokens"})
_MOST_FIGURES = 64  # in a group
_MOST = 10**12  # tokens: more than anything could cost, and few enough for any price to be written down


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What is known of a try before it: `most` are the tokens that each side can have, `plan` why it may be made."""

    sequence: int  # 1 for the first of a request
    most: tuple[int, int]
    plan: Plan | None = None


class Trial:
    """One try on one target, from before its first byte to its end."""

    __slots__ = ("_ask", "_began", "_books", "_charged", "_counted", "_edition", "_first", "_known", "_over",
                 "_price", "_provider", "_quoted", "_raw", "_since", "_spec", "_target", "_tenant", "_upstream_id", "id")  # fmt: skip

    def __init__(
        self,
        books: Books,
        edition: Edition,
        ask: Ask,
        *,
        caller: Caller,
        tenant: Tenant,
        target: Target,
        foreseen: Foreseen,
    ) -> None:
        self.id = books.name()
        self._books = books
        self._edition = edition
        self._ask = ask
        self._tenant = tenant
        self._target = target
        self._spec = spec = edition.catalog.backends[target.backend]
        self._known = edition.about(target)
        self._over = False
        self._charged: Charged | None = None
        self._counted: Counted | None = None
        self._raw: Mapping[str, object] | None = None
        self._provider: str | None = None
        self._upstream_id: str | None = None
        self._first: int | None = None
        self._since = monotonic()  # seconds that somebody pays for are not those of a clock that is set
        self._quoted: str | None = None  # whose price it is
        quote = self._price = self._ask_price(None)
        self._began = Began(
            attempt_id=self.id,
            request_id=ask.request_id,
            tenant=tenant.name,
            key_id=caller.key_id,
            route=ask.route.value,
            model=ask.model,
            sequence=foreseen.sequence,
            backend=target.backend,
            target=target.model,
            country=spec.place_of(target).country,
            at=int(books.now() * 1000),
            catalog=edition.catalog.version,
            tags=_tags(ask, tenant),
            use=ask.use,
            held=edition.pricing.most(target, quote, prompt=foreseen.most[0], completion=foreseen.most[1]),
            held_currency=quote.currency,
            subject=ask.subject,
            evidence=foreseen.plan.evidence(spec, target) if foreseen.plan is not None else None,
        )

    def begin(self) -> None:
        """Write that it begins. Raises Unavailable where that cannot be written: then it may not begin."""
        self._books.journal.begin(self._began)

    def answered(self, provider: str, upstream_id: str | None) -> None:
        """The engine has begun to answer."""
        self._provider, self._upstream_id = provider, upstream_id
        self._first = self._milliseconds()

    def price(self, said: Sequence[object], received: int, *, whole: bool = True) -> Charged:
        """What it comes to for the tenant, by what the engine said it used; the first answer to that counts.

        Of an answer that is not `whole`, what an engine said on the way is no last word: it is an estimate.
        """
        if self._charged is None:
            self._charged = self._charge(said, received=received, tenant=self._tenant, whole=whole)
        return self._charged

    def settle(self, outcome: Outcome, said: Sequence[object], *, received: int, at: int, whole: bool) -> int:
        """It has served the caller, as far as it went. What the tenant is charged, in pico-units.

        `at` is the moment in Unix milliseconds.
        """
        charged = self.price(said, received, whole=whole)
        self._end(outcome, charged, payer=f"tenant:{self._tenant.name}", served=True, at=at)
        return charged.total

    def hit(self, said: Sequence[object], *, at: int) -> None:
        """The cache has answered with what this target once said: it costs nothing, and what it saved is beside it.

        It is over as it begins. Raises Unavailable where that cannot be written down.
        """
        usage = said[0] if len(said) == 1 else None
        pricing, quote, day = self._edition.pricing, self._quote(), self._books.day()
        # What an engine did not say is estimated from the size of what was asked.
        key = (self._tenant.name, self._ask.model, self._ask.size)
        spared = pricing.spared(key, usage, quote=quote, day=day)
        if spared is None:
            free = _free(self.price(said, 0))
            assert self._counted is not None  # by `price`  # noqa: S101
            spared = Spared(usage, quote, day, self._counted, self._raw, free)
            if usage is not None:
                pricing.spare(key, spared)
        self._counted, self._raw = spared.counted, spared.figures
        self._over = True
        payer = f"tenant:{self._tenant.name}"
        ended = self._ended(Outcome.CACHED, spared.charged, payer=payer, served=True, at=at)
        self._books.journal.both(self._began, ended)

    def failed(self, failure: UpstreamFailed) -> None:
        """It gave nothing; what it may cost all the same is the operator's."""
        charged = self._charge((), received=0, tenant=None) if failure.fault in _MAYBE_PAID else _NOTHING
        self._end(Outcome.FAILED, charged, payer=_RETRY, served=False, fault=failure.fault)

    def left(self, *, by_caller: bool) -> int:
        """It was broken off before there was anything: the engine may have read what was asked."""
        if not by_caller:
            charged = self._charge((), received=0, tenant=None)
            self._end(Outcome.FAILED, charged, payer=_RETRY, served=False)
            return 0
        charged = self.price((), 0)
        self._end(Outcome.HUNG_UP, charged, payer=f"tenant:{self._tenant.name}", served=False)
        return charged.total

    def _quote(self) -> Quote:
        """What applies, now that it is known who serves: behind a router that is somebody else each time."""
        if self._provider != self._quoted and self._spec.kind in _ROUTERS:
            self._price, self._quoted = self._ask_price(self._provider), self._provider
        return self._price

    def _ask_price(self, provider: str | None) -> Quote:
        known, at = self._known
        return self._edition.pricing.quote(self._target, known=known, at=at, provider=provider)

    def _charge(
        self, said: Sequence[object], *, received: int, tenant: Tenant | None, whole: bool = True
    ) -> Charged:
        used = counted(said, sent=self._ask.size, received=received, generates=self._ask.route in _GENERATING)
        if not whole:
            used = replace(used, certainty=Certainty.ESTIMATED)
        self._counted = used
        self._raw = _figures(said)
        return self._edition.pricing.charge(
            used,
            self._quote(),
            day=self._books.day(),
            milliseconds=self._milliseconds(),
            tenant=tenant,
            model=self._ask.model,
        )

    def _milliseconds(self) -> int:
        return int((monotonic() - self._since) * 1000)

    def _end(
        self,
        outcome: Outcome,
        charged: Charged,
        *,
        payer: str,
        served: bool,
        fault: Fault | None = None,
        at: int | None = None,
    ) -> None:
        if self._over:
            return
        self._over = True
        ended = self._ended(outcome, charged, payer=payer, served=served, fault=fault, at=at)
        try:
            self._books.journal.end(ended)
        except Unavailable:
            # Kept in memory and written as soon as the disk takes it; nothing begins before that.
            _log.error("settlement_waits", attempt=self.id)

    def _ended(
        self,
        outcome: Outcome,
        charged: Charged,
        *,
        payer: str,
        served: bool,
        fault: Fault | None = None,
        at: int | None = None,
    ) -> Ended:
        quote = self._quote()
        ours = quote.capacity is not None or self._spec.kind == "builtin"
        known = self._known[0]
        return Ended(
            attempt_id=self.id,
            at=max(self._began.at, int(self._books.now() * 1000) if at is None else at),
            outcome=outcome.value,
            fault=fault.value if fault else None,
            served=served,
            provider=self._provider,
            upstream_id=self._upstream_id,
            usage=self._raw,
            usage_source=self._counted.source if self._counted and charged.lines else UsageSource.NONE,
            payer=payer,
            lines=charged.lines,
            payee=_CAPACITY if ours else None,
            exchange=charged.exchange,
            first_ms=self._first,
            revision=known.facts.revision if known else None,
        )


def _free(charged: Charged) -> Charged:
    """Nothing, and what it would have come to as what was saved."""
    lines = [
        Line(line.meter, line.quantity, line.unit, line.currency, 0, Certainty.EXACT, saved=line.billed)
        for line in charged.lines
    ]
    return Charged(tuple(lines), charged.exchange, 0)


def sizes(ask: Ask) -> tuple[int, int]:
    """The most tokens that a request can have of each side: two bytes a token, and what may be answered."""
    prompt = -(-ask.size // 2)
    if ask.route not in _GENERATING:
        return prompt, 0
    body = ask.body
    # Of two limits some engines know only the one and some only the other.
    most = max(body.get("max_completion_tokens") or 0, body.get("max_tokens") or 0) or _UNLIMITED
    return prompt, min(most * _answers(ask), _MOST)


def _answers(ask: Ask) -> int:
    """How many answers are generated: so many for each prompt, where several are sent at once."""
    body = ask.body
    best = body.get("best_of")
    each = max(body.get("n") or 1, best if type(best) is int else 1)
    prompts = body.get("prompt") if ask.route is Route.COMPLETIONS else None
    several = type(prompts) is list and type(prompts[0]) is not int
    return each * len(prompts) if prompts and several else each


def said_of(usage: Usage | None, said: Mapping[str, object] | None) -> tuple[Mapping[str, object], ...]:
    """The usage of a whole answer as its engine sent it, or in OpenAI's words where it speaks others."""
    if said is not None:
        return (said,)
    if usage is None:
        return ()
    told: dict[str, object] = {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
    }
    if usage.cached_tokens or usage.cache_write_tokens:
        told["prompt_tokens_details"] = {
            "cached_tokens": usage.cached_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        }
    if usage.reasoning_tokens:
        told["completion_tokens_details"] = {"reasoning_tokens": usage.reasoning_tokens}
    return (told,)


def answer_bytes(ask: Ask, usage: Usage | None, body: bytes) -> int:
    """Bytes of the text in a whole answer whose engine did not say how long it is; 0 where it did."""
    if ask.route not in _GENERATING or (usage is not None and usage.completion_tokens):
        return 0
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return len(body)
    choices = document.get("choices") if isinstance(document, dict) else None
    if not isinstance(choices, list):
        return len(body)
    sides = [(choice.get("message"), choice.get("text")) for choice in choices if isinstance(choice, dict)]
    texts = [text for _, text in sides if isinstance(text, str)]
    return text_bytes([message for message, _ in sides]) + sum([len(text.encode()) for text in texts])


def _figures(said: Sequence[object]) -> dict[str, object] | None:
    """What an engine counted, as it sent it: numbers and groups of numbers, none of its words."""
    last = said[-1] if said else None
    if not isinstance(last, Mapping):
        return None
    if last.keys() <= _PLAIN and all(type(value) is int for value in last.values()):
        return dict(last)
    found: dict[str, object] = {}
    for name, value in last.items():
        if isinstance(value, dict):
            found |= _numbers({name: _numbers(value)}, dict)
        else:
            found |= _numbers({name: value})
    return found


def _numbers(fields: Mapping[Any, Any], kinds: type | UnionType = int | float) -> dict[str, object]:
    return {
        name: value
        for name, value in islice(fields.items(), _MOST_FIGURES)
        if isinstance(value, kinds) and type(name) is str and _IS_NAME(name)
    }


def _tags(ask: Ask, tenant: Tenant) -> dict[str, str] | None:
    """What the caller's `metadata` says under the keys that the operator has allowed."""
    if not tenant.tags:
        return None
    given = ask.body.get("metadata")
    if not isinstance(given, dict):
        return None
    found = {key: str(given[key])[:64] for key in tenant.tags if isinstance(given.get(key), str | int)}
    return found or None
