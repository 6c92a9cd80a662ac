"""A job of texts as it is asked for: JSON with texts or documents in it, or a form with files and an `order`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Annotated, Any, Literal, TypeVar

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field

from passerelle.domain.content import Form, Piece
from passerelle.domain.errors import BadRequest
from passerelle.domain.money import pico
from passerelle.http.bodies import checked, inlined, read_json
from passerelle.http.content_documents import DocumentRef, documents_of
from passerelle.http.content_place import Place
from passerelle.http.texts import Name, PathName, Text
from passerelle.http.uploads import MOST_FILES, is_form, received
from passerelle.http.uploads import Form as Sent
from passerelle.pipelines.enrichment.desk import Mapped, RowSkipped, Wanted, Works

_MOST_ITEMS, _MOST_BESIDE = 100_000, 32
_LARGEST = (
    1_000_000  # of a budget: what a database's whole number holds in pico-units, and more than any job costs
)

_Key = Annotated[Text, Field(min_length=1, max_length=200)]
_Column = Annotated[Text, Field(max_length=200)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class BudgetBody(_Body):
    """What a job may cost at most, in the operator's currency."""

    amount: str = Field(pattern=r"^[0-9]{1,7}(\.[0-9]{1,12})?$", examples=["5.00"])
    currency: str = Field(pattern="^[A-Z]{3}$", examples=["EUR"])

    def pico(self, currency: str) -> int:
        """In pico-units. Raises BadRequest for another currency, nothing, or too much."""
        if self.currency != currency:
            message = f"Budgets are in {currency} here, and nothing is exchanged."
            raise BadRequest(message, code="wrong_currency", param="budget.currency")
        amount = Decimal(self.amount)
        if not 0 < amount <= _LARGEST:
            message = f"A budget is above 0 and at most {_LARGEST}."
            raise BadRequest(message, code="invalid_value", param="budget.amount")
        return pico(amount)


class MappingBody(_Body):
    """Which columns of a table are what, by their headings; the first two may be left out where headings say it."""

    text: _Column = Field(default="", description="What is worked on.", examples=["description"])
    key: _Column = Field(default="", description="A row's name, from job to job.", examples=["id"])
    title: _Column = ""
    language: _Column = ""
    beside: list[Annotated[Text, Field(min_length=1, max_length=200)]] = Field(
        default=[], max_length=_MOST_BESIDE, description="That the model may look at, and nobody changes."
    )

    def mapped(self) -> Mapped:
        """As it is read by."""
        beside = tuple(dict.fromkeys(self.beside))
        return Mapped(self.text, self.key, title=self.title, language=self.language, beside=beside)


class ItemBody(_Body):
    """A text. `key` is its name with you, from job to job: under it, its history is kept."""

    key: _Key = Field(examples=["cours-12"])
    text: Annotated[Text, Field(min_length=1)] = Field(examples=["Une formation de 3 jours à Lyon."])
    form: Literal["plain", "markdown", "html"] = "plain"
    title: Annotated[Text, Field(max_length=1_000)] = ""
    language: Annotated[str, Field(pattern="^([a-z]{2})?$")] = Field(
        default="", description="ISO 639-1; found out from the text where it is not said."
    )
    beside: dict[_Column, Annotated[Text, Field(max_length=5_000)]] = Field(
        default={}, max_length=_MOST_BESIDE
    )

    def piece(self) -> Piece:
        """As it is worked on."""
        return Piece(
            self.key,
            self.text,
            form=Form(self.form),
            title=self.title,
            language=self.language,
            beside=dict(self.beside),
        )


class OrderBody(_Body):
    """By which recipe, as which model, for how much. `preview`: only the first few, whose results the whole job finds."""

    recipe: PathName = Field(examples=["rewrite-fr"])
    version: int | None = Field(default=None, ge=1, description="Of the recipe; else its newest.")
    model: Name | None = Field(default=None, description="One of the tenant's; else the one of its rules.")
    budget: BudgetBody | None = None
    preview: bool = False
    again: bool = Field(default=False, description="Write anew, and pay anew, what is there unchanged.")
    dry_run: bool = Field(default=False, description="Only estimate.")

    def wanted(self, currency: str, *, by: str) -> Wanted:
        """Without its texts. Raises BadRequest."""
        return Wanted(
            self.recipe,
            version=self.version,
            model=self.model,
            budget=None if self.budget is None else self.budget.pico(currency),
            preview=self.preview,
            again=self.again,
            by=by,
        )


class FileOrder(OrderBody):
    """What is to be done with the files beside it."""

    mapping: MappingBody = Field(default_factory=MappingBody)


class TextOrder(OrderBody):
    """A job of the texts in it, of documents, or of both."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "recipe": "rewrite-fr",
                    "items": [{"key": "cours-12", "text": "Une formation de 3 jours à Lyon."}],
                    "budget": {"amount": "5.00", "currency": "EUR"},
                },
                {"recipe": "seo-fr", "documents": [{"collection": "catalogue"}], "dry_run": True},
            ]
        }
    )

    items: list[ItemBody] = Field(default=[], max_length=_MOST_ITEMS)
    documents: list[DocumentRef] = Field(default=[], max_length=1_000)


@dataclass(frozen=True, slots=True)
class Found:
    """Texts of files; rows and documents that are none, by the file's name."""

    pieces: Sequence[Piece] = ()
    skipped: Sequence[tuple[str, RowSkipped]] = ()
    columns: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Order:
    """A job as it is asked for."""

    wanted: Wanted
    found: Found
    dry_run: bool


def bodies(order: str, model: type[BaseModel], json: type[BaseModel] | None) -> dict[str, Any]:
    """A request's body in the OpenAPI document: a form whose field `order` is that model, or JSON."""
    form = {
        "type": "object",
        "required": ["file"],
        "properties": {
            "file": {
                "type": "array",
                "items": {"type": "string", "format": "binary"},
                "minItems": 1,
                "maxItems": MOST_FILES,
                "description": "Text, Markdown, HTML, CSV or XLSX.",
            },
            order: {
                "type": "string",
                "contentMediaType": "application/json",
                "contentSchema": inlined(model),
            },
        },
    }
    content = {} if json is None else {"application/json": {"schema": inlined(json)}}
    return {
        "requestBody": {"required": True, "content": {**content, "multipart/form-data": {"schema": form}}}
    }


@asynccontextmanager
async def ordered(request: Request, here: Place, works: Works) -> AsyncIterator[Order]:
    """The job that a request asks for; what files hold is in memory for the length of the block.

    Raises BadRequest, RequestValidationError, TooLarge, UnsupportedMedia, NotFound, Forbidden and what `Works.read` does.
    """
    currency = here.services.editions.catalog.currency
    if is_form(request.headers.get("content-type")):
        async with received(request, file_size=here.services.limits.upload) as form:
            said = _said(form, "order", FileOrder)
            wanted = said.wanted(currency, by=here.by)
            found = await read(form, here, works, said.mapping.mapped())
            if not found.pieces:
                raise _nothing(found)
            yield Order(replace(wanted, pieces=found.pieces), found, said.dry_run)
        return
    texts = await read_json(request, TextOrder, otherwise="files in `multipart/form-data`")
    if not (texts.items or texts.documents):
        raise _wrong("Write `items`, `documents`, or both; or send files.", "items")
    wanted = texts.wanted(currency, by=here.by)
    documents, left = await documents_of(here, texts.documents)
    pieces = [each.piece() for each in texts.items]
    if not (pieces or documents):
        raise _nothing(Found(skipped=left))
    yield Order(replace(wanted, pieces=pieces, documents=documents), Found(pieces, left), texts.dry_run)


async def read(form: Sent, here: Place, works: Works, mapped: Mapped) -> Found:
    """What a form's files hold, one after another. Raises BadRequest, and what `Works.read` does."""
    pieces: list[Piece] = []
    skipped: list[tuple[str, RowSkipped]] = []
    columns: dict[str, str] = {}
    for number, file in enumerate(form.files, 1):
        if not file.name:
            raise _wrong(f"File {number} has no name, by which it would be known.", "file")
        holds = await works.read(here.tenant, file.name, file.content, mapped)
        pieces += holds.pieces
        skipped += ((file.name, row) for row in holds.skipped)
        columns.update(holds.columns)
    return Found(pieces, skipped, columns)


def mapping_of(form: Sent) -> Mapped:
    """The columns that a form names. Raises BadRequest and RequestValidationError."""
    return _said(form, "mapping", MappingBody).mapped()


_Model = TypeVar("_Model", bound=BaseModel)


def _said(form: Sent, name: str, model: type[_Model]) -> _Model:
    """The one field of a form beside its files, which is JSON."""
    if not form.files:
        raise _wrong("Send at least one `file`.", "file")
    for field_, values in form.fields.items():
        if field_ != name:
            raise _wrong(f"The form has no field {field_[:100]!r}; it takes `{name}`.", field_[:100])
        if len(values) > 1:
            raise _wrong(f"`{name}` is said once.", name)
    return checked(model, form.fields.get(name, ["{}"])[0].encode())


def _nothing(found: Found) -> BadRequest:
    why = f" The first: {found.skipped[0][1].message}" if found.skipped else ""
    message = f"There is no text to work on: {len(found.skipped)} rows or documents are left out.{why}"
    return BadRequest(message, code="nothing_to_do")


def _wrong(message: str, param: str) -> BadRequest:
    return BadRequest(message, code="invalid_value", param=param)
