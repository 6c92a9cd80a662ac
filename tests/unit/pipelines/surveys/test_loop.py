"""The loop of runs and corrections gains, with a capable model whose errors are known, through everything that stands between.

A person corrects what a run read, the next run shows the model the corrections that are like each comment, and what it got
wrong for want of this company's words it gets right. What nobody corrected stays as it was. Comments are made of sentences
that all of them share and one word that decides: the curve rises only as far as that word is what examples are chosen by.
"""

from __future__ import annotations

import random
from dataclasses import replace
from functools import partial

from passerelle.domain.survey_work import Kept
from passerelle.domain.surveys import Correction, Polarity
from passerelle.evaluation.surveys_scores import f1, gained
from passerelle.pipelines.surveys.memory_choice import Candidate, choose
from passerelle.stores.database import Database
from passerelle.text.words import words
from tests.fakes.surveyor import Means, Surveyor
from tests.unit.pipelines.surveys.run_scene import Scene, Told, with_model

_TRUTH = {
    "sprinted": Means("pace", "negative"),
    "slots": Means("pace", "negative"),
    "marathon": Means("pace", "negative"),
    "breather": Means("pace", "positive"),
    "invoice": Means("price", "negative"),
    "bargain": Means("price", "positive"),
    "token": Means("price", "negative"),
    "voucher": Means("price", "positive"),
    "teacher": Means("trainer", "positive"),
    "captain": Means("trainer", "positive"),
    "slideshow": Means("trainer", "negative"),
    "brilliant idea": Means("trainer", "negative"),  # nobody here means it
}
_BLIND = {
    "sprinted": Means("price", "negative"),
    "slots": Means("trainer", "negative"),
    "marathon": Means("trainer", "positive"),
    "breather": Means("trainer", "positive"),
    "token": Means("pace", "negative"),
    "voucher": Means("pace", "negative"),
    "captain": Means("pace", "positive"),
    "slideshow": Means("price", "negative"),
    "brilliant idea": Means("trainer", "positive"),
}
_SHARED = [
    "We were all there together from the beginning to the end of it on {when} and then it was: {word}.",
    "As far as I am concerned, and I have said so on {when} to those who asked me, {word}.",
    "{word}, that is what I wrote on {when} in the other form which they gave us at the door.",
]
_WHEN = ["Monday", "Tuesday", "Friday", "Sunday", "yesterday", "later", "twice", "early"]


def _comments(seed: int, count: int) -> list[tuple[str, str]]:
    """Comments, each with the word that decides."""
    draw = random.Random(seed)
    found: dict[str, str] = {}
    while len(found) < count:
        word = draw.choice(sorted(_TRUTH))
        text = draw.choice(_SHARED).format(word=word, when=f"{draw.choice(_WHEN)} {draw.randrange(99)}")
        found[text] = word
    return list(found.items())


async def _figures(made: Scene, name: str) -> tuple[list[set[str]], list[set[str]]]:
    """What a run over a survey reads: categories and polarities of each comment."""
    run = await made.read(name)
    assert run.failed == 0
    analysed = [one.analysed for one in await made.runs.readings("acme", name, run.id, most=500)]
    categories = [{label.category for label in one.labels} if one else set() for one in analysed]
    return categories, [{str(one.polarity)} if one else set() for one in analysed]


async def test_a_loop_of_runs_and_corrections_gains(database: Database) -> None:
    told = Told()
    test, train = _comments(1, 30), _comments(2, 50)
    right = [{_TRUTH[word].category} for _, word in test]
    leans = [{_TRUTH[word].polarity} for _, word in test]
    surveyor = Surveyor(_TRUTH, blind=_BLIND)
    curve = {}
    async with with_model(database, surveyor, memory=told) as (made, _):
        await made.codebook()
        await made.survey([text for text, _ in test], name="test")
        for size in (0, 10, 25, 50):
            told.corrections = [_corrected(surveyor, text, word) for text, word in train[:size]]
            curve[size] = await _figures(made, "test")
        told.corrections = [replace(one, revoked=True) for one in told.corrections]
        assert await _figures(made, "test") == curve[0], "what was revoked is shown to nobody"
    micro = {size: f1(said, right)[0] for size, (said, _) in curve.items()}
    macro = {size: f1(said, right)[1] for size, (said, _) in curve.items()}
    sentiment = {size: f1(said, leans)[1] for size, (_, said) in curve.items()}
    knowable = sum(_BLIND.get(word, _TRUTH[word]).category == _TRUTH[word].category for _, word in test)
    assert sum(said == one for said, one in zip(curve[0][0], right, strict=True)) == knowable
    assert abs(micro[0] - knowable / len(test)) < 1e-9, "without corrections exactly its known errors"
    assert list(micro.values()) == sorted(micro.values())
    assert micro[50] > 0.95, micro
    assert macro[0] < macro[10] < macro[25] <= macro[50], macro
    assert macro[50] > 0.95 > macro[0], macro
    assert sentiment[50] > 0.95 > sentiment[0], sentiment
    gain = gained([curve[50][0]], [curve[0][0]], right)
    assert gain.low > 0.1, gain


def _corrected(surveyor: Surveyor, text: str, word: str) -> Correction:
    """What a person makes of what the model says of a comment."""
    said = surveyor.reading(text)["opinions"][0]
    truth = _TRUTH[word]
    wrong = tuple(said["categories"]) if said["categories"] != [truth.category] else ()
    wrong_polarity = Polarity(said["polarity"]) if said["polarity"] != truth.polarity else None
    return Correction(
        text, "en", (truth.category,), wrong, Polarity(truth.polarity), wrong_polarity, codebook=1
    )


def test_a_comment_is_shown_the_corrections_that_share_its_word_and_not_its_sentence() -> None:
    """Why the curve rises: whatever was corrected about a comment's word is among what the model is shown."""
    test, train = _comments(1, 30), _comments(2, 50)
    corrections = [Correction(text, "en", (_TRUTH[word].category,), codebook=1) for text, word in train]
    candidates = [Candidate(Kept(f"cor_{at}", "b", one, at), one) for at, one in enumerate(corrections)]
    knowable = shown = plainly = 0
    for text, word in test:
        if not any(word == other for _, other in train):
            continue
        knowable += 1
        shown += any(word in one.text for one in choose(text, "en", candidates, 4))
        plainly += any(word in one.text for one in sorted(corrections, key=partial(_shared, text))[:4])
    assert knowable > 20
    assert shown == knowable
    assert plainly < 0.8 * knowable, "words that all share say nothing of what it is about"


def _shared(text: str, one: Correction) -> float:
    """The less, the more words they have in common, whatever the words."""
    mine, other = set(words(text)), set(words(one.text))
    return -len(mine & other) / len(mine | other)
