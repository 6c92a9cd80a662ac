"""Every row of a file is an answer or is told about, whatever the file is like."""

import csv
import io
from contextlib import suppress
from datetime import date

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from passerelle.domain.errors import BadRequest, Refused, UnsupportedMedia
from passerelle.domain.survey_data import Answer, Column, Columns, Role, RowTrouble, Score, Trouble
from passerelle.pipelines.surveys.importing import Reading, Rules, open_survey
from passerelle.pipelines.surveys.importing_columns import chosen, proposed

_HEADER = ("Date", "Formateur", "Note NPS", "Satisfaction (1-5)", "Commentaire")
_COLUMNS = Columns(
    _HEADER,
    (
        Column(0, Role.DATE, "Date"),
        Column(1, Role.SEGMENT, "Formateur"),
        Column(2, Role.NPS, "Note NPS", 0, 10),
        Column(3, Role.CSAT, "Satisfaction (1-5)", 1, 5),
        Column(4, Role.COMMENT, "Commentaire"),
    ),
)
_GOOD = ["03/02/2026", "Claire Roy", "9", "5", "Très bonne formation, je la recommande."]


def _csv(*rows: list[str], delimiter: str = ";", encoding: str = "utf-8") -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter).writerows([_HEADER, *rows])
    return out.getvalue().encode(encoding)


def _xlsx(*rows: list[object]) -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in (list(_HEADER), *rows):
        sheet.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _read(
    content: bytes, columns: Columns = _COLUMNS, **rules: object
) -> tuple[list[Answer], list[RowTrouble]]:
    reading = Reading(content, columns, Rules(**rules))  # type: ignore[arg-type]
    items = list(reading)
    answers = [item for item in items if isinstance(item, Answer)]
    troubles = [item for item in items if isinstance(item, RowTrouble)]
    tally = reading.tally
    assert tally.rows == tally.answers + tally.left_out
    assert tally.answers == len(answers)
    assert tally.left_out == sum(trouble.rows for trouble in troubles if trouble.leaves_out)
    covered = [answer.row for answer in answers]
    covered += [row for each in troubles if each.leaves_out for row in range(each.row, each.last + 1)]
    assert len(set(covered)) == len(covered) == tally.rows
    return answers, troubles


def _kinds(troubles: list[RowTrouble]) -> list[Trouble]:
    return [trouble.trouble for trouble in troubles]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
@pytest.mark.parametrize("delimiter", [";", ",", "\t"])
def test_a_table_is_read_in_the_usual_encodings_and_with_the_usual_delimiters(
    encoding: str, delimiter: str
) -> None:
    answers, troubles = _read(_csv(_GOOD, _GOOD, delimiter=delimiter, encoding=encoding))

    assert troubles == []
    assert answers[0].comments[0].text == _GOOD[4]
    assert (answers[0].nps, answers[0].csat, answers[0].day) == (9, 5, date(2026, 2, 3))
    assert answers[0].segments == {"Formateur": "Claire Roy"}
    assert answers[0].id != answers[1].id
    assert (answers[0].row, answers[1].row) == (2, 3)


def test_ids_are_the_same_when_a_file_is_read_again_and_others_under_another_key() -> None:
    content = _csv(_GOOD, _GOOD)
    again = [answer.id for answer in _read(content)[0]]

    assert [answer.id for answer in _read(content)[0]] == again
    assert not {answer.id for answer in _read(content, key=b"tenant")[0]} & set(again)


def test_a_cell_over_several_lines_is_one_cell() -> None:
    row = [*_GOOD[:4], 'Bien.\nMais "trop" court ;\r\nà refaire.']
    answers, troubles = _read(_csv(row, _GOOD))

    assert troubles == []
    assert answers[0].comments[0].text == 'Bien.\nMais "trop" court ;\nà refaire.'
    assert answers[1].row == 3


def test_a_quotation_mark_that_nobody_closes_takes_no_other_row_with_it() -> None:
    lines = [";".join(_HEADER), ";".join(_GOOD), '03/02/2026;X;9;5;"jamais fermé', *[";".join(_GOOD)] * 200]
    answers, _ = _read("\n".join(lines).encode())

    assert len(answers) == 202
    assert answers[1].comments[0].text == '"jamais fermé'


def test_rows_that_are_too_short_or_too_long_are_answers_and_told_about() -> None:
    content = "\n".join(
        [";".join(_HEADER), ";".join(_GOOD), "03/02/2026;X;9", ";".join([*_GOOD, "", "plus"])]
    )
    answers, troubles = _read(content.encode())

    assert [answer.row for answer in answers] == [2, 3, 4]
    assert _kinds(troubles) == [Trouble.CELLS_MISSING, Trouble.COMMENT_EMPTY, Trouble.CELLS_EXTRA]


@pytest.mark.parametrize(
    ("index", "cell", "trouble"),
    [
        (0, "31/02/2026", Trouble.DATE_WRONG),
        (0, "hier", Trouble.DATE_WRONG),
        (2, "beaucoup", Trouble.NUMBER_WRONG),
        (2, "7,5", Trouble.NUMBER_WRONG),
        (2, "11", Trouble.OUT_OF_SCALE),
        (3, "0", Trouble.OUT_OF_SCALE),
        (4, "   ", Trouble.COMMENT_EMPTY),
        (4, "...", Trouble.COMMENT_EMPTY),
        (4, "a" * 20_000, Trouble.COMMENT_CUT),
        (4, "Bien\x00 mais\x1b[31m court\u202e", Trouble.CONTROLS_REMOVED),
        (4, "Le cours est tr\ufffds bien", Trouble.CHARACTERS_LOST),
        (4, '=HYPERLINK("http://x";"clic")', Trouble.FORMULA),
        (4, "@SUM(A1:A9) le cours est bien", Trouble.FORMULA),
        (4, "Este curso es muy bueno y lo recomiendo para todos", Trouble.LANGUAGE_UNEXPECTED),
        (4, "Очень хороший курс, спасибо", Trouble.LANGUAGE_UNKNOWN),
        (1, "x" * 900, Trouble.SEGMENT_CUT),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_cell_is_told_and_the_row_is_an_answer_still(
    index: int, cell: str, trouble: Trouble
) -> None:
    row = list(_GOOD)
    row[index] = cell
    answers, troubles = _read(_csv(row))

    assert _kinds(troubles) == [trouble]
    assert troubles[0].row == 2
    assert len(answers) == 1
    assert all(len(comment.text) <= 10_000 for comment in answers[0].comments)


@pytest.mark.parametrize("cell", ["-5", "+3", "- trop long", "@Claire merci", "= bien", "bien"])
def test_a_text_that_no_spreadsheet_reckons_with_is_no_formula(cell: str) -> None:
    _, troubles = _read(_csv([*_GOOD[:4], cell + " comme cours"]))

    assert troubles == []


def test_rows_without_anything_are_told_about_together() -> None:
    empty = [""] * 5
    answers, troubles = _read(_csv(_GOOD, *[empty] * 500, ["03/02/2026", "X", "", "", ""], _GOOD))

    assert troubles[0] == RowTrouble(3, 502, Trouble.ROW_EMPTY)
    assert troubles[-1].trouble is Trouble.NOTHING_USED
    assert [answer.row for answer in answers] == [2, 504]


def test_rows_behind_the_limit_are_counted_and_not_read() -> None:
    answers, troubles = _read(_csv(*[_GOOD] * 50), rows=10)

    assert len(answers) == 10
    assert troubles == [RowTrouble(12, 51, Trouble.ROW_LIMIT)]


def test_personal_data_is_masked_before_anybody_reads_on() -> None:
    text = (
        "Je m'appelle Jean Dupont, écrivez à jean.dupont@gmail.fr ou jean.dupont@gmail.fr, 06 12 34 56 78, "
        "IBAN FR76 3000 6000 0112 3456 7890 189. Bonne formation, 3 cours de Python."
    )
    answers, _ = _read(_csv([*_GOOD[:4], text]))
    comment = answers[0].comments[0]

    assert comment.text == (
        "Je m'appelle [name_1], écrivez à [email_1] ou [email_1], [phone_1], "
        "IBAN [iban_1]. Bonne formation, 3 cours de Python."
    )
    assert comment.masked == {"name": 1, "email": 1, "phone": 1, "iban": 1}


def test_a_workbook_is_read_with_its_dates_numbers_and_formulas() -> None:
    content = _xlsx(
        [date(2026, 2, 3), "Claire Roy", 9, 5.0, "Très bonne formation, je la recommande."],
        [None, None, None, None, None],
        [None, "X", 4, 2, "=1+1"],
        ["12 mars 2026", "X", "4/10", "★★★☆☆", "Bien & <court>_x000D_"],
    )
    answers, troubles = _read(content)

    assert answers[0].day == date(2026, 2, 3)
    assert (answers[0].nps, answers[0].csat) == (9, 5)
    assert [answer.row for answer in answers] == [2, 4, 5]
    assert (answers[2].day, answers[2].nps, answers[2].csat) == (date(2026, 3, 12), 4, 3)
    assert Trouble.FORMULA in _kinds(troubles)
    assert Trouble.ROW_EMPTY in _kinds(troubles)


def test_a_workbook_and_a_table_that_say_the_same_give_the_same_answers() -> None:
    table, _ = _read(_csv(_GOOD))
    book, _ = _read(_xlsx([*_GOOD[:2], 9, 5, _GOOD[4]]))

    assert table == book


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"  \n",
        b"%PDF-1.7",
        b"PK\x03\x04 no archive",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        b"\x00\x01" * 500,
    ],
)
def test_what_is_no_table_is_refused_with_cause_and_cure(content: bytes) -> None:
    with pytest.raises(Refused) as refused:
        open_survey(content)

    assert refused.value.code.startswith("document_")


def test_headings_of_another_file_are_refused() -> None:
    with pytest.raises(BadRequest, match="headings"):
        list(Reading(b"a;b\n1;2\n", _COLUMNS))


def test_the_headings_say_what_stands_between_cells_whatever_comments_hold() -> None:
    rows = [["", "", "", "", ""], *[[f"oui, mais {n}"] for n in range(12)]]
    assert len(_read(_csv(*rows, _GOOD))[0]) == 1


_CELL = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(_CELL, min_size=0, max_size=7), max_size=12))
def test_no_row_is_lost_whatever_stands_in_it(rows: list[list[str]]) -> None:
    with suppress(UnsupportedMedia):  # what is hardly text at all is refused as a whole
        _read(_csv(_GOOD, *rows, _GOOD))


@settings(max_examples=150, deadline=None)
@given(st.text('ab;"\n\r,', max_size=120))
def test_broken_quotes_end_in_answers_troubles_or_a_refusal(text: str) -> None:
    columns = Columns(("h", "c"), (Column(0, Role.COMMENT, "h"), Column(1, Role.IGNORED, "c")))

    _read(f"h;c\n{text}".encode(), columns)


def test_a_mapping_is_proposed_from_headings_and_contents() -> None:
    header = "Horodateur;Nom;Adresse e-mail;Session;Recommanderiez-vous ?;CSAT;Effort (1 à 7);Note /20;Points forts;Vide"
    body = [
        f"2026-03-0{i % 9 + 1};Durand {i};a{i}@gmail.com;S{i % 3};{i % 11};{i % 5 + 1};{i % 7 + 1};{i % 21};Un avis détaillé n° {i} sur la formation;"
        for i in range(60)
    ]
    opened = open_survey("\n".join([header, *body]).encode())
    roles = [proposal.column.role for proposal in opened.proposals]

    assert roles == [
        Role.DATE, Role.PERSONAL, Role.PERSONAL, Role.SEGMENT, Role.NPS, Role.CSAT, Role.CES, Role.RATING, Role.COMMENT,
        Role.IGNORED,
    ]  # fmt: skip
    assert (opened.proposals[7].column.low, opened.proposals[7].column.high) == (0, 20)
    assert not any("@" in example for proposal in opened.proposals for example in proposal.examples)


def test_an_english_mapping_is_proposed_too() -> None:
    header = "Submitted at,Trainer,How likely are you to recommend us?,Overall satisfaction,It was easy (1-7),Why?,Stars"
    dates = [f"{i % 12 + 1:02}/{i % 28 + 1:02}/2026" for i in range(40)]
    body = [
        f"{day},Trainer {i % 3},{i % 11},{i % 5 + 1},{i % 7 + 1},Because the course was good {i},{i % 5 + 1} stars"
        for i, day in enumerate(dates)
    ]
    opened = open_survey("\n".join([header, *body]).encode())
    columns = proposed(opened.proposals, opened.header)

    assert [column.role for column in columns.columns] == [
        Role.DATE, Role.SEGMENT, Role.NPS, Role.CSAT, Role.CES, Role.COMMENT, Role.RATING,
    ]  # fmt: skip
    assert columns.columns[0].month_first
    assert _read("\n".join([header, *body]).encode(), columns)[0][0].ratings == {"Stars": Score(1, 1, 5)}


@pytest.mark.parametrize(
    ("roles", "says"),
    [
        ({"Avis": {"role": "comment"}}, "no column 'Avis'"),
        ({"Note NPS": {"role": "score"}}, "needs a role"),
        ({"Date": {"role": "date"}}, "comments or scores"),
        ({"Note NPS": {"role": "nps"}, "Date": {"role": "nps"}}, "all nps"),
        ({"Note NPS": {"role": "rating", "low": 5, "high": 1}}, "turn it round"),
        ({"Note NPS": {"role": "nps", "high": 7}}, "call it a rating"),
    ],
)
def test_a_mapping_that_does_not_fit_is_refused_before_a_row_is_read(
    roles: dict[str, dict[str, object]], says: str
) -> None:
    with pytest.raises(BadRequest, match=says):
        chosen(_HEADER, roles)
