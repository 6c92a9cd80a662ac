"""Which of the ways that a question can be taken fits what is found. Pure.

"Et le télétravail ?" may ask for something else of what was asked before, or for the same of something else: the best
passage tells. Words of its own lead; older ones count where a passage has them too.
"""

from __future__ import annotations

from collections.abc import Sequence

from passerelle.domain.rag import Found
from passerelle.pipelines.rag.rewriting import Understood, with_words
from passerelle.text.words import folded, stem, stems

HALF = 0.5  # of the words of the question itself; more than that of those between it and the oldest
SOME_OF_IT = 0.34  # of the oldest question's words


def chosen(ways: Sequence[Understood], found: Sequence[Sequence[Found]]) -> int:
    """The place of the way that fits: `found` is what each of them finds, best first."""
    tops = [_stems(each[0]) if each else frozenset[str]() for each in found]
    alone = len(ways[-1].layers) == 1
    own = ways[-1].layers[0] if ways[-1].layers else frozenset[str]()
    wanted = _share(own, tops[-1]) if alone else 0.0
    wanted = wanted if wanted >= HALF else 0.0
    for place, (way, top) in enumerate(zip(ways, tops, strict=True)):
        _, *between = way.layers or (frozenset(),)
        oldest = between.pop() if between else frozenset[str]()
        if _share(own, top) < wanted:
            continue
        if all(_share(layer, top) > HALF for layer in between) and _share(oldest, top) >= SOME_OF_IT:
            return place
    return 0


def settled(question: str, ways: Sequence[Understood], *, place: int, found: Sequence[Found]) -> str:
    """What is looked for that way; where it turned to something else, with the older words that are said of that too."""
    way = ways[place]
    if way.taken or not found:
        return way.text
    top = _stems(found[0])
    return with_words(question, [word for word in ways[0].taken if stem(folded(word)) in top])


def _share(wanted: frozenset[str], held: frozenset[str]) -> float:
    return len(wanted & held) / len(wanted) if wanted else 1.0


def _stems(found: Found) -> frozenset[str]:
    return frozenset(stems(found.chunk.indexed))
