"""The Hub's answer on who serves a model, and the routes of single providers behind the router.

While it runs, `huggingface_hub` asks it instead of Hugging Face. Provider routes are those the library knows:
`/{provider}/v1/embeddings` in OpenAI's shape, and the pipelines of hf-inference in theirs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from huggingface_hub import constants
from typing_extensions import override

from tests.fakes.engine import Answers, Engine
from tests.fakes.openai_like import OPENAI, OpenAiLike
from tests.fakes.router import RouterFake
from tests.fakes.script import Fail, Plan
from tests.fakes.speech import vector
from tests.fakes.wire import Received, Reply, json_reply


@dataclass(frozen=True, slots=True)
class Mapped:
    """How a provider serves a model: its own id of it and the task."""

    id: str
    task: str
    status: str = "live"


MAPPINGS: Mapping[str, Mapping[str, Mapped]] = {
    "intfloat/multilingual-e5-large": {
        "hf-inference": Mapped("intfloat/multilingual-e5-large", "feature-extraction"),
        "together": Mapped("together/e5", "feature-extraction"),
    },
    "BAAI/bge-multilingual-gemma2": {
        "scaleway": Mapped("bge-multilingual-gemma2", "feature-extraction"),
    },
    "sentence-transformers/all-MiniLM-L6-v2": {
        "hf-inference": Mapped("sentence-transformers/all-MiniLM-L6-v2", "sentence-similarity"),
    },
    "cmarkea/distilcamembert-base-sentiment": {
        "hf-inference": Mapped("cmarkea/distilcamembert-base-sentiment", "text-classification"),
    },
    "Qwen/Qwen2.5-7B-Instruct": {
        "scaleway": Mapped("qwen2.5-7b-instruct", "conversational"),
        "cohere": Mapped("qwen-at-cohere", "conversational"),
        "novita": Mapped("qwen/qwen-2.5-7b", "text-generation"),
    },
}


class _InPlaceOfTheHub(Engine):
    """While it runs, `huggingface_hub` asks it instead of Hugging Face."""

    _real = constants.ENDPOINT

    @override
    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self._real = constants.ENDPOINT
        constants.ENDPOINT = self.url
        return self

    @override
    async def __aexit__(self, *error: object) -> None:
        constants.ENDPOINT = self._real
        await super().__aexit__(*error)


class HubFake(_InPlaceOfTheHub, RouterFake):
    """The Hub and the router at one address."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.mappings = {model: dict(providers) for model, providers in MAPPINGS.items()}
        self.asked_mapping: list[str] = []

    @override
    async def reply(self, request: Received, plan: Plan) -> Reply:
        if request.path.startswith("/api/models/"):
            return self._mapping(request.path.removeprefix("/api/models/"))
        if request.method == "POST" and "/models/" in request.path:
            return self._pipeline(request, plan)
        if request.method == "POST" and request.path.endswith("/v1/embeddings"):
            return self._embeddings(request, plan)
        return await super().reply(request, plan)

    def _mapping(self, model: str) -> Reply:
        self.asked_mapping.append(model)
        if model not in self.mappings:
            headers = {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"}
            return json_reply({"error": "Repository not found"}, 404, headers)
        providers = {
            name: {"status": each.status, "providerId": each.id, "task": each.task}
            for name, each in self.mappings[model].items()
        }
        return json_reply({"_id": "1", "id": model, "inferenceProviderMapping": providers})

    def _refused(self, request: Received, plan: Plan) -> Reply | None:
        if request.bearer != self.account.token:
            return self.variant.refusal("unauthorized")
        fail = plan.get(Fail)
        return self.variant.refusal(fail.kind) if fail else None

    def _embeddings(self, request: Received, plan: Plan) -> Reply:
        """POST /{provider}/v1/embeddings, in OpenAI's shape."""
        if refused := self._refused(request, plan):
            return refused
        given = request.body["input"]
        texts = [given] if isinstance(given, str) else given
        data = [
            {"object": "embedding", "index": index, "embedding": vector(text, 4)}
            for index, text in enumerate(texts)
        ]
        usage = {"prompt_tokens": len(texts) * 3, "total_tokens": len(texts) * 3}
        answer = {"object": "list", "data": data, "model": request.body["model"], "usage": usage}
        self.billed.append(request.headers.get("x-hf-bill-to"))
        return json_reply(answer)

    def _pipeline(self, request: Received, plan: Plan) -> Reply:
        """POST /hf-inference/models/{id}…: a pipeline's own shape."""
        if refused := self._refused(request, plan):
            return refused
        inputs = request.body["inputs"]
        if request.path.endswith("/pipeline/feature-extraction"):
            flat = isinstance(inputs, str)
            vectors = [vector(text, 4) for text in ([inputs] if flat else inputs)]
            return json_reply(vectors[0] if flat else vectors)
        if request.path.endswith("/pipeline/sentence-similarity"):
            asked = set(inputs["source_sentence"].lower().split())
            return json_reply([len(asked & set(text.lower().split())) / 10 for text in inputs["sentences"]])
        good = 0.9 if "bien" in inputs else 0.2
        labels = [{"label": "positif", "score": good}, {"label": "négatif", "score": 1 - good}]
        return json_reply([sorted(labels, key=lambda each: -each["score"])])


class DirectFake(_InPlaceOfTheHub, OpenAiLike):
    """A provider that is asked directly, and the Hub's answer on its own id of the model."""

    def __init__(self, answer: Answers = "Bonjour le monde.") -> None:
        super().__init__(OPENAI, answer=answer, model="qwen2.5-7b-instruct", api_key="scw-test-key")

    @override
    async def reply(self, request: Received, plan: Plan) -> Reply:
        if request.path.startswith("/api/models/"):
            serving = {"scaleway": {"status": "live", "providerId": self.model, "task": "conversational"}}
            model = request.path.removeprefix("/api/models/")
            return json_reply({"_id": "1", "id": model, "inferenceProviderMapping": serving})
        return await super().reply(request, plan)
