"""What a text has become, word by word: operations that turn the one into the other, and back.

Sentences are brought together first and words within them, so that a paragraph that was moved or added stays in one
piece. White space, tags and marks are kept: nothing of either text is lost. The time grows with the length of the texts.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import pairwise
from typing import Any, Literal

Kind = Literal["equal", "insert", "delete", "replace"]

_END = re.compile(r"(?<=[.!?…»”\")])[ \t]+|\n\s*")
_TOKEN = re.compile(r"</?[A-Za-z!][^<>]{0,300}>|\w+(?:['’]\w+)?|[ \t]+|\r?\n|([#*_`~=-])\1*|.", re.DOTALL)
PAIRS = 60_000  # equal pairs that one alignment may have to look at
STRETCH = 250  # tokens that are aligned at once where there would be more


@dataclass(frozen=True, slots=True)
class Op:
    """A stretch of both texts: `before[start:end]` became `after[after_start:after_end]`."""

    kind: Kind
    start: int
    end: int
    after_start: int
    after_end: int
    old: str
    new: str


def diff(before: str, after: str) -> tuple[Op, ...]:
    """The operations in order. Together they cover both texts; two of one kind never follow each other."""
    if before == after:
        return (Op("equal", 0, len(before), 0, len(after), before, after),) if before else ()
    return tuple(_ops(before, after, _joined(_aligned(_sentences(before), _sentences(after), words=False))))


def applied(before: str, ops: Sequence[Op]) -> str:
    """The later text, from the earlier one and the operations. Raises ValueError where they are of another text."""
    return _put(before, [(op.start, op.end, op.old, op.new) for op in ops])


def undone(after: str, ops: Sequence[Op]) -> str:
    """The earlier text, from the later one and the operations. Raises ValueError where they are of another text."""
    return _put(after, [(op.after_start, op.after_end, op.new, op.old) for op in ops])


def document(ops: Sequence[Op]) -> list[dict[str, Any]]:
    """The operations as plain values of JSON. Offsets count characters (code points) of either text."""
    return [
        {"op": op.kind, "before": [op.start, op.end], "after": [op.after_start, op.after_end]}
        | ({"text": op.old} if op.kind == "equal" else {"old": op.old, "new": op.new})
        for op in ops
    ]


def changed(ops: Sequence[Op]) -> tuple[int, int]:
    """How many words were taken away, and how many were added."""
    gone = sum(len(re.findall(r"\w+", op.old)) for op in ops if op.kind != "equal")
    new = sum(len(re.findall(r"\w+", op.new)) for op in ops if op.kind != "equal")
    return gone, new


def _put(text: str, changes: Sequence[tuple[int, int, str, str]]) -> str:
    for start, end, old, _ in changes:
        if text[start:end] != old:
            raise ValueError("the operations are of another text")
    return "".join(new for *_, new in changes)


def _sentences(text: str) -> list[str]:
    ends = [0, *(found.end() for found in _END.finditer(text)), len(text)]
    return [text[start:end] for start, end in pairwise(ends) if end > start]


def _tokens(text: str) -> list[str]:
    return [found.group() for found in _TOKEN.finditer(text)]


Pair = tuple[str, str]  # what stood there, and what stands there


def _aligned(before: Sequence[str], after: Sequence[str], *, words: bool) -> Iterator[Pair]:
    """Stretches of both that belong together, in order."""
    head = 0
    while head < min(len(before), len(after)) and before[head] == after[head]:
        head += 1
    tail = 0
    while tail < min(len(before), len(after)) - head and before[-1 - tail] == after[-1 - tail]:
        tail += 1
    if head:
        yield "".join(before[:head]), "".join(before[:head])
    yield from _middle(before[head : len(before) - tail], after[head : len(after) - tail], words=words)
    if tail:
        yield "".join(before[-tail:]), "".join(before[-tail:])


def _middle(before: Sequence[str], after: Sequence[str], *, words: bool) -> Iterator[Pair]:
    if not before or not after:
        if before or after:
            yield "".join(before), "".join(after)
    elif _costly(before, after):
        if words:
            yield from _stretched(before, after)
        else:
            yield from _aligned(_tokens("".join(before)), _tokens("".join(after)), words=True)
    else:
        matcher = SequenceMatcher(_blank, before, after, autojunk=False)
        for tag, start, end, first, last in matcher.get_opcodes():
            old, new = "".join(before[start:end]), "".join(after[first:last])
            if tag == "replace" and not words:
                yield from _aligned(_tokens(old), _tokens(new), words=True)
            else:
                yield old, new


def _blank(token: str) -> bool:
    """Spaces are everywhere: words find each other, and the spaces between them follow."""
    return token.isspace()


def _costly(before: Sequence[str], after: Sequence[str]) -> bool:
    """Whether there are more equal pairs than an alignment can look at."""
    if len(before) * len(after) <= PAIRS:
        return False
    there = Counter(each for each in after if not each.isspace())
    return sum(there[each] for each in before) > PAIRS


def _stretched(before: Sequence[str], after: Sequence[str]) -> Iterator[Pair]:
    """Piece by piece, each as far into its text as the other; one that says the same over and over, as a whole."""
    count = max(len(before), len(after)) // STRETCH + 1
    for part in range(count):
        old = before[part * len(before) // count : (part + 1) * len(before) // count]
        new = after[part * len(after) // count : (part + 1) * len(after) // count]
        there = Counter(each for each in new if not each.isspace())
        if sum(there[each] for each in old) > STRETCH * 12:
            yield "".join(old), "".join(new)
            continue
        for _, start, end, first, last in SequenceMatcher(_blank, old, new, autojunk=False).get_opcodes():
            yield "".join(old[start:end]), "".join(new[first:last])


def _joined(pairs: Iterator[Pair]) -> list[Pair]:
    """With neighbours of one kind in one, and white space between two changes in the change."""
    found: list[Pair] = []
    for old, new in pairs:
        if not old and not new:
            continue
        same = old == new
        if found and (found[-1][0] == found[-1][1]) is same:
            found[-1] = (found[-1][0] + old, found[-1][1] + new)
        elif not same and len(found) > 1 and found[-1][0] == found[-1][1] and not found[-1][0].strip(" \t"):
            between = found.pop()[0]
            found[-1] = (found[-1][0] + between + old, found[-1][1] + between + new)
        else:
            found.append((old, new))
    return found


def _ops(before: str, after: str, pairs: Sequence[Pair]) -> Iterator[Op]:
    start = first = 0
    for old, new in pairs:
        kind: Kind = "equal" if old == new else "insert" if not old else "delete" if not new else "replace"
        end, last = start + len(old), first + len(new)
        yield Op(kind, start, end, first, last, before[start:end], after[first:last])
        start, first = end, last
