"""Reports by hand that have everything in them, also what nobody should write: the forms of reports are tested on it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from passerelle.domain.money import PICO, pico, shared
from passerelle.reports.document import (
    BreakEven,
    BudgetLine,
    Day,
    Elsewhere,
    Energy,
    Forecast,
    Hours,
    PriceUsed,
    Report,
    Slice,
    TaxLine,
    Totals,
)

HOSTILE = '<script>alert("1")</script>'
OVERRIDE = "client\u202egnp.exe"
LONG = "organisation-with-a-long-name/" + "An-Extremely-Long-Model-Name-" * 4 + "Instruct-AWQ-4bit"
_BILLED = pico(Decimal("87.418765432109"))
_REQUESTS, _INPUT, _OUTPUT = 12_345, 18_204_512, 4_310_877


def parts(names: Sequence[str], weights: Sequence[int], *, total: int = _BILLED) -> tuple[Slice, ...]:
    """Slices that add up to a total, in every count."""
    billed, requests = shared(total, weights), shared(_REQUESTS, weights)
    read, written = shared(_INPUT, weights), shared(_OUTPUT, weights)
    rows = zip(names, requests, read, written, billed, strict=True)
    return tuple(
        Slice(
            name, requests=count, input_tokens=taken, output_tokens=given, cost=amount * 4 // 5, billed=amount
        )
        for name, count, taken, given, amount in rows
    )


def meters(total: int = _BILLED) -> tuple[Slice, ...]:
    """Slices by kind of token."""
    rows = [
        ("output", 4_100_200, "tokens", 50),
        ("input", 15_004_312, "tokens", 30),
        ("", 0, "", 12),
        ("cached_input", 3_200_200, "tokens", 4),
        ("reasoning", 210_677, "tokens", 3),
        ("image", 38, "images", 1),
    ]
    billed = shared(total, [row[3] for row in rows])
    return tuple(
        Slice(name, requests=_REQUESTS // (index + 1), quantity=quantity, unit=unit, billed=amount)
        for index, ((name, quantity, unit, _), amount) in enumerate(zip(rows, billed, strict=True))
    )


def _by() -> dict[str, tuple[Slice, ...]]:
    models = [
        "assistant",
        HOSTILE,
        LONG,
        OVERRIDE,
        "embeddings",
        *(f"model-{number:02}" for number in range(35)),
    ]
    return {
        "model": parts(models, [1000 - 24 * index for index in range(40)]),
        "backend": parts(["gpu", "scaleway", "endpoint", "hub"], [52, 31, 12, 5]),
        "provider": parts(["self", "scaleway", "huggingface", ""], [52, 31, 12, 5]),
        "country": parts(["FR", "IE", "NL", ""], [83, 12, 4, 1]),
        "meter": meters(),
        "use": parts(["", "rag", "surveys", "cache"], [70, 20, 9, 1]),
        "key": parts(["site-web", "intranet", "nuit & week-end"], [60, 39, 1]),
        "kind": parts(["settle", "allocate", "adjust"], [80, 19, 1]),
        "tag:projet": parts(["catalogue 2027", HOSTILE, "*", ""], [50, 25, 15, 10]),
    }


def _hours() -> tuple[Hours, ...]:
    return (
        Hours("gpu", Decimal("744.0"), pico(Decimal("565.44")), pico(Decimal("203.56")), pico(Decimal("361.88")),
              "operator", pico(Decimal("45.458")), Decimal("0.36"), {"input": "1", "cached_input": "0.1", "output": "4"}),
        Hours("endpoint", Decimal("96.5"), pico(Decimal("77.2")), pico(Decimal("70.252")), pico(Decimal("6.948")),
              "users", pico(Decimal("10.49")), Decimal("0.91")),
    )  # fmt: skip


def _elsewhere() -> tuple[Elsewhere, ...]:
    return (
        Elsewhere("gpu", "Qwen/Qwen2.5-7B-Instruct", "own", None, "FR", True, "0.76 EUR/h", _BILLED, 84, None, model="assistant"),
        Elsewhere("endpoint", "Qwen/Qwen2.5-7B-Instruct", "endpoint", "huggingface", "IE", False, "0.8 USD/h", pico(Decimal("512.11")), None, None, model="assistant"),
        Elsewhere("scaleway", LONG, "provider", "scaleway", "FR", False, "0.06 / 0.18 USD/Mtok", pico(Decimal("1.74")), 611, 480, "context", model="assistant"),
        Elsewhere("mystery", HOSTILE, "other", None, None, False, "?", None, None, 900, "no tools", model=HOSTILE),
    )  # fmt: skip


def _prices() -> tuple[PriceUsed, ...]:
    return (
        PriceUsed("qwen2.5-7b/input@2026-09-01", "USD", "0.86214", date(2026, 10, 1), 15_004_312, pico(Decimal("0.900258720"))),
        PriceUsed("qwen2.5-7b/output@2026-09-01", "USD", "0.86214", date(2026, 10, 1), 4_100_200, pico(Decimal("0.738036"))),
        PriceUsed(HOSTILE + "@2026-09-01", "EUR", None, None, 38, pico(Decimal("0.76"))),
    )  # fmt: skip


def full() -> Report:
    """A month in progress with every section filled, and forty models."""
    weekly = [9, 10, 11, 10, 8, 2, 1]
    spent = shared(_BILLED, [weekly[date(2026, 10, day).weekday()] * 7 + day for day in range(1, 22)])
    days = [Day(date(2026, 10, day), 500, amount) for day, amount in enumerate(spent, start=1)]
    days += [Day(date(2026, 10, day), 0, 0) for day in range(22, 32)]
    return Report(
        tenant="client-a",
        operator="Formation & Conseil SAS",
        month="2026-10",
        time_zone="Europe/Paris",
        currency="EUR",
        begins=datetime(2026, 9, 30, 22, tzinfo=UTC),
        ends=datetime(2026, 10, 31, 23, tzinfo=UTC),
        written_at=datetime(2026, 10, 21, 16, 5, tzinfo=UTC),
        closed=False,
        totals=Totals(
            requests=_REQUESTS,
            tries=12_502,
            failed_tries=157,
            input_tokens=_INPUT,
            output_tokens=_OUTPUT,
            cost=_BILLED * 4 // 5,
            billed=_BILLED,
            estimated=_BILLED * 6 // 100,
            unpriced_requests=412,
            retries=pico(Decimal("1.204")),
            saved=pico(Decimal("9.87654")),
            cache_hits=1_843,
        ),
        by=_by(),
        days=tuple(days),
        hours=_hours(),
        budget=(
            BudgetLine("tenant", 200 * PICO, _BILLED, "block"),
            BudgetLine("key:site-web", 50 * PICO, pico(Decimal("52.4512")), "notify"),
            BudgetLine("model:assistant", 40 * PICO, pico(Decimal("4.11")), "block"),
        ),
        forecast=Forecast("hour-of-week-bootstrap", 119 * PICO, pico(Decimal("128.4")), pico(Decimal("141.9")), 21, confident=True),
        elsewhere=_elsewhere(),
        break_even=(
            BreakEven("gpu", "scaleway", Decimal("2345.6"), Decimal("12.41"), "assistant"),
            BreakEven("endpoint", "hub", Decimal("4.2"), Decimal("12.41")),
        ),
        energy=Energy("modelled", (Decimal("383.2"), Decimal("1412.9")), (Decimal("15.8"), Decimal("58.5")), Decimal("0.93"), "energy.modelled"),
        prices=_prices(),
        tax=TaxLine("TVA", Decimal("20.0"), Decimal("17.48")),
        corrections=-pico(Decimal("1.2")),
        reconciled=("huggingface", HOSTILE),
        warnings=("unpriced", "estimated", "stale_rates", "open", "orphans"),
    )  # fmt: skip


def closed() -> Report:
    """A month that is over, under a budget far above it, without warnings."""
    report = full()
    spent = shared(_BILLED, [day % 7 + 1 for day in range(31)])
    days = tuple(
        Day(date(2026, 10, 1) + timedelta(days=index), 9, amount) for index, amount in enumerate(spent)
    )
    return replace(
        report,
        closed=True,
        written_at=datetime(2026, 11, 3, 8, tzinfo=UTC),
        days=days,
        forecast=None,
        warnings=(),
        totals=replace(report.totals, unpriced_requests=0, estimated=0),
        budget=(BudgetLine("tenant", 5000 * PICO, _BILLED, "notify"),),
        tax=None,
        corrections=0,
        reconciled=(),
    )


def nothing() -> Report:
    """A month in which nobody asked for anything, and nothing is configured."""
    return Report(
        tenant="client-b",
        operator="",
        month="2026-02",
        time_zone="UTC",
        currency="JPY",
        begins=datetime(2026, 2, 1, tzinfo=UTC),
        ends=datetime(2026, 3, 1, tzinfo=UTC),
        written_at=datetime(2026, 2, 1, 0, 0, 1, tzinfo=UTC),
        closed=False,
        totals=Totals(),
        by={},
        days=tuple(Day(date(2026, 2, day), 0, 0) for day in range(1, 29)),
    )


def everybody() -> Report:
    """The operator's own month: by tenant too, with what was paid beside what is billed, and more lines than fit."""
    report = closed()
    names = [f"client-{number:03}" for number in range(75)]
    return replace(report, tenant=None, by={**report.by, "tenant": parts(names, list(range(100, 25, -1)))})
