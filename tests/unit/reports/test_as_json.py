"""The JSON form keeps to its schema, and its amounts are exact and add up."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from passerelle.reports.as_json import to_json
from passerelle.reports.as_json_schema import schema
from tests.unit.reports.months import built, full, rows

jsonschema = pytest.importorskip("jsonschema")

_PUBLISHED = Path(__file__).parents[3] / "docs" / "costs-report.schema.json"


@pytest.mark.parametrize(
    "report", [built(), full(), built(tenant=None), built(rows(groups=(), tries=(), days=()))]
)
def test_a_document_keeps_to_the_published_schema(report: Any) -> None:
    document = json.loads(json.dumps(to_json(report), allow_nan=False))

    jsonschema.Draft202012Validator.check_schema(schema())
    jsonschema.Draft202012Validator(schema()).validate(document)


def test_the_schema_knows_every_field() -> None:
    assert set(to_json(full())) == set(schema()["properties"])


def test_the_published_schema_is_the_programs() -> None:
    assert json.loads(_PUBLISHED.read_text()) == schema()


def test_a_wrong_document_is_no_report() -> None:
    document = to_json(built()) | {"total": {"amount": 1.35, "billed": "1.35", "cost": "1"}}

    assert not jsonschema.Draft202012Validator(schema()).is_valid(document)


def test_both_sums_of_every_dimension_are_the_total() -> None:
    document = to_json(full())

    assert document["total"] == {"amount": "1.37", "billed": "1.37", "cost": "1.27"}
    for parts in (*document["by"].values(), *document["tags"].values()):
        assert sum(Decimal(part["amount"]) for part in parts) == Decimal(document["total"]["amount"])
        assert sum(Decimal(part["billed"]) for part in parts) == Decimal(document["total"]["billed"])
