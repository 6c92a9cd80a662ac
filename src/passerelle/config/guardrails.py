"""The words about guardrails: what a tenant forbids in what is asked and answered."""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from passerelle.config.base import Strict
from passerelle.config.durations import Duration
from passerelle.domain.guardrails import Guardrail, Injection, Moderation, Rule, Schema, Side, Topics, Words

MOST_PHRASES = 1_000
_MOST_EXAMPLES = 50
_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"


def _phrase(value: str) -> str:
    if not any(char.isalnum() for char in value):
        raise ValueError("holds no letter and no digit, so it can be found nowhere; write a word")
    return value


Name = Annotated[str, Field(pattern=_NAME)]
Phrase = Annotated[
    str,
    AfterValidator(_phrase),
    Field(max_length=80),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": 80}),
]
Example = Annotated[str, Field(min_length=1, max_length=500)]
Every = Annotated[
    int,
    Field(
        ge=50,
        le=10_000,
        description="Characters of a streamed answer that are held back until they have been looked at.",
    ),
]
Longest = Annotated[
    int,
    Field(
        ge=1_000,
        le=1_000_000,
        description="Characters of one text that are read; a longer one counts as found, because it was not read.",
    ),
]


class RuleFields(Strict):
    """What every rule takes."""

    name: Name = Field(description="Named in errors and records.", examples=["no-politics"])
    sides: list[Literal["input", "output"]] = Field(
        default=["input", "output"], min_length=1, description="What it looks at."
    )
    action: Literal["block", "monitor"] = Field(
        default="block", description="`monitor`: the call goes on, and its record says what was found."
    )
    models: list[str] | None = Field(
        default=None,
        min_length=1,
        description="Models it holds for; all of them, if unsaid.",
        examples=[["assistant"]],
    )

    @abstractmethod
    def rule(self) -> Rule:
        """What it looks for."""

    def value(self) -> Guardrail:
        """The frozen value."""
        return Guardrail(
            name=self.name,
            rule=self.rule(),
            sides=frozenset(Side(side) for side in self.sides),
            blocks=self.action == "block",
            models=frozenset(self.models) if self.models is not None else None,
        )


class TopicFields(RuleFields):
    """The topic a text is nearest to, among those that are named here."""

    kind: Literal["topics"]
    labels: dict[Name, Annotated[list[Example], Field(min_length=1, max_length=_MOST_EXAMPLES)]] = Field(
        min_length=2,
        max_length=50,
        description="Topics, each with sentences that are about it; also those that are welcome, for comparison.",
        examples=[{"courses": ["When does the course start?"], "politics": ["Who should win the election?"]}],
    )
    allow: list[str] | None = Field(
        default=None,
        min_length=1,
        description="Only these topics; what is near to none is refused.",
        examples=[["courses"]],
    )
    deny: list[str] | None = Field(
        default=None, min_length=1, description="None of these topics.", examples=[["politics"]]
    )
    threshold: float = Field(
        default=0.35,
        gt=0,
        lt=1,
        description="Cosine from which a text is about a topic; the default is for the built-in embedder.",
    )
    longest: Longest = 20_000
    every: Every = 400

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.allow is None) == (self.deny is None):
            raise ValueError("needs one of `allow` and `deny`, and not both")
        return self

    def rule(self) -> Topics:
        """What it looks for."""
        return Topics(
            labels=tuple((name, tuple(examples)) for name, examples in self.labels.items()),
            allow=frozenset(self.allow) if self.allow is not None else None,
            deny=frozenset(self.deny or ()),
            threshold=self.threshold,
            longest=self.longest,
            every=self.every,
        )


class InjectionFields(RuleFields):
    """Signs, in French and English, that a text gives the model orders in its operator's place."""

    kind: Literal["injection"]
    sides: list[Literal["input", "output"]] = Field(
        default=["input"], min_length=1, description="What it looks at."
    )
    threshold: float = Field(
        default=1.0,
        gt=0,
        le=10,
        description="Sum of weights from which a text is refused: one plain sign weighs 1, a hint less.",
    )
    every: Every = 400

    def rule(self) -> Injection:
        """What it looks for."""
        return Injection(threshold=self.threshold, every=self.every)


class WordFields(RuleFields):
    """Words and phrases that may not stand in a text; case and accents make no difference."""

    kind: Literal["words"]
    phrases: list[Phrase] = Field(
        min_length=1,
        max_length=MOST_PHRASES,
        description="Whole words, or several in a row.",
        examples=[["project nightfall"]],
    )

    def rule(self) -> Words:
        """What it looks for."""
        return Words(phrases=tuple(self.phrases))


class ModerationFields(RuleFields):
    """A model of this file that judges texts."""

    kind: Literal["moderation"]
    model: str = Field(description="A model of this file.", examples=["moderator"])
    timeout: Duration = Field(
        default=5.0, description="No verdict by then is a failure, and a rule that blocks refuses."
    )
    longest: Longest = 100_000
    every: Every = 400

    def rule(self) -> Moderation:
        """What it looks for."""
        return Moderation(model=self.model, timeout=self.timeout, longest=self.longest, every=self.every)


class SchemaFields(RuleFields):
    """An answer must be the JSON that its caller's `response_format` asks for."""

    kind: Literal["schema"]
    sides: list[Literal["output"]] = Field(  # type: ignore[assignment]  # fewer words than the other kinds take
        default=["output"], min_length=1, description="Answers only."
    )

    def rule(self) -> Schema:
        """What it looks for."""
        return Schema()


GuardrailFields = Annotated[
    TopicFields | InjectionFields | WordFields | ModerationFields | SchemaFields, Field(discriminator="kind")
]
