"""No statement about a tenant's surveys or texts is without the tenant, however it came to know an id."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import TextClause

import passerelle

_SOURCES = Path(passerelle.__file__).parent
_ROOMS = ("enrichment", "surveys")
# A survey's file is reached through its survey alone, which has the tenant.
_TABLE = re.compile(
    r"\b(?:FROM|JOIN|UPDATE|INTO|USING)\s+(?!survey_content\b)((?:survey|content)(?:_\w+)?)\b(?!\.)"
)
_HELD = re.compile(
    r"\btenant\s*=\s*(?::tenant\b|(?:\w+\.)?tenant\b)|\(\s*tenant,|,\s*tenant,|WHERE tenant = ANY"
)
# Whose tables are no tenant's, or all tenants': what sweeps look for to be done, each under its own tenant again.
_OF_ALL = {
    ("surveys.archive_removing", "_LEFT"),
    ("surveys.archive_removing", "_STRANDED"),
}


def _modules() -> list[str]:
    return [
        f"{room}.{path.stem}"
        for room in _ROOMS
        for path in sorted((_SOURCES / "pipelines" / room).glob("*.py"))
        if "text(" in path.read_text() and "sqlalchemy" in path.read_text()
    ]


def _statements(module: str) -> Iterator[tuple[str, str]]:
    def within(value: Any) -> Iterator[str]:
        if isinstance(value, TextClause):
            yield value.text
        elif isinstance(value, list | tuple):
            for each in value:
                yield from within(each)
        elif isinstance(value, dict):
            yield from within(list(value.values()))

    for name, value in vars(import_module(f"passerelle.pipelines.{module}")).items():
        for said in within(value):
            yield name, said


@pytest.mark.parametrize("module", _modules())
def test_every_statement_has_the_tenant_for_every_table(module: str) -> None:
    wrong = []
    for name, said in _statements(module):
        tables = _TABLE.findall(said)
        if len(_HELD.findall(said)) < len(tables) and (module, name) not in _OF_ALL:
            wrong.append((name, tables, said))

    assert wrong == []


def test_statements_are_found_and_made_once_for_all() -> None:
    """One that is made while the program runs is seen by no test."""
    found = [name for module in _modules() for name, _ in _statements(module)]
    inside = [
        (path.name, line.strip())
        for room in _ROOMS
        for path in (_SOURCES / "pipelines" / room).glob("*.py")
        for line in path.read_text().splitlines()
        if re.search(r"\.execute\(\s*(?:text|statement)\(", line)
    ]

    assert len(found) > 80
    assert inside == []
