"""Codebooks, runs, corrections and themes over HTTP: what is said reaches the bureau whole, and comes back whole."""

from __future__ import annotations

from typing import Any

from passerelle.domain.surveys import Polarity
from tests.fakes.surveys import BureauFake
from tests.serving import Served
from tests.unit.http.rag_scene import ask, code
from tests.unit.http.surveys_scene import CODEBOOK, SURVEYS, kept, running

BOOK = f"{SURVEYS}/codebooks/trainings"


async def _ran(served: Served) -> str:
    """The path of a survey that has been read once."""
    path = f"{SURVEYS}/{await kept(served)}"
    assert (await ask(served, "member", "POST", f"{path}/runs"))[0] == 202
    return path


async def test_a_codebook_is_written_in_versions_and_each_can_be_looked_at() -> None:
    async with running() as served:
        status, first = await ask(served, "member", "POST", BOOK, CODEBOOK)
        assert (status, first["object"], first["version"], first["in_use"]) == (
            201,
            "survey.codebook",
            1,
            True,
        )
        assert first["created_by"] == "key_m"
        assert first["categories"][0] == {
            "id": "trainer", "name": "Formateur", "definition": "Comment il enseigne.", "include": "", "exclude": "",
            "examples": ["Très clair."],
        }  # fmt: skip
        merged = {**CODEBOOK, "merged": {"speed": "pace"}, "note": "deux"}
        _, second = await ask(served, "member", "POST", BOOK, merged)
        assert (second["version"], second["in_use"], second["merged"]) == (2, False, {"speed": "pace"})
        _, listed = await ask(served, "member", "GET", f"{SURVEYS}/codebooks")
        assert [(each["name"], each["version"]) for each in listed["data"]] == [("trainings", 1)]
        _, versions = await ask(served, "member", "GET", f"{BOOK}/versions")
        assert [each["version"] for each in versions["data"]] == [2, 1]
        assert (await ask(served, "member", "GET", f"{BOOK}?version=2"))[1]["note"] == "deux"
        assert (await ask(served, "member", "GET", BOOK))[1]["version"] == 1
        for where in (f"{BOOK}?version=3", f"{SURVEYS}/codebooks/other"):
            assert await code(served, "member", "GET", where) == (404, "codebook_not_found")
        assert await code(served, "stranger", "GET", BOOK) == (404, "codebook_not_found")


async def test_a_codebook_that_is_none_is_refused() -> None:
    category = CODEBOOK["categories"][0]
    wrong: list[dict[str, Any]] = [
        {"categories": []}, {"language": "français"}, {"categories": [{**category, "id": "le formateur"}]},
        {"categories": [{**category, "name": ""}]}, {"categories": [{**category, "colour": "red"}]},
        {"categories": [{**category, "examples": "x"}]}, {"categories": [{**category, "examples": ["x" * 2_001]}]},
        {"categories": [{"id": "x"}]}, {"merged": {"a b": "pace"}}, {"note": "x" * 1_001}, {"version": 3},
        {"categories": [category, category]},
    ]  # fmt: skip
    async with running() as served:
        for change in wrong:
            assert (await ask(served, "member", "POST", BOOK, {**CODEBOOK, **change}))[0] == 400, change
        assert (await ask(served, "member", "POST", f"{SURVEYS}/codebooks/.x", CODEBOOK))[0] == 400
        assert (await ask(served, "member", "GET", f"{SURVEYS}/codebooks"))[1]["data"] == []


async def test_a_version_is_checked_and_promoted_but_not_when_it_is_worse_unless_forced() -> None:
    async with running() as served:
        for note in ("", "better", "worse", "few"):
            await ask(served, "member", "POST", BOOK, {**CODEBOOK, "note": note})
        status, checked = await ask(served, "member", "POST", f"{BOOK}/versions/2/check")
        assert (status, checked["worse"], checked["lost"], checked["before"]["n"]) == (200, False, ["c1"], 40)
        assert (checked["change"], checked["low"]) == (0.05, 0.030000000000000002)
        _, promoted = await ask(served, "member", "POST", f"{BOOK}/versions/2/promote")
        assert (promoted["in_use"], promoted["promoted_by"]) == (True, "key_m")
        assert promoted["checked"]["change"] == 0.05
        path = f"{BOOK}/versions/3/promote"
        assert await code(served, "member", "POST", path, {"force": False}) == (409, "regression")
        assert (await ask(served, "member", "POST", path, {"force": True}))[1]["in_use"]
        assert await code(served, "member", "POST", f"{BOOK}/versions/4/check") == (
            409,
            "too_few_corrections",
        )
        assert (await ask(served, "member", "POST", path, {"force": "yes"}))[0] == 400
        _, curve = await ask(served, "member", "GET", f"{BOOK}/curve")
        assert [(each["n"], each["figures"]["micro"]) for each in curve["data"]] == [(0, 0.5), (25, 0.8)]


async def test_a_codebook_is_deleted_once_no_survey_names_it() -> None:
    async with running() as served:
        survey = await kept(served)
        assert await code(served, "member", "DELETE", BOOK) == (409, "codebook_in_use")
        await ask(served, "member", "DELETE", f"{SURVEYS}/{survey}")
        assert (await ask(served, "member", "DELETE", BOOK))[0] == 204
        assert await code(served, "member", "GET", BOOK) == (404, "codebook_not_found")


async def test_a_run_is_started_with_what_is_said_and_looked_at() -> None:
    bureau = BureauFake()
    async with running(bureau) as served:
        path = f"{SURVEYS}/{await kept(served)}/runs"
        assert await code(served, "member", "GET", f"{path}/latest") == (404, "run_not_found")
        status, card = await ask(
            served, "member", "POST", path, {"version": 1, "revision": 3, "model": "large"}
        )
        assert (status, card["object"], card["state"], card["job"]) == (
            202,
            "survey.run",
            "queued",
            "job_run",
        )
        assert (card["version"], card["revision"], card["model"], card["offline"]) == (1, 3, "large", True)
        assert (card["cost"], card["usage"]["total_tokens"]) == ("1.5 EUR", 12)
        assert (await ask(served, "member", "POST", path))[0] == 202
        _, listed = await ask(served, "member", "GET", path)
        assert [each["number"] for each in listed["data"]] == [2, 1]
        assert (await ask(served, "member", "GET", f"{path}/latest"))[1]["id"] == "run_2"
        assert (await ask(served, "member", "GET", f"{path}/run_1"))[1]["number"] == 1
        for wrong in ({"version": 0}, {"revision": -1}, {"model": ""}, {"comments": 3}, {"version": "1"}):
            assert (await ask(served, "member", "POST", path, wrong))[0] == 400
        assert (await ask(served, "member", "DELETE", f"{path}/run_1"))[0] == 204
        assert [each["id"] for each in (await ask(served, "member", "GET", path))[1]["data"]] == ["run_2"]
    assert bureau.did == [("run", "key_m")] * 2


async def test_comments_are_shown_with_what_was_read_and_filtered() -> None:
    async with running() as served:
        path = f"{await _ran(served)}/runs/latest/comments"
        _, whole = await ask(served, "member", "GET", path)
        assert (len(whole["data"]), whole["has_more"]) == (5, False)
        first = whole["data"][0]
        assert (first["row"], first["column"], first["language"], first["read"]) == (
            2,
            "Remarques",
            "fr",
            True,
        )
        (opinion,) = first["opinions"]
        assert opinion["quote"] == first["text"][opinion["start"] : opinion["end"]]
        assert first["labels"] == [{"category": "trainer", "confidence": 0.9}]
        for query, many in (
            ("category=pace", 2), ("polarity=negative", 2), ("review=out_of_codebook", 2), ("to_review=true", 2),
            ("language=en", 0), ("text=SUPPORTS", 1), ("category=pace&category=trainer", 2),
            ("category=trainer&polarity=positive", 1),
        ):  # fmt: skip
            found = (await ask(served, "member", "GET", f"{path}?{query}"))[1]["data"]
            assert len(found) == many, query
        _, page = await ask(served, "member", "GET", f"{path}?limit=2")
        assert page["has_more"]
        after = page["data"][-1]["comment"]
        _, rest = await ask(served, "member", "GET", f"{path}?limit=3&after={after}")
        assert (len(rest["data"]), rest["has_more"]) == (3, False)
        for query in ("review=why", "polarity=bad", "limit=0", "limit=501", "text=%00"):
            assert (await ask(served, "member", "GET", f"{path}?{query}"))[0] == 400, query


async def test_a_comment_is_corrected_reviewed_and_leaves_the_queue() -> None:
    bureau = BureauFake()
    async with running(bureau) as served:
        path = await _ran(served)
        queue = f"{path}/runs/latest/queue"
        first, second = (await ask(served, "member", "GET", queue))[1]["data"]
        said = {"right": ["trainer"], "polarity": "negative", "run": "run_1"}
        where = f"{path}/comments/{first['comment']}/correction"
        status, card = await ask(served, "member", "POST", where, said)
        assert (status, card["object"], card["right"], card["polarity"]) == (
            201, "survey.correction", ["trainer"], "negative",
        )  # fmt: skip
        assert (card["codebook"], card["version"], card["by"]) == ("trainings", 1, "key_m")
        waiting = (await ask(served, "member", "GET", queue))[1]["data"]
        assert [each["comment"] for each in waiting] == [second["comment"]]
        looked = {"comments": [second["comment"], second["comment"], "nobody"]}
        status, told = await ask(served, "member", "POST", f"{path}/runs/latest/reviewed", looked)
        assert (status, told["reviewed"], told["unknown"]) == (200, 1, ["nobody"])
        assert (await ask(served, "member", "GET", queue))[1]["data"] == []
        _, read = await ask(served, "member", "GET", f"{path}/runs/run_1/comments")
        by_id = {each["comment"]: each for each in read["data"]}
        assert by_id[first["comment"]]["correction"]["id"] == card["id"]
        assert by_id[second["comment"]]["reviewed"]
    assert bureau.looked == {"run_1": {second["comment"], "nobody"}}


async def test_what_a_correction_does_not_say_is_not_said() -> None:
    bureau = BureauFake()
    async with running(bureau) as served:
        path = await _ran(served)
        _, read = await ask(served, "member", "GET", f"{path}/runs/latest/comments")
        where = f"{path}/comments/{read['data'][0]['comment']}/correction"
        said: dict[str, Any]
        for said in ({}, {"right": []}, {"polarity": "mixed"}, {"right": None, "polarity": "neutral"}):
            assert (await ask(served, "member", "POST", where, said))[0] == 201
        for wrong in (
            {"right": "trainer"}, {"right": ["a b"]}, {"polarity": "bad"}, {"wrong": ["pace"]}, {"right": ["x"] * 51},
        ):  # fmt: skip
            assert (await ask(served, "member", "POST", where, wrong))[0] == 400
        assert await code(served, "member", "POST", where, {"right": ["none"]}) == (400, "unknown_category")
        nobody = f"{path}/comments/nobody/correction"
        assert await code(served, "member", "POST", nobody, {}) == (404, "comment_not_found")
    said_ = [(each.correction.right, each.correction.right_polarity) for each in bureau.kept.values()]
    assert said_ == [(None, None), ((), None), (None, Polarity.MIXED), (None, Polarity.NEUTRAL)]


async def test_corrections_are_listed_and_taken_back() -> None:
    async with running() as served:
        path = await _ran(served)
        _, read = await ask(served, "member", "GET", f"{path}/runs/latest/comments")
        for each in read["data"][:3]:
            where = f"{path}/comments/{each['comment']}/correction"
            await ask(served, "member", "POST", where, {"right": ["pace"]})
        _, page = await ask(served, "member", "GET", f"{BOOK}/corrections?limit=2")
        assert ([each["id"] for each in page["data"]], page["has_more"]) == (["cor_3", "cor_2"], True)
        _, page = await ask(served, "member", "GET", f"{BOOK}/corrections?after=cor_2")
        assert [each["id"] for each in page["data"]] == ["cor_1"]
        gone = f"{SURVEYS}/corrections/cor_2"
        assert await code(served, "stranger", "DELETE", gone) == (404, "correction_not_found")
        status, card = await ask(served, "member", "DELETE", gone)
        assert (status, card["id"], card["revoked_at"]) == (200, "cor_2", "2026-03-01T09:30:00Z")
        for query, ids in (("", ["cor_3", "cor_1"]), ("?revoked=true", ["cor_3", "cor_2", "cor_1"])):
            _, page = await ask(served, "member", "GET", f"{BOOK}/corrections{query}")
            assert [each["id"] for each in page["data"]] == ids


async def test_two_runs_are_compared() -> None:
    async with running() as served:
        path = f"{await _ran(served)}/runs"
        await ask(served, "member", "POST", path)
        status, card = await ask(served, "member", "GET", f"{path}/latest/difference?with=run_1")
        assert (status, card["before"]["id"], card["after"]["id"]) == (200, "run_1", "run_2")
        assert card["counts"] == [{"category": "pace", "before": 2, "after": 1}]
        assert card["moved"] == [{"before": "pace", "after": "", "comments": 1}]
        (change,) = card["changes"]
        assert (change["before"], change["after"], change["polarity_after"]) == (["pace"], [], None)
        assert (await ask(served, "member", "GET", f"{path}/latest/difference"))[0] == 400
        where = f"{path}/run_2/difference?with=run_9"
        assert await code(served, "member", "GET", where) == (404, "run_not_found")


async def test_themes_are_looked_for_and_taken_up() -> None:
    async with running() as served:
        path = f"{SURVEYS}/{await kept(served)}/themes"
        assert (await ask(served, "member", "GET", path))[1]["data"] == []
        assert await ask(served, "member", "POST", path, {"themes": 8}) == (
            202,
            {"object": "survey.job", "job": "job_themes"},
        )
        assert (await ask(served, "member", "POST", path, {"themes": 1}))[0] == 400
        _, listed = await ask(served, "member", "GET", path)
        (theme,) = listed["data"]
        assert (theme["size"], theme["offline"], theme["merged_into"]) == (5, True, None)
        assert theme["quotes"][0]["comment"] == theme["comments"][0]
        merging: dict[str, Any] = {"codebook": "trainings", "category": {"id": "speed", "name": "Vitesse"}}
        for wrong in ({"category": "a b"}, {"category": {"id": "x"}}, {"codebook": None}, {"category": 3}):
            assert (await ask(served, "member", "POST", f"{path}/th_1/merge", {**merging, **wrong}))[0] == 400
        for category, param in (
            ({"id": "a b", "name": "X"}, "category.id"),
            ({"id": "x"}, "category.name"),
            ({"id": "x", "name": "X", "examples": [3]}, "category.examples.0"),
            ("a b", "category"),
            (3, "category"),
            ([], "category"),
        ):
            said = {**merging, "category": category}
            _, refused = await ask(served, "member", "POST", f"{path}/th_1/merge", said)
            assert refused["error"]["param"] == param, "the field's name, and no name of a type"
            assert "CategoryIn" not in refused["error"]["message"]
        status, edition = await ask(served, "member", "POST", f"{path}/th_1/merge", merging)
        assert (status, edition["version"], edition["categories"][-1]["id"]) == (201, 2, "speed")
        merging["category"] = "pace"
        assert (await ask(served, "member", "POST", f"{path}/th_1/merge", merging))[1]["version"] == 3
        _, listed = await ask(served, "member", "GET", path)
        assert listed["data"][0]["merged_into"] == {"codebook": "trainings", "version": 3, "category": "pace"}
        assert await code(served, "member", "POST", f"{path}/th_9/merge", merging) == (404, "theme_not_found")
