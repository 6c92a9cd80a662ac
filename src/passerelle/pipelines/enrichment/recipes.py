"""Recipes: the shipped ones, out of files of a version, and what is wrong with one that a tenant writes.

A prompt file never changes once it has been shipped: another wording is a file of the next version.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, NoReturn

from passerelle.domain.content import (
    FIELDS,
    LEVELS,
    LISTS,
    Bounds,
    Example,
    Operation,
    Recipe,
    Tag,
    Value,
)
from passerelle.domain.errors import BadRequest

LANGUAGES = ("fr", "en")  # that prompts are written in
WRITTEN = ("fr", "en", "de", "es", "it", "nl", "pt")  # that texts may be put into
# Shipped prompts by the beginning of their names, with the version that is in force.
SHIPPED: Mapping[str, int] = MappingProxyType(
    {"rewrite": 1, "summarise": 1, "translate": 1, "tag": 1, "seo": 1, "metadata": 1, "course-page": 1}
)
FRAME = 1  # version of the words around every recipe's own

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?")
_MOST_EXAMPLES, _MOST_TAGS = 8, 200
_LONGEST_WORDS, _LONGEST_EXAMPLE, _LONGEST_TAG = 8_000, 6_000, 100  # characters
_LONGEST_TITLE = 200
_LONGEST_PROMPT = 32_000  # of all of it: the text has to find room beside it


@cache
def shipped() -> Mapping[str, Recipe]:
    """The recipes of every tenant, by name: an operation and the language that its prompt is written in."""
    found = {}
    for operation, version in SHIPPED.items():
        for language in LANGUAGES:
            recipe = _read(operation, language, version)
            found[recipe.name] = recipe
    return MappingProxyType(found)


@cache
def frame(language: str) -> Mapping[str, Any]:
    """The words around every recipe's own, in a language that prompts are written in."""
    return MappingProxyType(_file(f"frame.{language}.v{FRAME}"))


def needs_model(recipe: Recipe) -> bool:
    """Does it take a language model? New sentences do; what is quoted, counted or sorted does not."""
    return bool({Operation.REWRITE, Operation.TRANSLATE}.intersection(recipe.operations))


def checked_recipe(recipe: Recipe) -> None:
    """Raises BadRequest `recipe_wrong` with the cause, the cure and the field of what is wrong first."""
    _check_head(recipe)
    _check_operations(recipe)
    _check_words(recipe)
    _check_taxonomy(recipe)
    _check_bounds(recipe.bounds, recipe)
    if len(recipe.examples) > _MOST_EXAMPLES:
        _wrong("examples", f"There are {len(recipe.examples)} examples; keep the best {_MOST_EXAMPLES}.")
    for number, example in enumerate(recipe.examples, 1):
        _check_example(number, example, recipe)
    if (size := _prompt_size(recipe)) > _LONGEST_PROMPT:
        _wrong(
            "examples",
            f"Role, context, task, taxonomy and examples have {size} characters together; the most is "
            f"{_LONGEST_PROMPT}. Shorten them, so that there is room for the text.",
        )


def _check_head(recipe: Recipe) -> None:
    if not _NAME.fullmatch(recipe.name):
        _wrong("name", "The name of a recipe is lower-case letters, digits and hyphens, 64 at most.")
    if recipe.language not in LANGUAGES:
        _wrong(
            "language",
            f"Prompts are written in {' or '.join(LANGUAGES)}; `into` says what the text is put into.",
        )
    if recipe.into is not None and recipe.into not in WRITTEN:
        _wrong(
            "into",
            f"`{recipe.into[:40]}` is no language that texts are put into; say one of {', '.join(WRITTEN)}.",
        )
    if not 0.0 <= recipe.temperature <= 2.0:
        _wrong("temperature", "The temperature is a number from 0 to 2; 0.2 is a good one.")


def _check_operations(recipe: Recipe) -> None:
    wanted = recipe.operations
    if not wanted:
        _wrong("operations", f"A recipe does at least one of {', '.join(Operation)}.")
    if len(set(wanted)) != len(wanted):
        _wrong("operations", "An operation stands twice; name each once.")
    if Operation.REWRITE in wanted and Operation.TRANSLATE in wanted:
        _wrong(
            "operations",
            "`rewrite` and `translate` write the same field; make two recipes, and give one's texts to the other.",
        )
    if Operation.TRANSLATE in wanted and recipe.into is None:
        _wrong("into", "A recipe that translates says with `into` which language it writes.")


def _check_words(recipe: Recipe) -> None:
    for name in ("role", "task"):
        if not getattr(recipe, name).strip():
            _wrong(name, f"The {name} is empty; say it in a sentence or more.")
    for name in ("role", "context", "task"):
        if len(getattr(recipe, name)) > _LONGEST_WORDS:
            _wrong(name, f"The {name} is longer than {_LONGEST_WORDS} characters; shorten it.")
    if len(recipe.title) > _LONGEST_TITLE:
        _wrong("title", f"The title is longer than {_LONGEST_TITLE} characters; shorten it.")


def _check_taxonomy(recipe: Recipe) -> None:
    tags = [tag.name for tag in recipe.taxonomy]
    if Operation.TAG not in recipe.operations:
        if tags:
            _wrong("taxonomy", "There is a taxonomy and nothing is tagged; leave it out, or add `tag`.")
        return
    if not tags:
        _wrong("taxonomy", "A recipe that tags needs a taxonomy: the tags that may be given.")
    if len(tags) > _MOST_TAGS:
        _wrong("taxonomy", f"There are {len(tags)} tags; the most is {_MOST_TAGS}.")
    if len({tag.strip().casefold() for tag in tags}) != len(tags):
        _wrong("taxonomy", "A tag stands twice, capitals aside; name each once.")
    for tag in recipe.taxonomy:
        if tag.name != tag.name.strip() or not tag.name or "\n" in tag.name or len(tag.name) > _LONGEST_TAG:
            _wrong("taxonomy", f"A tag is one line of 1 to {_LONGEST_TAG} characters, without blanks around.")
        if len(tag.definition) > 4 * _LONGEST_TAG:
            _wrong(
                "taxonomy", f"The definition of a tag is {4 * _LONGEST_TAG} characters at most; shorten it."
            )


def _check_bounds(bounds: Bounds, recipe: Recipe) -> None:
    if not 10 <= bounds.seo_title <= 200:
        _wrong("bounds.seo_title", "The longest title for search engines is 10 to 200 characters.")
    if not 30 <= bounds.seo_description <= 500:
        _wrong(
            "bounds.seo_description", "The longest description for search engines is 30 to 500 characters."
        )
    least, most = bounds.summary_words
    if not 1 <= least <= most <= 1_000:
        _wrong("bounds.summary_words", "A summary has from 1 to 1000 words, the fewer number first.")
    least, most = bounds.tags
    if not 0 <= least <= most or most < 1:
        _wrong(
            "bounds.tags",
            "The number of tags is two whole numbers, the smaller first and the larger 1 or more.",
        )
    if Operation.TAG in recipe.operations and least > len(recipe.taxonomy):
        _wrong(
            "bounds.tags",
            f"At least {least} tags are wanted of a taxonomy of {len(recipe.taxonomy)}; ask for fewer.",
        )
    low, high = bounds.ratio
    if not 0.05 <= low <= high <= 20.0:
        _wrong(
            "bounds.ratio",
            "The length beside the source's is two numbers from 0.05 to 20, the smaller first.",
        )


def _check_example(number: int, example: Example, recipe: Recipe) -> None:
    where = f"examples.{number}"
    if not example.source.strip() or len(example.source) > _LONGEST_EXAMPLE:
        _wrong(where, f"The source of an example has 1 to {_LONGEST_EXAMPLE} characters.")
    if set(example.written) != set(recipe.fields):
        _wrong(
            where,
            f"An example writes what the recipe writes: {', '.join(recipe.fields)}; no more and no less.",
        )
    for name, value in example.written.items():
        if said := _misfit(name, value, recipe):
            _wrong(f"{where}.{name}", f"Example {number} would teach what the recipe refuses: {said}")


def _misfit(name: str, value: Value, recipe: Recipe) -> str:
    """What is wrong with a field of an example; empty: nothing."""
    bounds = recipe.bounds
    if name in LISTS:
        if isinstance(value, str) or not all(isinstance(each, str) and each.strip() for each in value):
            return f"`{name}` is a list of texts."
        known = {tag.name for tag in recipe.taxonomy}
        if name == "tags" and not known.issuperset(value):
            return "`tags` holds one that is not in the taxonomy; name only tags of it."
        if name == "tags" and not bounds.tags[0] <= len(value) <= bounds.tags[1]:
            return f"`tags` holds {bounds.tags[0]} to {bounds.tags[1]} of them."
        return ""
    if not isinstance(value, str):
        return f"`{name}` is a text."
    if len(value) > 2 * _LONGEST_EXAMPLE:
        return f"`{name}` is longer than {2 * _LONGEST_EXAMPLE} characters; take a shorter example."
    if name == "level":
        return "" if value in LEVELS else f"`level` is one of {', '.join(LEVELS)}."
    longest = {"seo_title": bounds.seo_title, "seo_description": bounds.seo_description}.get(name)
    if longest is not None and len(value) > longest:
        return f"`{name}` has {len(value)} characters where {longest} are allowed."
    if name == "slug" and not re.fullmatch(r"[a-z0-9]+(?:-[a-z0-9]+)*", value):
        return "`slug` is lower-case letters without accents and digits, joined by hyphens."
    if name == "summary" and not bounds.summary_words[0] <= len(value.split()) <= bounds.summary_words[1]:
        return f"`summary` has {bounds.summary_words[0]} to {bounds.summary_words[1]} words."
    if name != "duration" and not value.strip():
        return f"`{name}` is empty."
    return ""


def _wrong(field: str, said: str) -> NoReturn:
    raise BadRequest(said, code="recipe_wrong", param=field)


def _prompt_size(recipe: Recipe) -> int:
    shown = sum(len(tag.name) + len(tag.definition) for tag in recipe.taxonomy)
    for example in recipe.examples:
        shown += len(example.source)
        shown += sum(
            len(value) if isinstance(value, str) else sum(map(len, value))
            for value in example.written.values()
        )
    return shown + len(recipe.role) + len(recipe.context) + len(recipe.task)


def _read(operation: str, language: str, version: int) -> Recipe:
    name = f"{operation}.{language}.v{version}"
    told = _file(name)
    return Recipe(
        name=f"{operation}-{language}",
        version=version,
        title=told["title"],
        language=language,
        operations=tuple(map(Operation, told["operations"])),
        role=told["role"].strip(),
        context=told["context"].strip(),
        task=told["task"].strip(),
        into=told.get("into"),
        examples=tuple(map(_example, told.get("examples", ()))),
        taxonomy=tuple(Tag(tag["name"], tag.get("definition", "")) for tag in told.get("taxonomy", ())),
        temperature=told.get("temperature", 0.2),
        prompt=name,
        shipped=True,
    )


def _example(told: Mapping[str, Any]) -> Example:
    written = {
        name: tuple(value) if isinstance(value, list) else value.strip()
        for name, value in told["written"].items()
    }
    order = [name for names in FIELDS.values() for name in names]
    return Example(told["source"].strip(), {name: written[name] for name in order if name in written})


def _file(name: str) -> dict[str, Any]:
    file = files("passerelle.pipelines.enrichment") / "prompts" / f"{name}.toml"
    return tomllib.loads(file.read_text(encoding="utf-8"))
