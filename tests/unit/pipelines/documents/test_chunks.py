"""Pieces are parts of the text, short enough, of whole sentences where they fit, and nothing is left out."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from passerelle.pipelines.documents.chunks import Cut, Piece, pieces
from passerelle.pipelines.documents.parsed import Block, Kind, Parsed
from tests.unit.pipelines.documents import files
from tests.unit.pipelines.documents.reading import read

WORDS = st.sampled_from(
    [
        "le",
        "congé",
        "M.",
        "Dupont",
        "art.",
        "3",
        "dit-il",
        "« Vraiment ! »",
        "fin.",
        "Où ?",
        "etc.",
        "x" * 90,
        "été…",
        "\n",
        "\n\n",
        ";",
        "A",
    ]
)


def document(*texts: str, headings: tuple[str, ...] = (), page: int | None = None) -> Parsed:
    text = "\n\n".join(texts)
    blocks = []
    at = 0
    for part in texts:
        blocks.append(Block(part, headings, page, at, at + len(part)))
        at += len(part) + 2
    return Parsed(Kind.TEXT, "Titre", "fr", text, tuple(blocks))


def uncovered(parsed: Parsed, found: tuple[Piece, ...]) -> str:
    """What stands in no piece."""
    left = list(parsed.text)
    for piece in found:
        left[piece.start : piece.end] = " " * (piece.end - piece.start)
    return "".join(left).strip()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(WORDS, min_size=1, max_size=60), min_size=1, max_size=4),
    st.integers(50, 300),
    st.data(),
)
def test_every_piece_stands_where_it_says_and_all_of_the_text_is_in_one(
    words: list[list[str]], size: int, data: st.DataObject
) -> None:
    cut = Cut(size, data.draw(st.integers(0, size // 2)))
    parsed = document(*(text for part in words if (text := " ".join(part).strip())))

    found = pieces(parsed, cut)

    assert all(parsed.text[piece.start : piece.end] == piece.text for piece in found)
    assert all(0 < len(piece.text) <= size for piece in found)
    assert uncovered(parsed, found) == ""
    assert [piece.start for piece in found] == sorted(piece.start for piece in found)


def test_the_same_words_over_and_over_are_still_found_where_they_stand() -> None:
    parsed = document("encore et " * 500)

    found = pieces(parsed, Cut(100, 30))

    assert uncovered(parsed, found) == ""
    assert all(parsed.text[piece.start : piece.end] == piece.text for piece in found)


def test_pieces_end_with_french_sentences() -> None:
    sentences = (
        "M. Dupont l’a écrit à l’art. 3 du règlement de 2024.",
        "« Vraiment ! » dit-elle, « cf. la page 12 ? »",
        "Été comme hiver, la salle est ouverte…",
        "À midi, elle ferme pour tout le monde !",
        "30 places y sont réservées.",
    )
    parsed = document(" ".join(sentences))

    assert tuple(piece.text for piece in pieces(parsed, Cut(55, 0))) == sentences


def test_a_piece_begins_with_the_last_sentence_of_the_one_before() -> None:
    parsed = document("Première phrase de ce texte. La deuxième est là. La troisième vient ensuite. Une fin.")

    first, second = pieces(parsed, Cut(80, 30))

    assert first.text.endswith("La deuxième est là.")
    assert second.text.startswith("La deuxième est là.")


def test_pieces_stay_within_their_page_and_headings() -> None:
    found = pieces(read(files.pdf(["Début\nUn.", "Deux.\nFin\nTrois."], marks=[("Début", 0), ("Fin", 1)])))

    assert [(piece.text, piece.headings, piece.page) for piece in found] == [
        ("Début\nUn.", ("Début",), 1),
        ("Deux.", ("Début",), 2),
        ("Fin\nTrois.", ("Fin",), 2),
    ]


def test_a_heading_without_text_of_its_own_is_no_piece_but_begins_the_next() -> None:
    found = pieces(read("# Congés\n## Délais\nTrente jours.\n# Frais\n# Fin\nVoilà.\n".encode(), name="a.md"))

    assert [(piece.text, piece.headings) for piece in found] == [
        ("# Congés\n\n## Délais\n\nTrente jours.", ("Congés", "Délais")),
        ("# Frais", ("Frais",)),
        ("# Fin\n\nVoilà.", ("Fin",)),
    ]


def test_each_piece_has_its_own_language() -> None:
    parsed = document(
        "Le congé est demandé par écrit avant son début.",
        "The leave is asked for before it begins with a letter.",
    )

    found = pieces(parsed, Cut(60, 0))

    assert [(piece.title, piece.language) for piece in found] == [("Titre", "fr"), ("Titre", "en")]


@pytest.mark.parametrize(("size", "overlap"), [(10, 0), (200_000, 0), (100, 60), (100, -1)])
def test_sizes_that_make_no_sense_are_refused(size: int, overlap: int) -> None:
    with pytest.raises(ValueError):
        Cut(size, overlap)
