"""What is said in words of texts: an estimate, rows that are left out, money, how texts stand and what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_SHOWN = 20  # reasons why rows are left out
_FIRST = 5  # rows of one


def thought(estimate: Mapping[str, Any]) -> Iterator[str]:
    """An estimate, line by line."""
    reused = f", {estimate['reused']} of them unchanged since they were written" if estimate["reused"] else ""
    count = estimate["pieces"]
    yield f"{count} {'text' if count == 1 else 'texts'}{reused}, as {estimate['model']}"
    columns = estimate.get("columns") or {}
    if columns:
        yield "columns: " + ", ".join(f"{heading!r} is {role}" for heading, role in columns.items())
    if not estimate["calls"]["high"]:  # a note says why
        yield from estimate["notes"]
        return
    read, wrote = _figure(estimate["prompt_tokens"], 0), _figure(estimate["completion_tokens"], 0)
    yield f"calls: {_figure(estimate['calls'], 0)}; tokens read: {read}; written: {wrote}"
    if estimate["cost"] is None:
        yield f"cost: not known, as {estimate['target'] or 'the model'} has no price"
    else:
        learned = (
            f"from {estimate['learned']} earlier answers" if estimate["learned"] else "nothing is learned yet"
        )
        yield f"cost: {_figure(estimate['cost'], 4)} {estimate['currency']}; {learned}"
    yield from estimate["notes"]


def left_out(skipped: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Rows that are no texts, a line for each file and reason, with the first rows it holds for."""
    groups: dict[tuple[str, str, str], list[int]] = {}
    for each in skipped:
        groups.setdefault((each["file"], each["message"], each["code"]), []).append(each["row"])
    for (file, message, code), rows in list(groups.items())[:_SHOWN]:
        yield f"left out   {file}, {_rows(rows)}: {message} ({code})"
    if len(groups) > _SHOWN:
        yield f"left out   {sum(map(len, list(groups.values())[_SHOWN:])):,} more; --json tells every row"


def _rows(rows: Sequence[int]) -> str:
    if len(rows) == 1:
        return f"row {rows[0]}"
    if rows[-1] - rows[0] == len(rows) - 1:
        return f"rows {rows[0]} to {rows[-1]}"
    first = ", ".join(str(row) for row in rows[:_FIRST])
    return f"rows {first}" + (f" and {len(rows) - _FIRST:,} more" if len(rows) > _FIRST else "")


def money(card: Mapping[str, str] | None) -> str:
    """An amount and its currency."""
    return "none" if card is None else f"{card['amount']} {card['currency']}"


def standings(counts: Mapping[str, int]) -> str:
    """How many texts stand how, those that there are."""
    return ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counts.items() if count) or "none"


def troubles(item: Mapping[str, Any]) -> list[str]:
    """What is wrong with a text, line by line."""
    head = f"{item['standing'].replace('_', ' '):<11}  {item['number']}  {item['key']}"
    if item["error"]:
        return [f"{head}: {item['error']['message']} ({item['error']['code']})"]
    return [f"{head}: {flaw['field']}: {flaw['said']} ({flaw['check']})" for flaw in item["flaws"]] or [head]


def _figure(card: Mapping[str, float], places: int) -> str:
    value, low, high = (f"{card[name]:,.{places}f}" for name in ("value", "low", "high"))
    return value if value == low == high else f"{value} ({low} to {high})"
