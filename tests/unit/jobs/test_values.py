"""A job's state follows from what was wished and how its items stand; errors say what becomes of an item."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.domain.errors import BadRequest, OverLimit, Unavailable
from passerelle.domain.jobs import JobState, Progress, Wish
from passerelle.jobs.kinds import ItemFailed, Later, judge, pause
from passerelle.jobs.tables import as_json

_COUNTS = st.builds(Progress, *(st.integers(0, 3) for _ in range(5)))


@pytest.mark.parametrize(
    ("progress", "wish", "state"),
    [
        (Progress(queued=2), Wish.RUN, JobState.QUEUED),
        (Progress(queued=1, running=1), Wish.RUN, JobState.RUNNING),
        (Progress(queued=1, done=1), Wish.RUN, JobState.RUNNING),
        (Progress(queued=1, running=1), Wish.PAUSE, JobState.PAUSED),
        (Progress(done=1), Wish.PAUSE, JobState.DONE),
        (Progress(running=1, cancelled=3), Wish.CANCEL, JobState.CANCELLING),
        (Progress(done=1, cancelled=3), Wish.CANCEL, JobState.CANCELLED),
        (Progress(), Wish.RUN, JobState.DONE),
        (Progress(done=2), Wish.RUN, JobState.DONE),
        (Progress(failed=2), Wish.RUN, JobState.FAILED),
        (Progress(done=1, failed=1), Wish.RUN, JobState.PARTLY_FAILED),
    ],
)
def test_a_state_is_one_that_can_be_understood(progress: Progress, wish: Wish, state: JobState) -> None:
    assert progress.state(wish) is state


@given(_COUNTS, st.sampled_from(Wish))
def test_a_job_is_over_exactly_when_no_item_is_outstanding(progress: Progress, wish: Wish) -> None:
    assert progress.state(wish).over == (progress.outstanding == 0)
    assert 0.0 <= progress.fraction <= 1.0
    assert (progress.fraction == 1.0) == (progress.outstanding == 0)


def test_a_refusal_is_final_and_an_outage_is_tried_again_until_the_last_attempt() -> None:
    assert judge(BadRequest("no", code="bad"), attempts=1, most=3).again is None
    assert judge(Unavailable("soon", retry_after=7), attempts=1, most=3).again == 7
    assert judge(Unavailable("soon"), attempts=3, most=3).again is None
    assert judge(ItemFailed("page_broken", "Page 3 cannot be read."), attempts=1, most=3).again is None
    assert judge(ItemFailed("busy", "", retry=True), attempts=2, most=3).again == pause(2)


def test_a_limit_puts_an_item_off_and_is_no_attempt() -> None:
    limited = judge(OverLimit("slowly", retry_after=9.0), attempts=3, most=3)
    later = judge(Later("not now", seconds=4.0), attempts=3, most=3)

    assert (limited.again, limited.counts) == (9.0, False)
    assert (later.again, later.counts) == (4.0, False)
    assert judge(Later("not now"), attempts=1, most=1, delays=99).again == 60.0


def test_the_words_of_a_defect_are_not_repeated() -> None:
    verdict = judge(ValueError("Madame Dupont"), attempts=1, most=1)

    assert verdict.trouble.message == "The item could not be worked on: ValueError."


def test_what_a_json_column_cannot_hold_is_replaced_and_nothing_else() -> None:
    assert as_json({"a": "x\x00y"}) == '{"a":"x\\ufffdy"}'
    assert as_json({"a": "\\u0000"}) == '{"a":"\\\\u0000"}'
    assert as_json({"a": "\\\x00"}) == '{"a":"\\\\\\ufffd"}'
