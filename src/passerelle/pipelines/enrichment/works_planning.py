"""A job before it is begun: its pieces checked and measured, what is had already, what the rest will take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.domain.catalog import Tenant
from passerelle.domain.content import Brand, ContentRules, Estimate, Piece, Recipe, Written
from passerelle.domain.errors import BadRequest, Forbidden, TooLarge
from passerelle.pipelines.enrichment.desk import PREVIEWED, Wanted
from passerelle.pipelines.enrichment.estimating import Lesson, Load, estimated, figures
from passerelle.pipelines.enrichment.estimating_prices import Answerer, Prices
from passerelle.pipelines.enrichment.reading import LONGEST_KEY
from passerelle.pipelines.enrichment.recipes import needs_model
from passerelle.pipelines.enrichment.tables import storable, written_in
from passerelle.pipelines.enrichment.working_digest import Digests
from passerelle.pipelines.enrichment.working_loads import dearest, load_of
from passerelle.sealing.values import Opener

_MOST_LESSONS = 400
_MOST_BESIDE, _LONGEST_BESIDE = 50, 20_000

_KEPT = text("""
SELECT digest, written FROM content_output WHERE tenant = :tenant AND digest = ANY(CAST(:digests AS bytea[]))
""")
_LESSONS = text("""
SELECT characters, asked, calls, language, written -> 'usage' AS usage, CAST(written ->> 'calls' AS int) AS answered
FROM content_output WHERE tenant = :tenant AND recipe = :recipe AND model = :model AND calls > 0
    AND CAST(written ->> 'calls' AS int) > 0 AND NOT CAST(written ->> 'offline' AS boolean)
ORDER BY at DESC LIMIT :most
""")


@dataclass(frozen=True, slots=True)
class Planned:
    """Pieces in their order, with the digest of each. `twins` are places of those whose text came before in the job."""

    tenant: Tenant
    recipe: Recipe
    brand: Brand
    answerer: Answerer
    pieces: tuple[Piece, ...]
    digests: tuple[bytes, ...]
    twins: frozenset[int]


@dataclass(frozen=True, slots=True)
class Measured:
    """What of it is had already, by digest, and the loads of what is not, by place."""

    kept: Mapping[bytes, Written]
    loads: Mapping[int, Load]
    lessons: Sequence[Lesson]


def rules_of(tenant: Tenant) -> ContentRules:
    """Raises Forbidden where no texts of the tenant are worked on."""
    if tenant.content is None:
        message = f"No texts of {tenant.name} are worked on here. Have `content` switched on in the file."
        raise Forbidden(message, code="content_off")
    return tenant.content


def planned(
    tenant: Tenant,
    wanted: Wanted,
    given: Sequence[Piece],
    *,
    recipe: Recipe,
    brand: Brand,
    answerer: Answerer,
) -> Planned:
    """The job that is wanted; of a preview, few pieces of it. Raises BadRequest, TooLarge. Pure, and takes a while."""
    if answerer.offline and needs_model(recipe):
        message = (
            f"The recipe {recipe.name!r} needs a language model, and {answerer.model.name!r} has none behind it. Name "
            f"another model, or a recipe that quotes and sorts only."
        )
        raise BadRequest(message, code="recipe_needs_model", param="recipe")
    pieces = _checked(given, rules_of(tenant))
    if wanted.preview:
        pieces = _previewed(pieces)
    digests = Digests(tenant.name, recipe, brand, model=answerer.model.name, offline=answerer.offline)
    found = [digests.of(piece) for piece in pieces]
    first: dict[bytes, int] = {}
    for place, digest in enumerate(found):
        first.setdefault(digest, place)
    twins = frozenset(place for place, digest in enumerate(found) if first[digest] != place)
    return Planned(tenant, recipe, brand, answerer, tuple(pieces), tuple(found), twins)


async def kept_of(connection: AsyncConnection, plan: Planned, opener: Opener) -> dict[bytes, Written]:
    """What was written before of these pieces, by digest."""
    values = {"tenant": plan.tenant.name, "digests": list(set(plan.digests))}
    rows = await connection.execute(_KEPT, values)
    return {bytes(row.digest): written_in(row.written, opener) for row in rows}


async def lessons_of(connection: AsyncConnection, plan: Planned) -> list[Lesson]:
    """The latest answers of the recipe and model."""
    values = {
        "tenant": plan.tenant.name,
        "recipe": plan.recipe.name,
        "model": plan.answerer.model.name,
        "most": _MOST_LESSONS,
    }
    return [
        Lesson(
            row.characters,
            row.asked,
            row.calls,
            row.answered,
            row.usage["prompt_tokens"],
            row.usage["completion_tokens"],
            row.usage["cached_tokens"],
            row.language,
        )
        for row in await connection.execute(_LESSONS, values)
        if row.usage["prompt_tokens"]  # some engines count nothing
    ]


def measured(plan: Planned, kept: Mapping[bytes, Written], lessons: Sequence[Lesson]) -> Measured:
    """How much is to be asked. Pure, and takes a while: texts are split as they will be."""
    loads = {
        place: load_of(piece, plan.recipe, plan.brand, formed=plan.answerer.formed)
        for place, (piece, digest) in enumerate(zip(plan.pieces, plan.digests, strict=True))
        if digest not in kept and place not in plan.twins
    }
    return Measured(kept, loads, lessons)


def estimate_of(plan: Planned, found: Measured, prices: Prices) -> Estimate:
    """What it will take."""
    tenant, answerer = plan.tenant, plan.answerer
    loads = [] if answerer.offline else list(found.loads.values())
    reckoned = figures(loads, found.lessons, plan.recipe)
    estimate = estimated(
        reckoned,
        pieces=len(plan.pieces),
        reused=len(plan.pieces) - len(found.loads),
        model=answerer.model.name,
        target=answerer.first,
        currency=prices.currency,
        price=lambda prompt, cached, completion: prices.charged(
            tenant, answerer, prompt=prompt, cached=cached, completion=completion
        ),
    )
    return replace(estimate, notes=tuple(_notes(estimate, offline=answerer.offline, loads=len(loads))))


def check_budget(plan: Planned, found: Measured, wanted: Wanted, prices: Prices) -> None:
    """Raises BadRequest where the budget is none, its prices are not known, or it would hold no piece."""
    if wanted.budget is None:
        return
    if wanted.budget <= 0:
        raise BadRequest(
            "A budget is more than nought. Leave it out for none.", code="budget_wrong", param="budget"
        )
    if not found.loads:
        return
    smallest = min(found.loads, key=lambda place: found.loads[place].asked)
    least = dearest(
        plan.pieces[smallest],
        plan.recipe,
        plan.brand,
        price=lambda prompt, completion: prices.most(
            plan.tenant, plan.answerer, prompt=prompt, completion=completion
        ),
    )
    if least is None:
        message = (
            f"A budget needs a price, and nobody knows what a target of {plan.answerer.model.name!r} costs. State its "
            f"`cost` in the file, or leave the budget out."
        )
        raise BadRequest(message, code="price_unknown", param="budget")
    if least > wanted.budget:
        cost = f"{least / 1e12:.6f}".rstrip("0")
        message = (
            f"The budget holds no piece of the job: the smallest may cost {cost} {prices.currency}, with every answer "
            f"repaired. Give at least that."
        )
        raise BadRequest(message, code="budget_too_small", param="budget")


def _notes(estimate: Estimate, *, offline: bool, loads: int) -> list[str]:
    if offline:
        return ["No language model takes part: nothing is asked, and nothing is paid."]
    if not loads:
        return ["Nothing has changed since it was written before: nothing is asked, and nothing is paid."]
    notes = []
    if not estimate.learned:
        notes.append("There are no earlier answers of this recipe and model: it goes by what is usual.")
    if estimate.cost is None:
        notes.append(f"What {estimate.target} costs is not known: state its `cost` in the file.")
    return notes


def _checked(given: Sequence[Piece], rules: ContentRules) -> list[Piece]:
    """The same, in characters that can be kept. Raises BadRequest, TooLarge."""
    if not given:
        raise BadRequest(
            "A job has at least one piece. Give texts or documents.", code="no_pieces", param="pieces"
        )
    if len(given) > rules.pieces:
        message = (
            f"One job has at most {rules.pieces} pieces, and these are {len(given)}. Send them in parts."
        )
        raise TooLarge(message, code="too_many_pieces", param="pieces")
    seen: set[str] = set()
    found = []
    for number, piece in enumerate(given, 1):
        found.append(_clean(piece, number, rules))
        if found[-1].key in seen:
            message = f"Piece {number} has the key of another one. Keys are unique in a job: give it its own."
            raise BadRequest(message, code="key_repeated", param=f"pieces.{number}")
        seen.add(found[-1].key)
    return found


def _clean(piece: Piece, number: int, rules: ContentRules) -> Piece:
    where = f"pieces.{number}"
    key, words = " ".join(storable(piece.key).split()), storable(piece.text)
    if not key or len(key) > LONGEST_KEY:
        raise BadRequest(
            f"The key of piece {number} has 1 to {LONGEST_KEY} characters.", code="key_wrong", param=where
        )
    if not words.strip():
        raise BadRequest(f"Piece {number} has no text. Leave it out.", code="piece_empty", param=where)
    if len(words) > rules.characters:
        message = (
            f"Piece {number} has {len(words)} characters; one has at most {rules.characters}. Divide it."
        )
        raise TooLarge(message, code="piece_too_long", param=where)
    language = piece.language.strip().lower()
    if language and not (len(language) == 2 and language.isascii() and language.isalpha()):
        message = f"The language of piece {number} is two letters, such as `fr`, or nothing."
        raise BadRequest(message, code="language_unknown", param=where)
    if len(piece.beside) > _MOST_BESIDE or any(len(each) > _LONGEST_BESIDE for each in piece.beside.values()):
        message = f"Piece {number} has too much beside its text: {_MOST_BESIDE} columns at most."
        raise BadRequest(message, code="beside_too_long", param=where)
    return replace(
        piece,
        key=key,
        text=words,
        title=storable(piece.title)[:2_000],
        language=language,
        beside={storable(name): storable(each) for name, each in piece.beside.items()},
    )


def _previewed(pieces: Sequence[Piece]) -> list[Piece]:
    """A short one, a middle one and a long one, in their order."""
    if len(pieces) <= PREVIEWED:
        return list(pieces)
    by_length = sorted(range(len(pieces)), key=lambda place: (len(pieces[place].text), place))
    chosen = sorted({by_length[0], by_length[len(by_length) // 2], by_length[-1]})
    return [pieces[place] for place in chosen]
