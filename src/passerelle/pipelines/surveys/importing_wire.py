"""Answers, troubles and tallies as they come from the reading process: believed only where they are possible."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from passerelle.domain.survey_data import (
    Answer,
    Column,
    Columns,
    Comment,
    Role,
    RowTrouble,
    Score,
    Tally,
    Trouble,
)
from passerelle.pipelines.surveys.importing import Opened
from passerelle.pipelines.surveys.importing_columns import Proposal


def column_from(said: Mapping[str, Any]) -> Column:
    """A column. Raises KeyError, TypeError or ValueError."""
    return Column(**{**said, "role": Role(said["role"])})


def columns_from(said: Mapping[str, Any]) -> Columns:
    """What every column is. Raises KeyError, TypeError or ValueError."""
    return Columns(tuple(said["header"]), tuple(column_from(each) for each in said["columns"]))


def answer_from(said: Mapping[str, Any]) -> Answer:
    """An answer. Raises KeyError, TypeError or ValueError."""
    return Answer(
        **{
            **said,
            "comments": tuple(Comment(**each) for each in said["comments"]),
            "ratings": {name: Score(**each) for name, each in said["ratings"].items()},
            "day": date.fromisoformat(said["day"]) if said["day"] else None,
        }
    )


def trouble_from(said: Mapping[str, Any]) -> RowTrouble:
    """A trouble. Raises KeyError, TypeError or ValueError."""
    return RowTrouble(**{**said, "trouble": Trouble(said["trouble"])})


def tally_from(said: Mapping[str, Any]) -> Tally:
    """A tally. Raises KeyError, TypeError or ValueError."""
    troubles = {Trouble(name): count for name, count in said["troubles"].items()}
    return Tally(**{**said, "troubles": troubles})


def opened_from(said: Mapping[str, Any]) -> Opened:
    """The beginning of a file. Raises KeyError, TypeError or ValueError."""
    proposals = tuple(
        Proposal(column_from(each["column"]), each["why"], each["filled"], tuple(each["examples"]))
        for each in said["proposals"]
    )
    return Opened(tuple(said["header"]), proposals, said["rows_seen"])
