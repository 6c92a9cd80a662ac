"""Requests for the tests of this room."""

from __future__ import annotations

from typing import Any

import orjson

from passerelle.domain.ask import Ask, Needs, Route
from passerelle.domain.privacy import EVERYWHERE, Datum, Redaction, Sent

ALL = frozenset(Datum)


def ask_of(body: dict[str, Any], route: Route = Route.CHAT, *, stream: bool = False) -> Ask:
    """The ask that a body means."""
    return Ask(
        route=route,
        model="m",
        body={"model": "m", **body},
        stream=stream,
        wants_usage=False,
        request_id="req_1",
        needs=Needs(),
        arrived=0.0,
        size=len(orjson.dumps(body)),
    )


def said(text: str, **others: Any) -> Ask:
    """A chat in which a user says a text."""
    return ask_of({"messages": [{"role": "user", "content": text}], **others})


def redaction(
    *, kinds: frozenset[Datum] = ALL, fields: frozenset[Sent] = EVERYWHERE, restore: bool = True
) -> Redaction:
    """What a tenant has said."""
    return Redaction(kinds, fields, restore)
