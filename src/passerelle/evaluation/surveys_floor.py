"""What needs no learner: the commonest label, and a vote of the most similar corrected comments by BM25."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Sequence

from passerelle.domain.retrieval import Chunk
from passerelle.evaluation.rag_baseline import PlainBm25
from passerelle.evaluation.surveys_data import Item
from passerelle.text.words import Language

NEIGHBOURS = 10  # so many reproduce the published floor
OTHER_NEIGHBOURS = (3, 5)
Answers = Callable[[Item], Sequence[str]]  # the labels of a corrected comment, as often as it has them


class Neighbours:
    """The corrected comments that are most like some texts, nearest first."""

    def __init__(self, corrected: Sequence[Item], language: Language, texts: Sequence[str]) -> None:
        index = PlainBm25(
            [Chunk(f"{place:06d}", "floor", item.text) for place, item in enumerate(corrected)], language
        )
        # More than vote: some of them have nothing to say of a question.
        self._near = {
            text: [corrected[int(place)] for place in index.found(text, 3 * NEIGHBOURS)]
            for text in dict.fromkeys(texts)
        }
        self._corrected = tuple(corrected)

    def majority(self, answers: Answers) -> str:
        """The commonest label; of equally common ones the first in the alphabet."""
        common = Counter(label for item in self._corrected for label in answers(item))
        return min(common, key=lambda label: (-common[label], label), default="")

    def vote(self, texts: Sequence[str], answers: Answers, k: int = NEIGHBOURS) -> list[str]:
        """For each text what most of its k nearest examples say; the nearest of equals; the commonest label without any.

        A comment of two categories is two examples, as in the published floor.
        """
        majority = self.majority(answers)
        found = []
        for text in texts:
            labels = (label for item in self._near[text] for label in answers(item))
            votes = Counter(itertools.islice(labels, k))
            found.append(max(votes, key=lambda label: votes[label]) if votes else majority)
        return found


def of_categories(item: Item) -> tuple[str, ...]:
    """Each category as often as it is spoken of."""
    return tuple(category for category, _ in item.pairs)
