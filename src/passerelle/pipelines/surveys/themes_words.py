"""Which words tell a group of texts from the others: counted by stem, shown as they are written most (c-TF-IDF). Pure.

The formula is that of Grootendorst (BERTopic, 2022): how often a stem is in a group, by how rare it is over all groups.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence

from passerelle.text.words import ASKING, ELISION, POSSESSIVE, STOP, folded, stem

MOST = 8  # of a group
_WORD = re.compile(r"[^\W\d_]{2,}")
_APOSTROPHES = str.maketrans({"’": "'", "ʼ": "'"})
_LONGEST = 40  # letters: longer ones are no words


def keywords(groups: Sequence[Sequence[str]], *, most: int = MOST) -> list[tuple[str, ...]]:
    """Of each group of texts the words that are its own, the most telling first; no word twice."""
    counts: list[Counter[str]] = []
    written: dict[str, Counter[str]] = {}
    for texts in groups:
        count: Counter[str] = Counter()
        for text in texts:
            seen: set[str] = set()
            for word, root in _stems(text):
                written.setdefault(root, Counter())[word] += 1
                seen.add(root)
            count.update(seen)  # one who repeats himself says it once
        counts.append(count)
    everywhere = sum(counts, Counter())
    mean = sum(everywhere.values()) / max(1, len(groups))
    return [
        tuple(_shown(written[root]) for root in _telling(count, everywhere, mean, len(texts))[:most])
        for count, texts in zip(counts, groups, strict=True)
    ]


def _telling(count: Counter[str], everywhere: Counter[str], mean: float, texts: int) -> list[str]:
    said = max(1, sum(count.values()))
    weights = {
        root: times / said * math.log(1 + mean / everywhere[root])
        for root, times in count.items()
        if times > 1 or texts < MOST
    }
    return sorted(weights, key=lambda root: (-weights[root], root))


def _shown(written: Counter[str]) -> str:
    return min(written, key=lambda word: (-written[word], word))


def _stems(text: str) -> Iterator[tuple[str, str]]:
    """Words that carry meaning as they are written, in lower case, with their stems."""
    plain = POSSESSIVE.sub("", ELISION.sub(" ", text.lower().translate(_APOSTROPHES)))
    for word in _WORD.findall(plain):
        bare = folded(word)
        if bare not in STOP and bare not in ASKING and len(word) <= _LONGEST:
            yield word, stem(bare)
