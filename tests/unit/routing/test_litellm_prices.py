"""Prices of a LiteLLM proxy's file come along exactly, or are told to have been left."""

from __future__ import annotations

from decimal import Decimal

from passerelle.domain.prices import Cost
from tests.unit.routing.litellm_kinds import catalog_of, imported, told

_TEXT = """model_list:
  - {model_name: dear, litellm_params: {model: hosted_vllm/a, api_base: "http://a:1"}, model_info:
      {input_cost_per_token: 0.00000015, output_cost_per_token: '6e-07', cache_read_input_token_cost: 7.5e-08}}
  - {model_name: free, litellm_params: {model: hosted_vllm/b, api_base: "http://a:1"}, model_info:
      {input_cost_per_token: 0, output_cost_per_token: 0}}
  - {model_name: half, litellm_params: {model: hosted_vllm/c, api_base: "http://a:1"}, model_info: {input_cost_per_token: 0.1}}
  - {model_name: absurd, litellm_params:
      {model: hosted_vllm/d, api_base: "http://a:1", input_cost_per_token: -1, output_cost_per_token: x}}
  - {model_name: vectors, litellm_params: {model: hosted_vllm/e, api_base: "http://a:1"}, model_info:
      {mode: embedding, input_cost_per_token: 0.0000001}}
"""


def test_prices_of_tokens_come_along_in_dollars() -> None:
    catalog = catalog_of(imported(_TEXT))
    cost = catalog.models["dear"].targets[0].cost
    assert isinstance(cost, Cost)
    assert (
        cost.input_per_million,
        cost.output_per_million,
        cost.cached_input_per_million,
        cost.currency,
    ) == (
        Decimal("0.15"),
        Decimal("0.6"),
        Decimal("0.075"),
        "USD",
    )
    vectors = catalog.models["vectors"].targets[0].cost
    assert isinstance(vectors, Cost)
    assert (vectors.input_per_million, vectors.output_per_million) == (Decimal("0.1"), 0)


def test_what_is_nought_half_said_or_absurd_is_not_known_and_told() -> None:
    made = imported(_TEXT)
    catalog = catalog_of(made)
    assert [catalog.models[name].targets[0].cost for name in ("free", "half", "absurd")] == [None, None, None]
    left = [message for _, message in told(made, "L01") if "cost" in message]
    assert len(left) == 5
