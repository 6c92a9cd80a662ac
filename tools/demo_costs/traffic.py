"""Requests as they come at three companies in France: seeded, told twice. Once to the real books, once as plain facts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from passerelle.domain.ask import Ask, Needs, Route
from passerelle.domain.caller import Caller, Role
from passerelle.domain.catalog import Target
from passerelle.domain.errors import Fault, UpstreamFailed
from passerelle.domain.ledger import Began, Ended
from passerelle.gateway.books import Books, Journal
from passerelle.gateway.edition import Edition
from passerelle.gateway.record import Outcome
from passerelle.gateway.trial import Foreseen, Trial, sizes
from passerelle.ledger.budgets import Budgets
from tools.demo_costs.world import ATELIER, LYCEE, MAIRIE

PARIS = ZoneInfo("Europe/Paris")

_TENANTS = {LYCEE: 5, MAIRIE: 3, ATELIER: 1}
_TAGS = {
    LYCEE: ("cours", ("français", "maths", "=cmd|' /C calc'!A0", "histoire")),
    MAIRIE: ("service", ("état civil", "urbanisme")),
}
_WEIGHTS = {"gpu": 60, "endpoint": 16, "hub": 14, "scaleway": 10, "essai": 1}
_FIRST_MS = {"gpu": 90, "endpoint": 160, "hub": 820, "scaleway": 460, "embedder": 9, "essai": 700}


@dataclass(frozen=True, slots=True)
class Fact:
    """One try, as anybody who stood beside it would have seen it. Times are Unix milliseconds, UTC."""

    tenant: str
    key: str
    model: str
    backend: str
    target: str
    provider: str | None
    began: int
    ended: int
    outcome: (
        str  # answered, cut, hit, refused (it failed at once) or broken (it may have worked before it failed)
    )
    sent: int  # bytes
    received: int
    usage: dict[str, Any] | None
    tags: dict[str, str] | None


class Clock:
    """A clock that shows what it is told."""

    def __init__(self) -> None:
        self.milliseconds = 0

    def __call__(self) -> float:
        """Unix seconds."""
        return self.milliseconds / 1000


class Timed:
    """A journal that is told how long the first token took, which a `Trial` measures with a clock nobody can set."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.owner = journal.owner
        self.first_ms: int | None = None

    def room(self) -> bool:
        """See `Journal`."""
        return self._journal.room()

    def begin(self, began: Began) -> None:
        """See `Journal`."""
        self._journal.begin(began)

    def end(self, ended: Ended) -> None:
        """See `Journal`."""
        self._journal.end(replace(ended, first_ms=self.first_ms))

    def both(self, began: Began, ended: Ended) -> None:
        """See `Journal`."""
        self._journal.both(began, replace(ended, first_ms=self.first_ms))


class Traffic:
    """The requests of a stretch of time."""

    def __init__(self, edition: Edition, journal: Journal, keys: dict[str, list[str]]) -> None:
        """`keys` are ids by tenant."""
        self._random = Random()  # noqa: S311 - a demonstration, not a secret
        self._edition = edition
        self._clock = Clock()
        self._journal = Timed(journal)
        self._books = Books(self._journal, Budgets(PARIS), now=self._clock)
        self._keys = keys
        self._numbers = 0

    def between(self, begins: datetime, ends: datetime, requests: int, *, seed: str) -> Iterator[Fact]:
        """So many requests and all of their tries, written down as they go; one begins and one ends at the very edge."""
        self._random.seed(seed)
        hours = hours_between(begins, ends)
        weights = [at_work(hour) for hour in hours]
        moments = [
            milliseconds(hour) + self._random.randrange(3_600_000)
            for hour in self._random.choices(hours, weights, k=requests)
        ]
        last = milliseconds(ends) - 1
        moments[:2] = [milliseconds(begins), last - 200_000][: len(moments)]
        for moment in sorted(min(moment, last - 9_000) for moment in moments):
            yield from self._request(moment, last)

    def _request(self, moment: int, last: int) -> Iterator[Fact]:
        random = self._random
        tenant = self._edition.catalog.tenants[random.choices(list(_TENANTS), list(_TENANTS.values()))[0]]
        drawn = random.choices(("assistant", "embeddings", "analyste"), (70, 24, 6))[0]
        model = drawn if drawn in tenant.models else "assistant"
        plan = self._edition.plan(tenant, self._edition.catalog.models[model], Needs())
        asleep = not awake(datetime.fromtimestamp(moment / 1000, UTC))
        weights = [
            0 if asleep and target.backend == "endpoint" else _WEIGHTS.get(target.backend, 1)
            for target in plan.targets
        ]
        first = random.choices(plan.targets, weights)[0]
        ways = [plan.ways.get(first, (first,))[0]]
        others = [
            target for target in plan.targets if target.backend not in (first.backend, "essai", "endpoint")
        ]
        if others and random.random() < 0.05:  # the first one fails, and another answers
            other = random.choice(others)
            ways.append(plan.ways.get(other, (other,))[0])
        self._numbers += 1
        name, values = _TAGS.get(tenant.name, ("", ()))
        tags = {name: random.choice(values)} if values and random.random() < 0.7 else None
        prompt, answer = random.randrange(200, 24_000), random.randrange(100, 6_000)
        ask = Ask(
            route=Route.EMBEDDINGS if model == "embeddings" else Route.CHAT,
            model=model,
            body={"metadata": dict(tags)} if tags else {},
            stream=True,
            wants_usage=False,
            request_id=f"req_{self._numbers:08}",
            needs=Needs(),
            arrived=0.0,
            size=4 * prompt + random.randrange(4),
            use="rag" if model == "embeddings" and random.random() < 0.3 else "",
        )
        key = random.choice(self._keys[tenant.name])
        caller = Caller(key, tenant.name, Role.MEMBER)
        for sequence, target in enumerate(ways, 1):
            fails = sequence < len(ways)
            fact = self._try(
                ask, caller, target, sequence, fails=fails, began=moment, last=last, counts=(prompt, answer)
            )
            yield fact
            moment = fact.ended + 1

    def _try(
        self,
        ask: Ask,
        caller: Caller,
        target: Target,
        sequence: int,
        *,
        fails: bool,
        began: int,
        last: int,
        counts: tuple[int, int],
    ) -> Fact:
        random, edition = self._random, self._edition
        tenant = edition.catalog.tenants[caller.tenant or ""]
        spec = edition.catalog.backends[target.backend]
        embeds = ask.route is Route.EMBEDDINGS
        provider = target.host.name if target.host else getattr(spec.options, "provider", None)
        first = int(_FIRST_MS[target.backend] * random.uniform(0.6, 2.4))
        took = first + (random.randrange(3) if embeds else random.randrange(2_000, 150_000))
        if fails:
            took, outcome = random.randrange(30, 8_000), random.choice(("refused", "broken"))
        else:
            outcome = random.choices(("answered", "cut", "hit"), (93, 3, 0 if embeds else 4))[0]
        took = took if outcome != "hit" else 4
        ended = min(began + took, last)
        usage = _usage(random, target, *counts, embeds=embeds) if outcome in ("answered", "hit") else None
        received = 0 if embeds else random.randrange(40, 9_000) if outcome == "cut" else 4 * counts[1]
        self._journal.first_ms = None if fails else first if outcome != "hit" else 1
        self._clock.milliseconds = began
        trial = Trial(
            self._books,
            edition,
            ask,
            caller=caller,
            tenant=tenant,
            target=target,
            foreseen=Foreseen(sequence, sizes(ask)),
        )
        said = (usage,) if usage else ()
        if outcome != "hit":
            trial.begin()
        if fails:
            self._clock.milliseconds = ended
            fault = Fault.BROKEN if outcome == "broken" else Fault.OVERLOADED
            trial.failed(UpstreamFailed(fault, "It fell over."))
        else:
            trial.answered(provider or spec.location.operator or spec.name, f"up-{ask.request_id}-{sequence}")
            self._clock.milliseconds = ended
            if outcome == "hit":
                trial.hit(said, at=ended)
            else:
                ending = Outcome.HUNG_UP if outcome == "cut" else Outcome.ANSWERED
                trial.settle(ending, said, received=received, at=ended, whole=outcome != "cut")
        return Fact(
            tenant.name, caller.key_id, ask.model, target.backend, target.model, provider, began, ended, outcome,
            ask.size, received, usage, ask.body.get("metadata"),
        )  # fmt: skip


def _usage(random: Random, target: Target, prompt: int, answer: int, *, embeds: bool) -> dict[str, Any]:
    """As engines of that kind say it."""
    if embeds:
        return {"prompt_tokens": prompt, "total_tokens": prompt}
    told: dict[str, Any] = {
        "prompt_tokens": prompt,
        "completion_tokens": answer,
        "total_tokens": prompt + answer,
    }
    if target.backend in ("gpu", "hub", "scaleway") and random.random() < 0.3:
        told["prompt_tokens_details"] = {"cached_tokens": prompt // 2}
    if target.model.startswith("openai/"):
        told["completion_tokens_details"] = {"reasoning_tokens": answer // 3}
    return told


def at_work(hour: datetime) -> int:
    """How much is asked in an hour of the week."""
    local = hour.astimezone(PARIS)
    if local.weekday() >= 5:
        return 1
    return 20 if 8 <= local.hour < 19 else 2 if 6 <= local.hour < 23 else 1


def awake(hour: datetime) -> bool:
    """Is the endpoint up? It sleeps at night and at weekends."""
    return at_work(hour) > 1


def hours_between(begins: datetime, ends: datetime) -> list[datetime]:
    """The beginnings of the hours of a stretch of time, UTC."""
    first = begins.astimezone(UTC)
    return [first + timedelta(hours=number) for number in range(int((ends - begins) / timedelta(hours=1)))]


def milliseconds(moment: datetime) -> int:
    """Unix milliseconds."""
    return round(moment.timestamp() * 1000)
