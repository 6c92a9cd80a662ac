"""Names by a model: only where one is installed, never fetched, and nothing of a long text is left out."""

from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from passerelle.domain.errors import Unavailable
from passerelle.domain.privacy import Datum, Names, Redaction
from passerelle.redaction import presidio
from passerelle.redaction.redactor import Redactors
from passerelle.text.personal import Found
from tests.unit.redaction.asking import said

RULES = Redaction(frozenset({Datum.NAME}), names=Names.PRESIDIO)


async def test_people_that_a_model_finds_are_replaced() -> None:
    opened = []

    def names(text: str) -> list[Found]:
        at = text.find("Anna Petit")
        return [Found("name", at, at + 10)] if at >= 0 else []

    def open_names() -> Any:
        opened.append(1)
        return names

    redactors = Redactors(open_names)
    for _ in range(2):
        ask, redacted = await redactors.redact(RULES, said("Le dossier d'Anna Petit est là."))
        assert ask.body["messages"][0]["content"] == "Le dossier d'[NAME_1] est là."
        assert redacted is not None
        assert redacted.counts == {"name": 1}
    assert len(opened) == 1


async def test_a_model_that_cannot_be_opened_refuses_the_request() -> None:
    def broken() -> Any:
        raise OSError("disk")

    with pytest.raises(Unavailable) as refused:
        await Redactors(broken).redact(RULES, said("hello"))
    assert refused.value.code == "redaction_failed"


def test_windows_cover_a_text_and_what_stands_across_their_ends() -> None:
    text = "".join(chr(97 + at % 26) for at in range(3 * presidio.WINDOW + 7))
    pieces = list(presidio.windows(text))
    assert all(text[begin : begin + len(piece)] == piece for begin, piece in pieces)
    assert pieces[-1][0] + len(pieces[-1][1]) == len(text)
    for (begin, piece), (following, _) in pairwise(pieces):
        assert begin + len(piece) - following == presidio.OVERLAP
    assert list(presidio.windows("")) == [(0, "")]


def test_without_the_extra_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "presidio_analyzer", None)
    with pytest.raises(Unavailable, match="Install the extra `presidio`"):
        presidio.open_names()


def test_presidio_finds_people_with_a_model_of_the_test(tmp_path: Path) -> None:
    import spacy  # type: ignore[import-not-found,unused-ignore]

    model = spacy.blank("fr")
    model.add_pipe("entity_ruler").add_patterns([{"label": "PER", "pattern": "Anna Petit"}])
    model.to_disk(tmp_path / "model")
    find = presidio.open_names({"fr": str(tmp_path / "model")})
    text = "mot " * 4_990 + "Anna Petit " + "mot " * 10_000 + "Anna Petit"
    assert [text[span.start : span.end] for span in find(text)] == ["Anna Petit", "Anna Petit"]
