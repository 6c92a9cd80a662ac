"""Surveys in the running program: read from the file to the report in time, asked, and killed in the middle of it all."""

from __future__ import annotations

import asyncio
import csv
import io
import random
import signal
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import openpyxl
import orjson
import pytest

from tests.chaos.documents import House, around, house
from tests.chaos.program import Stage, stage, until
from tests.fakes.script import Wait
from tests.fakes.surveyor import Means, Surveyor

_PROMISED = 120.0  # seconds, for a thousand comments on two cores
_COMMENTS = 1_000
_SAID = {
    "trainer": ("Le formateur explique très clairement.", "Le formateur lisait ses diapositives."),
    "platform": ("La plateforme se bloque sans cesse.", "Plateforme intuitive, rien à redire."),
    "pace": ("Le rythme était trop rapide pour moi.", "Bon rythme, avec des pauses."),
    "room": ("La salle était mal chauffée.", "Une salle agréable et calme."),
}
_WORDS = {
    "formateur": Means("trainer", "positive"),
    "plateforme": Means("platform", "negative"),
    "rythme": Means("pace", "negative"),
    "salle": Means("room", "negative"),
}
_BOOK: Mapping[str, Any] = {
    "name": "formations",
    "language": "fr",
    "categories": [
        {"id": name, "name": name.title(), "definition": examples[0], "examples": list(examples)}
        for name, examples in _SAID.items()
    ],
}
_HEADER = (
    "Commentaire",
    "Recommanderiez-vous (0 à 10)",
    "Satisfaction (1 à 5)",
    "Formateur",
    "Date de session",
)


def _rows(count: int, seed: int = 1) -> Iterator[tuple[str, int, int, str, str]]:
    """Each of one or two sentences, none twice."""
    draw = random.Random(seed)
    for number in range(count):
        subjects = draw.sample(sorted(_SAID), draw.choice((1, 1, 2)))
        text = " ".join(draw.choice(_SAID[subject]) for subject in subjects)
        day = f"{draw.randint(1, 28):02}/0{draw.randint(1, 9)}/2026"
        trainer = draw.choice(("Mme Durand", "M. Petit", '=HYPERLINK("http://exemple.invalid";"ici")'))
        yield f"{text} Groupe {number}.", draw.randint(0, 10), draw.randint(1, 5), trainer, day


def _csv(count: int, seed: int = 1) -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=";").writerows([_HEADER, *_rows(count, seed)])
    return out.getvalue().encode()


def _xlsx(count: int, seed: int = 1) -> bytes:
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet()
    for row in (_HEADER, *_rows(count, seed)):
        sheet.append([f"'{cell}" if str(cell).startswith("=") else cell for cell in row])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


class Lab:
    """A service with a tenant `acme` that reads without a language model, and one `globex` that asks one."""

    def __init__(self, made: House, surveyor: Surveyor) -> None:
        self.house, self.surveyor = made, surveyor
        self.folder = made.folder

    @property
    def stage(self) -> Stage:
        return self.house.around.stage

    def file(self, name: str, content: bytes) -> str:
        path = self.folder / name
        path.write_bytes(content)
        return str(path)

    def order(self, *words: str, tenant: str = "acme") -> Any:
        """A verb of `passerelle surveys`, told as JSON."""
        done = self.house.service.order("surveys", *words, "--tenant", tenant, "--json")
        assert done.returncode == 0, done.stderr
        return orjson.loads(done.stdout)

    def get(self, path: str, tenant: str = "acme") -> Any:
        told = self.house.call(f"/v1/surveys/{path}", tenant)
        assert told.status == 200, told.raw
        return told.json

    def writes_codebook(self, tenant: str) -> None:
        path = self.file("codebook.json", orjson.dumps(_BOOK))
        self.order("codebook", "write", path, tenant=tenant)

    def begins(self, survey: str, tenant: str) -> str:
        card = self.order(
            "run", survey, "--codebook", "formations", "--version", "1", "--no-wait", tenant=tenant
        )
        return str(card["id"])

    def run(self, survey: str, run: str, tenant: str) -> Any:
        return next(each for each in self.get(f"{survey}/runs", tenant)["data"] if each["id"] == run)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, postgres: object) -> Iterator[Lab]:
    address = postgres.make()  # type: ignore[attr-defined]
    surveyor = Surveyor(_WORDS)
    with stage() as own, around(own) as among:
        own.engine.answer = surveyor
        config = {
            "version": 1,
            "backends": {"offline": {"kind": "builtin"}, "engine": {"kind": "openai", "url": own.engine.url}},
            "models": {
                "quotes": {"task": "chat", "targets": [{"backend": "offline", "model": "extractive"}]},
                "reader": {"task": "chat", "targets": [{"backend": "engine", "model": "m"}]},
            },
            "tenants": {
                "acme": {"models": {"default": "quotes", "allow": ["quotes"]}},
                "globex": {"models": {"default": "reader", "allow": ["reader"]}},
            },
        }
        with house(
            among,
            tmp_path_factory.mktemp("surveys") / "h",
            config,
            DATABASE_URL=address,
            PASSERELLE_JOB_CONCURRENCY="16",
        ) as made:
            made.serve()
            found = Lab(made, surveyor)
            for tenant in ("acme", "globex"):
                found.writes_codebook(tenant)
            yield found


@pytest.mark.parametrize(("name", "language"), [("mille.csv", "fr"), ("mille.xlsx", "en")])
def test_a_thousand_comments_go_from_the_file_to_the_report_without_a_model(
    lab: Lab, name: str, language: str
) -> None:
    content = _csv(_COMMENTS) if name.endswith("csv") else _xlsx(_COMMENTS, seed=2)
    path, report = lab.file(name, content), lab.folder / f"{name}.html"
    begun = time.monotonic()
    told = lab.order(
        "analyse", path, "--codebook", "formations", "--language", language, "--output", str(report)
    )
    took = time.monotonic() - begun
    print(f"{name}: {took:.1f} s")

    assert took < _PROMISED
    assert told["survey"]["tally"]["rows"] == told["survey"]["tally"]["answers"] == _COMMENTS
    assert (told["run"]["read"], told["run"]["failed"], told["run"]["offline"]) == (_COMMENTS, 0, True)
    page = report.read_text()
    assert f'lang="{language}"' in page
    assert "<a href=" not in page.partition("HYPERLINK")[2][:80]
    for form in ("csv", "xlsx", "json"):
        other = lab.folder / f"{name}.{form}"
        done = lab.house.service.order(
            "surveys", "report", told["survey"]["id"], "--tenant", "acme", "--output", str(other)
        )
        assert done.returncode == 0, done.stderr
        _is_safe(other)


def _is_safe(report: Path) -> None:
    """No cell of it is one that a spreadsheet reckons with."""
    if report.suffix == ".csv":
        cells = [cell for row in csv.reader(io.StringIO(report.read_text("utf-8-sig"))) for cell in row]
        assert any("HYPERLINK" in cell for cell in cells)
        assert not any(cell.startswith(("=", "@", "\t", "\r")) for cell in cells)
    elif report.suffix == ".xlsx":
        for sheet in openpyxl.load_workbook(report):
            assert not any(cell.data_type == "f" or cell.hyperlink for row in sheet for cell in row)


def test_a_question_about_what_people_say_is_answered_with_comments_streamed_or_not(lab: Lab) -> None:
    survey = lab.order("import", lab.file("questions.csv", _csv(60, seed=5)))["id"]

    def asked(question: str, **more: Any) -> Any:
        found: list[Any] = []

        def answered() -> bool:
            told = lab.house.call(f"/v1/surveys/{survey}/chat", "acme", body={"question": question, **more})
            found.append(told)
            return told.status != 503  # its comments are being indexed

        until(answered, "the comments can be asked")
        assert found[-1].status == 200, found[-1].raw
        return found[-1]

    whole = asked("Que disent les participants de la plateforme ?").json
    assert whole["refusal"] is None
    assert all(each["comment"] for each in whole["citations"])
    assert "plateforme" in whole["citations"][0]["quote"].lower()
    raw = asked("Que pensent les stagiaires du rythme ?", stream=True).raw.decode()
    cited = [
        orjson.loads(block.partition("data: ")[2])
        for block in raw.split("\n\n")
        if "event: citation" in block
    ]
    assert cited
    assert all(each["comment"] for each in cited)
    assert asked("Que disent les participants de la piscine ?").json["refusal"] is not None


def test_what_is_under_way_when_the_program_is_killed_ends_and_nothing_is_there_twice(lab: Lab) -> None:
    """A file that is read, a run without a model and one that asks a model, all at once."""
    many, few = 6_000, 80
    read = lab.order("import", lab.file("many.csv", _csv(many, seed=7)))["id"]
    asked = lab.order("import", lab.file("asked.csv", _csv(few, seed=9)), tenant="globex")["id"]
    engine, gate, seen = lab.stage.engine, asyncio.Event(), lab.surveyor.seen

    async def hold(*, on: bool) -> None:
        if on:
            engine.always(Wait(gate))
        else:
            gate.set()
            engine.always()

    online = lab.begins(asked, "globex")
    until(lambda: len(seen) >= 10, "some are read")
    lab.stage.run(hold(on=True))
    until(
        lambda: 0 < engine.working == len(seen) - lab.run(asked, online, "globex")["read"],
        "what was answered is kept, and the others are under way",
    )
    assert 0 < lab.run(asked, online, "globex")["read"] < few
    offline = lab.begins(read, "acme")
    other = lab.order("import", lab.file("more.csv", _csv(many, seed=8)), "--no-wait")
    until(lambda: lab.house.job("acme", other["job"])["state"] != "queued", "its file is read")
    under_way = engine.working
    lab.house.stop(signal.SIGKILL)
    lab.stage.run(hold(on=False))
    lab.house.serve()

    until(lambda: lab.get(other["id"])["state"] == "ready", "it is read", within=90)
    until(lambda: lab.run(asked, online, "globex")["state"] == "done", "all are asked about", within=90)
    until(lambda: lab.run(read, offline, "acme")["state"] == "done", "all are read", within=90)
    tally = lab.get(other["id"])["tally"]
    assert (tally["rows"], tally["answers"], tally["left_out"], tally["comments"]) == (many, many, 0, many)
    assert lab.get(f"{other['id']}/report")["answers"] == many
    told = lab.run(read, offline, "acme")
    assert (told["comments"], told["read"], told["failed"]) == (many, many, 0)
    told = lab.run(asked, online, "globex")
    print(f"{len(seen)} calls for {few} comments, {under_way} under way when it was killed")
    assert (told["comments"], told["read"], told["failed"], told["offline"]) == (few, few, 0, False)
    assert len(set(seen)) == few
    assert few <= len(seen) <= few + under_way
    page = lab.get(f"{asked}/runs/{online}/comments?limit=500", "globex")["data"]
    assert len(page) == len({each["comment"] for each in page}) == few
