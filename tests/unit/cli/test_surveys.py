"""`passerelle surveys` from a file to its report: what is told, what a machine reads, and the status that scripts go by."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from passerelle.cli.surveys_files import account, columns_of
from passerelle.domain.errors import CannotRun
from passerelle.domain.jobs import Trouble
from passerelle.domain.survey_work import SurveyState
from tests.fakes.rag import ANSWERED, CITED
from tests.unit.cli.conftest import Done, Verb
from tests.unit.cli.surveys_scene import Estate, estate_of
from tests.unit.http.surveys_scene import FILE

_COLUMNS = ("--column", "Recommandation=nps", "--column", "Vos remarques=comment", "--column", "Formateur=segment",
            "--column", "Date=date")  # fmt: skip
_BOOK = """\
name: trainings
language: fr
categories:
  - {id: trainer, name: Formateur, definition: Comment il enseigne., examples: [Très clair.]}
  - {id: pace, name: Rythme}
"""


@pytest.fixture
def estate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Estate]:
    with estate_of(monkeypatch) as found:
        yield found


@pytest.fixture
def run(verb: Verb, tmp_path: Path) -> Any:
    (tmp_path / "printemps.csv").write_bytes(FILE)
    (tmp_path / "book.yaml").write_text(_BOOK, encoding="utf-8")
    where = ("--tenant", "acme", "--data", str(tmp_path))
    return lambda *words: verb("surveys", *words, *where)


@pytest.fixture
def kept(estate: Estate, run: Any, tmp_path: Path) -> str:
    """A survey that has been read by a codebook."""
    assert run("codebook", "write", str(tmp_path / "book.yaml")).status == 0
    assert run("import", str(tmp_path / "printemps.csv"), "--codebook", "trainings", *_COLUMNS).status == 0
    assert run("run", "sv_1").status == 0
    return "sv_1"


def _json(done: Done) -> Any:
    assert done.status == 0, done.err
    return orjson.loads(done.out)


def test_columns_are_told_before_anything_is_kept(estate: Estate, run: Any, tmp_path: Path) -> None:
    done: Done = run("columns", str(tmp_path / "printemps.csv"))
    assert done.status == 0
    lines = done.out.splitlines()
    assert any(line.startswith("comment         Vos remarques  (heading_and_content)  Le ") for line in lines)
    assert "personal        E-mail  (personal)" in lines
    assert lines[-1] == "6 rows were looked at. Say otherwise with --column 'Heading=role'."
    assert _json(run("columns", str(tmp_path / "printemps.csv"), "--json"))["proposal"]["E-mail"] == {
        "role": "personal"
    }
    assert estate.bureau.held == {}


def test_an_import_is_watched_and_every_row_accounted_for(estate: Estate, run: Any, tmp_path: Path) -> None:
    done: Done = run("import", str(tmp_path / "printemps.csv"), "--title", "Printemps", *_COLUMNS)
    assert done.status == 0, done.err
    assert done.out.splitlines() == [
        "sv_1  Printemps",
        "6 rows: 5 answers, 1 left out",
        "5 comments (fr 5)",
        "  Empty row (left out): 1 row (4)",
        "  Cell with a formula, read as text in 'Vos remarques': 1 row (5)",
        "  Score outside its scale, ignored in 'Recommandation': 1 row (6)",
        "  Unreadable date, ignored in 'Date': 1 row (6)",
    ]
    assert (estate.watched, estate.works) == (["job_import"], 1)
    assert estate.bureau.new[0].columns == {
        "Recommandation": {"role": "nps"}, "Vos remarques": {"role": "comment"}, "Formateur": {"role": "segment"},
        "Date": {"role": "date"},
    }  # fmt: skip
    assert "there already" not in done.err
    repeated: Done = run("import", str(tmp_path / "printemps.csv"), *_COLUMNS)
    assert (repeated.status, repeated.err) == (0, "It was there already, and stays as it is.\n")
    again = _json(run("import", str(tmp_path / "printemps.csv"), *_COLUMNS, "--json"))
    assert (again["id"], len(again["row_troubles"])) == ("sv_1", 4)
    assert estate.watched == ["job_import"]  # it is kept already


def test_an_import_may_be_left_alone_and_one_that_fails_is_told(
    estate: Estate, run: Any, tmp_path: Path
) -> None:
    done: Done = run("import", str(tmp_path / "printemps.csv"), "--no-wait")
    assert (done.status, done.out) == (0, "sv_1  is read by job_import: passerelle jobs follow.\n")
    estate.fail()
    held = estate.bureau.held["acme", "sv_1"]
    held.survey = replace(held.survey, trouble=Trouble("survey_unreadable", "The file breaks off."))
    done = run("import", str(tmp_path / "printemps.csv"))
    assert (done.status, done.out) == (1, "sv_1  failed: The file breaks off. (survey_unreadable)\n")


def test_what_a_file_does_not_have_is_told_in_the_service_s_words(
    estate: Estate, run: Any, tmp_path: Path
) -> None:
    done: Done = run("import", str(tmp_path / "printemps.csv"), "--column", "Avis=comment")
    assert done.status == 2
    assert "The file has no column 'Avis': its columns are Recommandation" in done.err
    assert run("import", str(tmp_path / "none.csv")).status == 2
    assert run("import", str(tmp_path / "printemps.csv"), "--codebook", "a/b").status == 2
    assert estate.bureau.held == {}


def test_columns_are_said_with_their_role_and_scale() -> None:
    assert columns_of(["Note=rating:0-20", "a=b=comment", " Avis = comment"]) == {
        "Note": {"role": "rating", "low": 0.0, "high": 20.0}, "a=b": {"role": "comment"}, "Avis": {"role": "comment"},
    }  # fmt: skip
    for wrong in ("Avis", "=comment", "Avis=remark", "Note=rating:0", "Note=rating:a-b"):
        with pytest.raises(CannotRun):
            columns_of([wrong])


def test_many_rows_with_one_trouble_are_one_line() -> None:
    card = {"id": "s", "title": "t", "state": "ready", "tally": {
        "rows": 90, "answers": 0, "left_out": 90, "comments": 0, "languages": {}, "masked": {"email": 2},
    }}  # fmt: skip
    rows = [
        {"row": 2 * n, "last": 2 * n + (n == 1), "rows": 1 + (n == 1), "meaning": "Empty row", "column": ""}
        for n in range(1, 11)
    ]
    lines = list(account(card, rows))
    assert lines[2:] == [
        "0 comments",
        "masked: email 2",
        "  Empty row: 11 rows (2-3, 4, 6, 8, 10, 12, 14, 16, ...)",
    ]


def test_surveys_are_lines_and_deleted_by_name(kept: str, run: Any) -> None:
    assert run("list").out == "sv_1  ready     5 answers, 5 comments  printemps\n"
    assert _json(run("list", "--json"))["data"][0]["codebook"] == "trainings"
    assert run("delete", kept).out == "sv_1 is deleted.\n"
    assert run("list").out == "There are no surveys.\n"
    done: Done = run("delete", kept)
    assert (done.status, done.err) == (2, "passerelle: There is no such survey.\n")


def test_a_run_is_watched_and_its_comments_are_shown(kept: str, run: Any, estate: Estate) -> None:
    done: Done = run("run", kept, "--version", "1", "--model", "large")
    assert done.out == (
        "run_2  done       trainings v1, revision 0  5/5 comments, 1 to look at  without a language model  1.5 EUR\n"
    )
    assert estate.watched == ["job_import", "job_run", "job_run"]
    assert [line.split()[0] for line in run("runs", kept).out.splitlines()] == ["run_2", "run_1"]
    lines = run("comments", kept, "--category", "trainer", "--polarity", "positive").out.splitlines()
    assert len(lines) == 2
    assert "row 2  Le formateur est très clair" in lines[0]
    assert lines[1] == "    positive; trainer 90.0 %"
    assert run("comments", kept, "--text", "zzz").out == "There are no such comments.\n"
    page = run("comments", kept, "--limit", "1").out.splitlines()
    assert page[-1] == f"There are more: --after {page[0].split()[0]}"
    assert run("comments", kept, "--review", "why").status == 2
    assert run("run", "sv_9").status == 2


def test_a_run_that_does_not_read_all_is_told(kept: str, run: Any, estate: Estate) -> None:
    runs = estate.bureau.ran["acme", kept]
    assert (
        run("run", kept, "--no-wait").out.splitlines()[1] == "It is done by job_run: passerelle jobs follow."
    )
    real = estate.order

    def order(method: str, path: str, body: Any = None, **more: Any) -> Any:
        if method == "POST" and "/runs?" in path:
            card = real(method, path, body, **more)
            runs[-1] = replace(runs[-1], failed=2, read=3)
            return card
        return real(method, path, body, **more)

    estate.order = order  # type: ignore[method-assign]
    done: Done = run("run", kept)
    assert done.status == 1
    assert "3/5 comments, 2 failed" in done.out


def test_comments_are_corrected_confirmed_and_taken_back(kept: str, run: Any, estate: Estate) -> None:
    queue = _json(run("queue", kept, "--json"))
    comment, other = (each["comment"] for each in queue)
    done: Done = run("correct", kept, comment, "--right", "pace, trainer", "--polarity", "negative")
    assert done.out.startswith("cor_1  pace, trainer, negative  ")
    assert run("correct", kept, comment, "--right", "").out.startswith("cor_2  no category  ")
    assert run("correct", kept, comment, "--confirm").out.startswith("cor_3  categories as read  ")
    for wrong in ((), ("--confirm", "--right", "pace"), ("--polarity", "bad"), ("--right", "none")):
        assert run("correct", kept, comment, *wrong).status == 2, wrong
    assert "Nothing says what is right" in run("correct", kept, comment).err
    assert (
        "as it was read and something else" in run("correct", kept, comment, "--confirm", "--right", "").err
    )
    assert [each["comment"] for each in _json(run("queue", kept, "--reviewed", other, "--json"))] == []
    assert run("queue", kept).out == "Nothing waits to be looked at.\n"
    strange = run("queue", kept, "--reviewed", other, "--reviewed", "cmt_no\x1b", "--reviewed", "cmt_none")
    assert strange.status == 2
    assert "no such comments: cmt_no?, cmt_none." in strange.err
    assert strange.out == "Nothing waits to be looked at.\n", "the queue is shown all the same"
    assert "(taken back)" in run("revoke", "cor_1").out
    listed = run("codebook", "corrections", "trainings").out.splitlines()
    assert [line.split()[0] for line in listed] == ["cor_3", "cor_2"]
    assert len(run("codebook", "corrections", "trainings", "--revoked").out.splitlines()) == 3
    assert "corrected: cor_3" in run("comments", kept, "--limit", "500").out
    assert estate.bureau.kept["acme", "cor_1"].correction.right == ("pace", "trainer")


def test_two_runs_are_compared(kept: str, run: Any) -> None:
    run("run", kept)
    lines = run("difference", kept, "run_1", "latest").out.splitlines()
    assert lines[:3] == [
        "5 comments: 1 read differently (20.0 %)",
        "0 of another polarity",
        "  pace                       2 ->      1  -1",
    ]
    assert lines[3] == "  pace -> (none): 1"
    assert _json(run("difference", kept, "run_1", "run_2", "--json"))["changed"] == 1


def test_themes_are_looked_for_and_taken_up(kept: str, run: Any, estate: Estate) -> None:
    assert run("themes", kept).out == "There are no themes; look for them with --discover.\n"
    assert run("themes", kept, "--themes", "4").status == 2
    lines = run("themes", kept, "--discover", "--themes", "4").out.splitlines()
    assert lines[0] == "th_1      5 comments  rythme  [rythme, rapide]"
    assert estate.watched[-1] == "job_themes"
    into = ("--codebook", "trainings", "--category")
    assert run("merge", kept, "th_1", *into, "speed", "--name", "Vitesse").out.splitlines() == [
        "trainings  v2  not in use  3 categories, fr",
        "It is not in use yet: passerelle surveys codebook promote trainings --tenant acme",
    ]
    assert run("merge", kept, "th_1", *into, "none").status == 2
    assert "(in trainings v2 as speed)" in run("themes", kept).out
    estate.ends = "failed"
    assert run("themes", kept, "--discover").status == 1


def test_a_report_is_written_in_the_form_of_its_file(kept: str, run: Any, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    done: Done = run("report", kept, "--language", "en", "--output", str(page))
    assert (done.status, done.err) == (0, f"{page} is written.\n")
    assert 'lang="en"' in page.read_text(encoding="utf-8")
    assert run("report", kept, "--output", str(tmp_path / "r.pdf")).status == 2
    assert run("report", kept, "--output", str(tmp_path / "none" / "r.csv")).status == 2
    assert run("report", kept, "--format", "pdf").status == 2


def test_a_question_is_answered_with_the_comments_it_stands_on(kept: str, run: Any, estate: Estate) -> None:
    done: Done = run("ask", kept, "Que disent-ils du rythme ?")
    assert done.status == 0
    assert done.out.splitlines() == [ANSWERED.text, "", "[1] c_doc_1", "    “takes two days”"]
    assert _json(run("ask", kept, "Quoi ?", "--json"))["citations"][0]["comment"] == "c_doc_1"
    assert estate.rag.room.asked[0][1].collection == "survey-sv_1"
    refused = replace(ANSWERED, citations=(), nearest=(CITED,), refusal="not_relevant")  # type: ignore[arg-type]
    estate.rag.room.events = (refused,)
    done = run("ask", kept, "Quoi ?")
    assert done.status == 1
    assert "The nearest comments:" in done.out


def test_a_file_becomes_a_report_in_one_go(estate: Estate, run: Any, tmp_path: Path) -> None:
    page, book = tmp_path / "report.html", str(tmp_path / "book.yaml")
    words = (str(tmp_path / "printemps.csv"), "--codebook", book, "--output", str(page), *_COLUMNS)
    done: Done = run("analyse", *words)
    assert done.status == 0, done.err
    assert done.out.splitlines()[1] == "6 rows: 5 answers, 1 left out"
    assert done.out.splitlines()[-1].startswith("run_1  done")
    assert "<!doctype html>" in page.read_text(encoding="utf-8").lower()
    shown = _json(run("analyse", *words, "--json"))
    assert (shown["survey"]["id"], shown["run"]["version"], shown["report"]) == ("sv_1", 1, str(page))
    assert len(estate.bureau.books["acme", "trainings"]) == 1  # it says the same
    (tmp_path / "book.yaml").write_text(_BOOK.replace("Rythme", "Cadence"), encoding="utf-8")
    assert _json(run("analyse", *words, "--json"))["run"]["version"] == 2


def test_what_cannot_become_a_report_is_told_before_anything_is_kept(
    estate: Estate, run: Any, tmp_path: Path
) -> None:
    file, page = str(tmp_path / "printemps.csv"), str(tmp_path / "r.html")
    (tmp_path / "book.yaml").write_text("name: x\n", encoding="utf-8")
    for words in (
        (file, "--codebook", str(tmp_path / "book.yaml"), "--output", page),
        (file, "--codebook", "trainings", "--output", str(tmp_path / "r.pdf")),
        (file, "--codebook", "trainings"),
        (file, "--codebook", "trainings", "--output", page, "--column", "Avis"),
    ):
        assert run("analyse", *words).status == 2
    assert estate.bureau.held == {}


def test_a_file_that_fails_becomes_no_report(estate: Estate, run: Any, tmp_path: Path) -> None:
    run("codebook", "write", str(tmp_path / "book.yaml"))
    run("import", str(tmp_path / "printemps.csv"), *_COLUMNS)
    held = estate.bureau.held["acme", "sv_1"]
    held.survey = replace(held.survey, state=SurveyState.FAILED)
    page = tmp_path / "r.html"
    words = (str(tmp_path / "printemps.csv"), "--codebook", "trainings", "--output", str(page), *_COLUMNS)
    done: Done = run("analyse", *words)
    assert done.status == 1
    assert not page.exists()
