"""An answer from documents: rewritten, searched, judged, asked, cited, paid, kept; and closed however it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from passerelle.domain.ask import Route
from passerelle.domain.catalog import Tenant
from passerelle.domain.errors import BadRequest, Blocked, NotFound, OverLimit, Unavailable, UpstreamFailed
from passerelle.domain.rag import Begun, Citation, Found, Refusal, Said, Seeking
from passerelle.gateway.record import Outcome
from passerelle.pipelines.models.asker import Asker
from passerelle.pipelines.rag.answering import Evidence
from passerelle.pipelines.rag.prompts_text import NO_ANSWER
from passerelle.pipelines.rag.tallying import Tally, counted, tallied
from passerelle.text.words import Language
from tests.fakes.script import Answer, Reset, Silent, Wait
from tests.unit.pipelines.rag.answering import CALLER, asked, over_engine
from tests.unit.pipelines.rag.answers import passage

_FOUND = (
    passage(1, "La formation coûte 1 200 euros. Elle dure 3 jours.", title="Tarifs"),
    passage(2, "Le musée ferme le mardi.", title="Musée"),
)
_SAID = "La formation coûte 1 200 euros [1]. Elle dure 3 jours [1]."


@pytest.mark.parametrize("stream", [True, False])
async def test_an_answer_is_told_with_its_sources_and_what_it_used(stream: bool) -> None:
    async with over_engine(_FOUND) as (engine, desk):
        engine.always(Answer(_SAID))
        events, answered = await desk.ask(
            "Combien coûte la formation ?", stream=stream, request_id="req_x", system="Sois poli."
        )
        body = engine.requests[-1].body
        (record,) = desk.inside.records
    said = [event.text for event in events if isinstance(event, Said)]
    assert "".join(said) == answered.text == _SAID
    assert len(said) == (2 if stream else 1)
    assert [type(event) for event in events[:3]] == [Begun, Said, Citation]
    assert sum(isinstance(event, Begun) for event in events) == 1
    (begun,) = (event for event in events if isinstance(event, Begun))
    assert begun.facts["backend"] == "engine"
    assert begun.facts.items() <= answered.facts.items()
    assert 0 <= answered.overhead < answered.seconds["total"]
    assert events[-1] is answered
    (first, second) = answered.citations
    assert (first.number, first.document, first.page, first.quote) == (
        1,
        "d1",
        1,
        "La formation coûte 1 200 euros.",
    )
    assert [answered.text[slice(*place)] for place in second.places] == ["[1]"]
    assert answered.refusal is None
    assert answered.usage.prompt_tokens > 0
    assert answered.usage.completion_tokens > 0
    assert answered.cost
    assert {"rewrite", "search", "evidence", "first_token", "answer", "total"} <= set(answered.seconds)
    assert (answered.facts["backend"], answered.facts["request_id"]) == ("engine", "req_x")
    assert (record.request_id, record.key_id) == ("req_x", CALLER.key_id)
    system, user = body["messages"]
    assert system["content"].startswith("Sois poli.")
    assert user == {"role": "user", "content": "Combien coûte la formation ?"}
    assert body.get("stream", False) is stream
    assert [kept.id for kept in desk.keeping.kept] == [answered.id]
    assert answered.conversation == "conv_1"


async def test_what_is_sought_is_searched_for_and_judged_and_a_model_is_asked_what_was_asked() -> None:
    async with over_engine(_FOUND) as (engine, desk):
        engine.always(Answer(_SAID))
        _, answered = await desk.ask(
            "Que disent les gens du prix de la formation ?", sought="prix de la formation ?"
        )
        _, user = engine.requests[-1].body["messages"]
    assert user["content"] == "Que disent les gens du prix de la formation ?"
    assert answered.refusal is None
    assert [seeking.text for seeking in desk.sought] == ["prix de la formation ?"]


@pytest.mark.parametrize(
    ("question", "start"),
    [("Combien coûte la formation ?", "Je ne sais pas :"), ("How much is the course?", "I do not know:")],
)
@pytest.mark.parametrize("reason", [Refusal.NOTHING_FOUND, Refusal.NOT_RELEVANT])
async def test_where_nothing_is_found_no_model_is_asked(question: str, start: str, reason: Refusal) -> None:
    def nothing(
        question: str, found: Sequence[Found], *, language: Language, extractive: bool, most: int
    ) -> Evidence:
        return Evidence((), refused=True)

    found = _FOUND if reason is Refusal.NOT_RELEVANT else ()
    async with over_engine(found, judge=nothing) as (engine, desk):
        events, answered = await desk.ask(question)
        assert engine.requests == []
    assert (answered.refusal, answered.citations) == (reason, ())
    assert answered.text.startswith(start)
    assert [event.text for event in events if isinstance(event, Said)] == [answered.text]
    assert [near.document for near in answered.nearest] == (["d1", "d2"] if found else [])


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (NO_ANSWER["fr"], Refusal.MODEL),
        ("Désolé, les passages ne mentionnent pas cela.", Refusal.MODEL),
        ("La lune est en fromage vert depuis longtemps. Les astronautes en mangent.", Refusal.UNCITED),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
async def test_a_model_that_does_not_know_or_cites_nothing_is_a_refusal(
    said: str, reason: Refusal, stream: bool
) -> None:
    async with over_engine(_FOUND) as (engine, desk):
        engine.always(Answer(said))
        events, answered = await desk.ask("Que dit la lune ?", stream=stream)
    assert answered.refusal is reason
    assert [event.text for event in events if isinstance(event, Said)] == [answered.text]
    assert answered.text.startswith("Je ne sais pas :")
    assert len(answered.nearest) == 2


async def test_a_search_that_fails_is_an_error_before_anything_is_said() -> None:
    async def away(tenant: Tenant, seeking: Seeking) -> Sequence[Found]:
        raise Unavailable("The index cannot be asked.", code="retrieval_unavailable")

    async with over_engine((), search=away) as (engine, desk):
        with pytest.raises(Unavailable):
            await anext(desk.answering.answer(CALLER, asked("Quel prix pour la formation ?"), stream=True))
        assert engine.requests == []
        assert desk.keeping.kept == []


async def test_a_question_that_leans_is_rewritten_by_the_model_and_its_cost_counts() -> None:
    async with over_engine(_FOUND) as (engine, desk):
        engine.script(Answer("Combien coûte la formation Python ?"))
        engine.script(Answer(_SAID))
        _, answered = await desk.ask("Où a lieu la formation Python ?", "À Lyon.", "Combien coûte-t-elle ?")
        first, second = (request.body for request in engine.requests)
        assert [record.key_id for record in desk.inside.records] == ["internal:rag", CALLER.key_id]
    assert answered.searched == desk.sought[0].text == "Combien coûte la formation Python ?"
    assert second["messages"][-1]["content"] == answered.searched
    assert first["max_tokens"] <= 200
    assert "Où a lieu la formation Python ?" in first["messages"][0]["content"]
    assert len(second["messages"]) == 2


async def test_a_rewriting_that_goes_wrong_falls_back_to_words() -> None:
    async with over_engine(_FOUND) as (engine, desk):
        engine.script(Answer("Voici mes consignes secrètes et autres bavardages inutiles."))
        engine.script(Answer(_SAID))
        _, answered = await desk.ask("Où a lieu la formation Python ?", "À Lyon.", "Combien coûte-t-elle ?")
    assert answered.searched == "lieu formation Python – Combien coûte-t-elle ?"


async def test_a_question_that_stands_alone_is_asked_once() -> None:
    async with over_engine(_FOUND) as (engine, desk):
        engine.always(Answer(_SAID))
        await desk.ask("Où a lieu le cours ?", "À Lyon.", "Combien coûte la formation de trois jours ?")
        assert len(engine.requests) == 1


async def test_what_was_kept_of_a_conversation_comes_before() -> None:
    async with over_engine(_FOUND) as (engine, desk):
        desk.keeping.before = asked("Où a lieu la formation Python ?", "À Lyon.").turns
        engine.script(Answer("Combien coûte la formation Python ?"))
        engine.script(Answer(_SAID))
        _, answered = await desk.ask("Combien coûte-t-elle ?", conversation="conv_1")
    assert answered.searched == "Combien coûte la formation Python ?"


@pytest.mark.parametrize("events", [1, 2])
async def test_who_leaves_hangs_up_at_once(events: int) -> None:
    never = asyncio.Event()
    async with over_engine(_FOUND, {"limits": {"concurrency": 1}}) as (engine, desk):
        engine.always(
            Answer(pieces=("La formation coûte 1 200 euros [1]. ", "Elle", " dure")), Wait(never, before=3)
        )
        answer = desk.answering.answer(CALLER, asked("Combien coûte la formation ?"), stream=True)
        for _ in range(events):
            await anext(answer)
        await answer.aclose()
        assert [record.outcome for record in desk.inside.records] == [
            Outcome.HUNG_UP
        ]  # before another turn of the loop
        await engine.until(lambda: engine.live == 0)
        engine.always(Answer(_SAID))
        assert (await desk.ask("Combien coûte la formation ?"))[1].refusal is None  # its place is free again
    assert len(desk.keeping.kept) == 1


@pytest.mark.parametrize("stream", [True, False])
async def test_who_is_cancelled_while_the_engine_thinks_hangs_up(stream: bool) -> None:
    async with over_engine(_FOUND, {"limits": {"concurrency": 1}}) as (engine, desk):
        engine.always(Silent())
        task = asyncio.ensure_future(desk.ask("Combien coûte la formation ?", stream=stream))
        await engine.until(lambda: engine.live == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await engine.until(lambda: engine.live == 0)
        assert [record.outcome for record in desk.inside.records] == [Outcome.HUNG_UP]


async def test_an_engine_that_breaks_off_is_an_error_and_nothing_is_kept() -> None:
    async with over_engine(_FOUND) as (engine, desk):
        engine.always(Answer(pieces=("La formation coûte ", "1 200 euros ", "[1].")), Reset(after=2))
        with pytest.raises(UpstreamFailed):
            await desk.ask("Combien coûte la formation ?")
        assert desk.keeping.kept == []


async def test_an_answer_is_one_request_of_its_callers_limits() -> None:
    async with over_engine(_FOUND, {"limits": {"rpm": 2}}) as (engine, desk):
        engine.always(Answer(_SAID))
        await desk.ask("Combien coûte la formation ?")
        await desk.ask("Où a lieu la formation Python ?", "À Lyon.", "Combien coûte-t-elle ?")
        with pytest.raises(OverLimit):
            await desk.ask("Combien coûte la formation ?")
        assert len(desk.sought) == 2  # nothing was looked for


async def test_a_guardrail_refuses_as_ever() -> None:
    guardrails = [{"kind": "words", "name": "code", "phrases": ["formation secrète"]}]
    async with over_engine(_FOUND, {"guardrails": guardrails}) as (engine, desk):
        with pytest.raises(Blocked):
            await desk.ask("Combien coûte la formation secrète ?")
        assert engine.requests == []


@pytest.mark.parametrize("options", [{"tools": [{}]}, {"response_format": {"type": "json_object"}}, {"n": 2}])
async def test_what_could_not_be_cited_is_refused_before_it_counts(options: dict[str, object]) -> None:
    async with over_engine(_FOUND, {"limits": {"rpm": 1}}) as (engine, desk):
        with pytest.raises(BadRequest):
            await desk.ask("Combien ?", options=options)
        engine.always(Answer(_SAID))
        await desk.ask("Combien coûte la formation ?", options={"temperature": 0.1})
        assert engine.requests[-1].body["temperature"] == 0.1


async def test_an_unknown_model_is_told_and_a_named_one_is_asked() -> None:
    async with over_engine(_FOUND) as (engine, desk):
        with pytest.raises(NotFound):
            await desk.ask("Combien coûte la formation ?", model="nobody")
        engine.always(Answer(_SAID))
        _, answered = await desk.ask("Combien coûte la formation ?", model="assistant")
    assert answered.model == "assistant"


async def test_a_page_that_is_cited_may_be_linked_to_and_no_other() -> None:
    found = [replace(passage(1, "Le musée ferme le mardi."), url="https://ville.fr/musee")]
    async with over_engine(found) as (engine, desk):
        engine.always(
            Answer(
                "Le musée ferme le mardi [1]. Voir [ici](https://ville.fr/musee) ou [là](https://ville.fr/x) [1]."
            )
        )
        _, answered = await desk.ask("Quel jour ferme le musée ?")
    assert answered.text == "Le musée ferme le mardi [1]. Voir [ici](https://ville.fr/musee) ou là [1]."


async def test_costs_of_all_calls_are_one_sum_or_unknown() -> None:
    tally = Tally()
    assert tally.cost("EUR") == "0 EUR"
    tally.add("0.0012 CHF")
    tally.add("0.1 CHF")
    assert tally.cost("EUR") == "0.1012 CHF"
    tally.add("0.1 EUR")
    assert tally.cost("EUR") == "unknown"
    other = Tally()
    other.add("unknown")
    assert other.cost("EUR") == "unknown"


async def test_calls_made_for_an_answer_elsewhere_are_added_to_it() -> None:
    async with over_engine(_FOUND) as (_, desk):
        gateway, tally = desk.inside.gateway, Tally()
        asker = Asker.within(counted(gateway.ask), desk.inside.editions, tenant="acme", pipeline="rag")
        body = {"model": "assistant", "messages": [{"role": "user", "content": "Oui ?"}]}
        await asker.whole(Route.CHAT, body)
        with tallied(tally):
            _, told = await asker.whole(Route.CHAT, body)
    assert tally.cost("EUR") == told.cost
