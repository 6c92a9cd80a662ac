"""A reference becomes a value, or the reason why it has none, which never holds the value."""

from __future__ import annotations

from pathlib import Path

import pytest

from passerelle.config.secrets import SecretUnset, read_secret


def test_a_variable_of_the_environment() -> None:
    assert read_secret("env:TOKEN", {"TOKEN": " value\n"}) == "value"


def test_a_file_without_its_line_end(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("value\r\n")

    assert read_secret(f"file:{tmp_path}/token", {}) == "value"


@pytest.mark.parametrize("environment", [{}, {"TOKEN": ""}, {"TOKEN": " \n"}])
def test_an_unset_or_empty_variable_is_named(environment: dict[str, str]) -> None:
    with pytest.raises(SecretUnset) as caught:
        read_secret("env:TOKEN", environment)
    assert caught.value.reason == "TOKEN is not set in the environment"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"one\ntwo-secret", "more than one line"),
        (b"x" * 16_385, "longer"),
    ],
)
def test_a_file_that_holds_no_token_is_named_without_its_content(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    (tmp_path / "token").write_bytes(content)

    with pytest.raises(SecretUnset, match=reason) as caught:
        read_secret(f"file:{tmp_path}/token", {})
    assert str(tmp_path / "token") in caught.value.reason
    assert "two-secret" not in caught.value.reason


@pytest.mark.parametrize("name", ["none", "."])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(SecretUnset, match="cannot be read"):
        read_secret(f"file:{tmp_path / name}", {})
