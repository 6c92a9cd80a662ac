"""Energy and emissions: the model's figures, the measured hours, and what each of them covers."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from passerelle.domain.billing import Power
from passerelle.domain.catalog import BackendSpec, Catalog, Location
from passerelle.reports.energy import Footprint, Model, ecologits, energy, parameters
from passerelle.reports.rows import CapacityPart, Rows
from tests.unit.reports.months import group

HOUR = 3_600_000
QWEN = "Qwen/Qwen3-8B"


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("Qwen/Qwen2.5-7B-Instruct", (7, 7)),
        ("meta-llama/Llama-3.1-8B-Instruct", (8, 8)),
        ("Qwen/Qwen3-30B-A3B", (3, 30)),
        ("Qwen/Qwen3-235B-A22B-Instruct-2507", (22, 235)),
        ("mistralai/Mixtral-8x7B-Instruct-v0.1", (14, 56)),
        ("Qwen/Qwen2.5-0.5B", (0.5, 0.5)),
        ("qwen2.5:7b", (7, 7)),
        ("intfloat/multilingual-e5-small", None),
        ("mistral-small3.2", None),
        ("ab7b", None),
        ("", None),
    ],
)
def test_a_name_says_how_large_a_model_is_or_nothing_is_known(
    name: str, size: tuple[float, float] | None
) -> None:
    assert parameters(name) == size


# cost-gdpr.md, 3.5: watt-hours and milligrams of CO2 equivalent for a thousand tokens.
@pytest.mark.parametrize(
    ("billions", "country", "watt_hours", "milligrams"),
    [
        (8, "FR", "0.089", 11),
        (8, "US", "0.089", 42),
        (70, "FR", "0.658", 84),
        (70, "US", "0.658", 309),
    ],
)
def test_a_thousand_tokens_draw_what_ecologits_says(
    billions: int, country: str, watt_hours: str, milligrams: int
) -> None:
    pytest.importorskip("ecologits")
    model = ecologits()
    drawn, million = (model.tokens(billions, billions, count, country) for count in (1_000, 1_000_000))
    assert drawn.watt_hours[0].quantize(Decimal("0.001")) == Decimal(watt_hours)
    assert round(drawn.grams[0] * 1000) == milligrams
    assert million.watt_hours[0] == pytest.approx(drawn.watt_hours[0] * 1000)  # a month is no longer answer


def test_a_country_that_nobody_knows_has_the_worlds_electricity() -> None:
    pytest.importorskip("ecologits")
    model = ecologits()
    assert model.grams_per_kwh(None) == model.grams_per_kwh("XX") > model.grams_per_kwh("FR")


def _model(*, grams: int = 50) -> Model:
    """A watt-hour and its gram for each billion and thousand tokens."""

    def tokens(active: float, total: float, count: int, country: str | None) -> Footprint:
        drawn = Decimal(str(active)) * count / 1000
        return Footprint((drawn, 2 * drawn), (drawn, 3 * drawn))

    return Model(tokens, lambda country: Decimal(grams) if country == "FR" else Decimal(500))


def _catalog(power: Power | None = None) -> Catalog:
    gpu = BackendSpec("gpu", "vllm", None, Location("FR", "self"), power=power)
    return Catalog("v1", {"gpu": gpu, "hub": BackendSpec("hub", "hf-providers", None)}, {}, {})


def _rows(*more: Any) -> Rows:
    parts = (
        CapacityPart("gpu", "tenant:client-a", "capacity", 2, 2 * HOUR, 1, "client-a"),
        CapacityPart("gpu", "tenant:client-b", "capacity", 2, HOUR, 1, "client-b"),
        CapacityPart("gpu", "operator:idle", "capacity", 2, 7 * HOUR, 1, "", idle=True),
        CapacityPart("gpu", "operator:margin", "capacity", 2, 5 * HOUR, 1),
        CapacityPart("gpu", "provider:self:payable", "capacity", 2, 10 * HOUR, -3),
    )
    return Rows(groups=(group(backend="gpu", target=QWEN, meter="output"), *more), capacity=parts)


def test_without_an_answer_nothing_is_said() -> None:
    assert energy(Rows(), tenant="client-a", catalog=_catalog(), model=_model()) is None
    only_read = Rows(groups=(group(target=QWEN),))
    assert energy(only_read, tenant="client-a", catalog=_catalog(), model=_model()) is None


def test_without_the_extra_and_without_watts_nothing_is_said() -> None:
    assert energy(_rows(), tenant="client-a", catalog=_catalog(), model=None) is None


def test_a_modelled_month_is_a_range() -> None:
    found = energy(_rows(), tenant="client-a", catalog=_catalog(), model=_model())
    assert found is not None
    assert (found.method, found.note, found.covered) == ("modelled", "energy.modelled", 1)
    assert found.watt_hours == (8, 16)
    assert found.grams_co2e == (8, 24)


def test_a_measured_machine_is_watts_by_the_tenants_hours_with_the_building() -> None:
    catalog = _catalog(Power(Decimal(350), Decimal("1.2")))
    found = energy(_rows(), tenant="client-a", catalog=catalog, model=_model())
    assert found is not None
    assert (found.method, found.note, found.covered) == ("measured", "energy.measured", 1)
    assert found.watt_hours == (840, 840)
    assert found.grams_co2e == (42, 42)


def test_the_operator_answers_for_the_hours_in_which_its_machine_stood_idle_too() -> None:
    catalog = _catalog(Power(Decimal(100)))
    found = energy(_rows(), tenant=None, catalog=catalog, model=_model())
    assert found is not None
    assert found.watt_hours == (1000, 1000)


def test_what_is_measured_is_not_modelled_again_and_what_neither_knows_is_not_covered() -> None:
    catalog = _catalog(Power(Decimal(100)))
    others = (
        group(backend="hub", target=QWEN, meter="output", quantity=1000),
        group(backend="hub", target="acme/secret", meter="reasoning", quantity=2000),
    )
    found = energy(_rows(*others), tenant="client-a", catalog=catalog, model=_model())
    assert found is not None
    assert (found.method, found.note, found.covered) == ("mixed", "energy.modelled", Decimal("0.5"))
    assert found.watt_hours == (208, 216)


def test_another_tenants_answers_and_those_of_the_cache_are_not_counted() -> None:
    hit = group(backend="hub", target=QWEN, meter="output", price_id=None, amount=0, billed=0, saved=1)
    other = group(backend="hub", target=QWEN, meter="output", tenant="client-b")
    failed = replace(other, tenant="client-a", served=False)
    alone = energy(_rows(), tenant="client-a", catalog=_catalog(), model=_model())
    assert energy(_rows(hit, other, failed), tenant="client-a", catalog=_catalog(), model=_model()) == alone
