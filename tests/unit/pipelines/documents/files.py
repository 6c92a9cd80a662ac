"""Files of every kind, made as they are needed."""

import io
import zipfile
import zlib
from collections.abc import Sequence

import docx
import pptx

HTML_PARAGRAPH = "Le congé de formation est demandé par écrit au moins cent vingt jours avant son début. " * 3


def pdf(
    pages: Sequence[str], *, title: str = "", marks: Sequence[tuple[str, int]] = (), encrypted: bool = False
) -> bytes:
    """A PDF 1.4 with a page of Helvetica for each text, and a table of contents of titles and page indexes."""
    objects: list[bytes] = [b"<< /Type /Catalog /Pages 2 0 R /Outlines 4 0 R >>", b"", b""]
    font = _add(
        objects, b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>", at=2
    )
    first_mark = 5
    objects.append(
        b"<< /Type /Outlines /First %d 0 R /Last %d 0 R /Count %d >>"
        % (first_mark, first_mark + len(marks) - 1, len(marks))
        if marks
        else b"<< /Type /Outlines /Count 0 >>"
    )
    first_page = first_mark + len(marks)
    for index, (mark, page) in enumerate(marks):
        follow = b" /Next %d 0 R" % (first_mark + index + 1) if index + 1 < len(marks) else b""
        objects.append(
            b"<< /Title (%s) /Parent 4 0 R /Dest [%d 0 R /Fit]%s >>"
            % (mark.encode("cp1252"), first_page + 2 * page, follow)
        )
    for index, text in enumerate(pages):
        lines = [
            line.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)") for line in text.split("\n")
        ]
        drawn = b" ".join(b"(%s) Tj 0 -14 Td" % line.encode("cp1252") for line in lines)
        stream = zlib.compress(b"BT /F1 11 Tf 50 780 Td " + drawn + b" ET")
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents %d 0 R"
            b" /Resources << /Font << /F1 %d 0 R >> >> >>" % (first_page + 2 * index + 1, font)
        )
        objects.append(b"<< /Length %d /Filter /FlateDecode >> stream\n%s\nendstream" % (len(stream), stream))
    kids = b" ".join(b"%d 0 R" % (first_page + 2 * index) for index in range(len(pages)))
    objects[1] = b"<< /Type /Pages /Kids [%s] /Count %d >>" % (kids, len(pages))
    extra = b""
    if title:
        objects.append(b"<< /Title (%s) >>" % title.encode("cp1252"))
        extra += b" /Info %d 0 R" % len(objects)
    if encrypted:
        # Made up: nobody knows its password.
        objects.append(b"<< /Filter /Standard /V 1 /R 2 /P -4 /O <%s> /U <%s> >>" % (b"41" * 32, b"42" * 32))
        extra += b" /Encrypt %d 0 R /ID [<00> <00>]" % len(objects)
    return _assembled(objects, extra)


def _add(objects: list[bytes], content: bytes, *, at: int) -> int:
    objects[at] = content
    return at + 1


def _assembled(objects: Sequence[bytes], extra: bytes) -> bytes:
    out = bytearray(b"%PDF-1.4\n")
    places = []
    for number, content in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    out += b"trailer << /Size %d /Root 1 0 R%s >>\nstartxref\n%d\n%%%%EOF\n" % (
        len(objects) + 1,
        extra,
        table,
    )
    return bytes(out)


def word() -> bytes:
    """A Word document with a title, headings of two levels, a table between paragraphs."""
    document = docx.Document()
    document.core_properties.title = "Règlement"
    document.add_heading("Congés", 1)
    document.add_paragraph("Un congé se demande par écrit.")
    document.add_heading("Délais", 2)
    table = document.add_table(2, 2)
    for cell, text in zip(
        (cell for row in table.rows for cell in row.cells),
        ("Durée", "Délai", "1 mois", "60 jours"),
        strict=True,
    ):
        cell.text = text
    document.add_paragraph("Passé ce délai, il est refusé.")
    document.add_heading("Frais", 1)
    document.add_paragraph("Ils sont remboursés.")
    return _saved(document)


def slides() -> bytes:
    """Two slides: one with notes, one with a table."""
    deck = pptx.Presentation()
    first = deck.slides.add_slide(deck.slide_layouts[1])
    first.shapes.title.text = "Bienvenue"
    first.placeholders[1].text = "Programme de la journée"
    first.notes_slide.notes_text_frame.text = "Se présenter d'abord."
    second = deck.slides.add_slide(deck.slide_layouts[5])
    second.shapes.title.text = "Tarifs"
    table = second.shapes.add_table(1, 2, 0, 0, 914400, 914400).table
    table.cell(0, 0).text, table.cell(0, 1).text = "Jour", "400 €"
    return _saved(deck)


def _saved(document: "docx.document.Document | pptx.presentation.Presentation") -> bytes:
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()


def page() -> bytes:
    """A web page with a menu, an article and a footer."""
    return f"""<!DOCTYPE html><html lang="fr"><head><meta charset="utf-8"><title>Le congé de formation</title></head><body>
<nav><ul><li><a href="/">Accueil</a></li><li><a href="/contact">Nous contacter</a></li></ul></nav>
<main><article><h1>Le congé de formation</h1><p>{HTML_PARAGRAPH}</p><h2>Les délais</h2><p>{HTML_PARAGRAPH}</p>
<p>Une réponse est donnée sous trente jours, faute de quoi le congé est accordé.</p></article></main>
<footer><p>Mentions légales et cookies</p></footer><script>alert("piège")</script></body></html>""".encode()


def archive(parts: dict[str, bytes], *, onto: bytes = b"") -> bytes:
    """A ZIP of these parts; `onto`: what stands before it."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in parts.items():
            packed.writestr(name, content)
    return onto + file.getvalue()


def repacked(document: bytes, parts: dict[str, bytes]) -> bytes:
    """That Office document with some parts replaced or added."""
    with zipfile.ZipFile(io.BytesIO(document)) as packed:
        return archive({name: packed.read(name) for name in packed.namelist()} | parts)


def part(document: bytes, name: str) -> bytes:
    """One part of that Office document."""
    with zipfile.ZipFile(io.BytesIO(document)) as packed:
        return packed.read(name)
