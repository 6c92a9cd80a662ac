"""Files and documents as pieces: what is read, what is not, and why."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import pytest

from passerelle.domain.content import Form, Piece
from passerelle.domain.errors import BadRequest, NotFound, Refused
from passerelle.domain.rag import Document, DocumentState, Origin
from passerelle.domain.retrieval import Chunk
from passerelle.pipelines.documents.parsed import Limits
from passerelle.pipelines.enrichment.desk import Mapped, Read, RowSkipped
from passerelle.pipelines.enrichment.reading import Rules, language_of_cell, read
from passerelle.pipelines.enrichment.reading_apart import read_apart
from passerelle.pipelines.enrichment.works_documents import joined, piece_of_document

_RULES = Rules(characters=200, pieces=5)
_LIMITS = Limits()
_GUESSED = Mapped()


def _read(name: str, content: str | bytes, mapped: Mapped = _GUESSED, rules: Rules = _RULES) -> Read:
    raw = content.encode() if isinstance(content, str) else content
    found = list(read(name, raw, mapped, rules, _LIMITS))
    return Read(
        tuple(each for each in found if isinstance(each, Piece)),
        tuple(each for each in found if isinstance(each, RowSkipped)),
        next((each for each in found if isinstance(each, dict)), {}),
    )


@pytest.mark.parametrize(
    ("heading", "what"),
    [
        ("Réf.;Intitulé;Description;Langue", "fr"),
        ("id;title;content;language", "en"),
        ("course_id;Course title;body;lang", "en"),
        ("Code cours;Titre du cours;Texte source;Langue", "fr"),
    ],
)
def test_columns_are_known_by_their_headings(heading: str, what: str) -> None:
    found = _read("cours.csv", f"{heading}\nC1;Excel;Apprendre Excel.;{what}\n")

    assert found.pieces == (Piece("C1", "Apprendre Excel.", Form.PLAIN, "Excel", what),)
    assert sorted(found.columns.values()) == ["key", "language", "text", "title"]


def test_columns_are_what_is_said_of_them() -> None:
    content = "a,b,c,public\n1,Un titre,Un texte.,débutants\n"

    found = _read("x.csv", content, Mapped(text="C", key="a", title="b", beside=("public",)))

    assert found.pieces == (Piece("1", "Un texte.", Form.PLAIN, "Un titre", "", {"public": "débutants"}),)
    assert found.columns == {"a": "key", "b": "title", "c": "text", "public": "beside"}


@pytest.mark.parametrize(
    ("content", "mapped"),
    [
        ("a,b\n1,2\n", Mapped()),
        ("id,texte\n1,x\n", Mapped(text="description")),
        ("id,texte\n1,x\n", Mapped(beside=("public",))),
    ],
)
def test_columns_that_are_not_there_are_refused_with_those_that_are(content: str, mapped: Mapped) -> None:
    with pytest.raises(BadRequest, match=r"'(a|id)', '(b|texte)'") as refused:
        _read("x.csv", content, mapped)

    assert (refused.value.code, refused.value.param) == ("columns_wrong", "columns")


def test_every_row_that_is_no_piece_is_told_with_its_reason() -> None:
    rows = [
        "id,texte,langue",
        "1,Un texte.,fr",
        "2,,fr",
        ",,",
        "1,Encore le premier.,fr",
        f"3,{'x' * 201},fr",
        "4,Un texte.,klingon",
        *(f"{number},Un texte.," for number in range(10, 15)),
        ",,",
        ",,",
    ]

    found = _read("x.csv", "\n".join(rows))

    assert [(each.row, each.code) for each in found.skipped] == [
        (3, "text_empty"),
        (4, "row_empty"),
        (5, "key_repeated"),
        (6, "text_too_long"),
        (7, "language_unknown"),
        (12, "too_many_rows"),
    ]
    assert [piece.key for piece in found.pieces] == ["1", "10", "11", "12", "13"]


def test_a_row_without_a_key_is_called_by_its_file_and_number() -> None:
    found = _read("cours.csv", "texte\nUn.\nDeux.\n")

    assert [piece.key for piece in found.pieces] == ["cours.csv#2", "cours.csv#3"]


def test_formulas_and_markup_in_cells_are_text() -> None:
    content = 'id;texte\n1;"=HYPERLINK(""http://x"")"\n2;<p>Un <b>mot</b></p>\n3;"# Titre\n\nSuite"\n'

    found = _read("x.csv", content)

    assert [(piece.text, piece.form) for piece in found.pieces] == [
        ('=HYPERLINK("http://x")', Form.PLAIN),
        ("<p>Un <b>mot</b></p>", Form.HTML),
        ("# Titre\n\nSuite", Form.MARKDOWN),
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_french_is_read_in_whatever_encoding_it_comes(encoding: str) -> None:
    found = _read("x.csv", "id;texte\n1;Évaluation à l’été.\n".encode(encoding))

    assert found.pieces[0].text == "Évaluation à l’été."


@pytest.mark.parametrize(
    ("name", "form"),
    [("a.md", Form.MARKDOWN), ("a.html", Form.HTML), ("a.txt", Form.PLAIN), ("a", Form.PLAIN)],
)
def test_a_text_is_one_piece_as_it_is(name: str, form: Form) -> None:
    words = "Un texte, et puis\r\n\r\nun autre texte.\n"

    assert _read(name, words).pieces == (Piece(name, words, form),)


def test_what_steers_a_terminal_or_ends_a_string_is_no_text() -> None:
    found = _read("x.csv", "id,texte\n1,un\x1b[31m deux\n")

    assert found.pieces[0].text == "un\ufffd[31m deux"


@pytest.mark.parametrize(
    ("said", "is_"), [("fr-FR", "fr"), ("Français", "fr"), ("ENGLISH", "en"), ("", ""), ("xx?", None)]
)
def test_languages_of_cells_are_codes(said: str, is_: str | None) -> None:
    assert language_of_cell(said) == is_


async def test_a_file_is_read_by_a_process_of_its_own() -> None:
    book = _workbook([["id", "description"], ["1", "Un texte."], ["", "Sans clé."]])

    found = await read_apart("cours.xlsx", book, Mapped(), _RULES)

    assert [piece.key for piece in found.pieces] == ["1", "cours.xlsx#3"]
    assert found.columns == {"id": "key", "description": "text"}


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("x.csv", b"  \n", "document_empty"),
        ("x.csv", b"a,b\n1,2\n", "columns_wrong"),
        ("x.pdf", b"%PDF-1.7\n", "file_unsupported"),
        ("x.xlsx", b"PK\x03\x04broken", "document_damaged"),
        ("x.csv", b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 9, "document_unsupported"),
    ],
)
async def test_a_file_that_is_not_read_is_refused_with_its_reason(
    name: str, content: bytes, code: str
) -> None:
    with pytest.raises(Refused) as refused:
        await read_apart(name, content, Mapped(), _RULES)

    assert refused.value.code == code


async def test_a_file_that_costs_too_much_is_given_up() -> None:
    content = b"id,texte\n" + b"1,un texte assez long\n" * 400_000

    with pytest.raises(Refused) as refused:
        await read_apart("x.csv", content, Mapped(), _RULES, replace(_LIMITS, seconds=0.2))

    assert refused.value.code == "document_too_costly"


class _Library:
    """A document and its passages."""

    def __init__(self, media_type: str, content: bytes | None, passages: Sequence[Chunk] = ()) -> None:
        self._content, self._passages, self._type = content, passages, media_type
        self.groups: list[object] = []

    async def document(self, tenant: str, collection: str, document: str, *, groups: object) -> Document:
        self.groups.append(groups)
        known: dict[str, Any] = {"title": "Livret", "media_type": self._type, "language": "fr"}
        return Document(document, tenant, collection, "livret.pdf", Origin.FILE, DocumentState.READY, **known)

    async def content(
        self, tenant: str, collection: str, document: str, *, groups: object
    ) -> tuple[bytes, str]:
        if self._content is None:
            raise NotFound("It is not kept.")
        return self._content, self._type

    async def passages(
        self, tenant: str, collection: str, document: str, *, groups: object
    ) -> Sequence[Chunk]:
        return self._passages


def _passage(text: str, start: int | None, **named: Any) -> Chunk:
    end = None if start is None else start + len(text)
    return Chunk(f"c{start}", "doc", text, start=start, end=end, **named)


_PASSAGES = (
    _passage("Un début de texte,", 0, headings=("A",)),
    _passage("de texte, puis la suite.", 9, headings=("A",)),
    _passage("Autre section.", 40, headings=("A", "B")),
)


@pytest.mark.parametrize(
    ("media_type", "content", "text", "form"),
    [
        ("text/markdown; charset=utf-8", "# Été".encode(), "# Été", Form.MARKDOWN),
        (
            "application/pdf",
            b"%PDF",
            "A\n\nUn début de texte, puis la suite.\n\nB\n\nAutre section.",
            Form.PLAIN,
        ),
        ("text/plain", None, "A\n\nUn début de texte, puis la suite.\n\nB\n\nAutre section.", Form.PLAIN),
    ],
)
async def test_a_document_is_a_piece_for_those_who_see_it(
    media_type: str, content: bytes | None, text: str, form: Form
) -> None:
    library = _Library(media_type, content, _PASSAGES)

    piece = await piece_of_document(
        cast("Any", library), "acme", "livrets", "doc", groups=frozenset({"rh"}), rules=_RULES
    )

    assert piece == Piece("livrets/livret.pdf", text, form, "Livret", "fr")
    assert library.groups == [frozenset({"rh"})]


async def test_a_document_without_text_is_refused() -> None:
    with pytest.raises(BadRequest) as refused:
        await piece_of_document(
            cast("Any", _Library("application/pdf", b"%PDF")),
            "acme",
            "livrets",
            "doc",
            groups=None,
            rules=_RULES,
        )

    assert refused.value.code == "document_without_text"


def test_passages_without_places_are_joined_as_they_are() -> None:
    assert joined([_passage("Un.", None), _passage("Deux.", None)]) == "Un.\n\nDeux."


def _workbook(rows: list[list[str]]) -> bytes:
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    cells = "".join(
        "<row>" + "".join(f'<c t="inlineStr"><is><t>{cell}</t></is></c>' for cell in row) + "</row>"
        for row in rows
    )
    parts = {
        "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Override '
        'PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main'
        '+xml"/></Types>',
        "xl/workbook.xml": f'<workbook xmlns="{main}"><sheets><sheet name="S" sheetId="1" id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        '<Relationship Id="r1" Type="sheet" Target="worksheets/sheet1.xml"/></Relationships>',
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{main}"><sheetData>{cells}</sheetData></worksheet>',
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, said in parts.items():
            archive.writestr(name, said)
    return packed.getvalue()
