"""A ledger for tests of the FOCUS export, and how the export is read."""

from __future__ import annotations

import asyncio
import json
import random
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import text

from passerelle.domain.calendar import Month
from passerelle.domain.ledger import Certainty, EntryKind, Unit
from passerelle.domain.money import PICO, decimal, shared
from passerelle.ledger.posting import Posting, post
from passerelle.ledger.reconcile import Invoicer, reconcile
from passerelle.ledger.reconcile_files import read_invoice
from passerelle.reports.focus import FocusRow, Operator, Version, focus_rows
from passerelle.stores.database import Database

PARIS = ZoneInfo("Europe/Paris")
OCTOBER = Month(2026, 10)
BEGINS, ENDS = OCTOBER.bounds(PARIS)
OPERATOR = Operator("Université de Test", "univ", vendors={"router": "Hugging Face"})
TENANTS = ("client-a", "client-b", "client-c")
TOOLKIT = Path(sys.executable).with_name("focus-toolkit")

ATTEMPT = text("""INSERT INTO ledger_attempts (attempt_id, request_id, tenant, key_id, route, model, sequence, backend,
    target, country, provider, began_at, ended_at, catalog, tags, outcome, served, usage_source, payer)
    VALUES (:name, :name, :tenant, 'key_secret', 'chat', :model, 1, :backend, :target, :country, :provider, :at, :at,
    'v1', CAST(:tags AS jsonb), 'answered', :served, 'provider', :payer)""")


async def try_(
    database: Database, name: str, at: datetime, *, tenant: str = "client-a", meters: Mapping[str, int] | None = None,
    rate: str | None = "0.92", markup: int = 0, payer: str | None = None, backend: str = "router",
    certainty: Certainty = Certainty.EXACT, model: str = "assistant", target: str = "Qwen/Qwen3-8B",
    tags: Mapping[str, str] | None = None, per_unit: int = 70_000,
) -> None:  # fmt: skip
    """A try and its entries, as the drain books them. USD at a rate, or EUR where that is None."""
    payer = payer or f"tenant:{tenant}"
    provider = "together" if backend == "router" else None
    payee = "provider:together:payable" if provider else "operator:capacity"
    currency = "USD" if rate else "EUR"
    postings: list[Posting] = []
    for line, (meter, quantity) in enumerate((meters or {"input": 1000, "output": 37}).items(), 1):
        amount = 0 if certainty is Certainty.UNPRICED else quantity * per_unit
        cost = int(amount * Decimal(rate or 1))
        billed = cost + cost * markup // 100
        price = None if certainty is Certainty.UNPRICED else f"{target}:{meter}@2026-10-01={per_unit}"
        for account, sides in (
            (payer, (amount, billed)), (payee, (-amount, -cost)), ("operator:margin", (0, cost - billed)),
        ):  # fmt: skip
            if any(sides) or account != "operator:margin":
                postings.append(
                    Posting(
                        name, line, at, tenant, account, EntryKind.SETTLE, meter, quantity, Unit.TOKENS, currency,
                        sides[0], certainty, price, rate or "1", at.date() if rate else None, "EUR", sides[1],
                    )
                )  # fmt: skip
    async with database.begin() as connection:
        await connection.execute(
            ATTEMPT,
            {
                "name": name, "tenant": tenant, "model": model, "backend": backend, "target": target, "country": "FR",
                "provider": provider, "at": at, "tags": json.dumps(tags), "served": payer.startswith("tenant:"),
                "payer": payer,
            },
        )  # fmt: skip
        await post(connection, postings)


async def share_an_hour(database: Database, at: datetime, weights: Sequence[int], *, price: int) -> None:
    """An hour of the backend `gpu`, among the tenants and idleness."""
    accounts = [*(f"tenant:{tenant}" for tenant in TENANTS), "operator:idle"]
    reference = f"capacity:gpu:{at:%Y-%m-%dT%H:%MZ}"
    parts = shared(price, weights)
    times = shared(3_600_000, weights)
    lines = [
        (account, part, time) for account, part, time in zip(accounts, parts, times, strict=True) if part
    ]
    lines.append(("provider:lab:payable", -price, 3_600_000))
    async with database.begin() as connection:
        await post(
            connection,
            [
                Posting(
                    reference, number, at, account.partition(":")[2] if account.startswith("tenant") else "", account,
                    EntryKind.ALLOCATE, "hour", time, Unit.MILLISECONDS, "EUR", part, Certainty.ESTIMATED,
                    "gpu:hour@2026-10-01=9", "1", None, "EUR", part, "gpu",
                )
                for number, (account, part, time) in enumerate(lines, 1)
            ],
        )  # fmt: skip


async def correct(
    database: Database, reference: str, at: datetime, kind: EntryKind, amount: int, tenant: str
) -> None:
    async with database.begin() as connection:
        await post(
            connection,
            [
                Posting(
                    reference, 1, at, tenant, account, kind, "correction", 0, Unit.REQUESTS, "EUR", sign * amount,
                    Certainty.EXACT, None, None, None, "EUR", sign * amount, None, "because of Mme Martin",
                )
                for account, sign in ((f"tenant:{tenant}", 1), ("operator:goodwill", -1))
            ],
        )  # fmt: skip


async def a_month(database: Database, *, calls: int = 60, seed: int = 4) -> None:
    """A month of three tenants: two kinds of backend, retries, shares of hours, what is unpriced, corrections."""
    draw = random.Random(seed)
    for number in range(calls):
        tenant = draw.choice(TENANTS)
        at = BEGINS + timedelta(seconds=draw.randrange(int((ENDS - BEGINS).total_seconds())))
        kinds: dict[str, int] = {"input": draw.randrange(1, 10**7), "output": draw.randrange(1, 5000)}
        if draw.random() < 0.3:
            kinds |= {"cached_input": draw.randrange(1, 999), "reasoning": draw.randrange(1, 999)}
        rate = draw.choice(("0.92", "0.9163", None))
        await try_(
            database, f"att_{number}", at, tenant=tenant, meters=kinds, rate=rate,
            backend="router" if rate else "gpu", markup=20 if tenant == "client-c" else 0,
            payer="operator:retry" if draw.random() < 0.1 else None,
            certainty=draw.choice((Certainty.EXACT, Certainty.EXACT, Certainty.ESTIMATED, Certainty.UNPRICED)),
            target=draw.choice(("Qwen/Qwen3-8B", "=cmd|'/C calc'!A0")), per_unit=draw.choice((70_000, 123_457)),
            tags={"course": draw.choice(("maths", "été")), "email": "anne@example.org"},
        )  # fmt: skip
    for hour in range(3):
        weights = [draw.randrange(10**6) for _ in TENANTS]
        at = BEGINS + timedelta(hours=9 + hour)
        await share_an_hour(database, at, [*weights, 10**6], price=1_234_567_891_011 + hour)
    await correct(database, "fix-1", BEGINS + timedelta(days=9), EntryKind.ADJUST, -PICO // 3, "client-a")
    await correct(database, "gift-1", BEGINS + timedelta(days=9), EntryKind.CREDIT, -5 * PICO, "client-b")
    content = b"month,amount,currency\n2026-10,600,USD\n"
    await reconcile(
        database, read_invoice(content, month=OCTOBER, source="i"), Invoicer("hub", providers=frozenset({"together"})),
        zone=PARIS, exchange=None,
    )  # fmt: skip


async def export(
    database: Database,
    tenant: str | None = None,
    *,
    month: Month = OCTOBER,
    version: Version = "1.4",
    **other: Any,
) -> list[FocusRow]:
    return await focus_rows(
        database,
        tenant=tenant,
        month=month,
        zone=PARIS,
        operator=OPERATOR,
        currency="EUR",
        version=version,
        **other,
    )


async def lint(path: Path, *options: str) -> tuple[int, str]:
    """What the toolkit says of a file."""
    return await toolkit("validate", str(path), *options)


async def toolkit(*arguments: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        TOOLKIT, *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    out, _ = await process.communicate()
    return process.returncode or 0, out.decode()


async def billed(database: Database, account: str) -> Decimal:
    query = text(
        "SELECT coalesce(sum(billed_pico), 0) FROM ledger_entries WHERE account = :a AND period = '2026-10'"
    )
    async with database.begin() as connection:
        return decimal(int((await connection.execute(query, {"a": account})).scalar_one()))


def total(rows: Sequence[FocusRow], column: str = "BilledCost") -> Decimal:
    return sum((Decimal(row[column] or 0) for row in rows), Decimal(0))
