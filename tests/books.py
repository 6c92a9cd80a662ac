"""Books in memory for tests of the gateway: what was written down of tries, in order, and the budgets they met."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from secrets import token_hex
from zoneinfo import ZoneInfo

from passerelle.domain.catalog import Catalog
from passerelle.domain.errors import Unavailable
from passerelle.domain.ledger import Began, Ended
from passerelle.gateway.books import Books
from passerelle.gateway.pricing import Pricing
from passerelle.ledger.budgets import Budgets
from passerelle.ledger.exchange import Exchanger
from passerelle.ledger.prices import PriceBook
from passerelle.ledger.reference_rates import packaged_rates


@dataclass
class Ledger:
    """A journal that keeps everything, and refuses when it is told that the disk is full."""

    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))
    now: Callable[[], float] | None = None
    began: list[Began] = field(default_factory=list)
    ended: list[Ended] = field(default_factory=list)
    full: bool = False
    owner: str = field(default_factory=lambda: f"test-{token_hex(6)}")

    def __post_init__(self) -> None:
        self.budgets = Budgets(self.zone)
        self.books = Books(self, self.budgets, **({"now": self.now} if self.now else {}))

    def room(self) -> bool:
        return not self.full

    def begin(self, began: Began) -> None:
        if self.full:
            raise Unavailable("full", code="ledger_full")
        self.began.append(began)

    def end(self, ended: Ended) -> None:
        self.ended.append(ended)

    def both(self, began: Began, ended: Ended) -> None:
        self.begin(began)
        self.end(ended)

    def open(self) -> set[str]:
        """Tries that began and have not ended."""
        return {each.attempt_id for each in self.began} - {each.attempt_id for each in self.ended}


def pricing(catalog: Catalog) -> Pricing:
    """Prices from the configuration alone, at the packaged rates of exchange."""
    return Pricing(
        catalog, PriceBook(currency=catalog.currency, version=catalog.version), Exchanger(packaged_rates())
    )
