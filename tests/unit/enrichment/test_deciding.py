"""What people decide, and what each text was by it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from passerelle.domain.content import Check, Decision, Flaw
from passerelle.domain.errors import BadRequest, Conflict, NotFound
from passerelle.stores.database import Database
from tests.unit.enrichment.office_scene import TENANT, an_office, pieces
from tests.unit.jobs.scene import count

ACCEPT, REJECT, EDIT = Decision.ACCEPTED, Decision.REJECTED, Decision.EDITED
WRITTEN = "Un texte bien écrit pour tous les stagiaires."


async def test_a_history_begins_with_the_source_and_nothing_of_it_changes(database: Database) -> None:
    async with an_office(database) as scene:
        (piece,) = pieces(1)
        job = await scene.done([piece])
        assert await scene.deciding.history(TENANT, piece.key) == []

        worked = await scene.deciding.decide(TENANT, job.id, 1, {"text": (ACCEPT, None)}, by="ana")
        await scene.deciding.decide(TENANT, job.id, 1, {"text": (EDIT, "Mieux encore.")}, by="bob")
        back = await scene.deciding.roll_back(TENANT, piece.key, "text", 1, by="ana")
        same = await scene.deciding.roll_back(TENANT, piece.key, "text", 1, by="ana")

        choice = worked.choices["text"]
        assert (choice.decision, choice.value, choice.by) == (ACCEPT, WRITTEN, "ana")
        history = await scene.deciding.history(TENANT, piece.key)
        assert [(each.number, each.value, each.job, each.by, each.back_to) for each in history] == [
            (1, piece.text, None, "", None),
            (2, WRITTEN, job.id, "ana", None),
            (3, "Mieux encore.", job.id, "bob", None),
            (4, piece.text, None, "ana", 1),
        ]
        assert back == same == history[-1]
        for field, number in (("text", 9), ("summary", 1)):
            with pytest.raises(NotFound) as missing:
                await scene.deciding.roll_back(TENANT, piece.key, field, number, by="ana")
            assert missing.value.code == "version_not_found"
        with pytest.raises(NotFound):
            await scene.deciding.history(TENANT, "nothing")


async def test_what_is_rejected_after_all_gives_way_to_what_stood_before(database: Database) -> None:
    async with an_office(database) as scene:
        (piece,) = pieces(1)
        job = await scene.done([piece])

        await scene.deciding.decide(TENANT, job.id, 1, {"text": (REJECT, None)}, by="ana")
        none = await scene.deciding.history(TENANT, piece.key)
        await scene.deciding.decide(TENANT, job.id, 1, {"text": (ACCEPT, None)}, by="ana")
        worked = await scene.deciding.decide(TENANT, job.id, 1, {"text": (REJECT, None)}, by="ana")

        assert none == []
        assert (worked.choices["text"].decision, worked.choices["text"].value) == (REJECT, None)
        history = await scene.deciding.history(TENANT, piece.key)
        assert [(each.value, each.back_to) for each in history] == [
            (piece.text, None),
            (WRITTEN, None),
            (piece.text, 1),
        ]


async def test_a_source_that_came_anew_is_a_version_of_its_own(database: Database) -> None:
    async with an_office(database) as scene:
        (piece,) = pieces(1)
        first = await scene.done([piece])
        await scene.deciding.decide(TENANT, first.id, 1, {"text": (ACCEPT, None)}, by="ana")
        scene.engine.answer = "Une autre version."

        second = await scene.done([replace(piece, text="La source a changé.")])
        await scene.deciding.decide(TENANT, second.id, 1, {"text": (ACCEPT, None)}, by="ana")
        third = await scene.done([replace(piece, text="Une autre version.")])
        await scene.deciding.decide(TENANT, third.id, 1, {"text": (ACCEPT, None)}, by="ana")

        values = [each.value for each in await scene.deciding.history(TENANT, piece.key)]
        assert values == [piece.text, WRITTEN, "La source a changé.", "Une autre version."]


async def test_everything_is_decided_on_at_once_but_what_is_flawed_or_decided(database: Database) -> None:
    async with an_office(database) as scene:
        scene.flaws["cours-2"] = (Flaw(Check.NUMBERS, "text", "« 12 » manque."),)
        scene.flaws["cours-3"] = (Flaw(Check.LENGTH, "text", "court", serious=False),)
        job = await scene.done(pieces(4))
        await scene.deciding.decide(TENANT, job.id, 1, {"text": (REJECT, None)}, by="ana")

        clean = await scene.deciding.decide_all(TENANT, job.id, ACCEPT, by="ana")
        none = await scene.deciding.decide_all(
            TENANT, job.id, ACCEPT, fields=["summary"], flawed=True, by="ana"
        )
        rest = await scene.deciding.decide_all(TENANT, job.id, REJECT, flawed=True, by="ana")

        assert (clean, none, rest) == (2, 0, 1)
        chosen = [each.choices["text"].decision for each in await scene.works.worked(TENANT, job.id)]
        assert chosen == [REJECT, REJECT, ACCEPT, ACCEPT]
        with pytest.raises(BadRequest):
            await scene.deciding.decide_all(TENANT, job.id, EDIT, by="ana")


async def test_decisions_that_cannot_be_are_refused(database: Database) -> None:
    async with an_office(database) as scene:
        job = await scene.done(pieces(1))
        waiting = await scene.start(pieces(1, first=2))

        for choices, code in (
            ({}, "no_choices"),
            ({"summary": (ACCEPT, None)}, "unknown_field"),
            ({"text": (EDIT, ("a", "b"))}, "value_wrong"),
            ({"text": (EDIT, None)}, "value_wrong"),
            ({"text": (EDIT, "x" * 400_001)}, "value_wrong"),
        ):
            with pytest.raises(BadRequest) as refused:
                await scene.deciding.decide(TENANT, job.id, 1, choices, by="ana")
            assert refused.value.code == code
        with pytest.raises(Conflict) as early:
            await scene.deciding.decide(TENANT, waiting.id, 1, {"text": (ACCEPT, None)}, by="ana")
        assert early.value.code == "piece_not_written"
        with pytest.raises(NotFound):
            await scene.deciding.decide("other", job.id, 1, {"text": (ACCEPT, None)}, by="eve")
        assert await count(database, "SELECT count(*) FROM content_choice") == 0


async def test_versions_are_numbered_without_a_gap_whoever_decides_at_once(database: Database) -> None:
    async with an_office(database) as scene:
        (piece,) = pieces(1)
        job = await scene.done([piece])

        await asyncio.gather(
            *(
                scene.deciding.decide(TENANT, job.id, 1, {"text": (EDIT, f"Version {number}.")}, by="ana")
                for number in range(8)
            )
        )

        history = await scene.deciding.history(TENANT, piece.key)
        assert [each.number for each in history] == list(range(1, 10))
        newest = (await scene.works.piece(TENANT, job.id, 1)).choices["text"].value
        assert history[-1].value == newest
