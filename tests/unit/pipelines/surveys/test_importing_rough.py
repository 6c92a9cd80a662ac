"""Files as people send them: titles above the headings, two encodings, merged cells, slips, and the wrong kind of file."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import openpyxl
import pytest

from passerelle.domain.errors import Refused
from passerelle.domain.survey_data import Answer, Role, RowTrouble, Tally, Trouble
from passerelle.pipelines.surveys.importing import Reading, open_survey
from passerelle.pipelines.surveys.importing_columns import proposed


def _read(content: bytes) -> tuple[list[Answer], list[RowTrouble], Tally]:
    """As it is proposed."""
    opened = open_survey(content)
    reading = Reading(content, proposed(opened.proposals, opened.header))
    items = list(reading)
    tally = reading.tally
    assert tally.rows == tally.answers + tally.left_out
    answers = [item for item in items if isinstance(item, Answer)]
    return answers, [item for item in items if isinstance(item, RowTrouble)], tally


def _workbook(rows: Sequence[Any], *ranges: str) -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in rows:
        sheet.append(list(row))
    for each in ranges:
        sheet.merge_cells(each)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def test_rows_of_windows_in_a_file_of_utf_8_are_read_each_in_its_own_encoding() -> None:
    head = "Commentaire;NPS\nTrès bonne formation, à refaire;9\n".encode()
    content = (
        head
        + "Déçu par l’étroitesse de la salle;3\r\n".encode("cp1252")
        + "Génial, très à l’écoute;10\n".encode()
    )
    answers, troubles, _ = _read(content)

    assert [answer.comments[0].text for answer in answers] == [
        "Très bonne formation, à refaire",
        "Déçu par l’étroitesse de la salle",
        "Génial, très à l’écoute",
    ]
    assert [(each.row, each.trouble) for each in troubles] == [(3, Trouble.ENCODING_OTHER)]


def test_a_cell_over_two_lines_of_two_encodings_is_one_row_and_told_about() -> None:
    content = (
        b"Commentaire;NPS\n"
        + b'"'
        + "Très bien mené\n".encode()
        + "et très à l'écoute".encode("cp1252")
        + b'";9\n'
    )
    answers, troubles, _ = _read(content)

    assert [answer.comments[0].text for answer in answers] == ["Très bien mené\net très à l'écoute"]
    assert [each.trouble for each in troubles] == [Trouble.ENCODING_OTHER]


def test_one_slip_is_a_trouble_of_its_row_and_the_scale_is_that_of_the_heading() -> None:
    head = "Avis;Recommanderiez-vous (0 à 10) ?;Satisfaction sur 5;Facilité 1-7;Note /20;Étoiles;Que diriez-vous (1 à 4)"
    body = [
        f"Bien fait {i};{i % 11};{i % 5 + 1};{i % 7 + 1};{i % 20};{i % 5 + 1};{i % 4 + 1}" for i in range(40)
    ]
    answers, troubles, _ = _read("\n".join([head, *body, "Une faute de frappe;42;9;70;200;44;12"]).encode())
    opened = open_survey("\n".join([head, *body, "Une faute de frappe;42;9;70;200;44;12"]).encode())
    found = [(each.column.role, each.column.low, each.column.high) for each in opened.proposals[1:]]

    assert found == [
        (Role.NPS, 0, 10), (Role.CSAT, 1, 5), (Role.CES, 1, 7), (Role.RATING, 0, 20), (Role.RATING, 1, 5), (Role.RATING, 1, 4)
    ]  # fmt: skip
    assert {(each.row, each.trouble) for each in troubles} == {(42, Trouble.OUT_OF_SCALE)}
    assert len(troubles) == 6
    assert answers[-1].comments[0].text == "Une faute de frappe"


@pytest.mark.parametrize(
    ("heading", "cells", "scale"),
    [
        ("NPS", ["11", "-1", "7,5", "10", "9", "8"], (Role.NPS, 0, 10)),
        ("NPS", ["1", "2", "4"], (Role.NPS, 0, 10)),
        ("Recommanderiez-vous ?", ["3", "7", "6", "7"], (Role.NPS, 0, 10)),
        ("Recommanderiez-vous (1 à 5) ?", ["3", "5", "4"], (Role.RATING, 1, 5)),
        ("Satisfaction (sur 10)", ["3", "5", "4"], (Role.RATING, 0, 10)),
        ("Note", ["12,5", "15", "9,25", "18"], (Role.RATING, 0, 20)),
        ("Note (sur 5)", ["4,5", "3,25", "1,0", "42", "-1"], (Role.RATING, 1, 5)),
        ("Note sur 5", ["88", "92", "70"], (Role.RATING, 0, 100)),  # a heading that most cells contradict
    ],
)
def test_the_scale_of_a_heading_decides_where_most_cells_are_on_it(
    heading: str, cells: list[str], scale: tuple[Role, float, float]
) -> None:
    column = (
        open_survey("\n".join([f"Avis;{heading}", *(f"Très bien;{cell}" for cell in cells)]).encode())
        .proposals[1]
        .column
    )

    assert (column.role, column.low, column.high) == scale


def test_a_title_above_the_headings_is_not_taken_for_them() -> None:
    rows: list[Any] = [
        ["Commentaire", "NPS", "Formateur"],
        *(["Très bon cours, salle petite", mark, "Zoé"] for mark in (4, 8, 9)),
    ]
    answers, troubles, tally = _read(_workbook([["Enquête 2026"], [], *rows], "A1:C1"))

    assert (tally.rows, troubles) == (3, [])
    assert [answer.row for answer in answers] == [4, 5, 6]
    assert answers[0].nps == 4


def test_rows_that_are_longer_than_a_single_heading_are_told_about_still() -> None:
    _, troubles, tally = _read(
        _workbook(
            [["Commentaire"], ["Trop court", 9, "Paris"], ["Bien fait"], ["Trop long, et cher", 8, "Lyon"]]
        )
    )

    assert tally.rows == 3
    assert [(each.row, each.trouble) for each in troubles] == [
        (2, Trouble.CELLS_EXTRA),
        (4, Trouble.CELLS_EXTRA),
    ]


def test_a_merged_segment_is_that_of_all_its_rows_and_a_merged_comment_is_one() -> None:
    rows: list[Any] = [
        ["Commentaire", "NPS", "Formateur"],
        *([f"Cours {n}", n, "Zoé" if n in {1, 3} else None] for n in range(1, 6)),
    ]
    answers, _, tally = _read(_workbook(rows, "C2:C3", "C4:C5", "A2:A3"))

    assert [answer.segments.get("Formateur") for answer in answers] == ["Zoé", "Zoé", "Zoé", "Zoé", None]
    assert tally.comments == 4


def test_a_trainer_of_each_row_of_a_small_file_is_a_segment() -> None:
    opened = open_survey("Commentaire;Formateur\nTrès bien;Zoé\nTrop court;Léa".encode())

    assert opened.proposals[1].column.role is Role.SEGMENT


@pytest.mark.parametrize(
    ("content", "code", "says"),
    [
        (
            b"\xd0\xcf\x11\xe0" + bytes(600) + "EncryptedPackage".encode("utf-16-le"),
            "document_encrypted",
            "password",
        ),
        (b"\xd0\xcf\x11\xe0" + bytes(600), "document_unsupported", "not XLS"),
        (b"Commentaire;NPS\n", "document_empty", "no answers below"),
        (
            ";".join(f"q{n}" for n in range(2_000)).encode() + b"\n1;2\n",
            "document_too_large",
            "more than 300 columns",
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_what_to_do(content: bytes, code: str, says: str) -> None:
    with pytest.raises(Refused, match=says) as refused:
        open_survey(content)

    assert refused.value.code == code
