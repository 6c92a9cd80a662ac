"""Text Embeddings Inference 1.9.3 on the wire: its own routes and the OpenAI one, whose errors are flat.

Batches over the limit are refused with 422, not split; overload refuses single inputs only, batches wait.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from typing_extensions import override

from tests.fakes import axum
from tests.fakes.engine import Engine
from tests.fakes.script import Fail, Plan
from tests.fakes.speech import count, packed, token_id, tokens_of, vector, words
from tests.fakes.wire import Received, Reply, json_reply, text_reply

Item = str | list[int]
Kind = Literal["embedding", "reranker", "classifier"]

# kind -> status, message, error type
_ERRORS: Mapping[str, tuple[int, str, str]] = {
    "overloaded": (429, "Model is overloaded", "Overloaded"),
    "generation": (424, "Inference error: out of memory", "Backend"),
    "server": (424, "Inference error: backend is gone", "Backend"),
    "validation": (422, "`inputs` cannot be empty", "Validation"),
    "tokenizer": (422, "Tokenization error", "Tokenizer"),
    "empty": (400, "`inputs` cannot be empty", "Empty"),
    "unhealthy": (503, "unhealthy", "Unhealthy"),
}
_OPENAI = frozenset({"/v1/embeddings", "/embeddings"})


@dataclass(frozen=True, slots=True)
class Launch:
    """The flags TEI was started with, at their defaults."""

    max_client_batch_size: int = 32
    max_concurrent_requests: int = 512
    max_batch_tokens: int = 16_384
    max_input_length: int = 512
    payload_limit: int = 2_000_000
    auto_truncate: bool = False


class Refusal(Exception):
    """The request is refused: a key of the error table and a message."""

    def __init__(self, kind: str, message: str = "") -> None:
        super().__init__(message)
        self.kind, self.message = kind, message or _ERRORS[kind][1]


class TeiFake(Engine):
    """A TEI container that serves one model of one kind."""

    routes: ClassVar[Mapping[tuple[str, str], str]] = {
        ("POST", "/"): "root",
        ("POST", "/embed"): "embed",
        ("POST", "/embed_all"): "embed_all",
        ("POST", "/embed_sparse"): "embed_sparse",
        ("POST", "/rerank"): "rerank",
        ("POST", "/predict"): "predict",
        ("POST", "/similarity"): "similarity",
        ("POST", "/tokenize"): "tokenize",
        ("POST", "/decode"): "decode",
        ("POST", "/v1/embeddings"): "openai",
        ("POST", "/embeddings"): "openai",
        ("GET", "/"): "health",
        ("GET", "/health"): "health",
        ("GET", "/ping"): "health",
        ("GET", "/info"): "info",
        ("GET", "/metrics"): "metrics",
    }
    open_paths = frozenset(
        {"/", "/health", "/ping", "/metrics"}
    )  # GET routes that --api-key does not protect

    def __init__(
        self,
        *,
        model: str = "intfloat/multilingual-e5-small",
        kind: Kind = "embedding",
        dimensions: int = 8,
        api_key: str | None = None,
        launch: Launch | None = None,
    ) -> None:
        super().__init__()
        self.model, self.kind, self.dimensions, self.api_key = model, kind, dimensions, api_key
        self.launch = launch or Launch()

    @override
    async def reply(self, request: Received, plan: Plan) -> Reply:
        free = request.method == "GET" and request.path in self.open_paths
        if self.api_key and not free and request.bearer != self.api_key:
            return text_reply("", 401)
        try:
            if request.method == "POST":
                if refused := axum.refuse(request, limit=self.launch.payload_limit):
                    return refused
                if fail := plan.get(Fail):
                    raise Refusal(fail.kind, fail.message)
            return await super().reply(request, plan)
        except Refusal as refusal:
            return _refused(request.path, refusal)

    def root(self, request: Received, plan: Plan) -> Reply:
        """POST /: whatever the model's kind is for."""
        by_kind = {"embedding": self.embed, "reranker": self.rerank, "classifier": self.predict}
        return by_kind[self.kind](request, plan)

    def embed(self, request: Received, plan: Plan) -> Reply:
        """POST /embed."""
        return self._with_inputs(request, lambda items, body: [self._vector(item, body) for item in items])

    def embed_all(self, request: Received, plan: Plan) -> Reply:
        """POST /embed_all: one vector a token."""
        return self._with_inputs(
            request,
            lambda items, body: [[self._vector(token, body) for token in _tokens(item)] for item in items],
        )

    def embed_sparse(self, request: Received, plan: Plan) -> Reply:
        """POST /embed_sparse: one weight a token."""
        return self._with_inputs(
            request,
            lambda items, _: [
                [{"index": i, "value": 1.0} for i in sorted(set(_ids(item)))] for item in items
            ],
        )

    def openai(self, request: Received, plan: Plan) -> Reply:
        """POST /v1/embeddings."""
        checks = {**_COMMON, "input": _input, "model": axum.text, "encoding_format": _encoding}
        if refused := axum.mistyped(request, checks, ("input",)):
            return refused
        body = request.body
        items = self._admitted(body["input"], truncate=self.launch.auto_truncate)
        vectors: list[Any] = [self._vector(item, body) for item in items]
        if body.get("encoding_format") == "base64":
            vectors = [base64.b64encode(packed(numbers)).decode() for numbers in vectors]
        data = [
            {"object": "embedding", "embedding": numbers, "index": i} for i, numbers in enumerate(vectors)
        ]
        used = sum(map(tokens_of, items))
        counts = {"prompt_tokens": used, "total_tokens": used}
        answer = {"object": "list", "data": data, "model": self.model, "usage": counts}
        return json_reply(answer, 200, _headers(items))

    def rerank(self, request: Received, plan: Plan) -> Reply:
        """POST /rerank: a text's score is the share of its words that the query has."""
        checks = {
            "query": axum.some_text,
            "texts": _texts,
            "raw_scores": axum.boolean,
            "return_text": axum.boolean,
        }
        if refused := axum.mistyped(request, {**_COMMON, **checks}, ("query", "texts")):
            return refused
        if self.kind != "reranker":
            raise Refusal("generation", "model is not a re-ranker model")
        body = request.body
        texts = self._batch(body["texts"], "texts")
        asked = set(body["query"].lower().split())
        ranks: list[dict[str, Any]] = []
        for index, text in enumerate(texts):
            seen = text.lower().split()
            rank = {"index": index, "score": sum(word in asked for word in seen) / max(1, len(seen))}
            ranks.append({**rank, "text": text} if body.get("return_text") else rank)
        ranks.sort(key=lambda rank: -rank["score"])
        return json_reply(ranks, 200, _headers([body["query"], *texts]))

    def predict(self, request: Received, plan: Plan) -> Reply:
        """POST /predict: two labels, by the parity of the words."""
        if refused := axum.mistyped(request, {**_COMMON, "inputs": axum.anything}, ("inputs",)):
            return refused
        if self.kind == "embedding":
            raise Refusal("generation", "model is not a classifier model")
        inputs = request.body["inputs"]
        one = isinstance(inputs, str) or (bool(inputs) and isinstance(inputs[0], str))
        batch = [inputs] if one else self._batch(inputs, "inputs")
        told = [_labels(text if isinstance(text, str) else " ".join(text)) for text in batch]
        return json_reply(told[0] if one else told, 200, _headers(map(str, batch)))

    def similarity(self, request: Received, plan: Plan) -> Reply:
        """POST /similarity: cosines with the source sentence."""
        if refused := axum.mistyped(request, {"inputs": axum.anything}, ("inputs",)):
            return refused
        inputs = request.body["inputs"]
        source, sentences = inputs["source_sentence"], self._batch(inputs["sentences"], "sentences")
        base = vector(source, self.dimensions)
        cosines = [
            sum(a * b for a, b in zip(base, vector(s, self.dimensions), strict=True)) for s in sentences
        ]
        return json_reply(cosines, 200, _headers([source, *sentences]))

    def tokenize(self, request: Received, plan: Plan) -> Reply:
        """POST /tokenize."""
        if refused := axum.mistyped(
            request, {"inputs": _texts_or_text, "add_special_tokens": axum.boolean}, ("inputs",)
        ):
            return refused
        inputs = request.body["inputs"]
        special = request.body.get("add_special_tokens", True)
        texts = [inputs] if isinstance(inputs, str) else self._batch(inputs, "inputs")
        return json_reply([_simple_tokens(text, special=special) for text in texts])

    def decode(self, request: Received, plan: Plan) -> Reply:
        """POST /decode: an id's text is its number."""
        if refused := axum.mistyped(request, {"ids": axum.sequence}, ("ids",)):
            return refused
        ids = request.body["ids"]
        many = ids if ids and isinstance(ids[0], list) else [ids]
        return json_reply([" ".join(f"t{number}" for number in row) for row in self._batch(many, "ids")])

    def health(self, request: Received, plan: Plan) -> Reply:
        """GET /health, /ping and /."""
        return text_reply("") if self.healthy else _refused("/health", Refusal("unhealthy"))

    def info(self, request: Received, plan: Plan) -> Reply:
        """GET /info."""
        labels = {"id2label": {"0": "negative", "1": "positive"}, "label2id": {"negative": 0, "positive": 1}}
        return json_reply(
            {
                "model_id": self.model,
                "model_sha": None,
                "model_dtype": "float32",
                "served_model_name": self.model,
                "model_type": {"embedding": {"pooling": "mean"}}
                if self.kind == "embedding"
                else {self.kind: labels},
                "max_concurrent_requests": self.launch.max_concurrent_requests,
                "max_input_length": self.launch.max_input_length,
                "max_batch_tokens": self.launch.max_batch_tokens,
                "max_batch_requests": None,
                "max_client_batch_size": self.launch.max_client_batch_size,
                "auto_truncate": self.launch.auto_truncate,
                "tokenization_workers": 2,
                "version": "1.9.3",
                "sha": None,
                "docker_label": None,
            }
        )

    def metrics(self, request: Received, plan: Plan) -> Reply:
        """GET /metrics."""
        return text_reply(f"# TYPE te_queue_size gauge\nte_queue_size {self.working}\n")

    # parts

    def _with_inputs(
        self, request: Received, compute: Callable[[list[Item], Mapping[str, Any]], Any]
    ) -> Reply:
        if refused := axum.mistyped(request, {**_COMMON, "inputs": _input}, ("inputs",)):
            return refused
        truncate = request.body.get("truncate")
        items = self._admitted(
            request.body["inputs"], truncate=self.launch.auto_truncate if truncate is None else truncate
        )
        return json_reply(compute(items, request.body), 200, _headers(items))

    def _admitted(self, value: Any, *, truncate: bool) -> list[Item]:
        """The inputs, checked and cut to length. A single one is refused on overload; a batch would wait."""
        single = isinstance(value, str) or (bool(value) and isinstance(value[0], int))
        if single and self.working > self.launch.max_concurrent_requests:
            raise Refusal("overloaded")
        if self.kind != "embedding":
            raise Refusal("generation", "model is not an embedding model")
        items: list[Item] = [value] if single else self._batch(value, "inputs")
        most = self.launch.max_input_length
        for index, item in enumerate(items):
            if tokens_of(item) > most and not truncate:
                raise Refusal(
                    "validation", f"`inputs` must have less than {most} tokens. Given: {tokens_of(item)}"
                )
            if not item:
                raise Refusal("validation", "`inputs` cannot be empty")
            items[index] = "".join(words(item)[:most]) if isinstance(item, str) else item[:most]
        return items

    def _batch(self, items: list[Any], name: str) -> list[Any]:
        most = self.launch.max_client_batch_size
        if not items:
            raise Refusal("empty", f"`{name}` cannot be empty")
        if len(items) > most:
            raise Refusal("validation", f"batch size {len(items)} > maximum allowed batch size {most}")
        return list(items)

    def _vector(self, item: Item, body: Mapping[str, Any]) -> list[float]:
        return vector(item, body.get("dimensions") or self.dimensions)


def _refused(path: str, refusal: Refusal) -> Reply:
    status, _, kind = _ERRORS[refusal.kind]
    if path in _OPENAI:
        return json_reply({"message": refusal.message, "code": status, "type": kind}, status)
    return json_reply({"error": refusal.message, "error_type": kind}, status)


def _input(value: Any) -> str | None:
    rows = value if isinstance(value, list) else []
    kinds = {type(row) for row in rows}
    if isinstance(value, str) or (isinstance(value, list) and kinds <= {str, list}) or kinds == {int}:
        return None
    return "data did not match any variant of untagged enum Input"


def _encoding(value: Any) -> str | None:
    if value in ("float", "base64"):
        return None
    return (
        f"unknown variant `{value}`, expected `float` or `base64`"
        if isinstance(value, str)
        else axum.some_text(value)
    )


def _texts(value: Any) -> str | None:
    if not isinstance(value, list):
        return f"invalid type: {axum.kind(value)}, expected a sequence"
    return next((wrong for item in value if (wrong := axum.some_text(item))), None)


def _texts_or_text(value: Any) -> str | None:
    return None if isinstance(value, str) else _texts(value)


_COMMON: Mapping[str, axum.Check] = {
    "normalize": axum.boolean,
    "truncate": axum.flag,
    "prompt_name": axum.text,
    "dimensions": axum.integer,
}


def _headers(items: Iterable[Item]) -> dict[str, str]:
    listed = list(items)
    characters = sum(len(item) for item in listed if isinstance(item, str))
    times = {"total": 3, "tokenization": 0, "queue": 1, "inference": 2}
    return {
        "x-compute-type": "cpu",
        "x-compute-time": "3",
        "x-compute-characters": str(characters),
        "x-compute-tokens": str(sum(map(tokens_of, listed))),
        **{f"x-{name}-time": str(ms) for name, ms in times.items()},
    }


def _tokens(item: Item) -> list[str]:
    return words(item) if isinstance(item, str) else [f"t{number}" for number in item]


def _ids(item: Item) -> list[int]:
    return [token_id(word) for word in words(item)] if isinstance(item, str) else item


def _labels(text: str) -> list[dict[str, Any]]:
    first, second = ("positive", "negative") if count(text) % 2 else ("negative", "positive")
    return [{"score": 0.75, "label": first}, {"score": 0.25, "label": second}]


def _simple_tokens(text: str, *, special: bool) -> list[dict[str, Any]]:
    tokens, start = [], 0
    for word in words(text):
        stop = start + len(word)
        tokens.append({"id": token_id(word), "text": word, "special": False, "start": start, "stop": stop})
        start = stop
    ends = [
        {"id": number, "text": name, "special": True, "start": None, "stop": None}
        for number, name in _SPECIAL
    ]
    return [ends[0], *tokens, ends[1]] if special else tokens


_SPECIAL = ((0, "<s>"), (2, "</s>"))
