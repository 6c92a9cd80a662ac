"""An answer from the cache costs nothing, and what it would have cost stands beside it."""

from __future__ import annotations

from pathlib import Path

from passerelle.domain.ask import Ask, Needs, Route
from passerelle.domain.billing import Budget, Ceiling
from passerelle.domain.caller import Caller, Role
from passerelle.domain.money import PICO
from passerelle.gateway.bill import Bill
from passerelle.gateway.edition import Editions
from passerelle.gateway.record import Outcome, Record
from tests.books import Ledger, pricing
from tests.serving import catalog_of, one_backend

_BODY = {"model": "assistant", "messages": [{"role": "user", "content": "Dis bonjour."}]}


async def test_a_hit_is_one_settled_try_of_nothing_with_what_it_saved() -> None:
    cost = {"input_per_million": 1_000_000, "output_per_million": 1_000_000, "currency": "EUR"}
    configuration = one_backend("openai", "http://127.0.0.1:1", cost=cost)
    configuration["tenants"] = {"acme": {"budget": {"amount": 1}, "resale": {"markup_percent": 50}}}
    catalog = catalog_of(configuration, environment={}, models=Path("unused"))
    editions = Editions(catalog, lambda _: _Closed(), pricing)
    ledger, records = Ledger(), list[Record]()
    tenant = catalog.tenants["acme"]
    bill = Bill(
        Caller("key_1", "acme", Role.MEMBER),
        Ask(Route.CHAT, "assistant", _BODY, False, False, "req_1", Needs(), 0.0, size=80),
        tenant=tenant,
        edition=editions.current,
        books=ledger.books,
        sinks=[records.append],
    )
    target = catalog.models["assistant"].targets[0]
    bill.hit(target, [{"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}])
    bill.settle(Outcome.HUNG_UP)

    (ended,) = ledger.ended
    assert not ledger.open()
    assert (ended.outcome, ended.served, ended.payer) == ("cached", True, "tenant:acme")
    assert [(line.meter, line.quantity, line.amount, line.billed) for line in ended.lines] == [
        ("input", 3, 0, 0),
        ("output", 5, 0, 0),
    ]
    assert sum(line.saved for line in ended.lines) == 12 * PICO
    assert [record.outcome for record in records] == [Outcome.CACHED]
    assert tenant.budget == Budget("EUR", Ceiling(PICO))
    (state,) = ledger.budgets.state(tenant, now=int(ledger.books.now() * 1000))
    assert (state.spent, state.pending) == (0, 0)
    await editions.aclose()


async def test_what_a_hit_saved_is_by_the_price_of_its_tenant_and_what_was_asked() -> None:
    cost = {"input_per_million": 1_000_000, "output_per_million": 1_000_000, "currency": "EUR"}
    configuration = one_backend("openai", "http://127.0.0.1:1", cost=cost)
    configuration["tenants"] = {"acme": {}, "dear": {"resale": {"markup_percent": 50}}}
    catalog = catalog_of(configuration, environment={}, models=Path("unused"))
    editions = Editions(catalog, lambda _: _Closed(), pricing)
    ledger = Ledger()
    whole: dict[str, object] = {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}
    half: dict[str, object] = {"completion_tokens": 5}  # the prompt is estimated
    for name, size, said in (
        ("acme", 80, whole), ("dear", 80, whole), ("acme", 80, whole), ("acme", 80, half), ("acme", 160, half)
    ):  # fmt: skip
        bill = Bill(
            Caller("key_1", name, Role.MEMBER),
            Ask(Route.CHAT, "assistant", _BODY, False, False, "req_1", Needs(), 0.0, size=size),
            tenant=catalog.tenants[name],
            edition=editions.current,
            books=ledger.books,
            sinks=[],
        )
        bill.hit(catalog.models["assistant"].targets[0], [said])

    saved = [sum(line.saved for line in ended.lines) for ended in ledger.ended]
    assert saved == [8 * PICO, 12 * PICO, 8 * PICO, 25 * PICO, 45 * PICO]
    assert [ended.usage for ended in ledger.ended] == [whole, whole, whole, half, half]
    await editions.aclose()


class _Closed:
    async def aclose(self) -> None: ...
