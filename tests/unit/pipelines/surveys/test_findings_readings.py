"""What a person said goes before what was read; passages are their comments, to the letter."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from passerelle.domain.survey_data import Answer, Comment, Score
from passerelle.domain.survey_work import Edition, Kept, Reading
from passerelle.domain.surveys import (
    Analysed,
    Label,
    Opinion,
    Polarity,
    Review,
)
from passerelle.pipelines.surveys.findings_passages import documents, metadata, spans
from passerelle.pipelines.surveys.findings_readings import moves_of, standing
from tests.unit.pipelines.surveys.archive_scene import read_here
from tests.unit.pipelines.surveys.findings_scene import (
    BAD,
    BOOK,
    GOOD,
    bare,
    here,
    kept,
    read,
)

__all__ = ["bare", "here", "read_here"]


def _reading(
    *opinions: tuple[Polarity, tuple[str, ...]], tone: Polarity, corrected: Kept | None = None
) -> Reading:
    text = "Le rythme est trop rapide. La salle est belle."
    found = tuple(
        Opinion(text[:26] if index == 0 else text[27:], 0 if index == 0 else 27, 26 if index == 0 else 46,
                tuple(Label(each, 0.6) for each in labels), polarity, 0.7)
        for index, (polarity, labels) in enumerate(opinions)
    )  # fmt: skip
    analysed = Analysed(text, "fr", found, tone, 0.7, (Review.UNCERTAIN,)) if opinions else None
    return Reading(Comment("c1", "Avis", text, "fr"), "a1", 2, analysed, corrected=corrected)


@pytest.mark.parametrize(
    ("reading", "labels", "tones"),
    [
        (_reading((BAD, ("pace",)), tone=BAD, corrected=kept(right=("room",))), [["room"]], [BAD]),
        (_reading((BAD, ("pace",)), tone=BAD, corrected=kept(right=())), [[]], [BAD]),
        (_reading((BAD, ("pace",)), tone=BAD, corrected=kept(right_polarity=GOOD)), [["pace"]], [GOOD]),
        (
            _reading((BAD, ("pace",)), tone=BAD, corrected=kept(right=("room",), revoked=True)),
            [["pace"]],
            [BAD],
        ),
        (
            _reading((BAD, ("pace",)), (GOOD, ("room",)), tone=BAD, corrected=kept(right=("room", "food"))),
            [[], ["room"], ["food"]],
            [BAD, GOOD, BAD],
        ),
        (
            _reading((BAD, ("pace",)), (GOOD, ("room",)), tone=BAD, corrected=kept(right_polarity=GOOD)),
            [["pace"], ["room"]],
            [GOOD, GOOD],
        ),
        (_reading(tone=BAD, corrected=kept(right=("food",), right_polarity=BAD)), [["food"]], [BAD]),
        (_reading((BAD, ("pace",)), tone=BAD, corrected=kept(of=1, right=("tempo",))), [["pace"]], [BAD]),
    ],
)
def test_a_correction_goes_before_what_was_read(
    reading: Reading, labels: list[list[str]], tones: list[Polarity]
) -> None:
    merged = moves_of(
        [Edition(BOOK, {"tempo": "pace"}), Edition(replace(BOOK, version=1), {"pace": "other"})]
    )
    stands = standing(reading, version=2, moves=merged)

    assert stands is not None
    assert [[each.category for each in opinion.labels] for opinion in stands.opinions] == labels
    assert [opinion.polarity for opinion in stands.opinions] == tones
    assert all(reading.comment.text[each.start : each.end] == each.quote for each in stands.opinions)
    assert (stands.review == ()) is (reading.corrected is not None and reading.corrected.revoked_at is None)


def test_a_reading_that_somebody_looked_at_asks_nobody_any_more() -> None:
    reading = _reading((BAD, ("pace",)), tone=BAD)
    looked = standing(replace(reading, reviewed=True), version=2)

    assert standing(reading, version=2) == reading.analysed
    assert looked is not None
    assert looked.review == ()
    assert standing(_reading(tone=BAD), version=2) is None


def test_passages_are_their_comments_to_the_letter() -> None:
    texts = ["Bien.", "Une phrase. " * 900, "x" * 5_000, "mot " * 2_000, " \n" + "a\n" * 3_000]
    answers = [Answer(f"a{number}", number + 2, (Comment(f"c{number}", "Avis", text, "fr"),)) for number, text in enumerate(texts)]  # fmt: skip
    chunks = [chunk for given in documents(answers, {}) for chunk in given.chunks or ()]

    for number, text in enumerate(texts, 1):
        parts = [chunk for chunk in chunks if chunk.page == number]
        assert "".join(text[start:end] for start, end in spans(text)) == text
        assert all(text[chunk.start : chunk.end] == chunk.text for chunk in parts)
        assert max(len(chunk.text) for chunk in parts) <= 1_200
    assert all(chunk.headings == () for chunk in chunks)
    both = [Answer("a", 2, (Comment("c-1", "Plus", "Bien.", "fr"), Comment("c-2", "Moins", "Rien.", "fr")))]
    assert [chunk.headings for given in documents(both, {}) for chunk in given.chunks or ()] == [
        ("Plus",),
        ("Moins",),
    ]


def test_what_searches_may_ask_for_never_grows_too_large() -> None:
    answer = Answer(
        "a", 2, (), nps=9, csat=4.0, day=date(2026, 3, 1), ratings={'No"te\\': Score(8, 0, 10)},
        segments={f"Segment {number} " + "é" * 150: "ü" * 200 for number in range(300)},
    )  # fmt: skip
    said = metadata(answer, Comment("c", "Avis", "Bien.", "fr"), read(Comment("c", "Avis", "Bien.", "fr")))

    assert said["nps"] == 9
    assert (said["polarity"], said["categories"], said["day"]) == ("positive", ["pace"], "2026-03-01")
    assert said["rating:No te"] == 8
    assert len(said) <= 64
    assert len(str(said).encode()) < 16_384
