"""Recipes and brands as they are sent and shown.

A recipe may start from another one of any version: what is not said is that one's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from passerelle.domain.content import (
    Address,
    Bounds,
    Brand,
    Example,
    Operation,
    Recipe,
    Tag,
    Term,
    Value,
)
from passerelle.domain.errors import BadRequest
from passerelle.http.texts import Name, PathName, Text

_MOST_EXAMPLES, _MOST_TAGS, _MOST_TERMS = 20, 2_000, 5_000

OperationName = Literal["rewrite", "summarise", "translate", "tag", "seo", "metadata"]
Language = Annotated[str, Field(pattern="^[a-z]{2}$", description="ISO 639-1.", examples=["fr"])]
Prompt = Annotated[Text, Field(max_length=20_000)]
Source = Annotated[Text, Field(min_length=1, max_length=50_000)]
Words = Annotated[Text, Field(min_length=1, max_length=200)]
Entry = Annotated[Text, Field(min_length=1, max_length=2_000)]
Value_ = Annotated[Text, Field(max_length=400_000)] | Annotated[list[Entry], Field(max_length=200)]
FieldName = Annotated[Text, Field(min_length=1, max_length=64)]
_Pair = Annotated[list[int], Field(min_length=2, max_length=2)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class TagBody(_Body):
    """A tag of the taxonomy, and when it is given."""

    name: Words
    definition: Annotated[Text, Field(max_length=2_000)] = ""


class ExampleBody(_Body):
    """A text, and what a good answer to it is, by field."""

    source: Source
    written: dict[FieldName, Value_] = Field(min_length=1, max_length=20)


class BoundsBody(_Body):
    """How long what is written may be."""

    seo_title: int | None = Field(default=None, ge=10, le=1_000, description="Characters.")
    seo_description: int | None = Field(default=None, ge=10, le=5_000, description="Characters.")
    summary_words: _Pair | None = Field(default=None, description="Fewest and most.", examples=[[15, 120]])
    tags: _Pair | None = Field(default=None, description="Fewest and most.", examples=[[1, 5]])
    ratio: Annotated[list[float], Field(min_length=2, max_length=2)] | None = Field(
        default=None, description="Of a text's length to its source's.", examples=[[0.5, 2.0]]
    )

    def over(self, bounds: Bounds) -> Bounds:
        """Those bounds, with what is said here in their place. Raises BadRequest."""
        said = {name: getattr(self, name) for name in self.model_fields_set}
        given = {name: value for name, value in said.items() if value is not None}
        for name, value in given.items():
            if isinstance(value, list):
                low, high = value
                if not 0 <= low <= high < 1_000_000:
                    raise _wrong(f"`{name}` is the least and the most.", f"bounds.{name}")
                given[name] = (low, high)
        return replace(bounds, **given)


class RecipeBody(_Body):
    """The next version of a recipe. Without `extends`, it needs `title`, `language`, `operations` and `task`."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "fiche-courte",
                    "extends": "rewrite-fr",
                    "title": "Fiche courte",
                    "context": "Des fiches de formation pour un catalogue imprimé.",
                    "bounds": {"ratio": [0.3, 1.0]},
                }
            ]
        }
    )

    name: PathName = Field(examples=["fiche-courte"])
    extends: PathName | None = Field(default=None, description="The recipe it starts from.")
    extends_version: int | None = Field(default=None, ge=1, description="Of that one; else its newest.")
    title: Name | None = None
    language: Language | None = None
    into: Language | None = Field(default=None, description="What is written in; null: the source's own.")
    operations: list[OperationName] | None = Field(default=None, min_length=1, max_length=6)
    role: Prompt | None = None
    context: Prompt | None = None
    task: Prompt | None = None
    examples: list[ExampleBody] | None = Field(default=None, max_length=_MOST_EXAMPLES)
    taxonomy: list[TagBody] | None = Field(default=None, max_length=_MOST_TAGS)
    bounds: BoundsBody | None = None
    temperature: float | None = Field(default=None, ge=0, le=2)

    def recipe(self, base: Recipe | None) -> Recipe:
        """The recipe that is meant, whose version its keeper gives. Raises BadRequest `recipe_wrong`."""
        if base is None:
            for name in ("title", "language", "operations", "task"):
                if getattr(self, name) is None:
                    raise _wrong(f"`{name}` is missing; say it, or `extends`.", name)
            base = Recipe(self.name, 0, "", "", (), "", "", "")
        changes: dict[str, Any] = {
            name: value
            for name in ("title", "language", "role", "context", "task", "temperature")
            if (value := getattr(self, name)) is not None
        }
        if "into" in self.model_fields_set:
            changes["into"] = self.into
        if self.operations is not None:
            changes["operations"] = tuple(Operation(each) for each in dict.fromkeys(self.operations))
        if self.examples is not None:
            changes["examples"] = tuple(Example(each.source, _values(each.written)) for each in self.examples)
        if self.taxonomy is not None:
            changes["taxonomy"] = tuple(Tag(each.name, each.definition) for each in self.taxonomy)
        if self.bounds is not None:
            changes["bounds"] = self.bounds.over(base.bounds)
        return replace(base, name=self.name, version=0, shipped=False, **changes)


class TermBody(_Body):
    """A term of the glossary: its forced form, and forms that may not stand for it."""

    use: Words
    never: list[Words] = Field(default=[], max_length=100)
    source: Annotated[Text, Field(max_length=200)] = Field(
        default="", description="In translations: the term that is put so."
    )
    language: Annotated[str, Field(pattern="^([a-z]{2})?$")] = Field(
        default="", description="Of the texts it holds for; empty: all."
    )
    note: Annotated[Text, Field(max_length=2_000)] = ""


class BrandBody(_Body):
    """How the tenant writes, all of it: what is left out is said no more."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "tone": "Clair, direct, sans jargon.",
                    "address": "vous",
                    "banned": ["leader incontesté"],
                    "glossary": [{"use": "apprenant", "never": ["élève"], "language": "fr"}],
                    "names": ["Passerelle"],
                }
            ]
        }
    )

    tone: Prompt = ""
    address: Literal["tu", "vous"] | None = None
    banned: list[Words] = Field(default=[], max_length=_MOST_TERMS)
    glossary: list[TermBody] = Field(default=[], max_length=_MOST_TERMS)
    names: list[Words] = Field(default=[], max_length=_MOST_TERMS)

    def brand(self) -> Brand:
        """The brand that is meant, whose version its keeper gives."""
        terms = (
            Term(each.use, tuple(each.never), each.source, each.language, each.note) for each in self.glossary
        )
        return Brand(
            tone=self.tone,
            address=None if self.address is None else Address(self.address),
            banned=tuple(self.banned),
            glossary=tuple(terms),
            names=tuple(self.names),
        )


class _Card(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class TagCard(_Card):
    """A tag of the taxonomy."""

    name: str
    definition: str


class ExampleCard(_Card):
    """A text, and what a good answer to it is."""

    source: str
    written: dict[str, str | list[str]]


class BoundsCard(_Card):
    """How long what is written may be."""

    seo_title: int
    seo_description: int
    summary_words: tuple[int, int]
    tags: tuple[int, int]
    ratio: tuple[float, float]


class RecipeCard(BaseModel):
    """A version of a recipe. `fields` are what it writes; `prompt` names the shipped texts that it stands on."""

    name: str
    object: Literal["content.recipe"] = "content.recipe"
    version: int
    title: str
    language: str
    into: str | None
    operations: list[Operation]
    fields: list[str]
    role: str
    context: str
    task: str
    examples: list[ExampleCard]
    taxonomy: list[TagCard]
    bounds: BoundsCard
    temperature: float
    prompt: str
    shipped: bool = Field(description="Every tenant's, and changed by none.")


class RecipeList(BaseModel):
    """The newest version of each."""

    object: Literal["list"] = "list"
    data: list[RecipeCard]


class TermCard(_Card):
    """A term of the glossary."""

    use: str
    never: list[str]
    source: str
    language: str
    note: str


class BrandCard(BaseModel):
    """How a tenant writes. Version 0: nothing has been said yet."""

    object: Literal["content.brand"] = "content.brand"
    version: int
    tone: str
    address: Address | None
    banned: list[str]
    glossary: list[TermCard]
    names: list[str]


def recipe_card(recipe: Recipe) -> RecipeCard:
    """A recipe."""
    return RecipeCard(
        name=recipe.name,
        version=recipe.version,
        title=recipe.title,
        language=recipe.language,
        into=recipe.into,
        operations=list(recipe.operations),
        fields=list(recipe.fields),
        role=recipe.role,
        context=recipe.context,
        task=recipe.task,
        examples=[ExampleCard(source=each.source, written=shown(each.written)) for each in recipe.examples],
        taxonomy=[TagCard.model_validate(each) for each in recipe.taxonomy],
        bounds=BoundsCard.model_validate(recipe.bounds),
        temperature=recipe.temperature,
        prompt=recipe.prompt,
        shipped=recipe.shipped,
    )


def brand_card(brand: Brand) -> BrandCard:
    """A brand."""
    terms = [
        TermCard(
            use=each.use,
            never=list(each.never),
            source=each.source,
            language=each.language,
            note=each.note,
        )
        for each in brand.glossary
    ]
    return BrandCard(
        version=brand.version,
        tone=brand.tone,
        address=brand.address,
        banned=list(brand.banned),
        glossary=terms,
        names=list(brand.names),
    )


def shown(values: Mapping[str, Value]) -> dict[str, str | list[str]]:
    """Values as JSON has them."""
    return {name: value if isinstance(value, str) else list(value) for name, value in values.items()}


def value_of(said: str | list[str]) -> Value:
    """A value as it was sent."""
    return said if isinstance(said, str) else tuple(said)


def _values(said: Mapping[str, str | list[str]]) -> dict[str, Value]:
    return {name: value_of(value) for name, value in said.items()}


def _wrong(message: str, param: str) -> BadRequest:
    return BadRequest(message, code="recipe_wrong", param=param)
