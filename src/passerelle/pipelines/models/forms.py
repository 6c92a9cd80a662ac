"""A schema as requests and prompts hold it, and what is wrong with a value: pydantic's models, and JSON Schema.

A JSON Schema may be a tenant's own: it is held to the bounds of the guardrail that checks schemas.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import orjson
from pydantic import BaseModel, ValidationError

from passerelle.domain.errors import BadRequest
from passerelle.guardrails.schema import Unreadable, wanted

_MOST_TOLD = 8  # of what is wrong
_LONGEST_TOLD = 300  # characters of one
_NAME = re.compile(r"[^A-Za-z0-9_-]+")


class Mismatch(ValueError):
    """A value is not what the schema says. `wrong` tells the model why, and may quote it."""

    def __init__(self, wrong: str) -> None:
        super().__init__(wrong)
        self.wrong = wrong


class Form:
    """A schema. Raises BadRequest for one that no answer can be held to."""

    def __init__(self, schema: type[BaseModel] | Mapping[str, Any], name: str | None = None) -> None:
        self._model = schema if isinstance(schema, type) else None
        if isinstance(schema, type):
            if not issubclass(schema, BaseModel):
                raise BadRequest(
                    "The schema must be a pydantic model or a JSON Schema.", code="invalid_schema"
                )
            self.schema = (
                _closed(schema.model_json_schema()) if _forbids(schema) else schema.model_json_schema()
            )
            title = schema.__name__
        else:
            self.schema = dict(schema)
            title = str(self.schema.get("title") or "answer")
        self.name = _NAME.sub("_", name or title)[:64].strip("_") or "answer"
        self.format: dict[str, Any] = {
            "type": "json_schema",
            "json_schema": {"name": self.name, "schema": self.schema, "strict": strictly(self.schema)},
        }
        self._check = self._checker()

    def value(self, text: str) -> Any:
        """The value that a JSON text is. Raises Mismatch."""
        if self._model is not None:
            try:
                return self._model.model_validate_json(text)
            except ValidationError as error:
                raise Mismatch(_told_by_pydantic(error)) from error
        if (verdict := self._check(text)) is not None:
            raise Mismatch(self._told(text) if verdict == "not-valid" else f"The answer is {verdict}.")
        return orjson.loads(text)

    @property
    def written(self) -> str:
        """The schema as a prompt holds it."""
        return orjson.dumps(self.schema).decode()

    def _checker(self) -> Callable[[str], str | None]:
        if self._model is not None:
            return lambda _: None  # pydantic checks
        try:
            check = wanted({"response_format": self.format})
        except (Unreadable, TypeError) as error:
            message = "The schema is none, refers to another place, or makes work without a bound."
            raise BadRequest(message, code="invalid_schema") from error
        assert check is not None  # its type is a schema's  # noqa: S101
        return check

    def _told(self, text: str) -> str:
        import jsonschema_rs  # noqa: PLC0415 - heavy, and only where an answer is wrong

        # Its work is bounded: the check has counted it.
        validator = jsonschema_rs.Draft202012Validator(self.schema, offline=True)
        told = []
        for error in validator.iter_errors(orjson.loads(text)):
            told.append(_line(error.instance_path, error.message))
            if len(told) >= _MOST_TOLD:
                break
        return "\n".join(told) or "The answer is not what the schema says."


def strictly(schema: Any) -> bool:
    """Is it in the part of JSON Schema that OpenAI's `strict` takes: every object closed, every property required?

    Engines that are told to be strict refuse other schemas; those that decode by a grammar follow it either way.
    """
    if isinstance(schema, list):
        return all(map(strictly, schema))
    if not isinstance(schema, dict):
        return True
    properties = schema.get("properties")
    if isinstance(properties, dict) or schema.get("type") == "object":
        properties = properties if isinstance(properties, dict) else {}
        if schema.get("additionalProperties") is not False:
            return False
        if set(properties) != set(schema.get("required") or ()):
            return False
        if not all(map(strictly, properties.values())):
            return False
    return all(
        all(map(strictly, value.values())) if name in ("$defs", "definitions") else strictly(value)
        for name, value in schema.items()
        if name not in ("properties", "enum", "const", "default", "examples", "required")
    )


def _forbids(model: type[BaseModel]) -> bool:
    """Does a model leave open what other keys an object may have? Then none is wanted, and engines are told so."""
    return model.model_config.get("extra") in (None, "ignore")


def _closed(schema: Any) -> Any:
    """The schema with every object that says nothing of other keys closed to them."""
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {
        name: ({key: _closed(inner) for key, inner in value.items()} if name in ("properties", "$defs") else
               value if name in ("enum", "const", "default", "examples", "required") else _closed(value))
        for name, value in schema.items()
    }  # fmt: skip
    if isinstance(closed.get("properties"), dict):
        closed.setdefault("additionalProperties", False)
    return closed


def _told_by_pydantic(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_input=False, include_context=False)
    return "\n".join(_line(each["loc"], each["msg"]) for each in found[:_MOST_TOLD])


def _line(path: Any, message: str) -> str:
    place = ".".join(map(str, path)) or "the whole"
    return f"- {place[:_LONGEST_TOLD]}: {message[:_LONGEST_TOLD]}"
