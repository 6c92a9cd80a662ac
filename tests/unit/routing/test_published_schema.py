"""The schema that editors are pointed at is the one the command prints."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from passerelle.cli.configuration import schema as verb
from passerelle.routing.schema import json_schema
from tests.unit.routing.files import KINDS

_PUBLISHED = Path(__file__).parents[3] / "docs" / "providers.schema.json"


def test_the_published_schema_is_that_of_the_kinds_that_exist() -> None:
    assert json.loads(_PUBLISHED.read_text(encoding="utf-8")) == json_schema(KINDS), (
        "write it again: passerelle schema > docs/providers.schema.json"
    )


def test_the_command_prints_the_published_schema(tmp_path: Path) -> None:
    result = CliRunner().invoke(verb, ["--data", str(tmp_path)])

    assert result.exit_code == 0
    assert result.output == _PUBLISHED.read_text(encoding="utf-8")


def test_it_names_every_kind_and_takes_no_unknown_key() -> None:
    schema = json.loads(_PUBLISHED.read_text(encoding="utf-8"))
    (backend,) = schema["properties"]["backends"]["patternProperties"].values()
    choices = backend["oneOf"]
    models = [schema["$defs"][choice["$ref"].rpartition("/")[2]] for choice in choices]

    assert {model["properties"]["kind"]["const"] for model in models} == set(KINDS)
    assert schema["additionalProperties"] is False
