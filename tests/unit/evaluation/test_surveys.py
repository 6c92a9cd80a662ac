import json
from pathlib import Path

import pytest

from passerelle.domain.errors import CannotRun
from passerelle.domain.surveys import Polarity
from passerelle.evaluation.surveys_codebook import codebook
from passerelle.evaluation.surveys_data import Item, Kind, read
from passerelle.evaluation.surveys_figures import figures
from passerelle.evaluation.surveys_floor import Neighbours, of_categories
from passerelle.evaluation.surveys_report import headline, lines
from passerelle.evaluation.surveys_run import RANDOM, Library, measure, texts
from passerelle.evaluation.surveys_scores import calibration_error, f1, gained
from tests.unit.pipelines.surveys.lessons import corrections, embed


def written(folder: Path, *, split: str | None = "test") -> Path:
    rows = []
    for place, one in enumerate(corrections()):
        assert one.right
        aspects = [{"category": one.right[0], "sentiment": str(one.right_polarity)}]
        row = {"text": one.text, "aspects": aspects, "sentiment": str(one.right_polarity)}
        rows.append({**row, "split": split if split and place % 4 == 0 else "train"})
    (folder / "survey_absa_small_en.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return folder


def test_what_is_measured_is_never_learned_from(tmp_path: Path) -> None:
    for split, named in (("test", "test"), ("dev", "dev"), (None, "fifth of train")):
        survey = read(written(tmp_path, split=split))[0]
        assert survey.split == named
        assert not {item.text for item in survey.pool} & {item.text for item in survey.test}


@pytest.mark.parametrize(
    ("content", "word"),
    [("{", "line 1"), ('{"text": 1}', "line 1"), ("", "nothing to learn"), ("\xff", "UTF-8")],
)
def test_a_bad_file_is_told_by_name_and_line(tmp_path: Path, content: str, word: str) -> None:
    file = tmp_path / "survey_absa_small_en.jsonl"
    file.write_bytes(content.encode("latin-1"))
    with pytest.raises(CannotRun, match=word):
        read(tmp_path)


def test_a_folder_without_surveys_is_told(tmp_path: Path) -> None:
    with pytest.raises(CannotRun, match="no survey"):
        read(tmp_path)


def test_macro_f1_is_over_what_is_right_somewhere() -> None:
    assert f1([{"a"}, {"a"}, {"c"}], [{"a"}, {"b"}, {"b"}]) == pytest.approx((1 / 3, 1 / 3))
    assert f1([{"a"}], [{"a"}]) == pytest.approx((1.0, 1.0))


def test_a_gain_over_itself_is_none_and_over_chance_is_sure() -> None:
    right = [{"ab"[place % 2]} for place in range(80)]
    worse = [{"a"}] * 80
    none, sure = gained([right], [right], right), gained([right], [worse], right)
    assert (none.mean, none.low, none.high) == (0, 0, 0)
    assert sure.low > 0.3


def test_calibration_error_is_the_distance_from_what_was_said() -> None:
    assert calibration_error([0.8] * 10, [True] * 8 + [False] * 2) == pytest.approx(0)
    assert calibration_error([0.95] * 10, [False] * 10) == pytest.approx(0.95)
    assert calibration_error([], []) == 0


def test_neighbours_vote_and_the_majority_stands_in() -> None:
    corrected = [Item(text, ((label, Polarity.POSITIVE),), None) for text, label in (
        ("cold room", "room"), ("cold chairs in the room", "room"), ("fast pace", "pace"))]  # fmt: skip
    near = Neighbours(corrected, "en", ["the room is cold", "xyzzy"])
    assert near.vote(["the room is cold", "xyzzy"], of_categories) == ["room", "room"]


def test_names_of_course_reviews_have_definitions_in_their_language() -> None:
    book = codebook("x", ["faculty response", "card_arrival"], "fr")
    assert book.ids == ("faculty response", "card_arrival")
    assert "enseignant" in book.categories[0].definition
    assert book.categories[1].name == "card arrival"


def test_a_set_is_measured_from_nothing_to_its_last_correction(tmp_path: Path) -> None:
    survey = read(written(tmp_path))[0]
    assert survey.kind is Kind.ASPECTS
    known = texts(survey)
    import numpy as np

    # Rows turned a little apart, so that comments of one pattern are not taken for duplicates.
    rows = np.asarray(embed(known)) + np.random.default_rng(0).normal(0, 0.06, (len(known), 64))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    curve = measure(survey, Library({text: row for row, text in enumerate(known)}, rows), seeds=(0, 1))
    assert curve.sizes[0] == 0
    measured = {item.text for item in curve.test}
    for run in curve.runs:
        assert not measured & {item.text for item in run.corrections}
    found = figures(curve)
    assert found["quotes_exact"] == 1.0
    assert found["category_macro_f1"] > found["category_random_0_macro_f1"] - 0.05
    assert len({id(run.said) for run in curve.of(RANDOM, 0)}) == 1
    assert "small_en" in "\n".join(lines(curve, found))
    flat = headline("model", {"small_en": found}, (0, 1), seconds=1.0, embedding=0.5)
    assert flat["small_en_category_macro_f1"] == round(found["category_macro_f1"], 4)
    json.dumps(flat)
