"""The fields that kinds share take what a person means and refuse what could be meant in two ways."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from passerelle.config.countries import COUNTRIES
from passerelle.config.fields import (
    BackendOptions,
    Duration,
    SecretReference,
    TimeoutFields,
    TokenOptions,
    Url,
)
from passerelle.config.parties import Country, LocationFields
from passerelle.domain.catalog import Location, TimeLimits

_DURATION: TypeAdapter[float] = TypeAdapter(Duration)
_URL: TypeAdapter[str] = TypeAdapter(Url)
_COUNTRY: TypeAdapter[str] = TypeAdapter(Country)
_SECRET: TypeAdapter[str] = TypeAdapter(SecretReference)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        (30, 30),
        (0.5, 0.5),
        ("250ms", 0.25),
        ("30s", 30),
        ("1.5m", 90),
        ("10min", 600),
        ("1h", 3600),
        ("24h", 86_400),
    ],
)
def test_a_duration_is_seconds_or_has_a_unit(written: object, seconds: float) -> None:
    assert _DURATION.validate_python(written) == seconds


@pytest.mark.parametrize(
    "written", [0, -1, True, None, "", "30", "5 days", "1h30m", "25h", 86_401, [1], 1e400]
)
def test_what_is_no_duration_is_refused(written: object) -> None:
    with pytest.raises(ValidationError):
        _DURATION.validate_python(written)


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("http://tgi", "http://tgi"),
        ("http://tgi:80/", "http://tgi:80"),
        ("https://host.example/v1/", "https://host.example/v1"),
        ("http://[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_a_url_is_kept_without_its_last_slash(written: str, kept: str) -> None:
    assert _URL.validate_python(written) == kept


@pytest.mark.parametrize(
    "written",
    [
        "tgi:80",
        "ftp://tgi",
        "http://",
        "http://a b",
        "http://me:pw@tgi",
        "http://t?a=b",
        "http://t/#x",
        "http://t:0",
        "http://t:99999",
        "http://[::1",
        "file:///etc/passwd",
        "http://t\n",
        "",
    ],
)
def test_what_is_no_plain_url_is_refused(written: str) -> None:
    with pytest.raises(ValidationError) as caught:
        _URL.validate_python(written)
    assert "pw" not in str(caught.value.errors()[0]["msg"])


def test_every_country_is_taken_and_nothing_else() -> None:
    assert len(COUNTRIES) == 249
    assert all(_COUNTRY.validate_python(code) == code for code in COUNTRIES)
    for wrong in ("fr", "UK", "EU", "XX", "FRA", "France", "", "FR\n"):
        with pytest.raises(ValidationError):
            _COUNTRY.validate_python(wrong)


@pytest.mark.parametrize("reference", ["env:HF_TOKEN", "env:_x1", "file:/run/secrets/token"])
def test_a_secret_is_a_reference(reference: str) -> None:
    assert _SECRET.validate_python(reference) == reference


@pytest.mark.parametrize(
    "wrong", ["hf_abc", "env:", "env:A B", "env:1A", "file:relative", "vault:x", "", "env:A\n"]
)
def test_a_secret_that_is_no_reference_is_refused(wrong: str) -> None:
    with pytest.raises(ValidationError):
        _SECRET.validate_python(wrong)


def test_limits_and_locations_have_their_defaults() -> None:
    assert TimeoutFields().value() == TimeLimits()
    assert LocationFields(country="FR", operator="self").value() == Location("FR", "self")
    assert BackendOptions(kind="x").where() == Location()
    assert BackendOptions(kind="x").secrets() == {}
    assert TokenOptions(kind="x", token="env:T").secrets() == {"token": "env:T"}


def test_the_operator_itself_does_not_train_and_keeps_nothing_unless_it_says_so() -> None:
    own = LocationFields(country="FR", operator="self")
    silent = BackendOptions(kind="x", location=own).parties("gpu")[0]
    frank = BackendOptions(kind="x", location=own, trains=True, retention_days=7).parties("gpu")[0]
    other = BackendOptions(kind="x", location=LocationFields(country="FR", operator="Acme")).parties("gpu")[0]

    assert (silent.trains, silent.retention_days) == (False, 0)
    assert (frank.trains, frank.retention_days) == (True, 7)
    assert (other.trains, other.retention_days) == (None, None)
