"""What may come from the cache, and the first reason why not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from passerelle.cache.answers import unfit
from passerelle.cache.eligible import eligible
from passerelle.domain.ask import Ask, Needs, Route
from passerelle.domain.cache import Caching, Reason, Semantic, Wishes

BOTH = Caching(semantic=Semantic())
QUESTION = "Quelle est la capitale de l'Australie ?"


def _ask(text: object = QUESTION, *, route: Route = Route.CHAT, **body: Any) -> Ask:
    body.setdefault("messages", [{"role": "user", "content": text}])
    return Ask(
        route=route,
        model="chat",
        body=body,
        stream=False,
        wants_usage=False,
        request_id="r",
        needs=Needs(),
        arrived=0.0,
    )


def test_a_plain_question_is_eligible_both_ways() -> None:
    found = eligible(_ask(), BOTH)
    assert (found.exact, found.semantic, found.reason) == (True, True, None)
    assert (found.text, found.language) == (QUESTION, "fr")


def test_a_system_prompt_is_no_history_and_may_name_its_operator() -> None:
    messages = [
        {"role": "system", "content": "Nous sommes Jean et jean@acme.fr"},
        {"role": "user", "content": QUESTION},
    ]
    assert eligible(_ask(messages=messages), BOTH).semantic


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"tools": [{"type": "function"}]}, Reason.TOOLS),
        ({"functions": [{}]}, Reason.TOOLS),
        ({"n": 2}, Reason.MANY),
        ({"n": "2"}, Reason.MANY),
        ({"logprobs": True}, Reason.LOGPROBS),
        ({"logprobs": []}, Reason.LOGPROBS),
        ({"top_logprobs": 2}, Reason.LOGPROBS),
        ({"temperature": 0.7}, Reason.TEMPERATURE),
        ({"temperature": float("nan")}, Reason.TEMPERATURE),
        ({"modalities": ["text", "audio"]}, Reason.IMAGES),
        ({"modalities": 3}, Reason.IMAGES),
        ({"messages": []}, Reason.SHAPE),
        ({"messages": ["x"]}, Reason.SHAPE),
        ({"messages": [{"role": "assistant", "content": "x"}]}, Reason.SHAPE),
        ({"messages": [{"role": "tool", "content": "x"}, {"role": "user", "content": "y"}]}, Reason.TOOLS),
    ],
)
def test_what_the_request_asks_for_can_forbid_it(body: dict[str, Any], reason: Reason) -> None:
    found = eligible(_ask(**body), BOTH)
    assert (found.exact, found.semantic, found.reason) == (False, False, reason)


@pytest.mark.parametrize("temperature", [None, 0, 0.3])
def test_a_low_or_absent_temperature_is_eligible(temperature: float | None) -> None:
    assert eligible(_ask(temperature=temperature), BOTH).exact


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Mon e-mail est jean.dupont@orange.fr, que faire ?", Reason.PERSONAL),
        ("Quel temps fait-il aujourd'hui ?", Reason.FRESH),
        ("What is the latest version of Python?", Reason.FRESH),
        ("What is the weather like in Paris?", Reason.FRESH),
        ("Quel est le cours de la Bourse ?", Reason.FRESH),
        ("Annule ma commande", Reason.ACTION),
        ("Peux-tu annuler ma commande ?", Reason.ACTION),
        ("Bonjour, envoyez-moi la facture.", Reason.ACTION),
        ("Please send the invoice to Paul", Reason.ACTION),
        ("Can you cancel my order?", Reason.ACTION),
        ("?", Reason.SHAPE),
        ("", Reason.SHAPE),
        ([{"type": "image_url", "image_url": {"url": "x"}}], Reason.IMAGES),
        (None, Reason.SHAPE),
        (5, Reason.IMAGES),
    ],
)
def test_what_is_asked_can_forbid_it(text: object, reason: Reason) -> None:
    found = eligible(_ask(text), BOTH)
    assert (found.exact, found.reason) == (False, reason)


@pytest.mark.parametrize(
    "text",
    [
        "Comment annuler ma commande ?",
        "How do I cancel my order?",
        "Can you tell me the capital of Italy?",
        "Peux-tu m'expliquer la photosynthèse ?",
        "Explain how to delete a file",
        "Write a poem about the sea",
        "Qui a inventé le télephone ?",
    ],
)
def test_a_question_about_an_action_is_no_order(text: str) -> None:
    assert eligible(_ask(text), BOTH).semantic


def test_a_tenants_own_words_are_added() -> None:
    own = replace(BOTH, fresh=("Stock",), actions=("fabrique",))
    assert eligible(_ask("Quel est le stock ?"), own).reason is Reason.FRESH
    assert eligible(_ask("Fabrique une pièce"), own).reason is Reason.ACTION
    assert eligible(_ask("Quel est le stock ?"), BOTH).exact


def test_history_and_long_questions_are_for_the_very_same_question_only() -> None:
    turns = [
        {"role": "user", "content": "a b"},
        {"role": "assistant", "content": "c"},
        {"role": "user", "content": "et après ?"},
    ]
    found = eligible(_ask(messages=turns), BOTH)
    assert (found.exact, found.semantic, found.reason) == (True, False, Reason.HISTORY)
    found = eligible(_ask("Pourquoi ? " * 200), BOTH)
    assert (found.exact, found.semantic, found.reason) == (True, False, Reason.LONG)


def test_who_asks_and_what_the_tenant_says_can_forbid_it() -> None:
    assert eligible(replace(_ask(), use="cache-judge"), BOTH).reason is Reason.INTERNAL
    assert eligible(replace(_ask(), route=Route.EMBEDDINGS), BOTH).reason is Reason.ROUTE
    assert eligible(replace(_ask(), wishes=Wishes(keep=False)), BOTH).reason is Reason.UNASKED
    found = eligible(_ask(), Caching())
    assert (found.exact, found.semantic, found.reason) == (True, False, Reason.OFF)


def test_a_completion_is_eligible_with_one_prompt() -> None:
    assert eligible(_ask(route=Route.COMPLETIONS, prompt=QUESTION), BOTH).semantic
    assert eligible(_ask(route=Route.COMPLETIONS, prompt=["Once upon"]), BOTH).exact
    assert eligible(_ask(route=Route.COMPLETIONS, prompt=["a b", "c d"]), BOTH).reason is Reason.MANY
    assert eligible(_ask(route=Route.COMPLETIONS, prompt=[1, 2]), BOTH).reason is Reason.SHAPE


@pytest.mark.parametrize(
    ("message", "finish", "reason"),
    [
        ({"content": "Canberra."}, "stop", None),
        ({"content": "Appelez le 0800 123 456."}, "stop", None),
        ({"content": "Canberra"}, "length", Reason.UNFINISHED),
        ({"content": "Canberra"}, None, Reason.UNFINISHED),
        ({"content": "x", "tool_calls": [{}]}, "tool_calls", Reason.TOOLS),
        ({"content": " "}, "stop", Reason.EMPTY),
        ({"content": None}, "stop", Reason.EMPTY),
        ({"content": "x", "refusal": "no"}, "stop", Reason.REFUSED),
        ({"content": "I’m sorry, but I can't help with that."}, "stop", Reason.REFUSED),
        ({"content": "Désolé, je ne peux pas répondre."}, "stop", Reason.REFUSED),
        ({"content": "En tant qu'IA, je n'ai pas d'avis."}, "stop", Reason.REFUSED),
        ({"content": "Écrivez à jean.dupont@orange.fr"}, "stop", Reason.PERSONAL),
    ],
)
def test_an_answer_is_kept_only_if_it_is_one(
    message: dict[str, Any], finish: str | None, reason: Reason | None
) -> None:
    assert unfit(message, finish) is reason
