"""What content enrichment keeps, as JSON and back: recipes, brands, pieces, what was written.

What the tables hold was written by this program, so that it is believed; a field that an older version did not know has
its default.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import orjson

from passerelle.domain.ask import Usage
from passerelle.domain.content import (
    FIELDS,
    LISTS,
    Address,
    Bounds,
    Brand,
    Check,
    Example,
    Flaw,
    Form,
    Operation,
    Piece,
    Recipe,
    Tag,
    Term,
    Value,
    Written,
)
from passerelle.jobs.tables import as_json
from passerelle.sealing.values import Opener, Seal

_BOUND = b"content"  # what all of it is sealed for
_PLACES = {field: place for place, field in enumerate(name for names in FIELDS.values() for name in names)}
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def storable(words: str) -> str:
    """As PostgreSQL and a prompt can hold it: no NUL, no half of a letter, nothing that steers a terminal."""
    return _CONTROLS.sub("\ufffd", words.encode("utf-8", "replace").decode())


def json_of(value: Any) -> str:
    """A value of the domain for a JSON column."""
    return as_json(orjson.loads(orjson.dumps(value)))


def piece_json(piece: Piece, seal: Seal) -> str:
    """A piece for its column."""
    return as_json(seal.seal_json(orjson.loads(orjson.dumps(piece)), _BOUND))


def piece_in(said: Mapping[str, Any], opener: Opener) -> Piece:
    """The piece of its column."""
    return piece_of(opener.open_json(said, _BOUND))


def written_json(written: Written, seal: Seal) -> str:
    """What was written, for its column: estimates are learned from what it took, which stays as it is."""
    said = orjson.loads(orjson.dumps(written))
    return as_json(said | {name: seal.seal_json(said[name], _BOUND) for name in ("values", "flaws")})


def written_in(said: Mapping[str, Any], opener: Opener) -> Written:
    """What was written, of its column."""
    opened = {name: opener.open_json(said[name], _BOUND) for name in ("values", "flaws") if name in said}
    return written_of({**said, **opened})


def value_json(value: Value, seal: Seal) -> str:
    """A field's value for its column."""
    return as_json(seal.seal_json(orjson.loads(orjson.dumps(value)), _BOUND))


def value_in(field: str, said: Any, opener: Opener) -> Value:
    """A field's value of its column."""
    return value_of(field, opener.open_json(said, _BOUND))


def value_of(field: str, said: Any) -> Value:
    """A field's value as JSON has it."""
    return tuple(map(str, said)) if field in LISTS else str(said)


def values_of(said: Mapping[str, Any]) -> dict[str, Value]:
    """Values by field, in the order in which fields are shown: a JSON column keeps none."""
    order = sorted(said, key=lambda field: _PLACES.get(field, len(_PLACES)))
    return {field: value_of(field, said[field]) for field in order}


def recipe_of(said: Mapping[str, Any]) -> Recipe:
    """A recipe. Raises KeyError, TypeError or ValueError for what is none."""
    bounds = {**asdict(Bounds()), **said.get("bounds", {})}
    pairs = {name: tuple(bounds[name]) for name in ("summary_words", "tags", "ratio")}
    return Recipe(
        name=said["name"],
        version=said["version"],
        title=said["title"],
        language=said["language"],
        operations=tuple(map(Operation, said["operations"])),
        role=said["role"],
        context=said["context"],
        task=said["task"],
        into=said.get("into"),
        examples=tuple(
            Example(each["source"], values_of(each["written"])) for each in said.get("examples", ())
        ),
        taxonomy=tuple(Tag(each["name"], each.get("definition", "")) for each in said.get("taxonomy", ())),
        bounds=Bounds(**{**bounds, **pairs}),
        temperature=float(said.get("temperature", 0.2)),
        prompt=said.get("prompt", ""),
        shipped=bool(said.get("shipped", False)),
    )


def brand_of(said: Mapping[str, Any]) -> Brand:
    """A brand profile."""
    address = said.get("address")
    return Brand(
        version=said.get("version", 0),
        tone=said.get("tone", ""),
        address=Address(address) if address else None,
        banned=tuple(said.get("banned", ())),
        glossary=tuple(
            Term(**{**each, "never": tuple(each.get("never", ()))}) for each in said.get("glossary", ())
        ),
        names=tuple(said.get("names", ())),
    )


def piece_of(said: Mapping[str, Any]) -> Piece:
    """A piece."""
    return Piece(
        key=said["key"],
        text=said["text"],
        form=Form(said.get("form", Form.PLAIN)),
        title=said.get("title", ""),
        language=said.get("language", ""),
        beside=dict(said.get("beside", {})),
    )


def written_of(said: Mapping[str, Any]) -> Written:
    """What was written."""
    return Written(
        values=values_of(said["values"]),
        flaws=tuple(map(_flaw, said.get("flaws", ()))),
        repaired=bool(said.get("repaired", False)),
        usage=Usage(**said.get("usage", {})),
        cost=said.get("cost"),
        currency=said.get("currency", ""),
        calls=said.get("calls", 0),
        engine=said.get("engine", ""),
        offline=bool(said.get("offline", False)),
    )


def _flaw(said: Mapping[str, Any]) -> Flaw:
    found = tuple(said.get("found", ()))
    return Flaw(Check(said["check"]), said["field"], said["said"], found, bool(said.get("serious", True)))
