"""What a job will take before it is begun: tokens and money with an interval, learned from what was written before.

Without history tokens go by characters (3.5 of French and 4.2 of English a token: today's tokenizers have 3.2 to 4.1 and
3.9 to 4.9 of prose, and fewer of lists, figures and JSON) and by what recipes usually answer: instructions by the
recipe's language, the text by its own.
With some answers of the recipe and model, those figures give way to theirs; with ten, only theirs count: tokens of a
prompt by its characters, tokens of an answer by least squares on the text's characters. Bounds hold about nine of ten
jobs: the spread of the pieces, the uncertainty of the mean, and what no history can know. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import sqrt

from passerelle.domain.content import Estimate, Operation, Range, Recipe
from passerelle.domain.money import decimal

ENOUGH = 10  # answers, from which on only they count
_CHARACTERS = {"fr": 3.5, "en": 4.2}  # of a token
_OTHERS = 3.5
# Characters of an answer beside its source's: so many of its own, and so many of each.
_ANSWERED: dict[Operation, tuple[float, float]] = {
    Operation.REWRITE: (20, 1.0),
    Operation.TRANSLATE: (20, 1.0),
    Operation.SUMMARISE: (380, 0.05),
    Operation.TAG: (40, 0.0),
    Operation.SEO: (300, 0.0),
    Operation.METADATA: (270, 0.02),
}
_INTO = {"fr": 1.15, "en": 0.92}  # a translation's characters for each of its source's
_REPAIRED = 0.1  # calls for each planned one, which are second tries, and as much again of their tokens
_PSEUDO = 0.5  # answers that what is usual counts as: those of a preview count more
_WIDE = 0.35  # of the figure: how far what is usual may be off
_SURE = 0.04  # and how far history may be
_NINE_OF_TEN = 1.645  # of a normal distribution


@dataclass(frozen=True, slots=True)
class Load:
    """A piece that is to be written: characters of its text, of the prompts it takes, and calls without a repair."""

    characters: int
    asked: int
    calls: int
    language: str = ""


@dataclass(frozen=True, slots=True)
class Lesson:
    """An earlier answer: what it was of, and what it took. `cached` are of the prompt."""

    characters: int
    asked: int
    planned: int
    calls: int
    prompt: int
    completion: int
    cached: int = 0
    language: str = ""


@dataclass(frozen=True, slots=True)
class _Line:
    """Least squares through points: `spread` is the standard deviation around it."""

    start: float
    slope: float
    spread: float

    def at(self, place: float) -> float:
        return max(0.0, self.start + self.slope * place)


@dataclass(frozen=True, slots=True)
class Figures:
    """What is reckoned of all pieces together."""

    calls: Range
    prompt: Range
    completion: Range
    cached: float  # of the prompt's tokens, 0 to 1
    learned: int


def figures(loads: Sequence[Load], lessons: Sequence[Lesson], recipe: Recipe) -> Figures:
    """Tokens and calls of all pieces."""
    count = len(lessons)
    planned = sum(load.calls for load in loads)
    weight = 0.0 if count >= ENOUGH else _PSEUDO
    again = _mean([(lesson.calls - lesson.planned) / max(1, lesson.planned) for lesson in lessons])
    extra = (count * max(0.0, again) + _PSEUDO * _REPAIRED * (count < ENOUGH)) / max(1.0, count + weight)
    calls = _ranged(planned * (1 + extra), loads, _WIDE, count, spread=0.4 / max(1, planned))
    usual = [(_usual_prompt(load, recipe), _usual_answer(load, recipe)) for load in loads]
    scale = 1 + _REPAIRED * (count < ENOUGH)
    prompt = _scaled(
        [each for each, _ in usual],
        [(_usual_prompt(_load(lesson), recipe), lesson.prompt) for lesson in lessons],
        scale,
    )
    if count >= ENOUGH and (line := _line(lessons)) is not None:
        answered = [line.at(load.characters) for load in loads]
        completion = _Sum(sum(answered), line.spread)
    else:
        completion = _scaled(
            [each for _, each in usual],
            [(_usual_answer(_load(lesson), recipe), lesson.completion) for lesson in lessons],
            scale,
        )
    asked = sum(lesson.prompt for lesson in lessons)
    return Figures(
        calls=calls,
        prompt=_ranged(prompt.total, loads, _WIDE, count, spread=prompt.relative(len(loads), count)),
        completion=_ranged(
            completion.total, loads, _WIDE, count, spread=completion.relative(len(loads), count)
        ),
        cached=sum(lesson.cached for lesson in lessons) / asked if asked else 0.0,
        learned=count,
    )


def estimated(
    found: Figures,
    *,
    pieces: int,
    reused: int,
    model: str,
    target: str,
    currency: str,
    price: Callable[[float, float, float], int | None],
    notes: Sequence[str] = (),
) -> Estimate:
    """The estimate. `price` gives pico-units of one answer by tokens of its prompt, those read from a cache, and its own."""
    calls = max(1.0, found.calls.value)

    def cost(prompt: float, completion: float) -> float | None:
        # By the mean call: prices may depend on how long a prompt is.
        each = price(prompt / calls, prompt * found.cached / calls, completion / calls)
        return None if each is None else float(decimal(round(each * calls)))

    told = [
        cost(found.prompt.value, found.completion.value),
        cost(found.prompt.low, found.completion.low),
        cost(found.prompt.high, found.completion.high),
    ]
    known = [each for each in told if each is not None]
    money = Range(*known) if len(known) == 3 else None
    if not found.calls.value:
        money = Range(0.0, 0.0, 0.0)
    return Estimate(
        pieces=pieces,
        reused=reused,
        calls=found.calls,
        prompt_tokens=found.prompt,
        completion_tokens=found.completion,
        cost=money,
        currency=currency,
        learned=found.learned,
        model=model,
        target=target,
        notes=tuple(notes),
    )


@dataclass(frozen=True, slots=True)
class _Sum:
    """A sum over pieces, and the standard deviation of one."""

    total: float
    spread: float

    def relative(self, pieces: int, learned: int) -> float:
        """Of the sum: the pieces' spread, and that of the mean they go by."""
        if not self.total or learned < 2:
            return 0.0
        return self.spread * sqrt(pieces + pieces * pieces / learned) / self.total


def _scaled(usual: Sequence[float], seen: Sequence[tuple[float, float]], scale: float) -> _Sum:
    """What is usual, by how far that was off before."""
    expected, found = sum(each for each, _ in seen), sum(each for _, each in seen)
    count = len(seen)
    if not count:
        return _Sum(sum(usual) * scale, 0.0)
    weight = 0.0 if count >= ENOUGH else _PSEUDO * expected / count
    ratio = (found + weight * scale) / max(1e-9, expected + weight)
    spread = _deviation([got - ratio * want for want, got in seen])
    return _Sum(sum(usual) * ratio, spread)


def _line(lessons: Sequence[Lesson]) -> _Line | None:
    """Tokens of an answer by characters of its text; None where the texts are all about as long."""
    places = [float(lesson.characters) for lesson in lessons]
    values = [float(lesson.completion) for lesson in lessons]
    middle, mean = _mean(places), _mean(values)
    width = sum((place - middle) ** 2 for place in places)
    if width < len(places) * (0.05 * middle + 1) ** 2:
        return None
    pairs = list(zip(places, values, strict=True))
    slope = max(0.0, sum((place - middle) * (value - mean) for place, value in pairs) / width)
    start = mean - slope * middle
    if start < 0:  # through nought: no answer has fewer tokens than none
        start, slope = 0.0, mean / max(1.0, middle)
    return _Line(start, slope, _deviation([value - start - slope * place for place, value in pairs]))


def _ranged(value: float, loads: Sequence[Load], wide: float, count: int, *, spread: float) -> Range:
    if not loads:
        return Range(0.0, 0.0, 0.0)
    guess = wide * (1 - min(count, ENOUGH) / ENOUGH) if count < ENOUGH else 0.0
    apart = _NINE_OF_TEN * sqrt(guess * guess / _NINE_OF_TEN**2 + spread * spread + _SURE * _SURE)
    # What may be off by a factor is off upwards as far as downwards by that factor.
    return Range(value, value / (1 + apart), value * (1 + apart))


def _usual_prompt(load: Load, recipe: Recipe) -> float:
    said = min(load.characters, load.asked)
    told = (load.asked - said) / _CHARACTERS.get(recipe.language, _OTHERS)
    return told + said / _CHARACTERS.get(load.language, _OTHERS)


def _usual_answer(load: Load, recipe: Recipe) -> float:
    characters = sum(
        start + slope * load.characters
        for start, slope in (_ANSWERED[operation] for operation in recipe.operations)
    )
    if Operation.TRANSLATE in recipe.operations:
        characters += (_INTO.get(recipe.into or "", 1.0) - 1.0) * load.characters
    return (characters + 30 * load.calls) / _CHARACTERS.get(recipe.into or load.language, _OTHERS)


def _load(lesson: Lesson) -> Load:
    return Load(lesson.characters, lesson.asked, lesson.planned, lesson.language)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def _deviation(values: Sequence[float]) -> float:
    middle = _mean(values)
    return sqrt(sum((value - middle) ** 2 for value in values) / max(1, len(values) - 1))
