"""Bodies of JSON that FastAPI does not read by itself: beside forms with files, or long ones."""

from __future__ import annotations

import asyncio
from typing import TypeVar

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from passerelle.domain.errors import ClientGone, TooLarge, UnsupportedMedia
from passerelle.http.intake import parse_object
from passerelle.http.services import services_of

Model = TypeVar("Model", bound=BaseModel)

_SHORT = 65_536  # bytes of a body that is read at once


async def read_json(
    request: Request, model: type[Model], *, otherwise: str, what: str = "The body comes", long: str = ""
) -> Model:
    """A request's JSON object as a model. `otherwise` says how else `what` may be sent; `long`, where it is too long.

    Raises BadRequest, RequestValidationError, TooLarge, UnsupportedMedia and ClientGone.
    """
    media = (request.headers.get("content-type") or "").partition(";")[0].strip().lower()
    if media not in ("", "application/json"):
        raise UnsupportedMedia(f"{what} as `application/json`, or as {otherwise}.")
    try:
        body = await request.body()
    except ClientDisconnect as error:
        raise ClientGone("The caller hung up before the whole request was read.") from error
    except HTTPException as error:
        if error.status_code != 413:
            raise
        limit = services_of(request).limits.body
        message = f"The body is longer than the limit of {limit} bytes; send {long or otherwise}."
        raise TooLarge(message) from error
    if len(body) <= _SHORT:
        return checked(model, body)
    return await asyncio.to_thread(checked, model, body)  # a second for the longest: others go on meanwhile


def checked(model: type[Model], body: bytes) -> Model:
    """A JSON object as a model. Raises BadRequest and RequestValidationError, in which nothing of it is quoted."""
    return valid(model, parse_object(body))


def valid(model: type[Model], said: object) -> Model:
    """What somebody says, as a model. Raises RequestValidationError, in which nothing of it is quoted."""
    try:
        return model.model_validate(said)
    except ValidationError as error:
        raise RequestValidationError(error.errors(include_url=False, include_input=False)) from None


def inlined(model: type[BaseModel]) -> dict[str, object]:
    """A model's JSON schema, whole in itself, for the OpenAPI document."""
    whole = model.model_json_schema()
    parts = whole.pop("$defs", {})

    def put(node: object) -> object:
        if isinstance(node, dict):
            if isinstance(named := node.get("$ref"), str):
                return put(parts[named.rpartition("/")[2]])
            return {name: put(value) for name, value in node.items()}
        return [put(each) for each in node] if isinstance(node, list) else node

    document = put(whole)
    assert isinstance(document, dict)  # a schema is an object  # noqa: S101
    return document
