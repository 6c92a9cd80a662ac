"""The words about texts that are worked on in bulk, and about surveys: which models do it, and within which bounds."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from passerelle.config.base import Strict
from passerelle.config.rag import Kept, OrSwitch, switch

Language = Annotated[str, Field(pattern=r"^[a-z]{2}$")]


class ContentLimitFields(Strict):
    """How much one job may hold."""

    pieces: int = Field(default=10_000, ge=1, le=1_000_000, description="Most texts of a job.")
    characters: int = Field(default=200_000, ge=1_000, le=2_000_000, description="Longest text.")


class ContentFields(Strict):
    """How a tenant's texts are worked on by recipes."""

    enabled: bool = Field(default=True, description="`false`: no texts are worked on.")
    model: str | None = Field(
        default=None,
        description="The chat model that writes; `default`, if unsaid, is the tenant's own.",
        examples=["assistant"],
    )
    writers: Literal["member", "tenant-admin"] = Field(
        default="member", description="Who may start jobs and decide on what was written: this role, or more."
    )
    keep: Kept = Field(
        default=0.0,
        description="How long texts are kept after their job's end; until they are deleted, if unsaid or `never`.",
        examples=["180d"],
    )
    limits: ContentLimitFields | None = Field(default=None, description="How much one job may hold.")


class SurveyLimitFields(Strict):
    """How much a tenant may keep."""

    surveys: int = Field(default=500, ge=1, le=100_000, description="Most surveys.")
    rows: int = Field(
        default=100_000, ge=1, le=1_000_000, description="Most rows of a file; others are told."
    )


class SurveyFields(Strict):
    """How comments of a tenant's surveys are read."""

    enabled: bool = Field(default=True, description="`false`: no surveys are taken.")
    model: str | None = Field(
        default=None,
        description="The chat model that reads; `default`, if unsaid, is the tenant's own. Where only the packaged "
        "engine stands behind it, comments are read without a language model.",
        examples=["assistant"],
    )
    embedder: str | None = Field(
        default=None,
        description="The embedding model, or `none` for words only; if unsaid, the tenant's first whose targets are "
        "all one model.",
        examples=["embeddings"],
    )
    languages: Annotated[list[Language], Field(min_length=1, max_length=20)] | None = Field(
        default=None,
        description="ISO 639-1, of the comments that are expected; others are read too, and told about. French and "
        "English, if unsaid.",
        examples=[["fr", "en"]],
    )
    minimum: int = Field(
        default=5, ge=5, le=100, description="Answers that a group has at least, to be spoken of in a report."
    )
    examples: int = Field(
        default=8, ge=0, le=30, description="Corrections that a model is shown beside each comment."
    )
    writers: Literal["member", "tenant-admin"] = Field(
        default="member",
        description="Who may change surveys and codebooks, and correct: whoever has this role, or more.",
    )
    keep: Kept = Field(
        default=0.0,
        description="How long a survey is kept; until it is deleted, if unsaid or `never`.",
        examples=["366d"],
    )
    limits: SurveyLimitFields | None = Field(default=None, description="How much may be kept.")


ContentWords = Annotated[ContentFields, BeforeValidator(switch), OrSwitch()]
SurveyWords = Annotated[SurveyFields, BeforeValidator(switch), OrSwitch()]
