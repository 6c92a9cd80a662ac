"""Findings as SARIF 2.1.0 (OASIS), which code hosts show beside the lines they speak of."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from passerelle import __version__
from passerelle.compliance.check import RULES, Rule
from passerelle.compliance.findings import Found

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS = {"error": "error", "warning": "warning", "info": "note"}


def as_sarif(found: Sequence[Found]) -> dict[str, Any]:
    """One run of our rules, every one of them listed."""
    numbers = {name: number for number, name in enumerate(RULES)}
    return {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "passerelle dpa check",
                        "version": __version__,
                        "rules": [_rule(name, rule) for name, rule in RULES.items()],
                    }
                },
                "columnKind": "unicodeCodePoints",
                "results": [_result(each, numbers) for each in found],
            }
        ],
    }


def _rule(name: str, rule: Rule) -> dict[str, Any]:
    return {
        "id": name,
        "shortDescription": {"text": rule.fails_when},
        "help": {"text": f"{rule.fails_when} Source: {rule.law}."},
        "defaultConfiguration": {"level": "error"},
        "properties": {"source": rule.law},
    }


def _result(found: Found, numbers: Mapping[str, int]) -> dict[str, Any]:
    text = f"{found.message} {found.cure}".strip()
    result: dict[str, Any] = {
        "ruleId": found.rule,
        "level": _LEVELS[found.severity],
        "message": {"text": f"{found.tenant}: {text}" if found.tenant else text},
        "partialFingerprints": {"found/v1": _print_of(found)},
        "properties": {"tenant": found.tenant or None},
    }
    if found.rule in numbers:
        result["ruleIndex"] = numbers[found.rule]
    if found.file:
        place: dict[str, Any] = {"artifactLocation": {"uri": quote(found.file)}}
        if found.line:
            place["region"] = {"startLine": found.line}
        result["locations"] = [{"physicalLocation": place}]
    return result


def _print_of(found: Found) -> str:
    """The same for the same thing, wherever it moves in its file."""
    words = "\0".join((found.rule, found.tenant, found.file, found.message))
    return hashlib.sha256(words.encode()).hexdigest()[:32]
