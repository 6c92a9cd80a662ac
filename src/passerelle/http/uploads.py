"""Files in a request's body (`multipart/form-data`, RFC 7578): bounded in number and size, on disk until they are wanted.

A process reads so many uploads at once and no more, and has the files of a few of them in memory.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from fastapi import Request
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect

from passerelle.domain.errors import BadRequest, ClientGone, TooLarge, Unavailable

MOST_FILES = 100
_MOST_FIELDS, _LONGEST_FIELD = 50, 65_536  # bytes
_MOST_READ, _MOST_HELD = 32, 4  # uploads of a process at once: being received, and in memory
_LONGEST_NAME = 200
# Paths that take files with POST: how each begins and how it ends, with anything between; None: nothing more.
_TAKERS: tuple[tuple[str, str | None], ...] = (
    ("/v1/rag/collections/", "/documents"),
    ("/v1/content/read", None),
    ("/v1/content/estimate", None),
    ("/v1/content/jobs", None),
    ("/v1/surveys", None),
    ("/v1/surveys/columns", None),
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


class Room:
    """How many uploads a process takes at once."""

    def __init__(self, *, read: int = _MOST_READ, held: int = _MOST_HELD) -> None:
        self._free = read
        self._held = asyncio.Semaphore(held)

    @asynccontextmanager
    async def taken(self) -> AsyncIterator[asyncio.Semaphore]:
        """A place among those that are received. Raises Unavailable when there is none."""
        if self._free <= 0:
            message = "The gateway receives as many files as it can; send these again in a moment."
            raise Unavailable(message, code="overloaded", retry_after=2.0)
        self._free -= 1
        try:
            yield self._held
        finally:
            self._free += 1


@dataclass(frozen=True, slots=True)
class File:
    """A file that was sent. `name` has no folders in it; `media_type` is what its sender says."""

    name: str
    media_type: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Form:
    """A form with its files; a field may come several times."""

    fields: Mapping[str, Sequence[str]]
    files: Sequence[File]


def is_upload(scope: Mapping[str, Any]) -> bool:
    """Does a request bring files to a route that takes them? Only then may its body be longer than others."""
    if scope["method"] != "POST" or not takes_files(scope["path"]):
        return False
    media = next((value for name, value in scope["headers"] if name == b"content-type"), b"")
    return is_form(media.decode("latin-1"))


def takes_files(path: str) -> bool:
    """Does a path take files?"""
    return any(
        path == before if after is None else path.startswith(before) and path.endswith(after)
        for before, after in _TAKERS
    )


def is_form(content_type: str | None) -> bool:
    """Does a body hold files?"""
    return (content_type or "").partition(";")[0].strip().lower() == "multipart/form-data"


@asynccontextmanager
async def received(request: Request, *, file_size: int) -> AsyncIterator[Form]:
    """The form of a request, whose files are in memory for the length of the block.

    `file_size`: bytes of the largest file. Raises BadRequest `invalid_form`, TooLarge, Unavailable, ClientGone.
    """
    async with room_of(request).taken() as held, _parsed(request) as form:
        for number, (_, part) in enumerate(_files(form), 1):
            if (part.size or 0) > file_size:
                message = f"File {number} is longer than the limit of {file_size} bytes."
                raise TooLarge(message, code="file_too_large", param="file")
        async with held:
            yield await _read(form)


def room_of(request: Request) -> Room:
    """The room of the application that handles this request."""
    state = request.app.state
    room: Room | None = getattr(state, "uploads", None)
    if room is None:
        room = state.uploads = Room()
    return room


class _Parser(MultiPartParser):
    """Knows whether a form came to its end, and closes whatever it opened."""

    ended = False

    def on_end(self) -> None:
        """The last boundary was read."""
        self.ended = True

    def close(self) -> None:
        """Close all files, which deletes them; also one that broke off."""
        for file in self._files_to_close_on_error:
            file.close()


@asynccontextmanager
async def _parsed(request: Request) -> AsyncIterator[FormData]:
    parser = _Parser(
        request.headers,
        request.stream(),
        max_files=MOST_FILES,
        max_fields=_MOST_FIELDS,
        max_part_size=_LONGEST_FIELD,
    )
    try:
        form = await _parse(parser)
        if not parser.ended:
            raise BadRequest("The form breaks off before its last boundary.", code="invalid_form")
        yield form
    finally:
        parser.close()


async def _parse(parser: _Parser) -> FormData:
    try:
        return await parser.parse()
    except MultiPartException as error:
        # The parser's words are of the form's shape alone.
        raise BadRequest(f"The form cannot be read: {error.message}", code="invalid_form") from error
    except HTTPException as error:
        if error.status_code != 413:
            raise
        raise TooLarge("The files are too long together; send fewer of them at once.") from error
    except ClientDisconnect as error:
        raise ClientGone("The caller hung up before the whole request was read.") from error


async def _read(form: FormData) -> Form:
    fields: dict[str, list[str]] = {}
    for name, value in form.multi_items():
        if isinstance(value, str):
            fields.setdefault(name, []).append(value)
    files = [
        File(_name(part.filename), (part.content_type or "").partition(";")[0].strip(), await part.read())
        for _, part in _files(form)
    ]
    return Form(fields, files)


def _files(form: FormData) -> list[tuple[str, UploadFile]]:
    files = [(name, part) for name, part in form.multi_items() if not isinstance(part, str)]
    if any(name not in ("file", "files", "file[]", "files[]") for name, _ in files):
        raise BadRequest("Files are sent as `file`, once for each.", code="invalid_form", param="file")
    return files


def _name(said: str | None) -> str:
    """A file's own name: browsers and scripts also send folders, and nobody should be misled by how it is shown."""
    name = _CONTROL.sub("", (said or "").replace("\\", "/").rpartition("/")[2]).strip()
    if len(name) > _LONGEST_NAME:
        stem, dot, ending = name.rpartition(".")
        keeps = f"{dot}{ending}" if dot and len(ending) <= 10 else ""
        name = (stem if keeps else name)[: _LONGEST_NAME - len(keeps)].strip() + keeps
    return name
