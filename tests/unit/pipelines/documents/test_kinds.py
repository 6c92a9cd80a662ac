"""A document is told by its content; what is two things, or not what it says, or dangerous, is refused."""

import pytest

from passerelle.pipelines.documents.charsets import text_of
from passerelle.pipelines.documents.parsed import Kind, Limits, Notice
from tests.unit.pipelines.documents import files
from tests.unit.pipelines.documents.reading import read, refused

WORD = files.word()
PDF = files.pdf(["Bonjour."])
MAIN = "word/document.xml"
FRENCH = "L’été, « où ça ? » — cœur, Noël : 10 € déjà payés à l’hôtel…"


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-le", "utf-16-be", "mac_roman"]
)
def test_french_is_read_in_every_encoding_it_is_written_in(encoding: str) -> None:
    assert text_of(FRENCH.encode(encoding)) == FRENCH


@pytest.mark.parametrize("encoding", ["latin-1", "cp850", "iso8859-15"])
def test_old_encodings_without_typographic_signs_are_read_too(encoding: str) -> None:
    plain = "Été à l'hôtel, déjà payé, élève reçu"

    assert text_of(plain.encode(encoding)) == plain


def test_a_page_may_declare_its_encoding() -> None:
    assert "Привет" in text_of('<meta charset="windows-1251"><p>Привет'.encode("cp1251"))


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (WORD, Kind.DOCX),
        (files.slides(), Kind.PPTX),
        (PDF, Kind.PDF),
        (b"\n" + PDF, Kind.PDF),
        (files.page(), Kind.HTML),
        (b"# Titre\n\n- un\n- deux\n", Kind.MARKDOWN),
        (b"a,b\n1,2\n3,4\n", Kind.CSV),
        (b"[outil]\n# une remarque\n- un\n- deux\n", Kind.TEXT),
        (b"Bonjour, Madame.\nMerci, bien.\n", Kind.TEXT),
        (b"Ce texte parle de <b>balises</b>.", Kind.TEXT),
    ],
)
def test_the_kind_is_found_whatever_the_name_is(content: bytes, kind: Kind) -> None:
    assert read(content, name="fichier.bin").kind is kind


def test_a_name_that_says_otherwise_is_told() -> None:
    assert Notice.NAME_SAYS_OTHERWISE in read(PDF, name="lettre.docx").warnings


@pytest.mark.parametrize(
    ("content", "declared"),
    [
        (PDF, "image/png"),
        (PDF, "text/plain"),
        (WORD, "application/pdf"),
        (b"Bonjour", "application/pdf"),
        (files.page(), "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ],
)
def test_what_is_sent_as_something_else_is_refused(content: bytes, declared: str) -> None:
    assert refused(content, declared=declared) == "document_type_mismatch"


@pytest.mark.parametrize(
    "declared", ["", "application/octet-stream", "Application/ZIP", "application/msword"]
)
def test_types_that_senders_really_use_are_taken(declared: str) -> None:
    assert not refused(WORD, declared=declared)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "document_empty"),
        (b" \n\t\0\r\n", "document_empty"),
        (b"\xef\xbb\xbf  ", "document_empty"),
        (b"\x89PNG\r\n\x1a\n" + bytes(50), "document_unsupported"),
        (bytes(range(256)) * 20, "document_unsupported"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "document_unsupported"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le"), "document_encrypted"),
        (b"<?xml version='1.0'?><svg/>", "document_unsupported"),
        (b"\x1f\x8b\x08\x00" + bytes(30), "document_archive"),
        (files.archive({"a.txt": b"a"}), "document_archive"),
        (files.archive({"b.zip": files.archive({"a.txt": b"a"})}), "document_archive"),
        (files.archive({}), "document_archive"),
        (WORD[:-400], "document_damaged"),
        (WORD[:3000] + WORD[3100:], "document_damaged"),
        (b"PK\x03\x04" + bytes(100), "document_damaged"),
        (b"%PDF-1.7\nnothing more", "document_damaged"),
        (files.pdf(["Secret."], encrypted=True), "document_encrypted"),
    ],
)
def test_what_is_no_document_is_refused_for_one_reason(content: bytes, code: str) -> None:
    assert refused(content) == code


@pytest.mark.parametrize(
    "content",
    [
        PDF + WORD,
        files.archive({"a.txt": b"a"}, onto=PDF),
        files.archive({"a.txt": b"a"}, onto=b"GIF89a"),
        files.archive({"a.txt": b"a"}, onto=b"<html><p>Bonjour"),
        b"<html><p>Bonjour</p>" + PDF,
        b"GIF89a" + PDF,
        files.repacked(
            WORD,
            {
                "[Content_Types].xml": b"<Types><Override ContentType='application/vnd.openxmlformats-officedocument."
                b"wordprocessingml.document.main+xml'/><Override ContentType=\"application/vnd.openxmlformats-officedocument."
                b'presentationml.presentation.main+xml"/></Types>'
            },
        ),
    ],
)
def test_two_kinds_at_once_are_refused(content: bytes) -> None:
    assert refused(content) == "document_ambiguous"


def test_what_unpacks_to_far_more_is_refused_before_it_is_unpacked() -> None:
    steep = files.repacked(WORD, {"word/media/image1.png": bytes(20_000_000)})
    many = files.repacked(WORD, {f"word/media/{number}.png": bytes(300_000) for number in range(20)})

    assert refused(steep) == "document_bomb"
    assert refused(many, limits=Limits(unpacked=5_000_000)) == "document_bomb"


def test_an_archive_inside_is_refused_and_embedded_workbooks_are_left_alone() -> None:
    inner = files.archive({"x": b"x"})

    assert refused(files.repacked(WORD, {"word/hidden.bin": inner})) == "document_archive"
    assert refused(files.repacked(WORD, {"extra/more.docx": b""})) == "document_archive"
    embedded = read(files.repacked(WORD, {"word/embeddings/Book1.xlsx": inner}))
    assert embedded.warnings == (Notice.EMBEDDED_NOT_READ,)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_entities_are_refused_wherever_they_are_defined(encoding: str) -> None:
    bad = '<?xml version="1.0"?><!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/hostname">]><d>&x;</d>'

    assert refused(files.repacked(WORD, {MAIN: bad.encode(encoding)})) == "document_entities"
    assert (
        refused(files.repacked(files.slides(), {"ppt/slides/slide1.xml": bad.encode(encoding)}))
        == "document_entities"
    )
    assert refused(bad.replace(" d ", " html ").replace("<d>", "<html>").encode()) == "document_entities"


def test_xml_in_an_encoding_that_hides_its_words_is_refused() -> None:
    hidden = b"<?xml version='1.0' encoding='UTF-7'?><d/>"

    assert refused(files.repacked(WORD, {MAIN: hidden})) == "document_damaged"


def test_limits_of_pages_text_and_size_each_have_their_reason() -> None:
    three = files.pdf(["Un.", "Deux.", "Trois."])

    assert refused(three, limits=Limits(pages=2)) == "document_too_many_pages"
    assert refused(files.slides(), limits=Limits(pages=1)) == "document_too_many_pages"
    assert refused(b"Bonjour", limits=Limits(characters=3)) == "document_too_long"
    assert refused(b"a\n\nb\n\nc", limits=Limits(blocks=2)) == "document_too_long"
    assert refused(b"Bonjour", limits=Limits(size=3)) == "document_too_large"


def test_the_letters_a_text_was_sent_in_go_before_those_it_says_itself() -> None:
    page = '<meta charset="windows-1251"><p>Привет'.encode("koi8-r")
    assert "Привет" in text_of(page, "koi8-r")
    assert "Привет" not in text_of(page)
    assert text_of("déjà".encode(), "windows-1251") == "déjà"
    assert text_of("déjà".encode("latin-1"), "no-such-letters") == "déjà"
