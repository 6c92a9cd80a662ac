"""How much personal data is found in French and English text, and how much else is taken for it, on generated sentences.

`python -m benchmarks.personal` prints recall and precision by kind and the CPU time of 1,000 characters; the last line is
JSON. The set is made from a seed: sentences with a valid number in one of its ways of writing, and sentences that only look
like it, with a digit changed, a price, an order, a version, a date, an ISBN. Names are only those that are introduced, as
`names: form` promises; those in passing are counted by themselves and are not found by form.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from time import process_time

from benchmarks import personal_made as made
from passerelle.text.personal_reading import KINDS, read

EACH = 300  # sentences of every template group
PASSING = "name-in-passing"


@dataclass(frozen=True, slots=True)
class Sentence:
    """A text, and what of it is personal: the kind, and the value as it stands there."""

    text: str
    kind: str = ""  # "" where nothing is
    value: str = ""
    label: str = ""  # what is counted, where that is narrower than the kind


@dataclass(slots=True)
class Score:
    """What was found of one kind."""

    there: int = 0
    found: int = 0
    said: int = 0
    right: int = 0

    @property
    def recall(self) -> float:
        """Of what is there, the part that was found whole."""
        return self.found / self.there if self.there else 1.0

    @property
    def precision(self) -> float:
        """Of what was said to be one, the part that is."""
        return self.right / self.said if self.said else 1.0


def sentences(seed: int = 9, each: int = EACH) -> Iterator[Sentence]:
    """The set: so many sentences for each way to make one."""
    draw = random.Random(seed)
    for label, (kind, make, templates) in made.VALUES.items():
        for _ in range(each):
            value = make(draw)
            template = draw.choice(templates)
            # What stands around a value in files and letters: marks, brackets, lines.
            around = draw.choice(made.AROUND) if kind not in ("name", "address", "birth") else "{}"
            yield Sentence(template.format(around.format(value)), kind, value, label)
    for make in made.NEGATIVES:
        for _ in range(each):
            yield Sentence(make(draw))


def scores(texts: Iterator[Sentence]) -> dict[str, Score]:
    """By kind, by label where that says more, and `overall` of all but names in passing."""
    told: dict[str, Score] = {}
    for sentence in texts:
        kinds = {sentence.kind, sentence.label, "overall"} if sentence.label != PASSING else {PASSING}
        at = sentence.text.find(sentence.value) if sentence.value else -1
        spans = read(sentence.text, KINDS)
        whole = any(span.start <= at and span.end >= at + len(sentence.value) for span in spans)
        for kind in kinds if sentence.kind else ():
            score = told.setdefault(kind, Score())
            score.there += 1
            score.found += whole
        for span in spans:
            right = sentence.kind == span.kind and span.start < at + len(sentence.value) and span.end > at
            for kind in (span.kind, "overall"):
                score = told.setdefault(kind, Score())
                score.said += 1
                score.right += right
    return told


def cost(text: str, times: int = 50) -> float:
    """Microseconds of CPU for 1,000 characters."""
    begun = process_time()
    for _ in range(times):
        read(text, KINDS)
    return (process_time() - begun) / times / len(text) * 1e9


def main(*, say: Callable[[str], None] = print) -> int:
    """Print it."""
    told = scores(sentences())
    say(f"{'kind':<20}{'there':>7}{'recall':>9}{'said':>7}{'precision':>11}")
    for kind, score in sorted(told.items(), key=lambda one: (one[0] == "overall", one[0])):
        precision = f"{score.precision:>11.4f}" if score.said else f"{'-':>11}"
        say(f"{kind:<20}{score.there:>7}{score.recall:>9.4f}{score.said:>7}{precision}")
    texts = [sentence.text for sentence in sentences(each=20)]
    random.Random(1).shuffle(texts)
    dense, plain = " ".join(texts)[:20_000], made.PLAIN * 40
    figures: Mapping[str, float] = {"dense_us_per_1k": cost(dense), "plain_us_per_1k": cost(plain)}
    for name, value in figures.items():
        say(f"{name:<20}{value:>16.1f}")
    said = {kind: [round(score.recall, 4), round(score.precision, 4)] for kind, score in told.items()}
    say(json.dumps({"recall_precision": said, **{name: round(value, 1) for name, value in figures.items()}}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
