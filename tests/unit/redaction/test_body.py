"""Requests lose their personal data on every route, and stay what they were otherwise."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest

from passerelle.domain.ask import Ask, Route
from passerelle.domain.errors import BadRequest, Unavailable
from passerelle.domain.privacy import Datum, Redaction, Sent
from passerelle.redaction.redactor import Redacted, Redactor
from tests.unit.redaction.asking import ask_of, redaction, said

MAIL, PHONE = "jean.dupont@laposte.net", "06 12 34 56 78"


async def redact(ask: Ask, rules: Redaction | None = None) -> Redacted | None:
    return await Redactor(rules or redaction()).redact(ask)


async def body_of(ask: Ask, rules: Redaction | None = None) -> dict[str, Any]:
    redacted = await redact(ask, rules)
    assert redacted is not None
    return redacted.body


async def test_a_request_without_personal_data_stays_the_same() -> None:
    assert await redact(said("Quelle est la capitale de l'Australie ?")) is None


async def test_the_same_value_has_the_same_placeholder_throughout_a_conversation() -> None:
    ask = ask_of(
        {
            "messages": [
                {"role": "system", "content": f"Answer {MAIL}."},
                {"role": "user", "content": [{"type": "text", "text": f"I am {MAIL}, {PHONE}"}]},
                {"role": "assistant", "content": f"Hello {MAIL}"},
                {"role": "user", "content": "and a@b.example.fr?"},
            ]
        }
    )
    before = orjson.dumps(ask.body)
    redacted = await redact(ask)
    assert redacted is not None
    messages = redacted.body["messages"]
    assert messages[0]["content"] == "Answer [EMAIL_1]."
    assert messages[1]["content"] == [{"type": "text", "text": "I am [EMAIL_1], [PHONE_1]"}]
    assert messages[2]["content"] == "Hello [EMAIL_1]"
    assert messages[3]["content"] == "and [EMAIL_2]?"
    assert redacted.counts == {"email": 4, "phone": 1}
    assert orjson.dumps(ask.body) == before


async def test_a_name_that_is_introduced_is_found_wherever_it_stands() -> None:
    body = await body_of(said("Anna Petit a écrit. Je m'appelle Anna Petit et Mme Roux le sait. Signé Roux"))
    text = body["messages"][0]["content"]
    assert text == "[NAME_1] a écrit. Je m'appelle [NAME_1] et Mme [NAME_2] le sait. Signé [NAME_2]"


async def test_only_the_wanted_kinds_are_replaced() -> None:
    body = await body_of(said(f"{MAIL} {PHONE}"), redaction(kinds=frozenset({Datum.PHONE})))
    assert body["messages"][0]["content"] == f"{MAIL} [PHONE_1]"


@pytest.mark.parametrize(
    ("field", "left"),
    [(Sent.SYSTEM, (1, 2, 3)), (Sent.USER, (0, 2, 3)), (Sent.ASSISTANT, (0, 1, 3)), (Sent.TOOL, (0, 1, 2))],
)
async def test_only_the_wanted_places_are_looked_at(field: Sent, left: tuple[int, ...]) -> None:
    roles = ("system", "user", "assistant", "tool")
    ask = ask_of({"messages": [{"role": role, "content": MAIL} for role in roles]})
    body = await body_of(ask, redaction(fields=frozenset({field})))
    assert tuple(at for at, message in enumerate(body["messages"]) if message["content"] == MAIL) == left


async def test_arguments_and_results_of_tools_stay_json() -> None:
    arguments = '{ "to":"jean.dupont@laposte.net",\n "siren": 732829320, "n": 1.50, "text": "a\\njean.dupont@laposte.net" }'
    ask = ask_of(
        {
            "messages": [
                {"role": "assistant", "content": None,
                 "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "send", "arguments": arguments}}]},
                {"role": "tool", "tool_call_id": "c1", "content": json.dumps({MAIL: [PHONE, {"nir": 184127645108946}]})},
            ]
        }
    )  # fmt: skip
    body = await body_of(ask)
    written = body["messages"][0]["tool_calls"][0]["function"]["arguments"]
    assert written == '{ "to":"[EMAIL_1]",\n "siren": "[SIREN_1]", "n": 1.50, "text": "a\\n[EMAIL_1]" }'
    assert json.loads(body["messages"][1]["content"]) == {"[EMAIL_1]": ["[PHONE_1]", {"nir": "[NIR_1]"}]}


async def test_a_name_field_holds_no_brackets() -> None:
    body = await body_of(ask_of({"messages": [{"role": "user", "name": "Jean_Dupont", "content": "hi"}]}))
    assert body["messages"][0]["name"] == "NAME_1"


async def test_who_asks_is_left_to_the_pseudonyms_and_labels_are_not() -> None:
    body = await body_of(said("hi", user=MAIL, metadata={"by": MAIL}, stop=[MAIL]))
    assert body["user"] == MAIL
    assert body["metadata"] == {"by": "[EMAIL_1]"}
    assert body["stop"] == ["[EMAIL_1]"]


@pytest.mark.parametrize(
    ("route", "body", "expected"),
    [
        (Route.COMPLETIONS, {"prompt": MAIL, "suffix": MAIL}, {"prompt": "[EMAIL_1]", "suffix": "[EMAIL_1]"}),
        (Route.COMPLETIONS, {"prompt": ["x", MAIL]}, {"prompt": ["x", "[EMAIL_1]"]}),
        (Route.EMBEDDINGS, {"input": MAIL}, {"input": "[EMAIL_1]"}),
        (Route.EMBEDDINGS, {"input": [MAIL, "b@orange.fr"]}, {"input": ["[EMAIL_1]", "[EMAIL_1]"]}),
        (Route.CLASSIFY, {"input": ["b@orange.fr", MAIL]}, {"input": ["[EMAIL_1]", "[EMAIL_1]"]}),
        (
            Route.RERANK,
            {"documents": ["b@orange.fr", {"text": MAIL}], "query": MAIL},
            {"documents": ["[EMAIL_2]", {"text": "[EMAIL_1]"}], "query": "[EMAIL_1]"},
        ),
    ],
)
async def test_every_route_is_read(route: Route, body: dict[str, Any], expected: dict[str, Any]) -> None:
    assert await body_of(ask_of(body, route)) == {"model": "m", **expected}


@pytest.mark.parametrize(
    ("route", "body"),
    [
        (Route.COMPLETIONS, {"prompt": [1, 2, 3]}),
        (Route.EMBEDDINGS, {"input": [[1, 2], [3]]}),
        (Route.CHAT, {"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "x"}}]}]}),
        (Route.CHAT, {"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "x"}}]}]}),
        (Route.CHAT, {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": f"https://x/?m={MAIL}"}}]}]}),
    ],
)  # fmt: skip
async def test_what_cannot_be_read_is_refused(route: Route, body: dict[str, Any]) -> None:
    with pytest.raises(BadRequest) as refused:
        await redact(ask_of(body, route))
    assert refused.value.code == "unredactable"
    assert MAIL not in refused.value.message


async def test_an_image_passes_as_it_is() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    ask = ask_of({"messages": [{"role": "user", "content": [{"type": "text", "text": MAIL}, image]}]})
    assert (await body_of(ask))["messages"][0]["content"][1] == image


async def test_a_recogniser_that_fails_refuses_the_request_and_says_nothing_of_it() -> None:
    def broken(text: str) -> list[Any]:
        raise ValueError(text)

    with pytest.raises(Unavailable) as refused:
        await Redactor(redaction(), broken).redact(said(f"secret {MAIL}"))
    assert refused.value.code == "redaction_failed"
    assert refused.value.__cause__ is None
    assert refused.value.__context__ is None


async def test_nothing_of_a_long_text_is_skipped() -> None:
    body = await body_of(said("mot " * 70_000 + MAIL))
    assert body["messages"][0]["content"].endswith("mot [EMAIL_1]")


async def test_what_a_user_writes_cannot_be_taken_for_a_placeholder() -> None:
    body = await body_of(said(f"[email_1] and \\[Email\\_a7\\] are not {MAIL}"))
    assert body["messages"][0]["content"].endswith("are not [EMAIL_B1]")
    again = await body_of(said(f"[EMAIL_x] is not {MAIL}"))
    assert again["messages"][0]["content"].endswith("[EMAIL_1]")


async def test_text_that_is_full_of_every_placeholder_is_refused() -> None:
    forms = [
        "",
        *(chr(65 + i) for i in range(26)),
        *(chr(65 + i) + chr(65 + j) for i in range(26) for j in range(26)),
    ]
    with pytest.raises(BadRequest):
        await redact(said(MAIL + "".join(f"[EMAIL_{form}1]" for form in forms)))


async def test_ids_of_calls_and_settings_stay_and_ids_of_documents_do_not() -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": MAIL}}
    body = await body_of(
        ask_of({"messages": [{"role": "assistant", "tool_calls": [call]}], "seed": 4111111111111111})
    )
    assert body["messages"][0]["tool_calls"] == [
        {**call, "function": {"name": "f", "arguments": "[EMAIL_1]"}}
    ]
    assert body["seed"] == 4111111111111111
    ranked = await body_of(ask_of({"query": "q", "documents": [{"id": MAIL, "text": "x"}]}, Route.RERANK))
    assert ranked["documents"] == [{"id": "[EMAIL_1]", "text": "x"}]
