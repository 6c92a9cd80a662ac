"""What LiteLLM's bundled table is taken to say."""

from decimal import Decimal

from passerelle.backends.litellm.table import facts
from passerelle.domain.ask import Capability
from passerelle.domain.facts import Facts, Price


def test_an_entry_becomes_facts_with_exact_prices() -> None:
    entry = {
        "max_input_tokens": 200_000,
        "input_cost_per_token": 3e-06,
        "output_cost_per_token": 1.5e-05,
        "supports_function_calling": True,
        "supports_vision": False,
        "supports_response_schema": None,
    }

    assert facts(entry) == Facts(
        has=frozenset({Capability.TOOLS}),
        lacks=frozenset({Capability.VISION}),
        context=200_000,
        price=Price("USD", Decimal(3), Decimal(15)),
    )


def test_what_the_table_does_not_know_is_not_known() -> None:
    assert facts({"input_cost_per_token": 0, "output_cost_per_token": 0}) == Facts()
