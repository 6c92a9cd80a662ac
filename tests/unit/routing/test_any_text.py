"""Whatever stands in the file, loading it gives findings or a catalog: never an exception, never a secret."""

from __future__ import annotations

import re

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.unit.routing.files import HF_TOKEN, OTHER_TOKEN, SMALL, WHOLE, loaded

_SECRET = "s3cr3t-value-that-must-not-show"
_PIECES = re.findall(r"\s+|[\w./-]+|[^\w\s]", WHOLE)
_INSERTED = st.sampled_from(
    [
        *(
            "\t",
            "'",
            '"',
            "{",
            "}",
            "[",
            "]",
            ":",
            ": ",
            ",",
            "- ",
            "&a ",
            "*a",
            "!x ",
            "<<: ",
            "#",
            "---\n",
            "\n",
        ),
        *(
            "null",
            "true",
            "1e999",
            "9" * 30,
            ".nan",
            "0x10",
            "NO",
            "~",
            "é",
            "\u2028",
            "\ud800",
            "\x00",
            "\ufeff",
        ),
        *(
            "kind",
            "backend",
            "version: 1\n",
            "[[[[",
            "? ",
            "| ",
            "> ",
            "%YAML 1.2\n",
            "@",
            "`",
            "\r",
            " ",
            "\\",
        ),
    ]
)


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """The whole file with a few of its pieces dropped, doubled, swapped or replaced."""
    pieces = list(_PIECES)
    for _ in range(draw(st.integers(1, 4))):
        index = draw(st.integers(0, len(pieces) - 1))
        match draw(st.integers(0, 4)):
            case 0:
                pieces[index] = ""
            case 1:
                pieces[index] *= 2
            case 2:
                pieces.insert(index, draw(_INSERTED))
            case 3:
                pieces[index] = draw(_INSERTED)
            case _:
                other = draw(st.integers(0, len(pieces) - 1))
                pieces[index], pieces[other] = pieces[other], pieces[index]
    return "".join(pieces)


def _check(text: str) -> None:
    outcome = loaded(text)

    assert outcome.exit_code in (0, 1, 2)
    assert (outcome.catalog is None) == bool(outcome.errors)
    lines = len(re.split("\r\n|[\r\n\x85\u2028\u2029]", text))
    for finding in outcome.findings:
        shown = str(finding)
        shown.encode()  # can be printed
        assert "\n" not in shown
        assert HF_TOKEN not in shown
        assert OTHER_TOKEN not in shown
        assert finding.message.endswith((".", "?"))
        assert finding.cure.endswith((".", "?"))
        assert finding.line is None or 1 <= finding.line <= lines


@given(text=st.text(max_size=200))
@example("\ud800")
@example('"\\UFFFFFFFF"')
@example("[" * 100_000)
@example("- " * 100_000)
@example("a: " * 1000)
@example("&a [*a]")
@example("%TAG ! !")
def test_any_text_is_read_or_refused(text: str) -> None:
    _check(text)


@settings(max_examples=300)
@given(text=mutated())
def test_a_file_with_any_slip_is_read_or_refused(text: str) -> None:
    _check(text)


@settings(max_examples=300)
@given(
    place=st.sampled_from(
        ["env:HF_TOKEN", "FR", "self", "tgi", "assistant", "EEA", "chat", "extractive", "client-b"]
    ),
    form=st.sampled_from(
        ["{}", "'{}'", '"{}"', "[{}]", "{{token: {}}}", "!vault {}", "{}: x", "- {}", "{}\n\t", "'{}"]
    ),
)
def test_a_secret_written_where_none_belongs_is_not_echoed_as_a_value(place: str, form: str) -> None:
    text = WHOLE.replace(f"token: {place}", f"token: {form.format(_SECRET)}", 1)
    outcome = loaded(text)

    for finding in outcome.findings:
        assert _SECRET not in str(finding)


@given(secret=st.text(st.characters(min_codepoint=33, max_codepoint=0x17F), min_size=20, max_size=60))
def test_a_secret_of_any_signs_in_the_place_of_a_reference_is_not_echoed(secret: str) -> None:
    for form in (secret, f"'{secret}'", f'"{secret}"', f"[{secret}]", f"!{secret}"):
        for finding in loaded(WHOLE.replace("env:HF_TOKEN", form)).findings:
            assert secret not in str(finding)


@given(value=st.text(max_size=40))
def test_a_secret_of_the_environment_never_shows_whatever_it_is(value: str) -> None:
    shown = {str(finding) for finding in loaded(WHOLE, environment={"HF_TOKEN": f"<<{value}>>"}).findings}

    assert not [line for line in shown if f"<<{value}" in line]


@given(name=st.text(min_size=1, max_size=30))
def test_any_name_of_a_tenant_is_taken_or_refused_at_its_line(name: str) -> None:
    quoted = "'" + name.replace("'", "''") + "'"
    outcome = loaded(SMALL.replace("demo:", f"{quoted}:"))

    assert outcome.catalog is not None or outcome.errors[0].line in (4, 5, None)
