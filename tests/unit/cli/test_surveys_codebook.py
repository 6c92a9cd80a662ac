"""Codebooks as files: what is wrong is told with line and field, and the shipped ones are right."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from passerelle.cli.surveys_codebook_file import read_codebook, sample
from passerelle.domain.errors import CannotRun
from passerelle.http.surveys_codebooks import Written
from tests.unit.cli.conftest import Done, Verb
from tests.unit.cli.surveys_scene import Estate, estate_of

_HEAD = "name: x\nlanguage: fr\n"
_ONE = "categories:\n  - id: a\n    name: A\n"
_WRONG = [
    ("", 1, "the file is empty"),
    ("- a\n", 1, "the file must be a mapping"),
    ("name: x\nlanguage: fr\n", 1, "`categories` is missing"),
    ("language: fr\n" + _ONE, 1, "`name` is missing"),
    (_HEAD + "categories: []\n", 3, "`categories` is empty"),
    (_HEAD + "categories: a\n", 3, "`categories` must be a list"),
    (_HEAD + "categories:\n  - a\n", 4, "`categories[0]` must be a mapping"),
    (_HEAD + "categories:\n  - id: a\n", 4, "`categories[0].name` is missing"),
    (_HEAD + _ONE + "    colour: red\n", 6, "`categories[0]` has no field `colour`"),
    (_HEAD + _ONE + "    name: B\n", 6, "`name` is said twice"),
    (_HEAD + _ONE + "    include: [a]\n", 6, "`categories[0].include` must be a text"),
    (_HEAD + _ONE + "    examples: a\n", 6, "`categories[0].examples` must be a list"),
    (_HEAD + _ONE + "    examples:\n      -\n", 7, "`categories[0].examples[0]` is missing"),
    (_HEAD + _ONE + "  - id: a\n    name: B\n", 6, "`categories[1].id` 'a' is there twice"),
    (_HEAD + _ONE + "colour: red\n", 6, "the file has no field `colour`"),
    (_HEAD + _ONE + "note: *n\n", 6, ""),
    (_HEAD + "categories:\n  - &c {id: a, name: A}\n  - *c\n", 5, "references"),
    (_HEAD + "categories: [\n", 4, ""),
    (_HEAD + "\tcategories: []\n", 3, ""),
    ('{"name": "x", "language": "fr",\n "categories": [{"id": "a"}]}', 2, "`categories[0].name` is missing"),
    ("[" * 100_000, 1, "lists in lists"),
]


@pytest.fixture
def estate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Estate]:
    with estate_of(monkeypatch) as found:
        yield found


@pytest.mark.parametrize(("text", "line", "what"), _WRONG, ids=range(len(_WRONG)))
def test_what_is_wrong_in_a_file_is_told_with_its_line(
    tmp_path: Path, text: str, line: int, what: str
) -> None:
    file = tmp_path / "book.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(CannotRun) as told:
        read_codebook(file)
    assert told.value.cause.startswith(f"{file}, line {line}: ")
    assert what in told.value.cause
    assert "\n" not in told.value.cause


def test_a_file_that_is_no_text_or_too_long_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "book.yaml"
    file.write_bytes(b"name: x\nlanguage: \xe9\n")
    with pytest.raises(CannotRun, match="line 2: this is no UTF-8"):
        read_codebook(file)
    file.write_bytes(b"#" * 1_048_577)
    with pytest.raises(CannotRun, match="longer than"):
        read_codebook(file)
    with pytest.raises(CannotRun, match="cannot be read"):
        read_codebook(tmp_path / "none.yaml")


def test_values_are_texts_whatever_yaml_takes_them_for(tmp_path: Path) -> None:
    file = tmp_path / "book.json"
    file.write_text(
        "\ufeff" + _HEAD + "categories:\n- {id: 12, name: No, definition: ~, examples: [2026, yes]}\n"
        "merged: {old: 12}\nnote: >\n  Two\n  lines.\n",
        encoding="utf-8",
    )
    assert read_codebook(file).body == {
        "language": "fr",
        "categories": [{"id": "12", "name": "No", "definition": "", "examples": ["2026", "yes"]}],
        "merged": {"old": "12"},
        "note": "Two lines.",
    }


def test_the_same_is_read_from_json(tmp_path: Path) -> None:
    body = {"language": "en", "categories": [{"id": "a", "name": 'A "b" é', "examples": ["x\ty"]}]}
    file = tmp_path / "book.json"
    file.write_bytes(orjson.dumps({"name": "x", **body}))
    found = read_codebook(file)
    assert (found.name, found.body["language"], found.body["categories"][0]["name"]) == ("x", "en", 'A "b" é')


def test_the_shipped_codebooks_are_what_the_service_takes(tmp_path: Path) -> None:
    ids = {}
    for language in ("fr", "en"):
        file = tmp_path / f"{language}.yaml"
        file.write_text(sample(language), encoding="utf-8")
        read = read_codebook(file)
        written = Written.model_validate(read.body)
        assert read.body["language"] == language
        assert all(each.definition and each.include and each.exclude for each in written.categories)
        assert all(len(each.examples) >= 2 for each in written.categories)
        ids[language] = [each.id for each in written.categories]
    assert ids["fr"] == ids["en"]
    assert {"content", "trainer", "pace", "materials", "organisation", "platform", "price"} <= set(ids["fr"])


def test_a_sample_is_printed_or_put_into_a_new_file(verb: Verb, tmp_path: Path) -> None:
    assert verb("surveys", "codebook", "sample", "--language", "en").out == sample("en")
    file = tmp_path / "book.yaml"
    words = ("surveys", "codebook", "sample", "--output", str(file))
    assert verb(*words).status == 0
    assert file.read_text(encoding="utf-8") == sample("fr")
    assert verb(*words).status == 2  # what is there is somebody's


def test_a_codebook_is_written_shown_checked_and_taken_into_use(
    estate: Estate, verb: Verb, tmp_path: Path
) -> None:
    def run(*words: str) -> Done:
        return verb("surveys", "codebook", *words, "--tenant", "acme", "--data", str(tmp_path))

    assert run("list").out == "There are no codebooks.\n"
    file = tmp_path / "book.yaml"
    file.write_text(sample("fr"), encoding="utf-8")
    assert run("write", str(file)).out == "formations  v1  in use  14 categories, fr\n"
    done = run("write", str(file), "--note", "better")
    assert done.out.splitlines() == [
        "formations  v2  not in use  14 categories, fr  better",
        "It is not in use yet: passerelle surveys codebook promote formations --tenant acme",
    ]
    assert run("list").out == "formations  v1  in use  14 categories, fr\n"
    shown = run("show", "formations", "--version", "2").out.splitlines()
    assert len(shown) == 15
    assert shown[1].startswith("  content               Contenu de la formation: Ce qui est enseigné")
    assert len(run("show", "formations", "--versions").out.splitlines()) == 2
    assert run("check", "formations").out.splitlines() == [
        "on 40 corrected comments that neither has learned from",
        "in use   micro-F1 0.800, macro-F1 0.700",
        "this one micro-F1 0.800, macro-F1 0.700",
        "change   +5.0 points of F1 (+3.0 to +7.0): not worse",
        "right before and not any more: 1 (2.5 %)",
    ]
    assert run("promote", "formations").out.startswith("formations  v2  in use")
    run("write", str(file), "--note", "worse")
    assert run("check", "formations").status == 1
    refused = run("promote", "formations")
    assert (refused.status, refused.err) == (2, "passerelle: It is worse than the version in use.\n")
    forced = run("promote", "formations", "--version", "3", "--force")
    assert forced.status == 0
    assert forced.out.splitlines()[-1] == "It was taken into use all the same."
    assert [each.in_use for each in estate.bureau.books["acme", "formations"]] == [False, False, True]
    curve = run("curve", "formations").out.splitlines()
    assert curve[1] == "          0     0.500     0.700      0.750  " + "#" * 20
    assert run("write", str(file), "--name", "other").out.startswith("other  v1")
    assert run("delete", "other").out == "other is deleted.\n"
    assert run("show", "other").status == 2


def test_a_version_that_is_shown_as_a_file_is_written_again(
    estate: Estate, verb: Verb, tmp_path: Path
) -> None:
    def run(*words: str) -> Done:
        return verb("surveys", "codebook", *words, "--tenant", "acme", "--data", str(tmp_path))

    file = tmp_path / "book.yaml"
    file.write_text(sample("fr"), encoding="utf-8")
    run("write", str(file))
    shown = run("show", "formations", "--file")
    again = tmp_path / "again.yaml"
    again.write_text(shown.out, encoding="utf-8")
    assert read_codebook(again) == read_codebook(file)
    assert run("write", str(again)).out.splitlines()[0] == "formations  v2  not in use  14 categories, fr"
    assert run("show", "formations", "--file", "--versions").status == 2


def test_categories_that_go_with_nothing_in_their_place_are_told(
    estate: Estate, verb: Verb, tmp_path: Path
) -> None:
    def write(text: str) -> list[str]:
        file = tmp_path / "book.yaml"
        file.write_text(text, encoding="utf-8")
        where = ("--tenant", "acme", "--data", str(tmp_path))
        return verb("surveys", "codebook", "write", str(file), *where).out.splitlines()

    row = "  - {{id: {0}, name: {0}}}\n"
    head = "name: b\nlanguage: fr\n"
    write(head + "categories:\n" + "".join(row.format(name) for name in "abc"))
    lines = write(head + "merged: {b: a}\ncategories:\n" + row.format("a"))
    assert lines[-1] == "Gone, with nothing in `merged` in their place: c."
    assert len(write(head + "categories:\n" + row.format("a"))) == 2


def test_a_version_that_came_into_use_without_a_check_says_so(
    estate: Estate, verb: Verb, tmp_path: Path
) -> None:
    file = tmp_path / "book.yaml"
    file.write_text(sample("en"), encoding="utf-8")
    where = ("--tenant", "acme", "--data", str(tmp_path))
    for note in ("begun", "few"):
        verb("surveys", "codebook", "write", str(file), "--note", note, *where)
    ((_, name),) = estate.bureau.books
    done = verb("surveys", "codebook", "promote", name, *where)
    assert (done.status, done.out.splitlines()[1:]) == (0, ["unchecked: there was too little to check it by"])


def test_a_file_that_is_wrong_is_not_sent(estate: Estate, verb: Verb, tmp_path: Path) -> None:
    file = tmp_path / "book.yaml"
    file.write_text(_HEAD + "categories:\n  - id: a\n", encoding="utf-8")
    done: Any = verb("surveys", "codebook", "write", str(file), "--tenant", "acme", "--data", str(tmp_path))
    assert done.status == 2
    assert "line 4: `categories[0].name` is missing" in done.err
    assert estate.bureau.books == {}
