"""A report says what the answers say, with n and interval, and nothing about fewer than five."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from passerelle.domain.survey_data import Answer
from passerelle.domain.survey_report import Measure
from passerelle.pipelines.surveys.measures import (
    Said,
    actions,
    crosstabs,
    periods,
    score_line,
    scores_of,
    yardstick,
)
from tests.unit.pipelines.surveys.sample import analysed, answers, report


def test_scores_are_those_of_the_answers() -> None:
    of, found = answers(), report()
    nps = [answer.nps for answer in of if answer.nps is not None]
    by_measure = {line.measure: line for line in found.scores}

    assert by_measure[Measure.NPS].estimate.value == pytest.approx(
        (sum(each >= 9 for each in nps) - sum(each <= 6 for each in nps)) / len(nps)
    )
    assert [count for _, count in by_measure[Measure.NPS].counts] == [
        sum(each <= 6 for each in nps), sum(6 < each < 9 for each in nps), sum(each >= 9 for each in nps),
    ]  # fmt: skip
    share = by_measure[Measure.CSAT].share
    assert share is not None
    assert share.value == sum((answer.csat or 0) >= 4 for answer in of) / 200
    assert {line.estimate.n for line in found.scores} == {200}
    assert by_measure[Measure.RATING].name == "Supports"


def test_groups_that_differ_stand_out_and_others_do_not() -> None:
    found = report()
    tab = next(tab for tab in found.crosstabs if (tab.division, tab.measure) == ("Formateur", Measure.NPS))
    places = next(tab for tab in found.crosstabs if (tab.division, tab.measure) == ("Site", Measure.CES))

    assert {row.name: row.stands_out for row in tab.rows} == {"=Roy": True, "Petit": True}
    assert not any(row.stands_out for row in places.rows)
    assert tab.comparisons > 2  # all of its table


def test_a_small_group_is_hidden_with_another_and_no_quote_names_its_place() -> None:
    tabs = [tab for tab in report().crosstabs if tab.division == "Site"]

    for tab in tabs:
        rows = {row.name: row for row in tab.rows}
        assert rows["Brest"].estimate is None
        assert rows["Brest"].n is None
        assert tab.hidden == 2


def test_what_goes_with_low_scores_comes_first() -> None:
    first = report().actions[0]

    assert first.category == "pace"
    assert first.sure
    assert first.gap is not None
    assert first.impact is not None
    assert first.impact.value == pytest.approx(first.negative.value * first.gap.value, rel=0.01)


def test_without_scores_frequency_alone_orders() -> None:
    said = [Said("negative", {"pace": frozenset({"negative"})})] * 8 + [Said("positive", {})] * 8
    bare = [Answer(str(index), index) for index in range(16)]
    found = actions(["pace", "room"], bare, said, yardstick(scores_of(bare), bare))

    assert [(action.category, action.impact) for action in found] == [("pace", None)]
    assert found[0].negative.value == 0.5


def test_under_five_answers_there_is_nothing() -> None:
    found = report(4)

    assert found.too_few
    assert (found.scores, found.crosstabs, found.categories, found.tones) == ((), (), (), {})


def test_quotes_are_of_different_comments_and_word_for_word() -> None:
    texts = {each.comment: each.opinions[0].quote for each in analysed(answers()).values()}

    for line in report().categories:
        assert len({quote.comment for quote in line.quotes}) == len(line.quotes)
        assert all(quote.text in texts for quote in line.quotes)


def test_a_long_survey_goes_by_month_and_a_short_one_by_week() -> None:
    assert report().period == "month"
    assert report(30).period == "week"
    assert periods(answers(2), "week") == ["2026-W01", "2026-W01"]


def test_the_yardstick_is_satisfaction_where_there_is_one() -> None:
    of = answers()

    found = yardstick(scores_of(of), of)
    assert found is not None
    assert found.measure is Measure.CSAT


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10), st.sampled_from(["A", "B", "C", ""])), max_size=40))
def test_shown_groups_hold_at_least_five_and_add_up_with_the_hidden(rows: list[tuple[int, str]]) -> None:
    of = [
        Answer(str(index), index, nps=nps, segments={"g": group}) for index, (nps, group) in enumerate(rows)
    ]
    for scored in scores_of(of):
        line = score_line(scored, of)
        assert (line is None) == (len(of) < 5)
        (tab,) = crosstabs(scored, [scored.of(each) for each in of], {"g": [group for _, group in rows]})
        known = sum(row.n or 0 for row in tab.rows)
        assert all(row.n is None or row.n >= 5 for row in tab.rows)
        assert known == 0 or len(of) - known == 0 or len(of) - known >= 5
