"""One value is found in what models really say, and none where it could be read in two ways."""

from __future__ import annotations

import pytest

from passerelle.pipelines.models.outcome import Reason
from passerelle.pipelines.models.reading import NoValue, read, unthought

_VALUE = {"ville": "Orléans"}
_JSON = '{"ville": "Orléans"}'


@pytest.mark.parametrize(
    "said",
    [
        _JSON,
        f"\ufeff  {_JSON}\n",
        f"```json\n{_JSON}\n```",
        f"```\n{_JSON}\n```\nVoilà !",
        f"~~~json\n{_JSON}\n~~~",
        f"```json {_JSON}```",
        f"```json\n{_JSON}",
        f"Voici le JSON :\n\n```json\n{_JSON}\n```\n",
        f"```json\n{_JSON}\n```\nThe same again:\n```json\n{_JSON}\n```",
        f"Voici : {_JSON} J'espère que cela convient.",
        f"<think>Peut-être {{'a': 1}} ?</think>\n{_JSON}",
        f"<think>a</think><think>b</think>{_JSON}",
        f"je réfléchis { {1} }</think>{_JSON}",
        f"<THINKING>x</THINKING>```json\n{_JSON}\n```",
    ],
)
def test_fences_thoughts_and_words_around_it_are_taken_off(said: str) -> None:
    value, text = read(said)

    assert value == _VALUE
    assert text.strip() == _JSON


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("", Reason.EMPTY),
        ("<think>je réfléchis encore", Reason.EMPTY),
        ("Je ne sais pas.", Reason.NOT_JSON),
        ('{"ville": "Orl', Reason.NOT_JSON),
        ('[{"ville": "Orléans"}, {"ville": "To', Reason.NOT_JSON),
        ('{"a": {"ville": "Orléans"}, "b": ', Reason.NOT_JSON),
        ("{'a': {\"b\": 1}}", Reason.NOT_JSON),
        ('{"a": 1, "a": 2}', Reason.NOT_JSON),
        ('{"a": NaN}', Reason.NOT_JSON),
        ('{"a": "\\ud800"}', Reason.NOT_JSON),
        ("[" * 5_000 + "]" * 5_000, Reason.NOT_JSON),
        ('{"a": 1} or {"a": 2}', Reason.SEVERAL),
        ('```\n{"a": 1}\n```\n```\n{"a": 2}\n```', Reason.SEVERAL),
    ],
)
def test_what_is_cut_or_can_be_read_in_two_ways_is_no_value(said: str, reason: Reason) -> None:
    with pytest.raises(NoValue) as caught:
        read(said)

    assert caught.value.reason is reason


@pytest.mark.parametrize(
    "said",
    [
        "```json\n" + " " * 400_000,
        "```json\n" + "\n" * 400_000,
        "<think></think>" * 30_000,
        "```\n~~~\n" * 50_000,
        "[1] " * 100_000,
        "{" * 400_000,
    ],
)
def test_a_model_in_a_loop_costs_no_more_than_reading_what_it_said(said: str) -> None:
    try:
        value, _ = read(said)
    except NoValue:
        return
    assert value == [1]


def test_a_value_may_quote_the_end_of_a_thought() -> None:
    said = '{"mot": "</think>"}'

    assert unthought(said) == said
