"""What answers took: their costs have a sum where all are known, and no token that is billed is left out."""

from __future__ import annotations

from langchain_core.messages import AIMessage
from langchain_core.messages.ai import UsageMetadata

from passerelle.domain.ask import Usage
from passerelle.pipelines.enrichment.writing_spent import Spent
from passerelle.pipelines.models.messages import usage_of as told_of
from passerelle.pipelines.models.spending import added, cost_of, usage_of

_USED = {
    "prompt_tokens": 100,
    "completion_tokens": 20,
    "prompt_tokens_details": {"cached_tokens": 30},
    "completion_tokens_details": {"reasoning_tokens": 5},
    "cache_creation_input_tokens": 40,
}
_ALL = Usage(100, 20, 30, 40, 5)


def _turn(cost: str, used: UsageMetadata | None = None) -> AIMessage:
    return AIMessage("x", response_metadata={"cost": cost}, usage_metadata=used)


def test_costs_have_a_sum_where_all_are_known() -> None:
    assert cost_of([_turn("0.5 EUR"), _turn("0.000001 EUR")]) == (500_001_000_000, "EUR")
    assert cost_of([_turn("0.5 EUR"), _turn("unknown")]) == (None, "EUR")
    assert cost_of([_turn("0.5 EUR"), _turn("0.5 USD")]) == (None, "EUR")
    assert cost_of([_turn("Infinity EUR")]) == (None, "")
    assert cost_of([_turn("0.5 EUR")], None, "EUR") == (None, "EUR"), "what is not known stays so"


def test_tokens_written_to_an_engines_cache_are_in_the_usage_of_every_pipeline() -> None:
    told = told_of(_USED)
    assert usage_of(told) == _ALL
    assert added(_ALL, _ALL) == Usage(200, 40, 60, 80, 10)
    assert usage_of(None) == usage_of({}) == Usage()
    spent = Spent().plus([_turn("0.5 EUR", told), _turn("0.25 EUR", told), _turn("0.25 EUR")])
    assert (spent.usage, spent.cost, spent.currency, spent.calls) == (
        added(_ALL, _ALL), 10**12, "EUR", 3,
    )  # fmt: skip
