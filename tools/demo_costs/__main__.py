"""`python -m tools.demo_costs [folder]`: a month of three companies, its reports in every form, and the same figures again.

Exits 1 where the ledger does not add up, or where a figure of a report is not what the plain recomputation gives.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import time
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import get_args

import orjson

from passerelle.domain.calendar import Month
from passerelle.reports.desk import Form, Language
from tools.demo_costs.again import Month as Again
from tools.demo_costs.again import Rates, month_again
from tools.demo_costs.books import Demo, last_whole_hour, opened
from tools.demo_costs.compare import differences, lines
from tools.demo_costs.traffic import PARIS, Fact, milliseconds
from tools.demo_costs.world import CONFIGURATION

ROOT = Path(__file__).parents[2]
RATES = ROOT / "src" / "passerelle" / "ledger" / "rates" / "eurofxref.csv"
REQUESTS = 4_000  # in the month; the month we are in has its part of as many


def say(text: str) -> None:
    """To people."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


async def book(demo: Demo, now: datetime, *, requests: int, hours: int | None = None) -> Month:
    """Last month and this one as far as it has gone, of capacity so many hours at most; gives last month."""
    this = Month.of(now, PARIS)
    last = this.previous
    until = last_whole_hour(now)
    begins, ends = last.bounds(PARIS)
    await demo.book_tries(begins, ends, requests, seed=str(last))
    if ends < until:
        so_far = (until - ends) / (this.bounds(PARIS)[1] - ends)
        await demo.book_tries(ends, until, round(requests * so_far), seed=str(this))
    shared = max(ends, until)
    await demo.book_hours(begins, shared if hours is None else min(shared, begins + timedelta(hours=hours)))
    return last


async def write_pages(demo: Demo, months: list[Month]) -> dict[tuple[str | None, str], bytes]:
    """Every form of every report, as files; gives the JSON ones."""
    found: dict[tuple[str | None, str], bytes] = {}
    folder = demo.folder / "reports"
    folder.mkdir()
    for month in months:
        for tenant in (*demo.editions.catalog.tenants, None):
            # Of the month we are in, what people read and programs compare.
            for form in get_args(Form) if month is months[0] else ("json", "html"):
                languages = get_args(Language) if form in ("html", "xlsx") else ("fr",)
                for language in languages:
                    page = await demo.desk.page(
                        tenant, str(month), form=form, language=language, version="1.4"
                    )
                    stem, _, suffix = page.filename.partition(".")
                    if len(languages) > 1 or form in ("html", "xlsx"):
                        stem = f"{stem}-{language}"
                    (folder / f"{stem}.{suffix}").write_bytes(page.content)
                    if form == "json":
                        found[tenant, str(month)] = page.content
    return found


def read_again(demo: Demo, month: Month) -> Again:
    """The month from the facts alone, as they lie in their file."""
    told = (demo.folder / "facts.jsonl").read_text("utf-8").splitlines()
    facts = [Fact(**orjson.loads(line)) for line in told]
    hours = [milliseconds(hour) for hour in demo.hours]
    return month_again(facts, hours, demo.editions.catalog.tenants, Rates(RATES), str(month))


async def main(
    folder: Path, *, address: str | None = None, requests: int = REQUESTS, hours: int | None = None
) -> int:
    """Everything, in order; the exit status."""
    began = time.monotonic()

    def step(text: str) -> None:
        say(f"{time.monotonic() - began:6.1f} s  {text}")

    async with opened(folder, address=address) as demo:
        step(f"PostgreSQL, configuration {demo.editions.catalog.version} and three tenants in {folder}")
        now = datetime.now(UTC)
        last = await book(demo, now, requests=requests, hours=hours)
        (folder / "facts.jsonl").write_bytes(b"\n".join(orjson.dumps(asdict(fact)) for fact in demo.facts))
        step(
            f"{len(demo.facts)} tries of {requests} requests a month and {len(demo.hours)} hours of two machines booked"
        )
        months = list(dict.fromkeys([last, Month.of(demo.hours[-1], PARIS)]))
        written = await write_pages(demo, months)
        step(
            f"{len(list((folder / 'reports').iterdir()))} reports of {' and '.join(map(str, months))} written"
        )
        wrong, reports = await demo.office.verify(str(last))
        step(f"verified: the entries add up, and {reports} reports give the same figures when summed again")
        for month in months:
            again = read_again(demo, month)
            say("")
            for line in lines(again, written, str(month)):
                say(line)
            wrong += differences(again, written, str(month))
    for each in wrong[:40]:
        say(f"WRONG: {each}")
    say("")
    step("Every figure is the same." if not wrong else f"{len(wrong)} figures differ.")
    return 1 if wrong else 0


def empty(folder: Path) -> Path:
    """Without what an earlier demonstration left there. Exits where anything else lies in it."""
    if folder.exists() and any(folder.iterdir()):
        ours = folder / "providers.yaml"
        if not ours.is_file() or not ours.read_text("utf-8").startswith(CONFIGURATION.partition("\n")[0]):
            sys.exit(f"{folder} holds something else than a demonstration: name an empty folder.")
        shutil.rmtree(folder)
    return folder


if __name__ == "__main__":
    scratch = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "data" / "demo-costs"
    sys.exit(asyncio.run(main(empty(scratch))))
