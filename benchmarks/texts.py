"""How the time of what looks at texts grows with them: splitting, checking, comparing, on what is said over and over.

`python -m benchmarks.texts` prints the CPU time of a text and of one four times as long, for the worst of many units; exit 1
where four times the text takes more than eight times the time, which is nearer to its square than to its length.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from time import process_time

from passerelle.domain.content import Brand, Form, Operation, Piece, Recipe
from passerelle.pipelines.enrichment.checks import check
from passerelle.pipelines.enrichment.offline_facts import duration_in
from passerelle.pipelines.enrichment.offline_lines import lines_of
from passerelle.pipelines.enrichment.splitting import split
from passerelle.reports.content.diffing import diff
from passerelle.text.words import language_of

UNITS = (
    "1 ", "1,1", "quatre-vingt-", "<a ", "[", "](", "{{", "*_", "`", "| a |\n", "a@", "http://", "vingt et ", "M. ", "<!--",
    "12 mars ", "\n", " ", "lundi-", "&amp;", "d'", "#", "```\n", "- ", "12:3", "<p>a", "<table", "</", '<p class="', "<b >",
)  # fmt: skip
SHORT, LONGER = 10_000, 4  # characters, and times as many
MOST = 8.0  # times the time
_NOTHING = 0.02  # seconds of CPU: less is too little to be compared
_RECIPE = Recipe("r", 1, "R", "fr", (Operation.REWRITE,), role="", context="", task="")


def _checked(text: str, form: Form) -> None:
    check(Piece("1", text, form=form), {"text": f"x{text}"}, _RECIPE, Brand())


def _offline(text: str, form: Form) -> None:
    lines = lines_of(Piece("1", text, form=form))
    duration_in(lines)
    language_of(text)


WORK: Mapping[str, Callable[[str, Form], object]] = {
    "split": split,
    "check": _checked,
    "offline": _offline,
    "compare": lambda text, _: diff(text, text.replace("a", "b") + "b"),
}


def took(work: Callable[[str, Form], object], text: str, form: Form) -> float:
    """Seconds of CPU."""
    began = process_time()
    work(text, form)
    return process_time() - began


def main() -> int:
    """Measure; 1 where something grows too fast."""
    bad = 0
    print(
        f"| work | {SHORT:,} characters, s | {SHORT * LONGER:,} characters, s | times | of |\n|---|---|---|---|---|"
    )
    for name, work in WORK.items():
        worst = (0.0, 0.0, 0.0, "")
        for unit in UNITS:
            for form in Form:
                short, long_ = ((unit * n)[:n] for n in (SHORT, SHORT * LONGER))
                took(work, short[:1_000], form)  # whatever is made once
                first, second = took(work, short, form), took(work, long_, form)
                worst = max(worst, (second / max(first, _NOTHING), first, second, f"{unit!r} {form.value}"))
        times, first, second, what = worst
        print(f"| {name} | {first:.3f} | {second:.3f} | {times:.1f} | {what} |")
        bad += times > MOST
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
