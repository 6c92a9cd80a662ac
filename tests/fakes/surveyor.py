"""A language model that reads survey comments by rules, and errs in ways that are known.

It knows what its words are about; of some it says something else, and irony it takes at its word, unless an example in its
prompt, which a person has corrected, shows it that very pattern. Then it follows the example.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.wire import Received

_FENCE = re.compile(r"=== ([0-9a-f]{24}) ===\n(.*?)\n=== \1 ===(.*?)(?==== \1 ===|\Z)", re.DOTALL)
_RIGHT = re.compile(r"✓(.*)")
_IDS = re.compile(r"(?:categories|catégories): ([^;\n]*)")
_POLARITY = re.compile(r"(?:polarity|polarité): (\w+)")
_SENTENCE = re.compile(r"[^.!?]+[.!?]*")


@dataclass(frozen=True, slots=True)
class Means:
    """What a word means: a category's id and a polarity."""

    category: str
    polarity: str


@dataclass(frozen=True, slots=True)
class Shown:
    """A corrected example in the prompt."""

    text: str
    ids: tuple[str, ...] | None
    polarity: str | None


@dataclass
class Surveyor:
    """Give it to a fake engine as its answer. `blind`: what it says of a word instead of what that means."""

    means: Mapping[str, Means]
    blind: Mapping[str, Means] = field(default_factory=dict)
    confidence: float = 0.9
    seen: list[str] = field(default_factory=list)  # the comments, in the order they were asked about
    examples: list[int] = field(default_factory=list)  # how many were shown beside each

    def __call__(self, request: Received) -> str:
        """What it says."""
        said = request.body["messages"]
        question = next(each["content"] for each in reversed(said) if each["role"] == "user")
        *before, comment = read(question)
        self.seen.append(comment.text)
        self.examples.append(len(before))
        return json.dumps(self.reading(comment.text, before), ensure_ascii=False)

    def reading(self, comment: str, examples: Sequence[Shown] = ()) -> dict[str, Any]:
        """An opinion for each sentence that holds one of its words."""
        opinions = []
        for found in _SENTENCE.finditer(comment):
            sentence = found[0].strip()
            word = next((each for each in self.means if each in sentence.lower()), None)
            if word is None:
                continue
            category, polarity = self._said(word, examples)
            ids = [category] if category else []
            opinion = {"quote": sentence, "categories": ids, "polarity": polarity}
            opinions.append({**opinion, "confidence": self.confidence})
        polarities = {each["polarity"] for each in opinions}
        whole = "none" if not polarities else polarities.pop() if len(polarities) == 1 else "mixed"
        return {"opinions": opinions, "polarity": whole, "confidence": self.confidence}

    def _said(self, word: str, examples: Sequence[Shown]) -> tuple[str, str]:
        meant = self.means[word]
        if word not in self.blind:
            return meant.category, meant.polarity
        wrong = self.blind[word]
        category, polarity = wrong.category, wrong.polarity
        for example in examples:
            if word in example.text.lower():
                if example.ids is not None:
                    category = example.ids[0] if example.ids else ""
                polarity = example.polarity or polarity
                break
        return category, polarity


def read(question: str) -> list[Shown]:
    """The fenced texts of a question with what is said right of them; the last is the comment."""
    found = []
    for match in _FENCE.finditer(question):
        right = _RIGHT.search(match[3])
        told = right[1] if right else ""
        ids, polarity = _IDS.search(told), _POLARITY.search(told)
        names = tuple(name.strip() for name in ids[1].split(",")) if ids else None
        found.append(Shown(match[2], names, polarity[1] if polarity else None))
    return found
