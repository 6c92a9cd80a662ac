"""What the checks found, of whom: ordered, hardened where warnings count as errors, and as a document for machines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from passerelle.domain.errors import Finding

_ORDER = {"error": 0, "warning": 1, "info": 2}


@dataclass(frozen=True, slots=True)
class Found(Finding):
    """A finding about a tenant; `tenant` is empty where it is about all of them."""

    tenant: str = ""


def put_in_order(found: Iterable[Found], *, strict: bool = False) -> tuple[Found, ...]:
    """Each once: what is about all tenants, then tenant by tenant, errors first. `strict`: a warning is an error."""
    hardened = (
        replace(each, severity="error") if strict and each.severity == "warning" else each for each in found
    )
    return tuple(sorted(dict.fromkeys(hardened), key=_key))


def _key(found: Found) -> tuple[object, ...]:
    return (found.tenant, _ORDER[found.severity], found.rule, found.file, found.line or 0, found.message)


def errors(found: Sequence[Found]) -> tuple[Found, ...]:
    """Those that keep a check from passing."""
    return tuple(each for each in found if each.severity == "error")


def by_tenant(found: Sequence[Found]) -> Mapping[str, tuple[Found, ...]]:
    """Of each tenant, in their order; what is about all stands under the empty name."""
    grouped: dict[str, list[Found]] = {}
    for each in found:
        grouped.setdefault(each.tenant, []).append(each)
    return {tenant: tuple(all_of_it) for tenant, all_of_it in grouped.items()}


def as_values(found: Sequence[Found]) -> list[dict[str, Any]]:
    """For a machine."""
    return [
        {
            "tenant": each.tenant or None,
            "severity": each.severity,
            "rule": each.rule,
            "message": each.message,
            "cure": each.cure,
            "file": each.file,
            "line": each.line,
        }
        for each in found
    ]
