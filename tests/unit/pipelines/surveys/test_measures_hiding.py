"""No group under the minimum is shown, nor can one be worked out from what is."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from passerelle.pipelines.surveys.measures_hiding import shown

_PRIME = 2**61 - 1  # what fractions make up, whole numbers modulo a prime make up too, and sooner


def _spanned(rows: list[list[int]], wanted: list[int]) -> bool:
    """Whether sums and differences of rows, each any number of times, can make up what is wanted."""
    pivots: list[tuple[int, list[int]]] = []

    def reduced(row: list[int]) -> list[int]:
        for at, pivot in pivots:
            if times := row[at]:
                row = [(a - times * b) % _PRIME for a, b in zip(row, pivot, strict=True)]
        return row

    for row in rows:
        left = reduced(row)
        at = next((index for index, value in enumerate(left) if value), None)
        if at is not None:
            inverse = pow(left[at], -1, _PRIME)
            pivots.append((at, [value * inverse % _PRIME for value in left]))
    return not any(reduced(wanted))


def _vector(groups: list[str], names: set[str]) -> list[int]:
    return [int(group in names) for group in groups]


_DIVISION = st.lists(st.sampled_from("ABCDEF"), min_size=30, max_size=30)


@settings(max_examples=150, deadline=None)
@given(_DIVISION, _DIVISION, _DIVISION)
def test_a_small_group_is_no_sum_or_difference_of_what_is_shown(
    one: list[str], other: list[str], third: list[str]
) -> None:
    divisions = {"one": one, "other": other, "third": third}
    visible = shown(divisions)
    rows = [[1] * 30]
    rows += [_vector(divisions[name], {group}) for name, groups in visible.items() for group in groups]

    for name, groups in divisions.items():
        sizes = Counter(groups)
        assert all(sizes[group] >= 5 for group in visible[name])
        for small in (group for group, size in sizes.items() if size < 5):
            assert not _spanned(rows, _vector(groups, {small}))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("ABCD"), st.sampled_from("xyz")), min_size=1, max_size=60))
def test_sessions_of_a_trainer_are_not_worked_out_from_the_trainer(answers: list[tuple[str, str]]) -> None:
    divisions = {
        "trainer": [trainer for trainer, _ in answers],
        "session": [trainer + session for trainer, session in answers],
    }
    visible = shown(divisions)
    sizes = {name: Counter(groups) for name, groups in divisions.items()}

    rest = len(answers) - sum(sizes["trainer"][group] for group in visible["trainer"])
    assert rest == 0 or rest >= 5 or not visible["trainer"]
    for trainer in visible["trainer"]:
        inside = [group for group in visible["session"] if group.startswith(trainer)]
        rest = sizes["trainer"][trainer] - sum(sizes["session"][group] for group in inside)
        assert not inside or rest == 0 or rest >= 5


def test_one_small_group_takes_the_smallest_other_with_it() -> None:
    groups = ["A"] * 20 + ["B"] * 9 + ["C"] * 3

    assert shown({"site": groups})["site"] == {"A"}


def test_two_small_groups_that_are_five_together_take_nobody() -> None:
    groups = ["A"] * 20 + ["B"] * 9 + ["C"] * 3 + ["D"] * 2

    assert shown({"site": groups})["site"] == {"A", "B"}


def test_too_few_answers_show_nothing() -> None:
    assert shown({"site": ["A"] * 4}) == {"site": frozenset()}
    assert shown({}) == {}
