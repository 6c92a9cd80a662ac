"""Weights that were measured are those of the engine, and what cannot be told is refused."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from passerelle.domain.billing import Sharing
from passerelle.ledger.calibration import Sample, calibrate, samples
from passerelle.ledger.capacity import weigh
from passerelle.stores.database import Database
from tests.unit.ledger.hours import ran


def measured(
    chance: random.Random,
    number: int,
    *,
    cached: float = 0.1,
    output: float = 4.0,
    fixed: float = 0.2,
    noise: float = 0.03,
) -> list[Sample]:
    """Tries of an engine that computes 5,000 tokens of a prompt a second."""
    found = []
    for _ in range(number):
        tokens = {
            "input": chance.randrange(10, 8000),
            "cached_input": chance.choice((0, chance.randrange(8000))),
            "output": chance.randrange(1, 1500),
        }
        weighed = tokens["input"] + cached * tokens["cached_input"] + output * tokens["output"]
        seconds = (fixed + weighed / 5000) * max(0.0, chance.gauss(1, noise))
        found.append(Sample(round(1000 * seconds), tokens))
    return found


@settings(max_examples=30)
@given(
    some.integers(0, 2**32),
    some.integers(200, 600),
    some.floats(0.0, 1.0),
    some.floats(0.5, 40.0),
    some.floats(0.0, 1.0),
)
def test_it_finds_the_weights_of_an_engine_in_spite_of_noise(
    seed: int, number: int, cached: float, output: float, fixed: float
) -> None:
    found = calibrate(measured(random.Random(seed), number, cached=cached, output=output, fixed=fixed))
    assert found.r2 is not None
    assert found.r2 > 0.9
    assert found.tries == number
    assert found.weights["input"] == 1
    # A dear output hides what the rest of the time is made of.
    slack = 0.15 + output / 40
    assert float(found.weights["output"]) == pytest.approx(output, rel=slack, abs=0.25)
    assert float(found.weights["cached_input"]) == pytest.approx(cached, abs=slack)
    assert found.weights["reasoning"] == found.weights["output"]


def test_without_noise_they_are_exact_to_four_digits() -> None:
    found = calibrate(measured(random.Random(1), 300, cached=0.125, output=3.5, noise=0))
    assert float(found.weights["cached_input"]) == pytest.approx(0.125, abs=1e-3)
    assert float(found.weights["output"]) == pytest.approx(3.5, rel=1e-3)
    assert "300 tries" in found.why


def test_weights_that_were_found_are_weights_that_can_be_set() -> None:
    found = calibrate(measured(random.Random(2), 300, cached=1e-9, output=1234.5678, noise=0))
    assert weigh(dict.fromkeys(found.weights, 1), Sharing(found.weights)) > 0
    assert all(isinstance(each, Decimal) and "E" not in str(each) for each in found.weights.values())


def test_no_weight_is_below_nought() -> None:
    chance = random.Random(3)
    faster = [
        Sample(max(1, 4000 + each.milliseconds - each.tokens["cached_input"] // 40), each.tokens)
        for each in measured(chance, 300)
    ]
    found = calibrate(faster)
    assert found.weights["cached_input"] == 0
    assert all(weight >= 0 for weight in found.weights.values())


def test_a_kind_that_hardly_occurs_keeps_its_default() -> None:
    chance = random.Random(4)
    rare = [
        Sample(each.milliseconds, {**each.tokens, "cached_input": 50 if number == 7 else 0})
        for number, each in enumerate(measured(chance, 300, cached=0))
    ]
    assert "cached_input" not in calibrate(rare).weights


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ([], "0 tries are too few"),
        (measured(random.Random(5), 49), "49 tries are too few"),
        ([Sample(100, {"input": 100, "output": 10})] * 200, "about as many tokens of input"),
        ([Sample(100, {"input": n % 7 * 100, "output": n % 7 * 10}) for n in range(200)], "grow together"),
        ([Sample(100, {"input": n % 7 * 100}) for n in range(200)], "too few have tokens of output"),
        ([Sample(n * 7919 % 5000, {"input": n % 70, "output": n % 11}) for n in range(200)], "explain only"),
        ([Sample(100, {"input": n % 70, "output": n % 11}) for n in range(200)], "explain only"),
        (
            [Sample(n % 11 * 50, {"input": n % 70, "output": n % 11}) for n in range(200)],
            "input takes no time",
        ),
    ],
)
def test_what_the_tries_cannot_tell_is_refused_in_a_sentence(given: list[Sample], why: str) -> None:
    found = calibrate(given)
    assert found.weights == {}
    assert why in found.why
    assert str(len(given)) in found.why
    assert found.tries == len(given)


async def test_samples_are_the_answered_tries_of_one_backend(database: Database) -> None:
    at = datetime(2026, 10, 5, 10, tzinfo=UTC)
    await ran(database, "1", at, 1, tokens={"input": 10, "cached_input": 3, "output": 5})
    await ran(database, "2", at, 0.5, tokens={"input": 7})
    await ran(database, "early", at - timedelta(hours=1), 1, tokens={"input": 7})
    await ran(database, "elsewhere", at, 1, backend="other", tokens={"input": 7})
    await ran(database, "nothing", at, 1)
    await ran(database, "backwards", at, -1, tokens={"input": 7})
    found = await samples(database, "gpu", at - timedelta(minutes=2))
    assert sorted(found, key=lambda each: each.milliseconds) == [
        Sample(30_000, {"input": 7}),
        Sample(60_000, {"input": 10, "cached_input": 3, "output": 5}),
    ]
