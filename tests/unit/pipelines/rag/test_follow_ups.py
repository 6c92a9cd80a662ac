"""What is asked after something else finds its own section of a small handbook, in French and English."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from passerelle.domain.rag import Found, Turn
from passerelle.pipelines.rag.evidence import ordered
from passerelle.pipelines.rag.rewriting import understood
from passerelle.pipelines.rag.rewriting_choice import chosen, settled
from passerelle.text.words import Language
from tests.unit.pipelines.rag.follow_ups import FOLLOW_UPS, LATER
from tests.unit.pipelines.rag.handbooks import Shelf

_BOTH = pytest.mark.parametrize("language", ["fr", "en"])


@pytest.fixture(scope="module")
def shelves() -> dict[Language, Shelf]:
    """Both handbooks."""
    return {"fr": Shelf("fr"), "en": Shelf("en")}


def _looked_for(shelf: Shelf, before: Sequence[str], question: str) -> tuple[str, Sequence[Found]]:
    """What is looked for, and what that finds."""
    turns = [turn for text in before for turn in (Turn("user", text), Turn("assistant", "Voilà."))]
    ways = understood(question, turns)
    found = [ordered(way.text, shelf.found(way.text)) for way in ways]
    place = chosen(ways, found)
    return settled(question, ways, place=place, found=found[place]), found[place]


def _wrong(shelf: Shelf, rows: Sequence[tuple[tuple[str, ...], str, str]]) -> list[str]:
    first = [(asked, _looked_for(shelf, before, asked)[1][:1], title) for before, asked, title in rows]
    return [asked for asked, found, title in first if not found or found[0].chunk.id != title]


@_BOTH
def test_a_question_that_follows_finds_what_it_is_about(
    shelves: dict[Language, Shelf], language: Language
) -> None:
    assert _wrong(shelves[language], FOLLOW_UPS[language]) == []


@_BOTH
def test_questions_that_the_rules_were_not_made_for_find_theirs_too(
    shelves: dict[Language, Shelf], language: Language
) -> None:
    # "ill" and "illness" have no stem in common, so that nothing tells that the subject has changed.
    assert _wrong(shelves[language], LATER[language]) == {"fr": [], "en": ["And if I'm ill?"]}[language]


def test_words_of_another_subject_are_left_behind_and_those_said_of_both_are_kept(
    shelves: dict[Language, Shelf],
) -> None:
    text, _ = _looked_for(shelves["fr"], ["Combien de jours de congés par mois ?"], "Et le télétravail ?")
    assert text == "jours mois – Et le télétravail ?"
