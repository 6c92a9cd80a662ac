"""The words about people's data: what is replaced before it leaves, what is kept of prompts, what answers say of themselves."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from passerelle.config.base import Strict
from passerelle.config.durations import DAYS, parse_days
from passerelle.domain.privacy import Datum, Names, Sent, Special, UserField

_LONGEST_LOG = 30 * 86_400


def _kept(value: Any) -> Any:
    return parse_days(value, least=60, most=_LONGEST_LOG, said="1m and at most 30d")


def _listed(value: Any) -> Any:
    """`[email, phone]` means `{kinds: [email, phone]}`."""
    return {"kinds": value} if isinstance(value, list) else value


def _day(value: Any) -> Any:
    try:
        return date.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        raise ValueError("is not a day; write it as 2027-03-31") from None


Kept = Annotated[
    float,
    BeforeValidator(_kept),
    WithJsonSchema({"anyOf": [{"type": "number", "minimum": 60}, {"type": "string", "pattern": DAYS}]}),
]
Day = Annotated[date, BeforeValidator(_day), WithJsonSchema({"type": "string", "format": "date"})]
Language = Annotated[str, Field(pattern=r"^[a-z]{2}$")]


class RedactionFields(Strict):
    """What is replaced before any model, cache or log sees it."""

    kinds: list[Datum] = Field(
        min_length=1, description="What is looked for.", examples=[["email", "phone", "iban", "nir"]]
    )
    fields: list[Sent] | None = Field(
        default=None,
        min_length=1,
        description="Where in a request; everywhere, if unsaid.",
        examples=[["user", "input"]],
    )
    restore: bool = Field(
        default=True, description="Put back in the answer to the same request what was taken out of it."
    )
    names: Names = Field(
        default=Names.FORM,
        description="How names are found: where they are introduced, or by a model too (the extra `presidio`).",
    )


class PromptLogFields(Strict):
    """Prompts and answers are kept; without these three words, none is."""

    purpose: str = Field(
        min_length=10, max_length=500, description="Why, for the register.", examples=["quality review"]
    )
    keep: Kept = Field(description="How long each is kept: at most 30 days.", examples=["7d"])
    until: Day = Field(description="The last day on which any is kept.", examples=["2027-03-31"])


class MarkingFields(Strict):
    """How answers say that a machine wrote them."""

    enabled: bool = Field(default=True, description="The machine-readable part: headers and metadata.")
    disclosure: dict[Language, Annotated[str, Field(min_length=1, max_length=1_000)]] | None = Field(
        default=None,
        description="What people are told, by language; a text of ours, where it is unsaid.",
        examples=[{"fr": "Vous échangez avec un assistant automatique."}],
    )


class PrivacyFields(Strict):
    """People's data."""

    redact: Annotated[RedactionFields, BeforeValidator(_listed)] | Literal[False] | None = Field(
        default=None,
        description="What is replaced before any model, cache or log sees it: a list, or more about it; `false`: nothing.",
        examples=[["email", "phone", "iban", "nir"]],
    )
    log_prompts: PromptLogFields | Literal[False] | None = Field(
        default=None, description="Keep prompts and answers, for a purpose and a time; off, if unsaid."
    )
    encrypt: bool | None = Field(
        default=None,
        description="Seal what is stored with a key of the tenant's own, whose end is the end of its backups; "
        "yes, if unsaid.",
    )
    user: UserField | None = Field(
        default=None, description="What becomes of `user` before it leaves; a pseudonym, if unsaid."
    )
    special: list[Special] | None = Field(
        default=None,
        description="Special categories of data that it processes: such calls only go where nothing is kept.",
        examples=[["health"]],
    )
    minors: bool | None = Field(default=None, description="Are people under 18 concerned?")
    end_user_facing: bool | None = Field(
        default=None, description="Do people talk to its models? Then they must be told."
    )
    marking: MarkingFields | None = Field(
        default=None, description="How answers say that a machine wrote them."
    )

    @model_validator(mode="after")
    def _said(self) -> Self:
        redact = self.redact
        if (
            isinstance(redact, RedactionFields)
            and redact.names is Names.PRESIDIO
            and Datum.NAME not in redact.kinds
        ):
            raise ValueError("finds names by a model and does not redact them; add `name` to `redact.kinds`")
        return self
