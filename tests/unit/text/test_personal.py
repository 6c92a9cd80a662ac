"""Personal data by its form, with checksums where they exist; what belongs to nobody is left alone."""

from __future__ import annotations

from itertools import pairwise
from re import _parser as sre_parser  # type: ignore[attr-defined]  # what `re` itself reads a pattern with

import pytest

from passerelle.text.personal import PATTERNS, found, personal


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Mon adresse est jean.dupont@orange.fr", "email"),
        ("Call me on 06 12 34 56 78", "phone"),
        ("Call me on +33 6 12 34 56 78", "phone"),
        ("(212) 555-1234", "phone"),
        ("FR76 3000 6000 0112 3456 7890 189", "iban"),
        ("GB82WEST12345698765432", "iban"),
        ("1 84 12 76 451 089 46", "nir"),
        ("card 4111 1111 1111 1111", "card"),
        ("SSN 123-45-6789", "ssn"),
        ("from 8.8.8.8", "ip"),
        ("from 2001:4860:4860::8888", "ip"),
        ("J'habite 12 bis rue de la Paix", "address"),
        ("I live at 12 Baker Street", "address"),
        ("Je m'appelle Jean Martin", "name"),
        ("My name is Anna", "name"),
        ("Bonjour M. Dupont", "name"),
        ("né le 12/03/1980", "birth"),
        ("date of birth: 12 March 1980", "birth"),
    ],
)
def test_personal_data_is_found_by_its_form(text: str, kind: str) -> None:
    assert personal(text) == kind
    (first, *_) = found(text)
    assert first.kind == kind
    assert text[first.start : first.end].strip() == text[first.start : first.end]


@pytest.mark.parametrize(
    "text",
    [
        "Quelle est la capitale de l'Australie ?",
        "write to support@acme.fr",
        "call 0800 123 456",
        "4111 1111 1111 1112",
        "FR76 3000 6000 0112 3456 7890 188",
        "1 84 12 76 451 089 47",
        "the host 192.168.1.1",
        "12,000,000 people in 2024",
        "on 2024-05-01 at 10:30:20",
        "a ratio of 1:2:3",
        "12 main reasons",
        "Who is the author of Les Misérables?",
        "",
    ],
)
def test_what_belongs_to_nobody_is_left_alone(text: str) -> None:
    assert personal(text) is None
    assert found(text) == ()


def test_spans_do_not_overlap_and_stand_in_order() -> None:
    text = "Je m'appelle Jean Martin, jean.martin@laposte.net, 06 12 34 56 78"
    spans = found(text)
    assert [span.kind for span in spans] == ["name", "email", "phone"]
    assert all(one.end <= other.start for one, other in pairwise(spans))


def _repeats(parsed: object, inside: bool = False) -> bool:
    """Whether a parsed pattern repeats without a bound what itself repeats without one."""
    if isinstance(parsed, sre_parser.SubPattern):
        parsed = parsed.data
    if not isinstance(parsed, list | tuple):
        return False
    if len(parsed) == 2 and str(parsed[0]) in {"MAX_REPEAT", "MIN_REPEAT"}:
        unbounded = str(parsed[1][1]) == "MAXREPEAT"
        return (unbounded and inside) or _repeats(parsed[1], inside or unbounded)
    return any(_repeats(part, inside) for part in parsed)


@pytest.mark.parametrize("kind", PATTERNS)
def test_no_pattern_repeats_a_repetition_without_bound(kind: str) -> None:
    pattern = PATTERNS[kind]
    assert not _repeats(sre_parser.parse(pattern.pattern, pattern.flags))


def test_a_repetition_in_a_repetition_would_be_seen() -> None:
    assert _repeats(sre_parser.parse(r"(?:a+b?)+"))
    assert not _repeats(sre_parser.parse(r"(?:a{1,9}b?)+c+"))
