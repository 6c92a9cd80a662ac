"""What each kind of document is read as."""

import pytest

from passerelle.pipelines.documents.parsed import Block, Kind, Notice, Parsed
from tests.unit.pipelines.documents import files
from tests.unit.pipelines.documents.reading import read, refused


def said(parsed: Parsed) -> list[tuple[str, tuple[str, ...], int | None]]:
    return [(block.text, block.headings, block.page) for block in parsed.blocks]


def test_word_keeps_the_order_of_paragraphs_and_tables_under_their_headings() -> None:
    parsed = read(files.word(), name="reglement.docx")

    leave, periods = ("Congés",), ("Congés", "Délais")
    assert (parsed.kind, parsed.title, parsed.language) == (Kind.DOCX, "Règlement", "fr")
    assert said(parsed) == [
        ("Congés", leave, None),
        ("Un congé se demande par écrit.", leave, None),
        ("Délais", periods, None),
        ("Durée | Délai\n1 mois | 60 jours", periods, None),
        ("Passé ce délai, il est refusé.", periods, None),
        ("Frais", ("Frais",), None),
        ("Ils sont remboursés.", ("Frais",), None),
    ]


W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
CHANGED = f"""<w:document {W}><w:body>
<w:p><w:r><w:t>Un </w:t></w:r><w:del><w:r><w:delText>ancien</w:delText></w:r></w:del><w:ins><w:r><w:t>nouveau</w:t></w:r></w:ins>
<w:r><w:br/><w:t>texte</w:t></w:r></w:p><w:sdt><w:sdtContent><w:p><w:pPr><w:outlineLvl w:val="1"/></w:pPr><w:r><w:t>Choix</w:t></w:r>
</w:p></w:sdtContent></w:sdt></w:body></w:document>"""
NOTES = f"""<w:footnotes {W}><w:footnote w:type="separator"><w:p><w:r><w:t>---</w:t></w:r></w:p></w:footnote>
<w:footnote><w:p><w:r><w:t>Voir la loi.</w:t></w:r></w:p></w:footnote></w:footnotes>"""


def test_word_is_read_as_it_stands_after_all_changes_with_controls_and_notes() -> None:
    relation = (
        b'<Relationship Id="rIdNotes" Target="footnotes.xml" '
        b'Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/footnotes"/></Relationships>'
    )
    relations = files.part(files.word(), "word/_rels/document.xml.rels").replace(
        b"</Relationships>", relation
    )
    changed = {
        "word/document.xml": CHANGED.encode(),
        "word/footnotes.xml": NOTES.encode(),
        "word/_rels/document.xml.rels": relations,
    }

    parsed = read(files.repacked(files.word(), changed))

    assert said(parsed) == [
        ("Un nouveau\ntexte", (), None),
        ("Choix", ("Choix",), None),
        ("Voir la loi.", (), None),
    ]


def test_a_presentation_is_read_slide_by_slide_with_tables_and_notes() -> None:
    parsed = read(files.slides())

    assert (parsed.kind, parsed.title) == (Kind.PPTX, "Bienvenue")
    assert said(parsed) == [
        ("Bienvenue", ("Bienvenue",), 1),
        ("Programme de la journée", ("Bienvenue",), 1),
        ("Se présenter d'abord.", ("Bienvenue",), 1),
        ("Tarifs", ("Tarifs",), 2),
        ("Jour | 400 €", ("Tarifs",), 2),
    ]


def test_a_pdf_is_read_page_by_page_under_its_own_table_of_contents() -> None:
    pages = ["Avant-propos\nBonjour à tous.", "Suite.\nLes délais\nTrente jours.", "Fin (dernière page)."]

    parsed = read(files.pdf(pages, title="Guide", marks=[("Avant-propos", 0), ("Les délais", 1)]))

    assert (parsed.kind, parsed.title) == (Kind.PDF, "Guide")
    assert said(parsed) == [
        ("Avant-propos\nBonjour à tous.", ("Avant-propos",), 1),
        ("Suite.", ("Avant-propos",), 2),
        ("Les délais\nTrente jours.", ("Les délais",), 2),
        ("Fin (dernière page).", ("Les délais",), 3),
    ]


def test_a_pdf_without_any_text_is_refused_and_single_empty_pages_are_told() -> None:
    assert refused(files.pdf(["", ""])) == "document_without_text"
    assert read(files.pdf(["Texte.", ""])).warnings == (Notice.PAGES_WITHOUT_TEXT,)


def test_a_web_page_is_its_content_without_menus_footers_and_scripts() -> None:
    parsed = read(files.page(), declared="text/html; charset=utf-8")

    assert (parsed.kind, parsed.title, parsed.language) == (Kind.HTML, "Le congé de formation", "fr")
    assert parsed.blocks[-1].headings == ("Le congé de formation", "Les délais")
    assert "faute de quoi le congé est accordé" in parsed.text
    assert not [word for word in ("Accueil", "contacter", "Mentions", "piège") if word in parsed.text]


def test_a_web_page_without_an_article_is_read_as_a_whole_and_says_so() -> None:
    parsed = read(
        b"<html><head><title>Tarifs</title><body><nav>Menu</nav><h1>Prix</h1><p>Un jour<p>400 euros</html>"
    )

    assert parsed.warnings == (Notice.BOILERPLATE_UNKNOWN,)
    assert "Menu" not in parsed.text
    assert [block.text for block in parsed.blocks][-2:] == ["Un jour", "400 euros"]


MARKDOWN = """---
title: "Le guide"
---
# Guide

Un **texte**.

Délais
------
- un
- deux

```sh
# ceci n'est pas un titre
```
### Détail ###
Fin.
"""


def test_markdown_has_headings_of_both_forms_and_code_has_none() -> None:
    parsed = read(MARKDOWN.encode(), name="guide.md")

    deep = ("Guide", "Délais")
    assert (parsed.kind, parsed.title) == (Kind.MARKDOWN, "Le guide")
    assert said(parsed) == [
        ("# Guide", ("Guide",), None),
        ("Un **texte**.", ("Guide",), None),
        ("Délais\n------", deep, None),
        ("- un\n- deux", deep, None),
        ("```sh\n# ceci n'est pas un titre\n```", deep, None),
        ("### Détail ###", (*deep, "Détail"), None),
        ("Fin.", (*deep, "Détail"), None),
    ]


def test_rows_are_said_with_the_names_of_their_columns() -> None:
    parsed = read('Nom;Avis;Note\nÉric;"Très bien;\nmerci";5\nZoé;;4\n'.encode("cp1252"), name="avis.csv")

    assert parsed.kind is Kind.CSV
    assert parsed.text == "Nom: Éric; Avis: Très bien; merci; Note: 5\nNom: Zoé; Note: 4"
    assert parsed.title == "avis"


def test_a_table_without_names_gives_its_values() -> None:
    assert read(b"1,2\n3,4\n5,6\n").text == "1; 2\n3; 4\n5; 6"


def test_rows_of_unequal_length_are_read_and_told() -> None:
    parsed = read(b"a;b\n1;2\n3;4\n5;6\n7\n", declared="text/csv")

    assert parsed.warnings == (Notice.ROWS_OF_UNEQUAL_LENGTH,)
    assert parsed.text.endswith("a: 5; b: 6\na: 7")


@pytest.mark.parametrize(
    "content",
    [
        files.word(),
        files.slides(),
        files.page(),
        MARKDOWN.encode(),
        files.pdf(["Un.\n\nDeux.", "Trois."]),
        b"Un.\n\n \nDeux.\n",
    ],
    ids=["docx", "pptx", "html", "markdown", "pdf", "text"],
)
def test_every_block_stands_where_it_says(content: bytes) -> None:
    parsed = read(content)

    assert parsed.blocks
    assert all(parsed.text[block.start : block.end] == block.text.strip() for block in parsed.blocks)
    between = [(a.end, b.start) for a, b in zip(parsed.blocks, parsed.blocks[1:], strict=False)]
    assert not [parsed.text[a:b] for a, b in between if parsed.text[a:b].strip()]
    assert isinstance(parsed.blocks[0], Block)
