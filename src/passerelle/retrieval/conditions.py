"""Qdrant's conditions, as its REST interface writes them, in the words of its embedded engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import qdrant_edge as edge


def as_filter(given: Mapping[str, Any]) -> edge.Filter:
    """Clauses of conditions; an unknown one is a ValueError, so that none is ever passed over."""
    if unknown := set(given) - {"must", "should", "must_not"}:
        raise ValueError(f"unknown clauses of a filter: {sorted(unknown)}")
    clauses: dict[str, Any] = {
        name: [_condition(one) for one in conditions] for name, conditions in given.items()
    }
    return edge.Filter(**clauses)


def _condition(given: Mapping[str, Any]) -> Any:
    match given:
        case {"key": key, "match": {"value": value}}:
            return edge.FieldCondition(key=key, match=edge.MatchValue(value))
        case {"key": key, "match": {"any": values}}:
            return edge.FieldCondition(key=key, match=edge.MatchAny(values))
        case {"key": key, "range": bounds}:
            return edge.FieldCondition(key=key, range=edge.RangeFloat(**_bounds(bounds)))
        case {"is_empty": {"key": key}}:
            return edge.IsEmptyCondition(key=key)
        case {"has_id": points}:
            return edge.HasIdCondition(set(points))
    return as_filter(given)


def _bounds(given: Mapping[str, float]) -> dict[str, float | None]:
    return {name: given.get(name) for name in ("gt", "gte", "lt", "lte")}
