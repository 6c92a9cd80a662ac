"""Small months for the tests of reports: one that anybody can add up by heart, and ledgers that are hardly possible."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from passerelle.domain.billing import Budget, Ceiling, OnExceed, Tax
from passerelle.domain.calendar import Month
from passerelle.domain.ledger import Certainty, Ended, EntryKind, Exchange, Line, Unit
from passerelle.ledger.posting import Posting
from passerelle.reports.build import build
from passerelle.reports.document import BreakEven, Elsewhere, Energy, Forecast, Report
from passerelle.reports.rows import BilledDay, CapacityPart, Group, Rows, SharingTerms, Tries
from tests.ledger_month import PARIS, Event

OCTOBER = Month(2026, 10)
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
EVIL = "=cmd|' /C calc'!A0"
CENT = 10**10  # pico-units


def group(**other: Any) -> Group:
    """What client-a is charged for 1,000 tokens read by served tries: 1.10 EUR, which cost 1 EUR."""
    plain = Group(
        kind="settle", side="tenant", payer="tenant", served=True, tenant="client-a", model="assistant",
        backend="hub", target="qwen", provider="scaleway", country="FR", meter="input", unit="tokens", use="",
        key="key_1", certainty="exact", price_id="hub:input@2026=1", currency="EUR", fx_rate="1", fx_date=None,
        billed_currency="EUR", lines=2, quantity=1000, amount=100 * CENT, billed=110 * CENT, saved=0, rate_age=None,
    )  # fmt: skip
    return replace(plain, **other)


def tries(**other: Any) -> Tries:
    """Two of them, served."""
    plain = Tries(
        tenant="client-a", model="assistant", backend="hub", target="qwen", provider="scaleway", country="FR", use="",
        key="key_1", served=True, tries=2, unpriced=0, cached=0, unknown=0,
    )  # fmt: skip
    return replace(plain, **other)


def rows(*more: Group, **other: Any) -> Rows:
    """Two requests with a markup of ten per cent, and an hour of capacity of which a third is client-a's."""
    groups = (
        group(),
        group(side="margin", amount=0, billed=-10 * CENT),
        group(side="payee", amount=-100 * CENT, billed=-100 * CENT),
        group(kind="allocate", payer="", served=False, model="", backend="gpu", provider="", country="", meter="hour",
              unit="milliseconds", key="", certainty="estimated", price_id="gpu:hour", quantity=3_600_000, lines=1,
              billed=25 * CENT, amount=25 * CENT),
    )  # fmt: skip
    plain = Rows(
        groups=(*groups, *more),
        tries=(tries(), tries(served=False, tries=1)),
        days=(BilledDay(date(2026, 10, 25), 135 * CENT + sum(each.billed for each in more)),),
        served_days={date(2026, 10, 25): 2},
        capacity=(
            CapacityPart("gpu", "tenant:client-a", "capacity", 1, 1_200_000, 25 * CENT, "client-a"),
            CapacityPart("gpu", "provider:self:payable", "capacity", 1, 1_200_000, -25 * CENT, "client-a"),
            CapacityPart("gpu", "tenant:client-b", "capacity", 1, 600_000, 14 * CENT, "client-b"),
            CapacityPart("gpu", "operator:margin", "capacity", 1, 600_000, -1 * CENT, "client-b"),
            CapacityPart("gpu", "provider:self:payable", "capacity", 1, 600_000, -13 * CENT, "client-b"),
            CapacityPart("gpu", "operator:idle", "capacity", 1, 1_800_000, 38 * CENT, "", idle=True),
            CapacityPart("gpu", "provider:self:payable", "capacity", 1, 1_800_000, -38 * CENT, "", idle=True),
        ),
        sharing={"gpu": SharingTerms("operator", {"output": "4"})},
    )
    return replace(plain, **other)


def built(given: Rows | None = None, **other: Any) -> Report:
    """The report of these rows."""
    known: dict[str, Any] = {
        "tenant": "client-a", "operator": "Formation SAS", "currency": "EUR", "month": OCTOBER, "zone": PARIS,
        "now": NOW, "closed": True,
    }  # fmt: skip
    return build(given or rows(), **(known | other))


def full() -> Report:
    """A report in which nothing is missing, and every name comes from somebody who means ill."""
    evil = group(model=EVIL, key="key_2", price_id="x", certainty="estimated", billed=5 * CENT, currency="USD",
                 fx_rate="0.86", fx_date=date(2026, 10, 1), rate_age=20)  # fmt: skip
    ceiling = Ceiling(200 * 100 * CENT, OnExceed.BLOCK)
    return built(
        rows(evil, group(kind="credit", payer="", served=False, meter="credit", billed=-3 * CENT)),
        closed=False,
        budget=Budget("EUR", ceiling, {"ci": ceiling}, {"assistant": ceiling}),
        key_ids={"ci": "key_1"},
        tax=Tax("TVA", Decimal(20)),
        forecast=Forecast("hour-of-week-bootstrap", 1, 2, 3, 20, confident=True),
        elsewhere=[
            Elsewhere("hub", EVIL, "provider", "nscale", "NO", False, "0.1 USD", None, None, 600, "@context")
        ],
        break_even=[BreakEven("gpu", "hub", Decimal("1234.5"), Decimal("0.5"))],
        energy=Energy(
            "modelled", (Decimal(1), Decimal(2)), (Decimal(3), Decimal(4)), Decimal("0.5"), "inputs"
        ),
        reconciled=["scaleway"],
        tags=("course",),
    )


def with_cache() -> Report:
    """A report of a month in which a cache saved less than its own calls were charged."""
    hit = group(certainty="exact", price_id=None, amount=0, billed=0, saved=2 * CENT)
    paid = group(side="tenant", use="cache-embed", key="internal:cache-embed", billed=5 * CENT)
    return built(rows(hit, paid))


def hardly_possible(random: Random, events: list[Event]) -> list[Event]:
    """The same tries, as odd as entries can be: unpriced, in amounts of every size, without a rate, lost, unknown."""
    return [(began, _odd(random, ended)) for began, ended in events]


def _odd(random: Random, ended: Ended) -> Ended:
    lines = tuple([_odd_line(random, line) for line in ended.lines])
    exchange = random.choice((ended.exchange, None, Exchange("EUR", "0.123456789", "2026-09-01")))
    if not ended.served:
        return replace(
            ended, lines=lines, exchange=exchange, payer=random.choice(("operator:retry", "operator:lost"))
        )
    unknown = random.random() < 0.1
    return replace(ended, lines=lines, exchange=exchange, outcome="unknown" if unknown else ended.outcome)


def _odd_line(random: Random, line: Line) -> Line:
    certainty = random.choice(tuple(Certainty))
    if certainty is Certainty.UNPRICED:
        return replace(line, certainty=certainty, amount=0, cost=0, billed=0, price_id=None)
    amount, cost, billed = (random.choice((0, 1, 10 ** random.randrange(20))) for _ in range(3))
    return replace(line, certainty=certainty, amount=amount, cost=cost, billed=billed)


def corrections(random: Random, month: Month, tenants: tuple[str, ...]) -> list[Posting]:
    """Credits, adjustments and what was taken back, in this month, some of what is of the month before."""
    begins, _ = month.bounds(PARIS)
    postings: list[Posting] = []
    for number in range(random.randrange(1, 9)):
        kind = random.choice((EntryKind.ADJUST, EntryKind.CREDIT, EntryKind.VOID))
        whose = random.choice((*tenants, ""))
        amount = random.randrange(-(10**13), 10**13)
        account = f"tenant:{whose}" if whose else "operator:reconciliation"
        other = random.choice(("operator:margin", "provider:novita:payable"))
        at = begins + timedelta(hours=random.randrange(0, 600))
        for side, signed in ((account, amount), (other, -amount)):
            postings.append(
                Posting(
                    f"{kind}:{month}:{number}",
                    1,
                    at,
                    whose,
                    side,
                    kind,
                    "correction",
                    1,
                    Unit.REQUESTS,
                    "EUR",
                    signed,
                    Certainty.RECONCILED,
                    None,
                    "1",
                    None,
                    "EUR",
                    signed,
                    random.choice(("hub", None)),
                )
            )
    return postings
