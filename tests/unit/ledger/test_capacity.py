"""Shares of an hour add up to the hour, whoever used it and however."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as some

from passerelle.domain.billing import Idle, Sharing
from passerelle.domain.ledger import TokenKind
from passerelle.ledger.capacity import (
    HOUR,
    IDLE,
    Paid,
    Part,
    Share,
    Stretch,
    busy,
    claims,
    paid,
    split,
    weigh,
)

EURO = 10**12


def stretch(minute: int, replicas: int = 1, per_hour: int = EURO, price_id: str = "gpu") -> Stretch:
    return Stretch(minute * 60_000, replicas, per_hour, "EUR", price_id, "provider:us:payable")


class TestWeights:
    def test_the_answer_weighs_four_times_the_prompt_and_the_cache_a_tenth(self) -> None:
        assert weigh({TokenKind.INPUT: 3}, Sharing()) == 3 * 10**12
        tokens = {"cached_input": 10, "cache_write": 1, "output": 1, "reasoning": 1, "audio_input": 1}
        assert weigh(tokens, Sharing()) == (1 + 1 + 4 + 4 + 1) * 10**12
        assert weigh({"audio_output": 1}, Sharing()) == 4 * 10**12

    def test_what_is_set_goes_before_what_is_usual_and_stays_exact(self) -> None:
        sharing = Sharing({"output": Decimal("3.333333333333"), "image": Decimal(500)})
        assert weigh({"input": 1, "output": 3, "image": 2}, sharing) == 1_010_999_999_999_999
        assert weigh({"request": 9, "second": 3}, sharing) == 0

    def test_a_count_below_nought_weighs_nothing(self) -> None:
        assert weigh({"input": -5}, Sharing()) == 0

    @pytest.mark.parametrize("absurd", ["-1", "NaN", "Infinity", "0.1234567890123"])
    def test_an_absurd_weight_is_refused(self, absurd: str) -> None:
        with pytest.raises(ValueError):
            weigh({"input": 1}, Sharing({"input": Decimal(absurd)}))


class TestTime:
    def test_time_in_which_two_tries_ran_counts_once(self) -> None:
        assert busy([(0, 10), (5, 20), (30, 40), (32, 33)], 0, 100) == 30

    def test_only_what_lies_in_the_hour_counts(self) -> None:
        assert busy([(-10, 5), (95, 300), (200, 210)], 0, 100) == 10
        assert busy([(-10, 300)], 0, 100) == 100

    def test_a_try_that_ended_before_it_began_took_no_time(self) -> None:
        assert busy([(50, 20)], 0, 100) == 0

    @given(some.lists(some.tuples(some.integers(-20, 70), some.integers(-20, 70))))
    def test_it_is_what_counting_every_millisecond_gives(self, intervals: list[tuple[int, int]]) -> None:
        assert busy(intervals, 0, 50) == sum(any(a <= t < b for a, b in intervals) for t in range(50))


class TestPaid:
    def test_a_whole_hour_costs_its_price_exactly(self) -> None:
        hour = paid([stretch(-500, per_hour=760_000_000_001)], 0, HOUR)
        assert hour == Paid(
            (Part("gpu", "EUR", "provider:us:payable", True, HOUR, 760_000_000_001),), ((0, HOUR),)
        )

    def test_a_price_that_changes_in_the_hour_is_two_parts(self) -> None:
        hour = paid([stretch(-1, per_hour=EURO, price_id="old"), stretch(45, per_hour=2 * EURO)], 0, HOUR)
        assert [(part.price_id, part.quantity, part.cost) for part in hour.parts] == [
            ("old", 2_700_000, 750_000_000_000),
            ("gpu", 900_000, 500_000_000_000),
        ]
        assert hour.milliseconds == HOUR

    def test_what_sleeps_after_twenty_minutes_costs_a_third(self) -> None:
        hour = paid([stretch(-60), stretch(20, replicas=0)], 0, HOUR)
        assert [part.cost for part in hour.parts] == [333_333_333_333]
        assert hour.intervals == ((0, 1_200_000),)
        assert hour.busy([(0, HOUR)]) == 1_200_000

    def test_replicas_multiply_the_cost_and_not_the_time(self) -> None:
        hour = paid(
            [stretch(0, replicas=3), stretch(30, replicas=1), stretch(40, replicas=0), stretch(50)], 0, HOUR
        )
        assert sum(part.quantity for part in hour.parts) == (90 + 10 + 10) * 60_000
        assert [part.cost for part in hour.parts] == [1_833_333_333_333]
        assert hour.milliseconds == 50 * 60_000

    def test_before_the_first_state_nothing_is_paid(self) -> None:
        assert paid([], 0, HOUR) == Paid((), ())
        assert paid([stretch(45)], 0, HOUR).parts[0].cost == EURO // 4
        assert paid([stretch(60)], 0, HOUR).parts == ()

    def test_a_half_is_rounded_to_even_once(self) -> None:
        assert paid([stretch(0, per_hour=1), stretch(30, replicas=0)], 0, HOUR).parts[0].cost == 0
        assert paid([stretch(0, per_hour=3), stretch(30, replicas=0)], 0, HOUR).parts[0].cost == 2
        assert (
            sum(part.cost for part in paid([stretch(0, per_hour=1), stretch(30, per_hour=1)], 0, HOUR).parts)
            == 1
        )


class TestShares:
    def test_used_time_is_shared_by_weight_and_idle_time_is_the_operators(self) -> None:
        shares = split(1000, HOUR, HOUR // 4, {"tenant:a": 3, "tenant:b": 1}, Sharing())
        assert shares == (Share("tenant:a", 188), Share("tenant:b", 62), Share(IDLE, 750, idle=True))

    def test_users_bear_the_idle_time_of_the_hours_they_used(self) -> None:
        shares = split(1000, HOUR, HOUR // 4, {"tenant:a": 3, "tenant:b": 1}, Sharing(idle=Idle.USERS))
        assert [(share.account, share.idle) for share in shares] == [
            ("tenant:a", False), ("tenant:b", False), ("tenant:a", True), ("tenant:b", True),
        ]  # fmt: skip
        assert sum(share.amount for share in shares if share.account == "tenant:a") == 750

    def test_agreed_shares_bear_the_idle_time_whoever_used_the_rest(self) -> None:
        sharing = Sharing(idle=Idle.FIXED, shares={"b": 1, "c": 3})
        shares = split(1000, HOUR, HOUR // 2, {"tenant:a": 7}, sharing)
        assert shares == (
            Share("tenant:a", 500),
            Share("tenant:b", 125, idle=True),
            Share("tenant:c", 375, idle=True),
        )

    @pytest.mark.parametrize("idle", [Idle.OPERATOR, Idle.USERS])
    @pytest.mark.parametrize("busy_ms", [0, 1000])
    def test_an_hour_that_nobody_used_stays_with_the_operator(self, idle: Idle, busy_ms: int) -> None:
        assert split(1000, HOUR, busy_ms, {}, Sharing(idle=idle)) == (Share(IDLE, 1000, idle=True),)
        assert split(1000, HOUR, 0, {"tenant:late": 5}, Sharing(idle=idle)) == (Share(IDLE, 1000, idle=True),)

    def test_an_hour_that_nobody_used_is_borne_by_agreed_shares(self) -> None:
        sharing = Sharing(idle=Idle.FIXED, shares={"a": 1, "b": 1, "c": 0})
        assert split(1001, HOUR, 0, {}, sharing) == (
            Share("tenant:a", 501, idle=True),
            Share("tenant:b", 500, idle=True),
        )
        assert split(7, HOUR, 0, {}, Sharing(idle=Idle.FIXED)) == (Share(IDLE, 7, idle=True),)

    def test_more_busy_time_than_was_paid_is_all_of_it(self) -> None:
        assert split(1000, 10, 9999, {"tenant:a": 1}, Sharing()) == (Share("tenant:a", 1000),)

    def test_an_hour_of_no_paid_time_has_somebody_to_be_booked_to(self) -> None:
        assert split(0, 0, 0, {}, Sharing()) == (Share(IDLE, 0, idle=True),)


NAMES = some.sampled_from(["tenant:a", "tenant:b", "tenant:c", "operator:retry"])
SHARINGS = some.builds(
    Sharing,
    weights=some.just({}),
    idle=some.sampled_from(Idle),
    shares=some.dictionaries(some.sampled_from("abcd"), some.integers(0, 9), max_size=4),
)
STATES = some.lists(
    some.builds(
        Stretch,
        at=some.integers(-HOUR, 2 * HOUR),
        replicas=some.integers(0, 4),
        per_hour=some.integers(0, 10**14),
        currency=some.just("EUR"),
        price_id=some.sampled_from(["p", "q"]),
        payee=some.just("x"),
    ),
    max_size=6,
).map(lambda states: sorted(states, key=lambda state: state.at))
TRIES = some.lists(some.tuples(some.integers(-HOUR, 2 * HOUR), some.integers(-HOUR, 2 * HOUR)), max_size=6)


@given(STATES, TRIES, some.dictionaries(NAMES, some.integers(0, 10**20)), SHARINGS)
def test_shares_add_up_to_the_hour_and_nobody_is_paid(
    states: list[Stretch], tries: list[tuple[int, int]], weights: dict[str, int], sharing: Sharing
) -> None:
    hour = paid(states, 0, HOUR)
    cost = sum(part.cost for part in hour.parts)
    exact = sum(
        Decimal(state.replicas * state.per_hour * max(0, min(after, HOUR) - max(state.at, 0))) / HOUR
        for state, after in zip(states, [*[each.at for each in states[1:]], HOUR], strict=False)
    )
    assert abs(cost - exact) <= len(hour.parts)
    assert hour.milliseconds <= HOUR
    assert 0 <= hour.busy(tries) <= hour.milliseconds
    for part in hour.parts:
        shares = split(part.cost, hour.milliseconds, hour.busy(tries), weights, sharing)
        assert sum(share.amount for share in shares) == part.cost
        assert all(share.amount >= 0 for share in shares)


@given(
    some.integers(0, 10**6),
    some.integers(1, HOUR),
    some.integers(0, HOUR),
    some.dictionaries(NAMES, some.integers(0, 1000), min_size=1),
    some.integers(1, 1000),
    SHARINGS,
)
def test_who_uses_more_bears_no_less_and_the_others_no_more(
    cost: int, paid_ms: int, busy_ms: int, weights: dict[str, int], more: int, sharing: Sharing
) -> None:
    name = min(weights)
    before, after = (
        _by_account(split(cost, paid_ms, busy_ms, given, sharing))
        for given in (weights, {**weights, name: weights[name] + more})
    )
    # But for the rounding of a pico-unit in each of an account's two parts, so that shares add up.
    assert after.get(name, 0) >= before.get(name, 0) - 2
    if sum(weights.values()):  # the first one to use an hour takes it from whoever bore it idle
        assert all(after.get(other, 0) <= before[other] + 2 for other in before if other not in (name, IDLE))


@given(
    some.integers(0, HOUR), some.integers(0, HOUR), some.dictionaries(NAMES, some.integers(0, 99)), SHARINGS
)
def test_somebody_always_bears_it(
    paid_ms: int, busy_ms: int, weights: dict[str, int], sharing: Sharing
) -> None:
    found = claims(paid_ms, busy_ms, weights, sharing)
    assert found
    assert all(claim.weight > 0 for claim in found)


def _by_account(shares: tuple[Share, ...]) -> dict[str, int]:
    found: dict[str, int] = {}
    for share in shares:
        found[share.account] = found.get(share.account, 0) + share.amount
    return found
