"""The ledger beside what engines and clients saw: sentences of what does not fit, none where all does."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import text

from passerelle.ledger.book import verify
from passerelle.ledger.drain_rows import CACHED, UNSEEN
from passerelle.stores.database import Database
from tests.embedded import embedded
from tests.kill.engine import Heard
from tests.kill.traffic import Told

# Pico-units of a euro for one token, as `configuration` in the test states them.
PRICES = {"shaky": {"input": 3_000_000, "cached_input": 1_000_000, "output": 15_000_000},
          "steady": {"input": 1_000_000, "cached_input": 500_000, "output": 2_000_000}}  # fmt: skip

_UNSENT = frozenset(
    {"unknown", "failed", "hung_up"}
)  # outcomes of a try that its engine may never have heard of


@dataclass(frozen=True)
class Books:
    """Every row of the ledger."""

    attempts: Sequence[Mapping[str, Any]]
    entries: Sequence[Mapping[str, Any]]
    wrong: Sequence[str]  # in the words of `verify`
    sightings: Sequence[Mapping[str, Any]] = ()

    @property
    def unknown(self) -> int:
        """Tries whose process died."""
        return sum(row["outcome"] == "unknown" for row in self.attempts)

    def billed(self, account: str) -> int:
        """What an account owes, in pico-units."""
        return int(sum(row["billed_pico"] or 0 for row in self.entries if row["account"] == account))


async def read(data: Path) -> Books:
    """The ledger in the data folder of a service that is not running."""
    with embedded(data) as address:
        database = Database(address)
        try:
            async with database.begin() as connection:
                attempts = (await connection.execute(text("SELECT * FROM ledger_attempts"))).mappings().all()
                entries = (await connection.execute(text("SELECT * FROM ledger_entries"))).mappings().all()
                seen = (await connection.execute(text("SELECT * FROM subject_sighting"))).mappings().all()
            wrong = await verify(database)
        finally:
            await database.aclose()
    return Books(
        [dict(row) for row in attempts],
        [dict(row) for row in entries],
        wrong,
        [dict(row) for row in seen],
    )


def audit(books: Books, heard: Sequence[Heard], told: Sequence[Told]) -> list[str]:
    """Everything that is wrong."""
    rows, told_of = books.attempts, {each.request_id: each for each in told}
    return [
        *books.wrong,
        *_sums(books.entries),
        *_each_heard_has_one_row(rows, heard),
        *_each_row_was_heard(rows, heard),
        *_each_row_has_its_entries(books),
        *_usage_is_the_engines(books, heard),
        *_clients_agree(rows, told_of),
        *_each_try_for_a_person_was_seen_once(books, told_of),
    ]


def _sums(entries: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    sums: Counter[str] = Counter()
    for row in entries:
        sums[f"amount in {row['currency']}"] += row["amount_pico"]
        sums[f"billed in {row['billed_currency']}"] += row["billed_pico"] or 0
    yield from (f"The {name} adds up to {total}." for name, total in sums.items() if total)


def _each_heard_has_one_row(rows: Sequence[Mapping[str, Any]], heard: Sequence[Heard]) -> Iterator[str]:
    """None lost: by the engine's own id where its head was read, else by how many tries were made of a request."""
    made = Counter((row["request_id"], row["backend"]) for row in rows)
    asked = Counter((each.request_id, each.backend) for each in heard)
    yield from (
        f"{key} was heard {count} times and has {made[key]} rows."
        for key, count in asked.items()
        if made[key] < count
    )
    twice = Counter(row["upstream_id"] for row in rows if row["upstream_id"])
    yield from (f"The answer {name} has {count} rows." for name, count in twice.items() if count > 1)
    names = Counter(row["attempt_id"] for row in rows)
    yield from (f"The try {name} has {count} rows." for name, count in names.items() if count > 1)
    first = Counter((row["request_id"], row["sequence"]) for row in rows)
    yield from (f"Try {key} is there {count} times." for key, count in first.items() if count > 1)


def _each_row_was_heard(rows: Sequence[Mapping[str, Any]], heard: Sequence[Heard]) -> Iterator[str]:
    """No phantoms: what no engine heard of was begun when a process died, failed on its way, or was broken off."""
    by_id = {each.id: each for each in heard}
    asked = Counter((each.request_id, each.backend) for each in heard)
    surplus: dict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        key = row["request_id"], row["backend"]
        surplus[key].append(row)
        name = row["upstream_id"]
        if name and (name not in by_id or (by_id[name].request_id, by_id[name].backend) != key):
            yield f"The try {row['attempt_id']} names the answer {name}, which is not its own."
        if row["served"] and not name:
            yield f"The try {row['attempt_id']} served and names no answer."
    for key, made in surplus.items():
        free = sum(row["outcome"] in _UNSENT and not row["served"] for row in made)
        if len(made) - asked[key] > free:
            yield f"{key} was heard {asked[key]} times and has {len(made)} rows, {free} of them unsent."


def _each_row_has_its_entries(books: Books) -> Iterator[str]:
    of: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for entry in books.entries:
        of[entry["attempt_id"]].append(entry)
    for row in books.attempts:
        entries, name = of.pop(row["attempt_id"], []), row["attempt_id"]
        payers = {entry["account"] for entry in entries if entry["amount_pico"] > 0}
        payees = {entry["account"] for entry in entries if entry["amount_pico"] < 0}
        lines = Counter((entry["line"], entry["account"]) for entry in entries)
        if any(count > 1 for count in lines.values()):
            yield f"A line of the try {name} is settled more than once."
        if row["served"] and (payers != {f"tenant:{row['tenant']}"} or not entries):
            yield f"The try {name} served {row['tenant']} and was paid by {payers}."
        if row["outcome"] == "unknown":
            owed = [(e["amount_pico"], e["billed_pico"]) for e in entries if e["account"] == "operator:lost"]
            if payers != {"operator:lost"} or owed != [(row["held_pico"], row["held_pico"])]:
                yield f"The try {name} was lost, {payers} paid for it, {owed} of {row['held_pico']}."
        elif payers - {f"tenant:{row['tenant']}", "operator:retry"}:
            yield f"The try {name} was paid by {payers}."
        if entries and payees != {f"provider:{row['backend']}:payable"}:
            yield f"The try {name} paid {payees}."
    yield from (f"The entries of {name} are of no try." for name in of)


def _each_try_for_a_person_was_seen_once(books: Books, told: Mapping[str, Told]) -> Iterator[str]:
    """By whom it went to: the tables of the ledger know no person, and those of people no try."""
    made: Counter[tuple[str, ...]] = Counter()
    for row in books.attempts:
        known = told.get(row["request_id"])
        if known is not None and known.user and row["outcome"] != CACHED and row["fault"] not in UNSEEN:
            made[row["tenant"], row["backend"], row["provider"] or row["backend"]] += 1
    seen: Counter[tuple[str, ...]] = Counter()
    for row in books.sightings:
        seen[row["tenant"], row["backend"], row["provider"]] += row["calls"]
    yield from (
        f"{key} was tried {made[key]} times for people, and seen {seen[key]} times."
        for key in made.keys() | seen.keys()
        if made[key] != seen[key]
    )


def _usage_is_the_engines(books: Books, heard: Sequence[Heard]) -> Iterator[str]:
    by_id = {each.id: each for each in heard}
    quantities: dict[str, Counter[str]] = defaultdict(Counter)
    amounts: Counter[str] = Counter()
    for entry in books.entries:
        if entry["amount_pico"] > 0:
            quantities[entry["attempt_id"]][entry["meter"]] += int(entry["quantity"])
            amounts[entry["attempt_id"]] += int(entry["amount_pico"])
    for row in books.attempts:
        if row["outcome"] != "answered":
            continue
        name, answer = row["attempt_id"], by_id.get(row["upstream_id"] or "")
        if answer is None or answer.usage is None or not answer.finished:
            yield f"The try {name} was answered, and its engine did not finish."
            continue
        if row["usage"] != answer.usage or row["usage_source"] != "provider":
            yield f"The try {name} used {row['usage']}, its engine said {answer.usage}."
        cached = answer.usage["prompt_tokens_details"]["cached_tokens"]
        used = {
            "input": answer.usage["prompt_tokens"] - cached,
            "cached_input": cached,
            "output": answer.usage["completion_tokens"],
        }
        due = {meter: count for meter, count in used.items() if count}
        if quantities[name] != due:
            yield f"The try {name} is charged {dict(quantities[name])}, its engine said {due}."
        cost = sum(count * PRICES[answer.backend][meter] for meter, count in due.items())
        if amounts[name] != cost:
            yield f"The try {name} costs {amounts[name]}, by its prices {cost}."


def _clients_agree(rows: Sequence[Mapping[str, Any]], told: Mapping[str, Told]) -> Iterator[str]:
    """Who got a whole answer pays for one, unless its process died between the last byte and the settlement."""
    of: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        of[row["request_id"]].append(row)
        known = told.get(row["request_id"])
        if known is None or known.tenant != row["tenant"]:
            yield f"The try {row['attempt_id']} is of a request that {row['tenant']} never made."
    for name, each in told.items():
        outcomes = [row["outcome"] for row in of[name] if row["served"] or row["outcome"] == "unknown"]
        if each.outcome == "whole" and outcomes not in (["answered"], ["unknown"]):
            yield f"The request {name} was answered, and its tries ended {outcomes}."
        if len(outcomes) > 1:
            yield f"The request {name} was served more than once: {outcomes}."
