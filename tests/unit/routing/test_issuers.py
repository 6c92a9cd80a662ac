"""A token means one tenant: what would leave that open is an error of the file, with both names."""

from __future__ import annotations

import pytest

from tests.unit.routing.files import SMALL, changed, loaded

_ISSUER = "{issuer: 'https://login.example', audience: %s}"


def _errors(tenants: str) -> list[str]:
    outcome = loaded(changed("tenants: {demo: }", f"tenants: {tenants}", SMALL))
    return [f"{each.rule} {each.message} {each.cure}" for each in outcome.errors]


def test_one_issuer_and_audience_of_two_tenants_is_refused_with_both_names() -> None:
    words = _ISSUER % "gateway"
    found = _errors(f"{{client-a: {{oidc: [{words}]}}, client-b: {{oidc: [{words}]}}}}")

    assert len(found) == 1
    for part in ("C38", "'client-a'", "'client-b'", "https://login.example", "'gateway'"):
        assert part in found[0]


def test_one_tenant_does_not_say_it_twice() -> None:
    other = "{issuer: 'https://login.example', audience: a, algorithms: [ES256]}"
    found = _errors(f"{{client-a: {{oidc: [{_ISSUER % 'a'}, {other}]}}}}")

    assert len(found) == 1
    assert "twice, for 'client-a'" in found[0]


def test_an_audience_each_is_enough() -> None:
    tenants = ", ".join(f"client-{name}: {{oidc: [{_ISSUER % name}]}}" for name in "ab")
    assert _errors(f"{{{tenants}}}") == []


def test_what_everybody_is_given_is_nobodys() -> None:
    text = changed(
        "tenants: {demo: }", f"defaults: {{oidc: [{_ISSUER % 'a'}]}}\ntenants: {{a: , b: }}", SMALL
    )
    assert [finding.rule for finding in loaded(text).errors] == ["C38"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("{issuer: 'http://login.example', audience: a}", "https://"),
        ("{issuer: 'https://login.example', audience: a, algorithms: [HS256]}", "public key"),
        ("{issuer: 'https://login.example', audience: a, grant: admin}", "tenant-admin"),
        ("{issuer: 'https://login.example', audience: a, secret: b}", "secret"),
        ("{issuer: 'https://login.example'}", "audience"),
    ],
)
def test_a_mistake_is_told_with_its_line(words: str, told: str) -> None:
    outcome = loaded(changed("tenants: {demo: }", f"tenants:\n  demo:\n    oidc: [{words}]", SMALL))

    assert outcome.exit_code == 2
    assert told in f"{outcome.errors[0].message} {outcome.errors[0].cure}"
    assert outcome.errors[0].line == SMALL.count("\n") + 2
