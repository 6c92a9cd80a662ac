"""The words about documents: by what they are indexed, who answers from them, and what of it all is kept."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    GetJsonSchemaHandler,
    WithJsonSchema,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from passerelle.config.base import Strict, matching
from passerelle.config.durations import DAYS, parse_days
from passerelle.config.sizes import MEBIBYTE, SIZE, parse_size

ANY_HOST = "*"
NONE = "none"  # in the place of a model
_MOST_HOSTS = 1_000
_DAY = 86_400.0  # seconds
_MOST_FILE = 64 * MEBIBYTE  # what a document's reader takes
_HOST = r"^[^\s/@?#]{1,260}$"


def _seldom(value: Any) -> Any:
    """Seconds between two looks at a page; 0 for `never`."""
    return (
        0.0 if value == "never" else parse_days(value, least=300, most=90 * _DAY, said="5m and at most 90d")
    )


def _kept(value: Any) -> Any:
    """Seconds that something is kept; 0 for `never`."""
    return (
        0.0 if value == "never" else parse_days(value, least=60, most=366 * _DAY, said="1m and at most 366d")
    )


def _network(value: str) -> str:
    try:
        return str(ip_network(value))
    except ValueError:
        raise ValueError(
            "is not an address or a network; write one such as 203.0.113.0/24, or name the hosts that are permitted"
        ) from None


def _file_size(value: Any) -> Any:
    size = parse_size(value)
    if not 1 <= size <= _MOST_FILE:
        raise ValueError(f"is out of range; write at least 1 and at most {_MOST_FILE // MEBIBYTE} MiB")
    return size


def _time(least: float, most: float) -> WithJsonSchema:
    kinds: list[dict[str, Any]] = [
        {"type": "number", "minimum": least, "maximum": most},
        {"type": "string", "pattern": DAYS},
        {"const": "never"},
    ]
    return WithJsonSchema({"anyOf": kinds})


Host = Annotated[
    str,
    matching(_HOST, "is not the name of a host; write one such as example.org, without scheme and path"),
    WithJsonSchema({"type": "string", "pattern": _HOST}),
]
Hosts = Annotated[list[Host], Field(max_length=_MOST_HOSTS)]
Network = Annotated[str, AfterValidator(_network), WithJsonSchema({"type": "string", "maxLength": 50})]
Refresh = Annotated[float, BeforeValidator(_seldom), _time(300, 90 * _DAY)]
Kept = Annotated[float, BeforeValidator(_kept), _time(60, 366 * _DAY)]
FileSize = Annotated[
    int,
    BeforeValidator(_file_size),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1, "maximum": _MOST_FILE},
                {"type": "string", "pattern": SIZE},
            ]
        }
    ),
]


class ChunkFields(Strict):
    """How documents are cut into passages, which are what is found."""

    size: int = Field(default=1_200, ge=200, le=20_000, description="Characters of a passage, at most.")
    overlap: int = Field(
        default=150,
        ge=0,
        le=10_000,
        description="Characters of the passage before that each begins with, at most: no more than half its size.",
    )

    @model_validator(mode="after")
    def _half_at_most(self) -> Self:
        if self.overlap > self.size // 2:
            raise ValueError(
                "overlaps by more than half its size; write a larger `size`, or a smaller `overlap`"
            )
        return self


class UrlFields(Strict):
    """Which pages documents may be fetched from. Addresses of inner networks never are."""

    hosts: Hosts | None = Field(
        default=None,
        min_length=1,
        description="Hosts, `*.` and a name for all below it; `*`, if unsaid, is any host of the Internet.",
        examples=[["docs.client-a.example", "*.client-a.example"]],
    )
    deny: Annotated[list[Network], Field(max_length=_MOST_HOSTS)] | None = Field(
        default=None,
        description="Addresses and networks that nothing is fetched from, whatever a name leads to.",
        examples=[["203.0.113.0/24"]],
    )
    plain_http: bool = Field(
        default=True,
        description="May pages be fetched by http:// too? On their way, others can read and change those.",
    )
    refresh: Refresh = Field(
        default=0.0,
        description="How often a page is looked at again, where its sender says nothing; `never`, if unsaid.",
        examples=["1d"],
    )


class ConversationFields(Strict):
    """Whether questions and answers are kept, for their asker to go on with."""

    keep: Kept = Field(
        default=0.0, description="How long after the last question; `never`, if unsaid.", examples=["30d"]
    )


class RagLimitFields(Strict):
    """How much a tenant may keep."""

    collections: int = Field(default=100, ge=1, le=10_000, description="Most collections.")
    documents: int = Field(
        default=20_000, ge=1, le=1_000_000, description="Most documents, of all collections."
    )
    file_size: FileSize = Field(
        default=32 * MEBIBYTE, description="Longest document as it comes.", examples=["32 MiB"]
    )


class RagFields(Strict):
    """How a tenant's documents are indexed and answered from."""

    enabled: bool = Field(
        default=True, description="`false`: no documents are taken, found or answered from."
    )
    model: str | None = Field(
        default=None,
        description="The chat model that answers; `default`, if unsaid, is the tenant's own.",
        examples=["assistant"],
    )
    embedder: str | None = Field(
        default=None,
        description="The embedding model of new collections, or `none` for words only; if unsaid, the tenant's first "
        "whose targets are all one model.",
        examples=["embeddings"],
    )
    reranker: str | None = Field(
        default=None,
        description="The model that puts what was found in order; `none`, if unsaid.",
        examples=["reranker"],
    )
    mode: Literal["auto", "text", "dense", "hybrid"] = Field(
        default="auto",
        description="What passages are found by: words, meaning, or both; `auto` is what was measured to be best for "
        "the language and the embedder.",
    )
    passages: int = Field(default=6, ge=1, le=20, description="Most passages that a model is shown.")
    rewrite: bool = Field(
        default=True,
        description="Is a question that leans on its conversation made one that stands alone, by the model?",
    )
    chunks: ChunkFields | None = Field(default=None, description="How documents are cut.")
    urls: UrlFields | None = Field(default=None, description="Which pages may be fetched.")
    links: Hosts | None = Field(
        default=None,
        description="Hosts that links in answers may lead to, beside the cited pages themselves.",
        examples=[["www.client-a.example"]],
    )
    conversations: ConversationFields | None = Field(
        default=None, description="What is kept of conversations."
    )
    writers: Literal["member", "tenant-admin"] = Field(
        default="member",
        description="Who may change collections and documents: whoever has this role, or more.",
    )
    limits: RagLimitFields | None = Field(default=None, description="How much may be kept.")


def switch(value: Any) -> Any:
    """`true` and a mapping switch it on, `false` off, whatever `defaults` say."""
    if isinstance(value, bool):
        return {"enabled": value}
    return {"enabled": True, **value} if isinstance(value, dict) else value


class OrSwitch:
    """Tells editors that a switch may stand in place of the mapping."""

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """The schema of both."""
        return {"anyOf": [handler(schema), {"type": "boolean"}]}


RagWords = Annotated[RagFields, BeforeValidator(switch), OrSwitch()]
