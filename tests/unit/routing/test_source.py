"""YAML as YAML 1.2 means it, with the place of every key, by either parser."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from passerelle.domain.errors import Finding
from passerelle.routing import source
from passerelle.routing.source import Source, read_source, version_of


@pytest.fixture(params=[yaml.CSafeLoader, yaml.SafeLoader], ids=["libyaml", "python"])
def _parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "_PARSER", request.param)


def _read(text: str) -> Source:
    read = read_source(text, file="f.yaml")
    assert isinstance(read, Source), read
    return read


def _value(word: str) -> object:
    return _read(f"key: {word}\n").data["key"]


def _wrong(text: str) -> Finding:
    read = read_source(text, file="f.yaml")
    assert isinstance(read, Finding), read
    return read


@pytest.mark.parametrize(
    "word", ["NO", "no", "Yes", "on", "OFF", "y", "12:30", "2025-11-21", "1_000", "0x", "1.2.3", "=", "~x"]
)
def test_what_only_yaml_1_1_takes_for_something_else_is_text(word: str) -> None:
    assert _value(word) == word


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("true", True),
        ("FALSE", False),
        ("7", 7),
        ("-7", -7),
        ("+7", 7),
        ("007", 7),
        ("0o17", 15),
        ("0x1F", 31),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("'7'", "7"),
        ('"true"', "true"),
    ],
)
def test_the_core_words_of_yaml_1_2_have_their_values(word: str, value: object) -> None:
    read = _value(word)

    assert read == value
    assert type(read) is type(value)


@given(
    st.dictionaries(
        st.text("abcXYZ09._-", min_size=1, max_size=8),
        st.recursive(
            st.booleans()
            | st.integers(-(10**16), 10**17)
            | st.floats(allow_nan=False, allow_infinity=False)
            | st.text("abc: #'\"[]{}é,&*!%@", max_size=8),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.text("ab", min_size=1, max_size=3), inner, max_size=3)
            ),
            max_leaves=8,
        ),
        min_size=1,
        max_size=4,
    )
)
def test_what_a_yaml_writer_writes_is_read_back(data: dict[str, object]) -> None:
    assert _read(yaml.safe_dump(data, allow_unicode=True)).data == data


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused_with_one_finding(text: str) -> None:
    read = read_source(text, file="f.yaml")

    assert isinstance(read, Source) or (read.severity == "error" and read.message and read.cure and read.file)


@given(st.text("ab:-[]{},&*!|>'\"#%@`?\n \t~<", max_size=60))
def test_any_mixture_of_signs_is_read_or_refused_at_a_line_that_exists(text: str) -> None:
    read = read_source(text, file="f.yaml")
    if isinstance(read, Finding) and read.line is not None:
        assert 1 <= read.line <= text.count("\n") + 1


@pytest.mark.usefixtures("_parser")
@pytest.mark.parametrize(
    ("text", "line", "cause"),
    [
        ("a: 1\n\tb: 2\n", 2, "tab"),
        ("a:\n  - x\n\t- y\n", 3, "tab"),
        ("a: b: c\n", 1, "`key: value` stands where none can"),
        ("a: 1\nb: [1, 2\nc: 3\n", 2, "The [ that opens here"),
        ("a: 1\nb: {c: 1\n", 2, "The { that opens here"),
        ("a: 1\nb: 'x\n", 2, "quote that opens here"),
        ('a: 1\nb: "x\nc: 2\n', 2, "quote that opens here"),
        ("- a\nb: 2\n", 2, "does not fit the block"),
        ("a:\n  b: 1\n c: 2\n", 3, "does not fit the block"),
        ("a: 1\nb: @x\n", 2, "'@' cannot begin a value"),
        ("a: 1\nb: %x\n", 2, "'%' cannot begin a value"),
        ('a: 1\nb: "\\q"\n', 2, "backslash"),
        ("a: 1\nb: }\n", 2, "A value is missing before '}'"),
        ("a: 1\nb: 2\njust text\n", 3, "neither `key: value` nor"),
        ("%YAML 2.0\n---\na: 1\n", 1, "another version of YAML"),
        ("a: 1\n---\nb: 1\n", 2, "second document"),
        ("a: *x\n", 1, "alias names nothing"),
        ("a: &x [*x]\n", 1, "alias stands inside"),
        ("? [a]\n: b\n", 1, "key is a list"),
        ("a: 1\na: 2\n", 2, "twice, first in line 1"),
    ],
)
def test_a_syntax_error_is_told_in_words_at_its_line(text: str, line: int, cause: str) -> None:
    wrong = _wrong(text)

    assert (wrong.line, cause in wrong.message) == (line, True), wrong
    assert wrong.cure


@pytest.mark.parametrize("nothing", ["", "~", "null", "Null", "NULL"])
def test_a_key_without_a_value_is_refused_unless_it_is_a_tenants_name(nothing: str) -> None:
    assert _read(f"tenants:\n  acme: {nothing}\n").data == {"tenants": {"acme": None}}
    for text, name in (
        (f"a: 1\nb: {nothing}\n", "`b`"),
        (f"\ntenants: {{acme: {{policy: {nothing}}}}}\n", "`tenants.acme.policy`"),
    ):
        wrong = _wrong(text)
        assert (wrong.rule, wrong.line, wrong.message) == ("C06", 2, f"{name} has no value.")


def test_a_colon_without_a_space_is_recognised() -> None:
    assert _wrong("tenants: {acme: {degraded:true}}\n").cure == "Put a space after the colon."


def test_every_path_has_its_place_and_an_unknown_one_the_nearest_above() -> None:
    read = _read("a:\n  b:\n    - x\n    - {c: 1}\n")

    assert read.place(("a",)) == (1, 1)
    assert read.place(("a", "b")) == (2, 3)
    assert read.place(("a", "b", 1)) == (4, 7)
    assert read.place(("a", "b", 1, "c")) == (4, 8)
    assert read.place(("a", "b", 1, "c", "deeper")) == (4, 8)
    assert read.place(("nowhere",)) is None


def test_what_an_alias_brings_stands_where_the_alias_stands() -> None:
    read = _read("a: &x {c: 1}\nb: *x\n")

    assert read.data == {"a": {"c": 1}, "b": {"c": 1}}
    assert read.place(("b", "c")) == (2, 1)


def test_keys_are_text_whatever_they_look_like() -> None:
    assert _read("42: a\nno: b\ntrue: c\n").data == {"42": "a", "no": "b", "true": "c"}
    assert "twice" in _wrong('42: a\n"42": b\n').message


def test_aliases_may_be_used_in_bounds() -> None:
    text = "a: &x [1, 2, 3]\n" + "".join(f"b{n}: *x\n" for n in range(1000))

    assert _read(text).data["b999"] == [1, 2, 3]


@pytest.mark.parametrize("escape", [r"\r\n", r"\n", r"\0", r"\x7f", r"\u2028", r"\x1b"])
def test_no_value_smuggles_in_a_line_break_or_a_control_character(escape: str) -> None:
    wrong = _wrong(f'a: 1\nb: "x{escape}X-Injected: y"\n')

    assert wrong.line == 2
    assert "line break or a control character" in wrong.message


def test_a_byte_order_mark_is_no_part_of_the_text() -> None:
    assert _read("\ufeffversion: 1\n").data == {"version": 1}


def test_a_finding_never_quotes_a_value() -> None:
    secret = "hf_ThisIsASecret"
    for text in (
        f'token: "{secret}',
        f"token: {secret}: x",
        f"token: !{secret}",
        f"token: [{secret}",
        f"token: @{secret}",
        f"token: *{secret[:3]}",
    ):
        wrong = _wrong(text)
        assert secret not in f"{wrong.message} {wrong.cure}"


def test_the_version_is_twelve_digits_of_the_text() -> None:
    assert version_of("a") == "ca978112ca1b"
    assert version_of("a") != version_of("a ")
