"""What stands of a reading once people have looked at it: what a person said goes before what was read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from passerelle.domain.survey_work import Edition, Reading
from passerelle.domain.surveys import Analysed, Correction, Label, Opinion, Polarity

SURE = 1.0  # how likely a person is right
Moves = Mapping[
    int, tuple[int, Mapping[str, str]]
]  # by version: its base, ids there, and what took their place


def moves_of(editions: Sequence[Edition]) -> Moves:
    """What each version of a codebook was made from, and what it merged."""
    return {each.codebook.version: (each.base or each.codebook.version - 1, each.merged) for each in editions}


def standing(reading: Reading, *, version: int, moves: Moves = MappingProxyType({})) -> Analysed | None:
    """What counts of a comment under that version of the codebook; None where nobody has read it."""
    kept = reading.corrected
    if kept is not None and kept.revoked_at is None:
        return corrected(reading, kept.correction, version=version, moves=moves)
    if reading.analysed is None or not reading.reviewed:
        return reading.analysed
    return replace(reading.analysed, review=())


def corrected(
    reading: Reading, correction: Correction, *, version: int, moves: Moves = MappingProxyType({})
) -> Analysed:
    """A comment as a person said it is. What they said nothing of stays as it was read."""
    comment = reading.comment
    read = reading.analysed or Analysed(comment.text, comment.language or "", (), None, 0.0)
    tone = correction.right_polarity or read.polarity
    opinions = tuple(_toned(each, read, correction) for each in read.opinions)
    if correction.right is not None:
        right = _moved(correction.right, correction.codebook, version, moves)
        opinions = _labelled(opinions, right, comment.text, tone)
    confidence = SURE if correction.right_polarity else read.confidence
    return replace(read, opinions=opinions, polarity=tone, confidence=confidence, review=())


def _toned(opinion: Opinion, read: Analysed, correction: Correction) -> Opinion:
    """An opinion with the tone that is right, if it had the one that is wrong. Of mixed comments none is known."""
    right = correction.right_polarity
    if right in (None, Polarity.MIXED) or (len(read.opinions) > 1 and opinion.polarity is not read.polarity):
        return opinion
    return replace(opinion, polarity=right, confidence=SURE)


def _labelled(
    opinions: tuple[Opinion, ...], right: tuple[str, ...], text: str, tone: Polarity | None
) -> tuple[Opinion, ...]:
    """With those categories and no others. One that nothing was read of is said by the only opinion, or by all of it."""
    kept = [
        replace(each, labels=tuple(Label(one.category, SURE) for one in each.labels if one.category in right))
        for each in opinions
    ]
    there = {label.category for each in kept for label in each.labels}
    missing = tuple(Label(category, SURE) for category in right if category not in there)
    if not missing:
        return tuple(kept)
    if len(kept) == 1:
        return (replace(kept[0], labels=(*kept[0].labels, *missing)),)
    return (*kept, Opinion(text, 0, len(text), missing, tone or Polarity.NEUTRAL, SURE))


def _moved(categories: Sequence[str], of: int, to: int, moves: Moves) -> tuple[str, ...]:
    """Ids of one version as a later one has them."""
    way: list[Mapping[str, str]] = []
    while to > of:
        to, merged = moves.get(to, (to - 1, {}))
        way.append(merged)
    found = list(categories)
    for merged in reversed(way):
        found = [merged.get(each, each) for each in found]
    return tuple(dict.fromkeys(found))
