"""A document that is handed in, judged before anything of it is stored: one clear error, or exactly what is kept."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import PurePosixPath
from typing import Any

import orjson

from passerelle.domain.caller import ANY_GROUP
from passerelle.domain.errors import BadRequest, TooLarge
from passerelle.domain.rag import Given, GivenChunk, Origin, Rag, Setup, Urls
from passerelle.domain.retrieval import LONGEST_NAME, LONGEST_TEXT, MOST_GROUPS, RESERVED, named
from passerelle.retrieval.store import MOST_AT_ONCE
from passerelle.wire.foreign_urls import Rules, read_url

LONGEST_KEY = 2_000  # bytes, which an index can hold
LONGEST_TITLE = 500
_MOST_METADATA = 64
_LONGEST_METADATA = 16_384  # bytes, all of a document's together
_MOST_VALUES = 100  # of a list
_REFRESH = (60.0, 366 * 86_400.0)
_LANGUAGE = re.compile(r"[a-z]{2}")
# A change of how documents are read counts as a change of every document.
_EDITION = b"1"
_CHUNKS_TYPE = "application/json"


@dataclass(frozen=True, slots=True)
class Offer:
    """A document as it is kept. `content` None: it is to be fetched."""

    key: str
    origin: Origin
    content: bytes | None
    url: str | None
    name: str
    media_type: str
    title: str
    language: str
    groups: tuple[str, ...]
    metadata: Mapping[str, Any]
    refresh: float | None


def rules_of_urls(urls: Urls) -> Rules:
    """Where a tenant's URLs may lead."""
    denied = tuple(ip_network(network, strict=False) for network in sorted(urls.denied))
    return Rules(hosts=urls.hosts, denied=denied, plain_http=urls.plain_http)


def offer_of(given: Given, rag: Rag, rules: Rules) -> Offer:
    """What is kept of it. Raises BadRequest, TooLarge, and FetchRefused for a URL that is not fetched."""
    origin = _origin(given)
    content = _content(given, origin)
    if content is not None and len(content) > rag.file_size:
        message = f"The document is larger than the {rag.file_size} bytes that this tenant may send. Send it in parts."
        raise TooLarge(message, code="document_too_large", param="document")
    url = read_url(given.url, rules).url if given.url is not None else None
    groups, metadata = tuple(sorted(given.groups)), dict(given.metadata)
    _check_groups(groups)
    _check_metadata(metadata)
    if given.language and not _LANGUAGE.fullmatch(given.language):
        raise BadRequest("A language is two small letters (ISO 639-1).", code="language", param="language")
    return Offer(
        key=_key(given, origin, url, content),
        origin=origin,
        content=content,
        url=url,
        name=_said(given.name, "name", LONGEST_TITLE),
        media_type=_said(given.media_type or _usual(origin), "media_type", 200),
        title=_said(given.title, "title", LONGEST_TITLE),
        language=given.language,
        groups=groups,
        metadata=metadata,
        refresh=_refresh(given, rag) if origin is Origin.URL else None,
    )


def digest_of(
    content: bytes, setup: Setup, *, origin: str, name: str, media_type: str, said: Mapping[str, Any]
) -> bytes:
    """Of the content and of everything else that changes what is indexed of it, except its key.

    `said` is what its sender says of it: title, language, groups and metadata.
    """
    # A file's ending may tell its kind; what a page is called tells nothing.
    ending = PurePosixPath(name.lower()).suffix if origin == Origin.FILE else ""
    rest = {
        "setup": [setup.embedder, setup.size, setup.overlap],
        "as": [origin == Origin.CHUNKS, ending, media_type.partition(";")[0].strip().lower()],
        "said": said,
    }
    digest = hashlib.sha256(_EDITION + hashlib.sha256(content).digest())
    digest.update(orjson.dumps(rest, option=orjson.OPT_SORT_KEYS))
    return digest.digest()


def said_of(title: str, language: str, groups: Sequence[str], metadata: Mapping[str, Any]) -> dict[str, Any]:
    """What a sender says of a document, in one form."""
    return {"title": title, "language": language, "groups": sorted(groups), "metadata": dict(metadata)}


def chunks_of(content: bytes) -> tuple[GivenChunk, ...]:
    """The passages that `content` holds for a document that was cut by its sender."""
    return tuple(
        GivenChunk(**{**said, "headings": tuple(said["headings"])}) for said in orjson.loads(content)
    )


def _origin(given: Given) -> Origin:
    parts = {
        Origin.FILE: given.content,
        Origin.URL: given.url,
        Origin.TEXT: given.text,
        Origin.CHUNKS: given.chunks,
    }
    there = [origin for origin, part in parts.items() if part is not None]
    if len(there) != 1:
        message = "A document is exactly one of a file, a `url`, a `text` and `chunks`."
        raise BadRequest(message, code="document_form", param="document")
    return there[0]


def _content(given: Given, origin: Origin) -> bytes | None:
    if origin is Origin.URL:
        return None
    if given.content is not None:
        content = given.content
    elif given.text is not None:
        content = _encoded(given.text, "text")
    else:
        content = _written(given.chunks or ())
    if not content.strip(b" \t\r\n\f\v\0"):
        raise BadRequest("The document is empty. Send one with text in it.", code="document_empty")
    return content


def _written(chunks: Sequence[GivenChunk]) -> bytes:
    if not 1 <= len(chunks) <= MOST_AT_ONCE:
        message = f"A document has 1 to {MOST_AT_ONCE} chunks. Send it in parts."
        raise BadRequest(message, code="document_chunks", param="chunks")
    said = []
    for chunk in chunks:
        _encoded(chunk.text, "chunks")
        if not chunk.text.strip() or len(chunk.text) > LONGEST_TEXT:
            message = f"A chunk has 1 to {LONGEST_TEXT} characters."
            raise BadRequest(message, code="document_chunks", param="chunks")
        for heading in chunk.headings:
            _said(heading, "chunks", LONGEST_TITLE)
        for place in (chunk.page, chunk.start, chunk.end):
            if place is not None and not 0 <= place < 2**31:
                message = "`page`, `start` and `end` of a chunk are no numbers of a document."
                raise BadRequest(message, code="document_chunks", param="chunks")
        _check_metadata(chunk.metadata)
        said.append(
            {
                "text": chunk.text,
                "headings": list(chunk.headings),
                "page": chunk.page,
                "start": chunk.start,
                "end": chunk.end,
                "metadata": dict(chunk.metadata),
            }
        )
    return orjson.dumps(said)


def _key(given: Given, origin: Origin, url: str | None, content: bytes | None) -> str:
    key = given.key or url or given.name
    if not key and content is not None:
        key = f"{origin.value}-{hashlib.sha256(content).hexdigest()[:24]}"
    if len(_encoded(key, "key")) > LONGEST_KEY or "\0" in key or key != key.strip():
        message = (
            f"A document's key has at most {LONGEST_KEY} bytes, without spaces around it. Name it by `key`."
        )
        raise BadRequest(message, code="document_key", param="key")
    return key


def _usual(origin: Origin) -> str:
    return {Origin.TEXT: "text/plain", Origin.CHUNKS: _CHUNKS_TYPE}.get(origin, "")


def _refresh(given: Given, rag: Rag) -> float | None:
    seconds = given.refresh if given.refresh is not None else rag.urls.refresh
    if seconds is not None and not _REFRESH[0] <= seconds <= _REFRESH[1]:
        message = f"A page is looked at again after {_REFRESH[0]:g} to {_REFRESH[1]:g} seconds."
        raise BadRequest(message, code="refresh", param="refresh")
    return seconds


def _check_groups(groups: Sequence[str]) -> None:
    if len(groups) > MOST_GROUPS:
        raise BadRequest(f"A document has at most {MOST_GROUPS} groups.", code="groups", param="groups")
    for group in groups:
        if group == ANY_GROUP:  # which keys may be in; nobody could ask for the document
            message = f"`{ANY_GROUP}` is no group of a document. Without `groups` the whole tenant sees it."
            raise BadRequest(message, code="groups", param="groups")
        try:
            named(group, "name of a group")
        except ValueError as error:
            raise BadRequest(str(error), code="groups", param="groups") from None


def _check_metadata(metadata: Mapping[str, Any]) -> None:
    wrong = _wrong(metadata)
    if wrong:
        raise BadRequest(wrong, code="metadata", param="metadata")


def _wrong(metadata: Mapping[str, Any]) -> str:
    """What is wrong with it, for people; empty where nothing is."""
    if taken := sorted(RESERVED.intersection(metadata)):
        return f"These names of metadata are reserved: {', '.join(taken)}."
    if len(metadata) > _MOST_METADATA:
        return f"A document has at most {_MOST_METADATA} values of metadata."
    for name, value in metadata.items():
        if not name or len(name) > LONGEST_NAME or any(sign in name for sign in '"\\\0'):
            return f"A name of metadata has 1 to {LONGEST_NAME} characters, without quotes and backslashes."
        values = value if isinstance(value, list | tuple) else [value]
        if len(values) > _MOST_VALUES or not all(map(_is_plain, values)):
            return f"The metadata {name!r} is no text, number or yes-or-no, nor a list of at most {_MOST_VALUES} of them."
    try:
        size = len(orjson.dumps(metadata))
    except (TypeError, ValueError):  # a number of more than 64 bits, half a letter
        return "The metadata cannot be written as JSON."
    return (
        "" if size <= _LONGEST_METADATA else f"Metadata has at most {_LONGEST_METADATA} bytes, all together."
    )


def _is_plain(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" not in value
    return (
        value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value))
    )


def _said(text: str, param: str, most: int) -> str:
    _encoded(text, param)
    if len(text) > most or "\0" in text:
        raise BadRequest(f"`{param}` has at most {most} characters.", code=f"document_{param}", param=param)
    return text.strip()


def _encoded(text: str, param: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise BadRequest(f"`{param}` holds half a letter.", code="not_unicode", param=param) from None
