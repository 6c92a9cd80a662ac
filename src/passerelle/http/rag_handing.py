"""Documents as they are handed in: a JSON object that says exactly one thing, or a form with files.

Whoever hands documents in for groups must be allowed to speak for them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

import orjson
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema
from pydantic.functional_validators import BeforeValidator

from passerelle.config.durations import parse_keeping
from passerelle.domain.errors import BadRequest
from passerelle.domain.rag import Given, GivenChunk
from passerelle.domain.retrieval import LONGEST_NAME, LONGEST_TEXT, MOST_GROUPS, RESERVED
from passerelle.http.bodies import valid
from passerelle.http.texts import Name, Text
from passerelle.http.uploads import Form

MOST_DOCUMENTS = 1_000  # of a request
_MOST_CHUNKS = 10_000  # of a document
_MOST_NAMES, _LONGEST_VALUE, _MOST_VALUES = 64, 2_000, 64
_SHORTEST_REFRESH = 60.0  # seconds
_LARGEST = 2**63
_FORM_FIELDS = ("key", "title", "language", "groups", "metadata")

Groups = Callable[[Sequence[str] | None], frozenset[str]]  # what a caller may ask of them


def _refresh(value: Any) -> Any:
    seconds = parse_keeping(value)
    if seconds < _SHORTEST_REFRESH:
        raise ValueError("is out of range; write at least 60s")
    return seconds


def _metadata(values: dict[str, Any]) -> dict[str, Any]:
    for name, value in values.items():
        if not _whole(name) or not 1 <= len(name) <= LONGEST_NAME or any(sign in name for sign in '"\\'):
            raise ValueError("holds a name that cannot be one")
        if name in RESERVED:
            raise ValueError(f"must not hold `{name}`, which is the gateway's own")
        each = value if isinstance(value, list) else [value]
        if len(each) > _MOST_VALUES or not all(map(_is_value, each)):
            raise ValueError(f"`{name}` must be a string, a finite number, true, false, or a list of them")
    return values


def _is_value(value: object) -> bool:
    if isinstance(value, str):
        return len(value) <= _LONGEST_VALUE and _whole(value)
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int) and -_LARGEST <= value < _LARGEST


def _whole(text: str) -> bool:
    return "\0" not in text and text.encode("utf-8", "ignore").decode() == text


def _trimmed(name: str) -> str:
    if name != name.strip():
        raise ValueError("must not begin or end with a space")
    return name


Metadata = Annotated[
    dict[str, Any],
    AfterValidator(_metadata),
    Field(
        max_length=_MOST_NAMES,
        description="Values that searches may ask for: strings, numbers, true, false, or lists of them.",
        examples=[{"year": 2026, "product": "shop"}],
    ),
]
GroupNames = Annotated[
    list[Annotated[Name, AfterValidator(_trimmed)]],
    Field(
        max_length=MOST_GROUPS,
        description="Who may see it; without any, the whole tenant.",
        examples=[["hr"]],
    ),
]
Refresh = Annotated[
    float,
    BeforeValidator(_refresh),
    WithJsonSchema(
        {"type": "string", "examples": ["24h"], "description": "How often its page is looked at."}
    ),
]
Url = Annotated[
    Text, Field(min_length=1, max_length=2_048, pattern="^https?://", examples=["https://example.com/faq"])
]
Title = Annotated[Text, Field(max_length=1_000)]
Language = Annotated[str, Field(pattern="^([a-z]{2}(-[A-Za-z0-9]{2,8})?)?$", examples=["fr"])]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class ChunkIn(_Body):
    """A passage that its sender has cut."""

    text: Text = Field(min_length=1, max_length=LONGEST_TEXT)
    headings: list[Title] = Field(default=[], max_length=16)
    page: int | None = Field(default=None, ge=1, le=1_000_000)
    start: int | None = Field(default=None, ge=0, le=2**31 - 1)
    end: int | None = Field(default=None, ge=0, le=2**31 - 1)
    metadata: Metadata = Field(default={})


class _Shared(_Body):
    language: Language = Field(
        default="", description="ISO 639-1; found out from the text where it is not said."
    )
    groups: GroupNames = Field(default=[])
    metadata: Metadata = Field(default={})
    refresh: Refresh | None = None


class DocumentIn(_Shared):
    """A document: exactly one of `text`, `url` and `chunks`."""

    text: Text | None = Field(default=None, min_length=1)
    url: Url | None = None
    chunks: list[ChunkIn] | None = Field(default=None, min_length=1, max_length=_MOST_CHUNKS)
    key: Annotated[Text, Field(max_length=2_048)] = Field(
        default="", description="Its name in its collection: what comes under the same key replaces it."
    )
    name: Annotated[Text, Field(max_length=LONGEST_NAME)] = ""
    media_type: Literal["", "text/plain", "text/markdown", "text/html", "text/csv"] = Field(
        default="", description="What the `text` is written in."
    )
    title: Title = ""


class HandedIn(DocumentIn):
    """A document, or many: exactly one of `text`, `url`, `chunks`, `urls` and `documents`."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"text": "Delivery takes two days.", "key": "delivery", "title": "Delivery"},
                {"url": "https://example.com/faq", "refresh": "24h"},
                {"urls": ["https://example.com/a", "https://example.com/b"], "groups": ["hr"]},
            ]
        }
    )

    urls: list[Url] | None = Field(default=None, min_length=1, max_length=MOST_DOCUMENTS)
    documents: list[DocumentIn] | None = Field(default=None, min_length=1, max_length=MOST_DOCUMENTS)


def of_body(said: HandedIn, groups: Groups) -> list[Given]:
    """The documents that a JSON body hands in. Raises BadRequest and Forbidden."""
    ways = {name: getattr(said, name) for name in ("text", "url", "chunks", "urls", "documents")}
    if sum(way is not None for way in ways.values()) != 1:
        raise _wrong(f"Write exactly one of {', '.join(f'`{name}`' for name in ways)}.", "text")
    if said.documents is not None:
        if beside := said.model_fields_set - {"documents"}:
            name = min(beside)
            raise _wrong(f"`{name}` is said in each of the `documents`.", name)
        return [_given(each, groups, where=f"documents.{place}") for place, each in enumerate(said.documents)]
    if said.urls is not None:
        if beside := said.model_fields_set & {"key", "name", "title", "media_type"}:
            name = min(beside)
            raise _wrong(f"`{name}` is one document's; write `documents` in place of `urls`.", name)
        one = said.model_copy(update={"urls": None})
        return [_given(one.model_copy(update={"url": url}), groups) for url in dict.fromkeys(said.urls)]
    return [_given(said, groups)]


def of_form(form: Form, groups: Groups) -> list[Given]:
    """The documents that a form hands in. Raises BadRequest, RequestValidationError and Forbidden."""
    if not form.files:
        raise _wrong("Send at least one `file`.", "file")
    for name, values in form.fields.items():
        if name not in _FORM_FIELDS:
            raise _wrong(
                f"The form has no field {name[:100]!r}; it takes {', '.join(_FORM_FIELDS)}.", name[:100]
            )
        if name != "groups" and len(values) > 1:
            raise _wrong(f"`{name}` is said once.", name)
    said = {name: values[0] for name, values in form.fields.items() if name in ("key", "title", "language")}
    if len(form.files) > 1 and (one := said.keys() & {"key", "title"}):
        name = min(one)
        raise _wrong(f"`{name}` is one file's; send this file by itself.", name)
    shared: dict[str, Any] = {**said, "groups": _group_names(form.fields.get("groups", ()))}
    if metadata := form.fields.get("metadata"):
        shared["metadata"] = _json("metadata", metadata[0])
    checked = valid(DocumentIn, shared)
    allowed = groups(checked.groups)
    given = []
    for number, file in enumerate(form.files, 1):
        if not (file.name or checked.key):
            raise _wrong(f"File {number} has no name; give it one, or a `key`.", "file")
        given.append(
            Given(
                content=file.content,
                key=checked.key,
                name=file.name,
                media_type=file.media_type,
                title=checked.title,
                language=checked.language,
                groups=allowed,
                metadata=checked.metadata,
            )
        )
    return given


def _given(said: DocumentIn, groups: Groups, where: str = "") -> Given:
    if (said.text, said.url, said.chunks).count(None) != 2:
        raise _wrong("Each document has exactly one of `text`, `url` and `chunks`.", where or "text")
    if said.refresh is not None and said.url is None:
        raise _wrong("`refresh` is for documents with a `url`.", f"{where}.refresh".lstrip("."))
    if said.media_type and said.text is None:
        raise _wrong("`media_type` is for documents with a `text`.", f"{where}.media_type".lstrip("."))
    return Given(
        url=said.url,
        text=said.text,
        chunks=None if said.chunks is None else tuple(map(_chunk, said.chunks)),
        key=said.key,
        name=said.name,
        media_type=said.media_type,
        title=said.title,
        language=said.language,
        groups=groups(said.groups),
        metadata=said.metadata,
        refresh=said.refresh,
    )


def _chunk(said: ChunkIn) -> GivenChunk:
    return GivenChunk(
        text=said.text,
        headings=tuple(said.headings),
        page=said.page,
        start=said.start,
        end=said.end,
        metadata=said.metadata,
    )


def _group_names(values: Sequence[str]) -> list[Any]:
    """Groups of a form: one a field, or all of them as a JSON list in one."""
    if len(values) == 1 and values[0].lstrip().startswith("["):
        names = _json("groups", values[0])
        return names if isinstance(names, list) else [names]
    return [value for value in values if value]


def _json(name: str, value: str) -> Any:
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise _wrong(f"`{name}` is not valid JSON.", name) from error


def _wrong(message: str, param: str) -> BadRequest:
    return BadRequest(message, code="invalid_value", param=param)
