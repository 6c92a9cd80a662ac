"""Batches become one answer: every input once, in its place, and nothing that was not said."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.backends import ranks
from passerelle.backends import tei_answers as answers
from passerelle.backends.tei_answers import Part
from passerelle.domain.ask import Ask, Needs, Route
from passerelle.domain.errors import Fault, UpstreamFailed

_SCORE = st.floats(0, 1, allow_nan=False)


def _part(document: Any, count: int, tokens: int | None = None) -> Part:
    return Part(document, count, tokens, b"", None)


def _ask(route: Route, **body: Any) -> Ask:
    return Ask(
        route=route,
        model="m",
        body=body,
        stream=False,
        wants_usage=False,
        request_id="r1",
        needs=Needs(),
        arrived=0.0,
    )


@given(st.lists(st.lists(_SCORE, min_size=1, max_size=5), min_size=1, max_size=6), st.randoms())
def test_ranks_of_batches_are_the_scores_of_all_texts_in_order(
    batches: list[list[float]], random: Any
) -> None:
    parts = []
    for batch in batches:
        ranking = [{"index": index, "score": score} for index, score in enumerate(batch)]
        random.shuffle(ranking)
        parts.append(_part(ranking, len(batch)))

    assert answers.scores(parts) == [score for batch in batches for score in batch]


@given(st.lists(_SCORE, min_size=1, max_size=30), st.integers(1, 40) | st.none())
def test_a_ranking_is_sorted_whole_and_stable(scores: list[float], top: int | None) -> None:
    documents = [str(index) for index in range(len(scores))]
    ask = _ask(Route.RERANK, query="q", documents=documents, top_n=top, return_documents=True)

    results = ranks.ranking(ask, scores, model="m", tokens=None)["results"]

    assert len(results) == min(top or len(scores), len(scores))
    ranked = [(-result["relevance_score"], result["index"]) for result in results]
    assert ranked == sorted((-score, index) for index, score in enumerate(scores))[: len(results)]
    assert all(result["document"]["text"] == str(result["index"]) for result in results)


@given(st.lists(st.integers(1, 5), min_size=1, max_size=6), st.data())
def test_embeddings_of_batches_are_numbered_through_and_their_usage_is_summed(
    counts: list[int], data: st.DataObject
) -> None:
    tokens = [data.draw(st.integers(0, 99)) for _ in counts]
    parts = [
        _part(
            {
                "object": "list",
                "model": "e5",
                "data": [
                    {"object": "embedding", "index": index, "embedding": [float(batch), float(index)]}
                    for index in range(count)
                ],
                "usage": {"prompt_tokens": tokens[batch], "total_tokens": tokens[batch]},
            },
            count,
            tokens[batch],
        )
        for batch, count in enumerate(counts)
    ]

    merged = answers.embeddings(parts)

    assert [item["index"] for item in merged["data"]] == list(range(sum(counts)))
    assert [item["embedding"] for item in merged["data"]] == [
        [float(batch), float(index)] for batch, count in enumerate(counts) for index in range(count)
    ]
    assert merged["usage"] == {"prompt_tokens": sum(tokens), "total_tokens": sum(tokens)}
    assert merged["model"] == "e5"


@pytest.mark.parametrize(
    "document",
    [
        [],
        [{"index": 0, "score": 1.0}],
        [{"index": 0, "score": 1.0}, {"index": 0, "score": 1.0}],
        [{"index": 1, "score": 1.0}, {"index": 2, "score": 1.0}],
        [{"index": 0, "score": 1.0}, {"index": 1, "score": 1.0}, {"index": 2, "score": 1.0}],
    ],
)
def test_ranks_for_other_texts_than_were_sent_are_not_understood(document: Any) -> None:
    with pytest.raises(UpstreamFailed) as caught:
        answers.scores([_part(document, 2)])

    assert caught.value.fault is Fault.BROKEN


@pytest.mark.parametrize("document", [[], [[]], [[{"label": "a", "score": 1}], [{"label": "a", "score": 1}]]])
def test_predictions_for_other_inputs_than_were_sent_are_not_understood(document: Any) -> None:
    with pytest.raises(UpstreamFailed) as caught:
        answers.predictions([_part(document, 1)])

    assert caught.value.fault is Fault.BROKEN


def test_usage_is_absent_where_one_batch_was_not_counted() -> None:
    parts = [_part([], 0, 3), _part([], 0, None)]

    assert answers.tokens_of(parts) is None
    assert "usage" not in answers.classification(_ask(Route.CLASSIFY), [], (), model="m", tokens=None)


def test_without_the_models_order_probabilities_stand_by_score() -> None:
    predicted = [{"a": 0.2, "b": 0.5, "c": 0.3}]

    reply = answers.classification(_ask(Route.CLASSIFY), predicted, (), model="m", tokens=4)

    (item,) = reply["data"]
    assert item["probs"] == [0.5, 0.3, 0.2]
    assert [score["label"] for score in item["scores"]] == ["b", "c", "a"]
    assert (item["label"], item["num_classes"]) == ("b", 3)


@pytest.mark.parametrize(
    ("kind", "labels"),
    [
        ({"classifier": {"id2label": {"10": "k", "2": "c", "0": "a"}, "label2id": {}}}, ("a", "c", "k")),
        ({"embedding": {"pooling": "mean"}}, ()),
        ({"classifier": {"id2label": {"x": "a"}}}, ()),
        ("classifier", ()),
        (None, ()),
    ],
)
def test_classes_stand_by_their_number(kind: Any, labels: tuple[str, ...]) -> None:
    assert answers.labels_of({"model_type": kind}) == labels


@pytest.mark.parametrize(
    ("raw", "fault"),
    [
        (b"no json", Fault.BROKEN),
        (b"{}", Fault.BROKEN),
        (b"null", Fault.BROKEN),
        (b'{"error":"Model is overloaded","error_type":"Overloaded"}', Fault.OVERLOADED),
    ],
)
def test_an_answer_that_is_no_list_is_a_failure(raw: bytes, fault: Fault) -> None:
    with pytest.raises(UpstreamFailed) as caught:
        answers.rows(raw)

    assert caught.value.fault is fault
