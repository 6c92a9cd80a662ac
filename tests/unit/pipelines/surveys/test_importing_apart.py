"""The reading process gives what reading here gives, and takes nothing down with it."""

from contextlib import aclosing
from dataclasses import replace

import pytest

from passerelle.domain.errors import BadRequest, Refused
from passerelle.domain.survey_data import Answer, Columns, Tally
from passerelle.pipelines.documents.parsed import Limits
from passerelle.pipelines.surveys.importing import Reading, Rules, open_survey
from passerelle.pipelines.surveys.importing_apart import opened_apart, read_apart
from passerelle.pipelines.surveys.importing_columns import proposed

_FILE = (
    "Date;Formateur;NPS;Note /10;Commentaire\n"
    + "".join(
        f"0{index % 9 + 1}/03/2026;F{index % 3};{index % 11};{index % 10};Le cours {index} était vraiment bien fait.\n"
        for index in range(300)
    )
    + ";;;;\n01/03/2026;X;douze;;=1+1\n"
).encode()


async def test_a_process_of_its_own_reads_as_this_one_does() -> None:
    rules = Rules(key=b"tenant")
    opened = await opened_apart(_FILE, rules)
    columns = proposed(opened.proposals, opened.header)
    here = Reading(_FILE, columns, rules)

    assert opened == open_survey(_FILE, rules)
    assert [item async for item in read_apart(_FILE, columns, rules)] == [*here, here.tally]


async def test_a_file_that_is_no_table_is_refused() -> None:
    with pytest.raises(Refused, match=r"as XLSX .not XLS. or as CSV"):
        await opened_apart(b"%PDF-1.7 " + b"x" * 3_000_000)


async def test_columns_of_another_file_are_refused() -> None:
    opened = open_survey(_FILE)
    columns = proposed(opened.proposals, opened.header)
    wrong = Columns(("a", *columns.header[1:]), columns.columns)

    with pytest.raises(BadRequest, match="headings"):
        [item async for item in read_apart(_FILE, wrong)]


async def test_a_reader_that_takes_too_much_is_ended_and_says_so() -> None:
    opened = open_survey(_FILE)
    columns = proposed(opened.proposals, opened.header)
    rules = Rules(rows=1_000_000, document=replace(Limits(), cpu_seconds=1, seconds=5.0))
    large = _FILE + _FILE.partition(b"\n")[2] * 800

    with pytest.raises(Refused) as refused:
        [item async for item in read_apart(large, columns, rules)]
    assert refused.value.code == "document_too_costly"


async def test_who_stops_early_leaves_no_process_behind() -> None:
    opened = open_survey(_FILE)
    columns = proposed(opened.proposals, opened.header)

    async with aclosing(read_apart(_FILE * 20, columns)) as items:
        first = await anext(items)

    assert isinstance(first, Answer)
    assert not isinstance(first, Tally)
