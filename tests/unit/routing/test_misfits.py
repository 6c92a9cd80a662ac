"""Keys that are not known, and what is wrong inside unions: told as the file writes it."""

from __future__ import annotations

import pytest

from tests.unit.routing.files import SMALL, loaded


@pytest.mark.parametrize(
    ("more", "cure"),
    [
        (
            "webhooks: {ops: {url: 'https://o.example', secret: env:X, tenant: demo}}\n",
            "Did you mean tenants",
        ),
        ("cors: {origins: ['https://a.example'], origin: []}\n", "Did you mean origins?"),
    ],
)
def test_a_key_that_is_not_known_leads_to_the_ones_that_are(more: str, cure: str) -> None:
    (told,) = loaded(SMALL + more).errors

    assert (told.rule, told.line) == ("C03", 1 + SMALL.count("\n"))
    assert told.cure.startswith(cure)


def test_what_is_missing_is_named_as_it_is_written_whatever_else_might_stand_there() -> None:
    text = SMALL.replace("tenants: {demo: }", "tenants: {demo: {privacy: {log_prompts: {keep: 1d}}}}")

    assert [told.message for told in loaded(text).errors] == [
        "`tenants.demo.privacy.log_prompts.purpose` is missing.",
        "`tenants.demo.privacy.log_prompts.until` is missing.",
    ]
