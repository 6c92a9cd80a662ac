"""The contract of the inference routes for the OpenAPI document. These models describe; they never run.

Bodies are OpenAI's where OpenAI has the route: fields that are not named here go on to the engine as they are.
Rankings have the shape that Cohere, Jina and vLLM share, classifications vLLM's.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class _Open(BaseModel):
    model_config = ConfigDict(extra="allow")


class ErrorBody(BaseModel):
    """What went wrong. `code` is stable, `param` names the field at fault."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorReply(BaseModel):
    """Every error of every route."""

    error: ErrorBody


class ChatMessage(_Open):
    """A message; `content` is text or a list of parts."""

    role: str
    content: str | list[dict[str, Any]] | None = None


class StreamOptions(_Open):
    """Options of a stream."""

    include_usage: bool = False


class CacheWishes(BaseModel):
    """What the caller wants of the cache, as LiteLLM has it; `Cache-Control` says the like. It goes to no engine."""

    model_config = ConfigDict(extra="forbid")

    ttl: float | None = Field(
        default=None, gt=0, description="Seconds it may be kept; never longer than allowed."
    )
    s_maxage: float | None = Field(
        default=None, ge=0, alias="s-maxage", description="Nothing older, in seconds."
    )
    no_cache: bool | None = Field(
        default=None, alias="no-cache", description="Ask the model, and keep its answer."
    )
    no_store: bool | None = Field(default=None, alias="no-store", description="Neither look nor keep.")
    use_cache: bool | None = Field(
        default=None, alias="use-cache", description="`false`: neither look nor keep."
    )
    namespace: str | None = Field(
        default=None, max_length=128, description="Answers under one are not given under another."
    )
    tags: list[Annotated[str, Field(min_length=1, max_length=64)]] | None = Field(
        default=None, max_length=16, description="By which the answer can be deleted."
    )


class ChatRequest(_Open):
    """OpenAI's chat request; unknown fields are passed on."""

    model: str = Field(examples=["assistant"])
    messages: list[ChatMessage] = Field(min_length=1, examples=[[{"role": "user", "content": "Bonjour"}]])
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    n: int | None = Field(default=1, ge=1, le=128)
    max_tokens: int | None = Field(default=None, ge=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    temperature: float | None = None
    top_p: float | None = None
    stop: str | list[str] | None = None
    tools: list[dict[str, Any]] | None = None
    response_format: dict[str, Any] | None = None
    cache: CacheWishes | None = None


class CompletionRequest(_Open):
    """OpenAI's legacy completion request; unknown fields are passed on."""

    model: str
    prompt: str | list[str] | list[int] | list[list[int]]
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    n: int | None = Field(default=1, ge=1, le=128)
    max_tokens: int | None = Field(default=None, ge=1)
    cache: CacheWishes | None = None


class EmbeddingRequest(_Open):
    """OpenAI's embedding request; unknown fields are passed on."""

    model: str
    input: str | list[str] | list[int] | list[list[int]]
    encoding_format: Literal["float", "base64"] | None = "float"
    dimensions: int | None = Field(default=None, ge=1)


class RerankDocument(_Open):
    """A document as an object."""

    text: str


class RerankRequest(_Open):
    """The rerank request that Cohere, Jina and vLLM share."""

    model: str = Field(examples=["reranker"])
    query: str = Field(min_length=1)
    documents: list[str | RerankDocument] = Field(min_length=1)
    top_n: int | None = Field(default=None, ge=1, description="How many results; all of them if unsaid.")
    return_documents: bool | None = Field(default=False, description="Give each result its document's text.")
    raw_scores: bool | None = Field(
        default=False, description="The model's scores as they are, not mapped to 0..1."
    )


class ClassifyRequest(_Open):
    """vLLM's classification request."""

    model: str = Field(examples=["sentiment"])
    input: str | list[str]
    raw_scores: bool | None = Field(
        default=False, description="The model's scores as they are, not as probabilities."
    )


class UsageBody(_Open):
    """Tokens as the engine counted them."""

    prompt_tokens: int
    completion_tokens: int | None = None
    total_tokens: int


class ChatReply(_Open):
    """A chat completion, or, as `text/event-stream`, its chunks."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str = Field(description="The model that answered, as its engine names it.")
    choices: list[dict[str, Any]]
    usage: UsageBody | None = None


class CompletionReply(_Open):
    """A completion, or, as `text/event-stream`, its chunks."""

    id: str
    object: Literal["text_completion"]
    created: int
    model: str
    choices: list[dict[str, Any]]
    usage: UsageBody | None = None


class EmbeddingItem(_Open):
    """One embedding: floats, or base64 of little-endian 32-bit floats."""

    object: Literal["embedding"]
    index: int
    embedding: list[float] | str


class EmbeddingReply(_Open):
    """Embeddings in the order of the input."""

    object: Literal["list"]
    data: list[EmbeddingItem]
    model: str
    usage: UsageBody


class RerankResult(_Open):
    """One document's relevance; `index` is its place in the request."""

    index: int
    relevance_score: float
    document: RerankDocument | None = None


class RerankReply(_Open):
    """Documents by relevance, the most relevant first; equals in the order of the request."""

    id: str
    object: Literal["list"]
    model: str
    results: list[RerankResult]
    usage: UsageBody | None = Field(default=None, description="Absent where the engine does not count.")


class ClassScore(BaseModel):
    """A class and its score."""

    label: str
    score: float


class ClassifyItem(_Open):
    """The classes of one input."""

    index: int
    label: str = Field(description="The class with the highest score.")
    probs: list[float] = Field(
        description="The score of every class in the model's own order, as far as its engine tells it;"
        " otherwise in the order of `scores`."
    )
    num_classes: int
    scores: list[ClassScore] = Field(description="Every class by name, the highest score first.")


class ClassifyReply(_Open):
    """Classifications in the order of the input."""

    id: str
    object: Literal["list"]
    created: int
    model: str
    data: list[ClassifyItem]
    usage: UsageBody | None = Field(default=None, description="Absent where the engine does not count.")


async def chat(body: ChatRequest) -> ChatReply:  # pragma: no cover - a description, see the module
    """Answer a conversation. With `stream` the reply is a stream of chunks that ends with `[DONE]`."""
    raise AssertionError


async def completions(body: CompletionRequest) -> CompletionReply:  # pragma: no cover
    """Continue a text, on OpenAI's legacy route."""
    raise AssertionError


async def embeddings(body: EmbeddingRequest) -> EmbeddingReply:  # pragma: no cover
    """Embed one text or many."""
    raise AssertionError


async def rerank(body: RerankRequest) -> RerankReply:  # pragma: no cover
    """Order documents by their relevance to a query."""
    raise AssertionError


async def classify(body: ClassifyRequest) -> ClassifyReply:  # pragma: no cover
    """Classify one text or many by the classes a model was trained on."""
    raise AssertionError
