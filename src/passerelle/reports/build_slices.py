"""A month divided by each of its dimensions; the parts of every one add up to the whole, to the pico-unit. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from passerelle.domain.ledger import Certainty, EntryKind, TokenKind, Unit
from passerelle.reports.document import Slice
from passerelle.reports.rows import Group, Rows, Tries

INPUT_METERS = frozenset(
    {TokenKind.INPUT, TokenKind.CACHED_INPUT, TokenKind.CACHE_WRITE, TokenKind.AUDIO_INPUT}
)
OUTPUT_METERS = frozenset({TokenKind.OUTPUT, TokenKind.REASONING, TokenKind.AUDIO_OUTPUT})
_SETTLE = EntryKind.SETTLE.value

# What a try's row says of it; entries that no try has made have no value, but for the backend they speak of.
_OF_TRIES: Mapping[str, Callable[[Group | Tries], str]] = {
    "model": lambda each: each.model,
    "backend": lambda each: each.backend,
    "provider": lambda each: each.provider,
    "country": lambda each: each.country,
    "use": lambda each: each.use,
    "key": lambda each: each.key,
}


@dataclass(slots=True)
class _Sum:
    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    quantity: int = 0
    unit: str = ""
    cost: int = 0
    billed: int = 0

    @property
    def anything(self) -> bool:
        return bool(
            self.requests
            or self.input_tokens
            or self.output_tokens
            or self.quantity
            or self.cost
            or self.billed
        )

    def named(self, name: str) -> Slice:
        return Slice(
            name,
            requests=self.requests,
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
            quantity=self.quantity,
            unit=self.unit,
            cost=self.cost,
            billed=self.billed,
        )


def billed_of(group: Group) -> int:
    """What tenants are charged by these entries."""
    return group.billed if group.side == "tenant" else 0


def cost_of(group: Group, tenant: str | None) -> int:
    """What these entries say was paid: all that anybody bears but those who are paid.

    Of a tenant's month, not what the operator bears for it: failed tries, idle hours.
    """
    if group.side == "payee":
        return 0
    if tenant is not None and (group.payer == "operator" or group.side == "operator"):
        return 0
    return group.billed


def paid(group: Group) -> bool:
    """Are these the entries of who pays for a try? Each of its lines has one of them."""
    return group.kind == _SETTLE and group.side == ("tenant" if group.payer == "tenant" else "operator")


def from_cache(group: Group) -> bool:
    """Did the cache answer? No engine has worked for these tokens: only they are certain and without a price."""
    return paid(group) and group.price_id is None and group.certainty == Certainty.EXACT


def tokens_of(group: Group) -> tuple[int, int]:
    """Tokens read and written by tries that were served."""
    if not (group.served and group.unit == Unit.TOKENS and paid(group)):
        return 0, 0
    if group.meter in INPUT_METERS:
        return group.quantity, 0
    return 0, group.quantity if group.meter in OUTPUT_METERS else 0


def divided(rows: Rows, *, tenant: str | None, tags: Collection[str] = ()) -> dict[str, tuple[Slice, ...]]:
    """By every dimension, the operator's by tenant too; `tags` are the names of those that may be shown."""
    ways = dict(_OF_TRIES)
    if tenant is None:
        ways["tenant"] = lambda each: each.tenant
    by = {name: _by(rows, way, tenant) for name, way in ways.items()}
    by["meter"] = _by_meter(rows, tenant)
    by["kind"] = _by_kind(rows, tenant)
    order = ["model", "backend", "provider", "country", "meter", "use", "key", "kind"]
    order += ["tenant"] if tenant is None else []
    found = {name: _sorted(by[name]) for name in order}
    whole = _added(by["kind"].values())
    for name in sorted(tags):
        found[f"tag:{name}"] = _sorted(_by_tag(rows, name, whole))
    return found


def _by(rows: Rows, way: Callable[[Group | Tries], str], tenant: str | None) -> dict[str, _Sum]:
    sums: dict[str, _Sum] = defaultdict(_Sum)
    for group in rows.groups:
        _add(sums[way(group)], group, tenant)
    for tries in rows.tries:
        if tries.served:
            sums[way(tries)].requests += tries.asked
    return sums


def _by_meter(rows: Rows, tenant: str | None) -> dict[str, _Sum]:
    sums: dict[str, _Sum] = defaultdict(_Sum)
    for group in rows.groups:
        into = sums[group.meter if group.kind == _SETTLE else ""]
        _add(into, group, tenant)
        if not paid(group):
            continue
        if group.payer == "tenant" or tenant is None:
            into.quantity += group.quantity
            into.unit = group.unit
        if group.served and group.asked:
            into.requests += group.lines
    return sums


def _by_kind(rows: Rows, tenant: str | None) -> dict[str, _Sum]:
    sums: dict[str, _Sum] = defaultdict(_Sum)
    for group in rows.groups:
        _add(sums[group.kind], group, tenant)
    sums[_SETTLE].requests = sum(tries.asked for tries in rows.tries if tries.served)
    return sums


def _by_tag(rows: Rows, name: str, whole: _Sum) -> dict[str, _Sum]:
    """Its values, `*` for those that are too many, and "" for what does not carry it."""
    sums: dict[str, _Sum] = defaultdict(_Sum)
    for tag in rows.tags:
        if tag.name != name:
            continue
        into = sums["*" if tag.value is None else tag.value]
        into.requests += tag.requests
        into.input_tokens += tag.input_tokens
        into.output_tokens += tag.output_tokens
        into.cost += tag.cost
        into.billed += tag.billed
    tagged = _added(sums.values())
    rest = sums[""]
    rest.requests += whole.requests - tagged.requests
    rest.input_tokens += whole.input_tokens - tagged.input_tokens
    rest.output_tokens += whole.output_tokens - tagged.output_tokens
    rest.cost += whole.cost - tagged.cost
    rest.billed += whole.billed - tagged.billed
    return sums


def _add(into: _Sum, group: Group, tenant: str | None) -> None:
    read, written = tokens_of(group)
    into.input_tokens += read
    into.output_tokens += written
    into.cost += cost_of(group, tenant)
    into.billed += billed_of(group)


def _added(parts: Collection[_Sum]) -> _Sum:
    whole = _Sum()
    for part in parts:
        whole.requests += part.requests
        whole.input_tokens += part.input_tokens
        whole.output_tokens += part.output_tokens
        whole.cost += part.cost
        whole.billed += part.billed
    return whole


def _sorted(sums: Mapping[str, _Sum]) -> tuple[Slice, ...]:
    """Dearest first."""
    parts = [each.named(name) for name, each in sums.items() if each.anything]
    return tuple(sorted(parts, key=lambda part: (-part.billed, -part.cost, -part.requests, part.name)))
