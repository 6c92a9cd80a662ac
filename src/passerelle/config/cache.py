"""The words about the cache: which of a tenant's answers are kept, for how long, and how often one may be wrong."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from passerelle.config.base import Strict
from passerelle.config.durations import Keeping
from passerelle.config.guardrails import Phrase
from passerelle.domain.cache import Caching, Judging, Scope, Semantic

_MOST_WORDS = 1_000
_EVALUATOR = r"^(norm|distance|exact|onnx|sbert)(:(0(\.\d{1,6})?|1(\.0{1,6})?))?$"

Words = Annotated[list[Phrase], Field(max_length=_MOST_WORDS)]


class JudgeFields(Strict):
    """A model that says whether two answers say the same."""

    model: str = Field(description="A chat model of this file; a small one will do.", examples=["assistant"])
    calls_per_day: int = Field(
        default=1000, ge=1, le=1_000_000, description="Most questions it is asked in a day (UTC)."
    )

    def value(self) -> Judging:
        """The frozen value."""
        return Judging(self.model, self.calls_per_day)


class SemanticFields(Strict):
    """Answers to questions that mean the same, as far as that can be shown."""

    enabled: bool = Field(default=True, description="`false`: only the very same question is answered again.")
    max_error_rate: float = Field(
        default=0.01,
        ge=0.0001,
        le=0.2,
        description="The share of such answers that may be wrong; beyond it the cache takes itself back.",
        examples=[0.01],
    )
    shadow: float = Field(
        default=0.03,
        ge=0.001,
        le=1,
        description="The share of such answers that the model is asked for all the same, to see whether they are right.",
    )
    ttl: Keeping = Field(default=86_400.0, description="How long such an answer is given.", examples=["24h"])
    embedder: str | None = Field(
        default=None,
        description="An embedding model of this file, multilingual for French; without it, the packaged one.",
        examples=["embeddings"],
    )
    judge: JudgeFields | None = Field(
        default=None,
        description="Asked where two answers neither agree nor differ plainly; without it, nothing is learned of those.",
        examples=[{"model": "assistant", "calls_per_day": 1000}],
    )
    evaluator: str | None = Field(
        default=None,
        pattern=_EVALUATOR,
        description="One of GPTCache's, asked as well, which can only refuse: norm, distance, exact, onnx or sbert, "
        "and after a colon a threshold. It needs the extra `gptcache`.",
        examples=["norm:0.8"],
    )

    def value(self) -> Semantic | None:
        """The frozen value; None where it is switched off."""
        if not self.enabled:
            return None
        return Semantic(
            max_error_rate=self.max_error_rate,
            shadow=self.shadow,
            ttl=self.ttl,
            embedder=self.embedder,
            judge=self.judge.value() if self.judge else None,
            evaluator=self.evaluator,
        )


class CacheFields(Strict):
    """What of a tenant's answers is kept, and given again."""

    exact: bool = Field(default=True, description="Answer the very same question again with the same words.")
    semantic: SemanticFields | None = Field(
        default=None, description="Answer questions that mean the same, too; no, if unsaid."
    )
    scope: Literal["user", "key", "tenant"] = Field(
        default="user",
        description="Who shares answers: callers that name the same `user`, those with the same key and `user`, "
        "or everybody of the tenant.",
    )
    ttl: Keeping = Field(
        default=3600.0, description="How long an answer is given to the very same question.", examples=["1h"]
    )
    temperature: float = Field(
        default=0.3,
        ge=0,
        le=2,
        description="Whoever asks for more wants another answer each time; whoever asks for none does not.",
    )
    models: list[str] | None = Field(
        default=None,
        min_length=1,
        description="Models whose answers are kept; those of all of them, if unsaid.",
        examples=[["assistant"]],
    )
    fresh: Words = Field(
        default_factory=list,
        description="Words that make a question one of the moment, beside those that Passerelle knows.",
        examples=[["planning"]],
    )
    actions: Words = Field(
        default_factory=list,
        description="Words that make it an order to do something, beside those that Passerelle knows.",
        examples=[["inscris"]],
    )

    def value(self) -> Caching | None:
        """The frozen value; None where nothing is kept."""
        semantic = self.semantic.value() if self.semantic else None
        if not self.exact and semantic is None:
            return None
        return Caching(
            exact=self.exact,
            semantic=semantic,
            scope=Scope(self.scope),
            ttl=self.ttl,
            temperature=self.temperature,
            models=frozenset(self.models) if self.models is not None else None,
            fresh=tuple(self.fresh),
            actions=tuple(self.actions),
        )


def _switch(value: Any) -> Any:
    """`true` is everything as it is unless said; `false` is nothing kept, whatever `defaults` say."""
    if value is True:
        return {}
    return {"exact": False} if value is False else value


class _OrSwitch:
    """Tells editors that a switch may stand in place of the mapping."""

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """The schema of both."""
        return {"anyOf": [handler(schema), {"type": "boolean"}]}


CacheWords = Annotated[CacheFields, BeforeValidator(_switch), _OrSwitch()]
