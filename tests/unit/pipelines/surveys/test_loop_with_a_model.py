"""With a capable model the loop must gain: shown with a scripted model, whose errors are known.

It follows instructions but does not know this company's words: it takes every complaint about `links` for the room, and
every one about `slots` for the trainer, unless an example of the like is shown to it. The examples are the corrections of
nearest comments, which is what service gives to a model.
"""

from __future__ import annotations

import random

import numpy as np

from passerelle.domain.surveys import Correction
from passerelle.evaluation.surveys_scores import f1, gained
from tests.unit.pipelines.surveys.lessons import embed

_TRUTH = {"links": "material", "slots": "pace", "teacher": "trainer", "chairs": "room"}
_BLIND = {"links": "room", "slots": "trainer"}  # what it says instead
_DAYS = (
    "Monday",
    "Tuesday",
    "Friday",
    "the first day",
    "the last day",
    "week two",
    "week three",
    "module four",
)


def comments(seed: int, count: int) -> list[tuple[str, str]]:
    draw = random.Random(seed)
    words = sorted(_TRUTH)
    return [
        (f"On {draw.choice(_DAYS)} the {word} were not good, number {draw.randrange(9999)}", _TRUTH[word])
        for word in (draw.choice(words) for _ in range(count))
    ]


def scripted(comment: str, examples: list[Correction]) -> str:
    """The model: it copies an example about the same thing, and errs by its rules without one."""
    word = next(one for one in _TRUTH if one in comment)
    for example in examples:
        if word in example.text and example.right:
            return example.right[0]
    return _BLIND.get(word, _TRUTH[word])


def examples_for(comment: str, stored: list[Correction], count: int = 4) -> list[Correction]:
    """The nearest corrections; of equally near ones those that were wrong before."""
    if not stored:
        return []
    near = np.asarray(embed([one.text for one in stored])) @ np.asarray(embed([comment])[0])
    wrong = np.asarray([0.05 * bool(one.wrong) for one in stored])
    return [stored[at] for at in np.argsort(-(near + wrong), kind="stable")[:count]]


def test_the_loop_gains_what_the_model_gets_wrong_and_no_more() -> None:
    test = comments(1, 120)
    right = [{truth} for _, truth in test]
    curve = []
    for size in (0, 2, 8, 40):
        stored: list[Correction] = []
        for text, truth in comments(2, 40)[:size]:
            answer = scripted(text, [])
            stored.append(
                Correction(text, "en", right=(truth,), wrong=() if answer == truth else (answer,), codebook=1)
            )
        curve.append([{scripted(text, examples_for(text, stored))} for text, _ in test])
    micro = [f1(said, right)[0] for said in curve]
    knowable = sum(next(one for one in _TRUTH if one in text) not in _BLIND for text, _ in test) / len(test)
    assert abs(micro[0] - knowable) < 1e-9, "without corrections exactly its known errors"
    assert micro == sorted(micro)
    assert micro[-1] > 0.95
    assert gained([curve[-1]], [curve[0]], right).low > 0.1


def test_a_correction_that_was_revoked_is_shown_to_nobody() -> None:
    text, truth = next(one for one in comments(3, 50) if "links" in one[0])
    stored = [Correction(text, "en", right=(truth,), wrong=("room",), revoked=True)]
    assert scripted(text, examples_for(text, [one for one in stored if not one.revoked])) == "room"
