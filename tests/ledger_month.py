"""A month of traffic as it comes: three tenants at work in Paris, on a machine, an endpoint and providers. Seeded."""

from __future__ import annotations

import asyncio
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

from passerelle.domain.billing import Sharing
from passerelle.domain.calendar import Month
from passerelle.domain.ledger import (
    Began,
    Ended,
    Exchange,
    Line,
    TokenKind,
    UsageSource,
)
from passerelle.ledger import capacity
from passerelle.ledger.allocation_lines import Hour, Terms, postings
from passerelle.ledger.charge import charge
from passerelle.ledger.drain import Drain
from passerelle.ledger.exchange import Rate
from passerelle.ledger.posting import Posting, post
from passerelle.ledger.quotes import PriceSource, Quote, token_meters
from passerelle.ledger.spool import Spool
from passerelle.ledger.usage import Counted, counted
from passerelle.stores.database import Database

PARIS = ZoneInfo("Europe/Paris")
CURRENCY = "EUR"
TENANTS = ("client-a", "client-b", "client-c")
MARKUP = {"client-b": 15}  # percent
HOURLY = {"gpu": (760_000_000_000, "EUR"), "endpoint": (800_000_000_000, "USD")}  # pico-units an hour
_COURSES = ("français", "maths", "=cmd|' /C calc'!A0", "droit")
_BATCH = 20_000
_QWEN = "Qwen/Qwen2.5-7B-Instruct"

Event = tuple[Began, Ended]


@dataclass(frozen=True)
class Place:
    """Where a model may be answered, and what a million tokens cost there; None = nobody knows."""

    backend: str
    target: str
    provider: str | None
    country: str | None
    payee: str | None
    currency: str
    prices: Mapping[TokenKind, Decimal] | None
    first_ms: int

    def quote(self) -> Quote:
        """What applies."""
        if self.prices is None:
            return Quote(CURRENCY, PriceSource.UNKNOWN, "Nobody states it.")
        sku = f"{self.backend}/{self.provider or 'own'}/{self.target}"
        meters = token_meters(self.prices, sku=sku, currency=self.currency, valid_from="2026-01-01")
        return Quote(self.currency, PriceSource.PROVIDER, "Listed.", meters)


def _at(read: str, written: str, cached: str | None = None) -> dict[TokenKind, Decimal]:
    return {
        TokenKind.INPUT: Decimal(read),
        TokenKind.CACHED_INPUT: Decimal(cached or read),
        TokenKind.OUTPUT: Decimal(written),
        TokenKind.REASONING: Decimal(written),
    }


GPU = Place("gpu", _QWEN, None, "FR", "operator:capacity", "EUR", _at("0", "0"), 90)
ENDPOINT = Place("endpoint", _QWEN, "huggingface", "IE", None, "USD", _at("0", "0"), 160)
NOVITA = Place("hub", _QWEN, "novita", "US", None, "USD", _at("0.0375", "0.05", "0.01"), 900)
SCALEWAY = Place("hub", _QWEN, "scaleway", "FR", None, "EUR", _at("0.15", "0.35"), 480)
NSCALE = Place("hub", "openai/gpt-oss-120b", "nscale", "NO", None, "USD", _at("0.10", "0.40"), 620)
UNPRICED = Place("legacy", "acme/model", "acme", None, None, "EUR", None, 700)
EMBEDDER = Place("embedder", "intfloat/multilingual-e5-small", None, "FR", None, "EUR", _at("0.01", "0"), 12)
_CHAIN = (GPU, ENDPOINT, NOVITA, SCALEWAY)


def rate_of(day: date) -> Rate:
    """Euros for a dollar on a day, as a table of reference rates would have it."""
    return Rate(f"0.{8600 + day.day * 7 % 90}", day)


def make_month(seed: int, month: Month, tenants: int = 3, requests: int = 2000) -> list[Event]:
    """So many requests and all of their tries, by when they ended; the first and the last of them at the month's edges."""
    random = Random(seed)
    hours = _hours(month)
    weights = [_busy(hour.astimezone(PARIS)) for hour in hours]
    begins, ends = month.bounds(PARIS)
    moments = [
        hour + timedelta(milliseconds=random.randrange(3_600_000))
        for hour in random.choices(hours, weights, k=requests)
    ]
    moments[:2] = [begins, ends - timedelta(milliseconds=9_000)][: len(moments)]
    events: list[Event] = []
    for number, moment in enumerate(sorted(moments)):
        events += _request(random, f"{seed}-{month}-{number:07}", moment, TENANTS[:tenants])
    last = _milliseconds(ends) - 1
    return sorted(
        (
            (replace(began, at=min(began.at, last)), replace(ended, at=min(ended.at, last)))
            for began, ended in events
        ),
        key=lambda event: event[1].at,
    )


def make_hours(events: Iterable[Event], month: Month) -> list[Posting]:
    """Every hour of the machine, and of the endpoint while anybody was at work, shared among those who used it."""
    ran: dict[tuple[str, datetime], list[Event]] = defaultdict(list)
    for began, ended in events:
        if began.backend in HOURLY:
            hour = datetime.fromtimestamp(ended.at // 3_600_000 * 3600, UTC)
            ran[began.backend, hour].append((began, ended))
    found: list[Posting] = []
    for hour in _hours(month):
        for backend in HOURLY:
            if backend == "gpu" or _busy(hour.astimezone(PARIS)) > 1:
                found += _hour(backend, hour, ran[backend, hour])
    return found


async def write_month(database: Database, events: Sequence[Event], *, zone: ZoneInfo = PARIS) -> None:
    """Book them as a gateway does: through a spool, drained."""
    from sqlalchemy import text

    async with database.begin() as connection:
        await connection.execute(text("UPDATE ledger_calendar SET time_zone = :zone"), {"zone": zone.key})
    with tempfile.TemporaryDirectory() as folder:
        spool = Spool(Path(folder), sync_seconds=60, least_free=0)
        drain = Drain(database, Path(folder), own=spool)
        try:
            for first in range(0, len(events), _BATCH):
                await asyncio.to_thread(_spool, spool, events[first : first + _BATCH])
                await drain.drain_once()
        finally:
            spool.close()
        await drain.drain_once()


async def write_hours(database: Database, shares: Sequence[Posting]) -> None:
    """Book shares of capacity."""
    async with database.begin() as connection:
        await post(connection, shares)


def _spool(spool: Spool, events: Sequence[Event]) -> None:
    for began, ended in events:
        spool.begin(began)
        spool.end(ended)


def _hours(month: Month) -> list[datetime]:
    begins, ends = month.bounds(PARIS)
    return [begins + timedelta(hours=number) for number in range(int((ends - begins) / timedelta(hours=1)))]


def _busy(local: datetime) -> int:
    """How much is asked at an hour of the week."""
    if local.weekday() >= 5:
        return 1
    return 20 if 8 <= local.hour < 19 else 2 if 6 <= local.hour < 23 else 1


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _request(random: Random, name: str, moment: datetime, tenants: Sequence[str]) -> list[Event]:
    tenant = random.choices(tenants, (5, 3, 1)[: len(tenants)])[0]
    embeds = random.random() < 0.25
    places = [EMBEDDER] if embeds else [random.choices(_CHAIN, (6, 2, 2, 1))[0]]
    if not embeds and random.random() < 0.04:
        places = [NSCALE]
    if random.random() < 0.006:
        places = [UNPRICED]
    if not embeds and random.random() < 0.04:
        places.append(random.choice((NOVITA, SCALEWAY)))
    first = Began(
        attempt_id="",
        request_id=f"req_{name}",
        tenant=tenant,
        key_id=f"key_{tenant[-1]}{random.choice('12')}",
        route="embeddings" if embeds else "chat",
        model="embeddings" if embeds else "assistant",
        sequence=1,
        backend="",
        target="",
        country=None,
        at=_milliseconds(moment),
        catalog="v1",
        tags={"course": random.choice(_COURSES)} if random.random() < 0.6 else None,
        use=random.choices(("", "rag"), (9, 1))[0],
    )
    return [
        _try(random, first, number, place, fails=place is not places[-1] or number < len(places))
        for number, place in enumerate(places, 1)
    ]


def _try(random: Random, first: Began, number: int, place: Place, *, fails: bool) -> Event:
    began = replace(
        first,
        attempt_id=f"att_{first.request_id[4:]}-{number}",
        sequence=number,
        backend=place.backend,
        target=place.target,
        country=place.country,
        at=first.at + 400 * (number - 1),
    )
    took = random.randrange(20, 8_000)
    prompt, answer = random.randrange(20, 6_000), random.randrange(1, 900)
    hit = not fails and random.random() < 0.04
    cut = not fails and not hit and random.random() < 0.03
    usage = None if cut or (fails and random.random() < 0.6) else _usage(random, place, prompt, answer)
    used = counted(
        [usage] if usage else [], sent=4 * prompt, received=2 * answer, generates=place is not EMBEDDER
    )
    rate = (
        rate_of(datetime.fromtimestamp(began.at / 1000, UTC).date())
        if place.currency != CURRENCY
        else Rate("1")
    )
    lines = (
        () if fails and usage is None else _lines(used, place, rate, took, first.tenant, fails=fails, hit=hit)
    )
    ended = Ended(
        attempt_id=began.attempt_id,
        at=began.at + took,
        outcome="failed" if fails else "cached" if hit else "cancelled" if cut else "answered",
        fault="upstream_error" if fails else None,
        served=not fails,
        provider=place.provider,
        upstream_id=f"up-{began.attempt_id}",
        usage=usage,
        usage_source=used.source if lines else UsageSource.NONE,
        payer="operator:retry" if fails else f"tenant:{first.tenant}",
        lines=lines,
        payee=place.payee,
        exchange=Exchange(CURRENCY, rate.text, rate.on.isoformat() if rate.on else None),
        first_ms=None if fails else int(place.first_ms * random.uniform(0.7, 2.5)),
    )
    return began, ended


def _usage(random: Random, place: Place, prompt: int, answer: int) -> dict[str, object]:
    if place is EMBEDDER:
        return {"prompt_tokens": prompt, "total_tokens": prompt}
    told: dict[str, object] = {
        "prompt_tokens": prompt, "completion_tokens": answer, "total_tokens": prompt + answer,
    }  # fmt: skip
    if place is NOVITA and random.random() < 0.3:
        told["prompt_tokens_details"] = {"cached_tokens": prompt // 2}
    if place is NSCALE:
        told["completion_tokens_details"] = {"reasoning_tokens": answer // 3}
    return told


def _lines(
    used: Counted, place: Place, rate: Rate, took: int, tenant: str, *, fails: bool, hit: bool
) -> tuple[Line, ...]:
    found = []
    for line in charge(used, place.quote(), milliseconds=took):
        cost = rate.of(line.amount)
        billed = cost if fails else cost * (100 + MARKUP.get(tenant, 0)) // 100
        if hit:
            found.append(replace(line, amount=0, cost=0, billed=0, saved=billed, price_id=None))
        else:
            found.append(replace(line, cost=cost, billed=billed))
    return tuple(found)


def _hour(backend: str, hour: datetime, ran: Sequence[Event]) -> list[Posting]:
    """What it cost and who bears it: those who used it, by what they used, and the operator for the rest."""
    price, currency = HOURLY[backend]
    begin = _milliseconds(hour)
    weights: dict[str, int] = defaultdict(int)
    for began, ended in ran:
        used = {line.meter: line.quantity for line in ended.lines}
        weights[f"tenant:{began.tenant}"] += capacity.weigh(used, Sharing())
    payee = "provider:self:payable" if backend == "gpu" else "provider:huggingface:payable"
    name = f"{backend}:hour@2026-01-01={price}"
    stretch = capacity.Stretch(begin, 1, price, currency, name, payee)
    paid = capacity.paid([stretch], begin, begin + capacity.HOUR)
    busy = paid.busy((began.at, ended.at) for began, ended in ran)
    known = Hour(backend, hour, paid, busy, weights, Sharing(), payee, currency)
    return postings(known, Terms(CURRENCY, _Rates(), lambda tenant: Decimal(MARKUP.get(tenant, 0))))


class _Rates:
    """The month's reference rates."""

    def rate(self, source: str, target: str, day: date) -> Rate:
        return Rate("1") if source == target else rate_of(day)
