"""Filled schemas are valid, hold nothing that the text does not, and refuse by name what they cannot hold."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from passerelle.backends.builtin.conversation import Turn
from passerelle.backends.builtin.embedder import Embedder
from passerelle.backends.builtin.errors import CannotFill
from passerelle.backends.builtin.reading import read
from passerelle.backends.builtin.schema import fill
from tests.unit.backends.builtin.texts import COURSE_FR, SHOP_EN

REVIEW = "Analyse cet avis : « Le formateur était passionnant, j'ai adoré. La salle était trop petite. »"


def _fill(embedder: Embedder, schema: Any, *turns: str) -> Any:
    return fill(schema, read([Turn("user", turn) for turn in turns]), embedder)


def _object(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def test_labels_lists_and_nested_objects_are_chosen_from_the_text(embedder: Embedder) -> None:
    schema = _object(
        sentiment={"type": "string", "enum": ["positif", "négatif", "neutre"]},
        themes={"type": "array", "items": {"enum": ["salle", "formateur", "prix", "repas"]}},
        detail=_object(langue={"enum": ["en", "fr"]}, version={"const": 2}),
    )

    assert _fill(embedder, schema, REVIEW) == {
        "sentiment": "positif",
        "themes": ["salle", "formateur"],
        "detail": {"langue": "fr", "version": 2},
    }


def test_strings_are_answers_summaries_or_quoted_sentences(embedder: Embedder) -> None:
    schema = _object(answer={"type": "string"}, quote={"type": "string"}, summary={"type": "string"})
    filled = _fill(embedder, schema, f"Context:\n{SHOP_EN}\n\nQuestion: Who founded the company?")

    assert "Anna Schmidt" in filled["answer"]
    assert "Anna Schmidt" in filled["quote"]
    assert filled["quote"] in SHOP_EN
    assert filled["summary"].split("\n")[0] in SHOP_EN


def test_numbers_are_the_texts_or_null_but_never_made_up(embedder: Embedder) -> None:
    prompt = f"Contexte :\n{COURSE_FR}\n\nQuestion : Combien coûte la formation ?"
    schema = _object(
        prix={"type": "integer", "description": "prix de la formation"},
        taux={"type": "number", "description": "pourcentage du prix dû en cas d'annulation"},
        altitude={"type": ["number", "null"], "description": "altitude du sommet"},
    )
    bounded = _object(prix={"type": "integer", "description": "prix de la formation", "maximum": 5})

    assert _fill(embedder, schema, prompt) == {"prix": 1200, "taux": 30, "altitude": None}
    with pytest.raises(CannotFill, match=r"'prix' .* states no such number"):
        _fill(embedder, bounded, prompt)


def test_a_boolean_says_whether_the_text_is_about_it(embedder: Embedder) -> None:
    schema = _object(
        refund={"type": "boolean", "description": "refunds and returned items"},
        weather={"type": "boolean", "description": "weather forecast"},
        is_positive={"type": "boolean"},
    )

    filled = _fill(
        embedder, schema, "I returned the item two weeks ago and still wait for my refund, so disappointing!"
    )
    assert filled == {"refund": True, "weather": False, "is_positive": False}


def test_optional_properties_that_the_text_does_not_state_are_left_out(embedder: Embedder) -> None:
    schema = {"type": "object", "properties": {"answer": {"type": "string"}, "altitude": {"type": "number"}}}

    assert list(_fill(embedder, schema, f"<context>{SHOP_EN}</context>\nWho founded the company?")) == [
        "answer"
    ]


def test_references_and_alternatives_are_followed(embedder: Embedder) -> None:
    schema = {
        "$defs": {"Feeling": {"title": "Feeling", "enum": ["positive", "negative"], "type": "string"}},
        **_object(
            feeling={"$ref": "#/$defs/Feeling"},
            feelings={"type": "array", "minItems": 1, "maxItems": 1, "items": {"$ref": "#/$defs/Feeling"}},
            height={"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None, "title": "Height"},
        ),
    }
    filled = _fill(embedder, schema, "Wonderful, I am so happy with this course!")

    assert filled["feeling"] == "positive"
    assert len(filled["feelings"]) == 1
    assert filled["height"] is None


def test_a_required_answer_says_plainly_that_there_is_none(embedder: Embedder) -> None:
    assert "no language model" in _fill(embedder, _object(answer={"type": "string"}), "Hello")["answer"]


def test_lengths_are_kept_to(embedder: Embedder) -> None:
    prompt = f"<context>{SHOP_EN}</context>\nWho founded the company?"

    short = _fill(embedder, _object(answer={"type": "string", "maxLength": 30}), prompt)["answer"]
    assert short == "The company was founded in"
    with pytest.raises(CannotFill, match="minLength"):
        _fill(embedder, _object(answer={"type": "string", "minLength": 2000}), prompt)


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        (_object(name={"type": "string", "description": "the pilot's hobby"}), "'name' .* no sentence"),
        (_object(answer={"type": "boolean"}), "'answer' .* a yes or no to a question needs a language model"),
        (_object(code={"type": "string", "pattern": "^a+$"}), "'code' .* uses 'pattern'"),
        (_object(day={"type": "string", "format": "date"}), "uses 'format'"),
        (
            _object(rows={"type": "array", "items": _object(a={"type": "string"})}),
            "'rows' .* an array of such items",
        ),
        (_object(a={"allOf": [{}]}), "uses 'allOf'"),
        (_object(a={"oneOf": [{"type": "string"}, {"type": "string"}]}), "may overlap"),
        (_object(a={"anyOf": [{"type": "string"}], "type": "string"}), "combines 'anyOf'"),
        (_object(a={"$ref": "#/nowhere"}), "points to nothing"),
        ({"$ref": "#"}, "circle"),
        (_object(a={"enum": []}), "'enum' is malformed"),
        (_object(a={"type": "text"}), "'type' is malformed"),
        (_object(a={"type": "integer", "enum": ["x", "y"]}), "allows no value"),
        (_object(a={"type": "array", "minItems": -1}), "'minItems' is malformed"),
        (_object(a=False), "allows nothing"),
        ({"type": "object", "required": ["b"], "additionalProperties": False}, "'b' .* allows nothing"),
        ({"properties": {"a": {"$ref": "#"}}, "required": ["a"]}, "too deep"),
    ],
)
def test_what_cannot_be_filled_honestly_is_refused_by_name(
    embedder: Embedder, schema: Any, reason: str
) -> None:
    with pytest.raises(CannotFill, match=reason):
        _fill(embedder, schema, "<context>The train left at noon.</context>\nWhen did the train leave?")


_WORDS = st.sampled_from(["red", "blue", "positive", "negative", "yes", "no", "fr", "en", "a b", "é"])
_LEAVES = st.one_of(
    st.lists(st.one_of(_WORDS, st.none(), st.integers(0, 30)), min_size=1, max_size=4).map(
        lambda e: {"enum": e}
    ),
    st.builds(
        lambda least, more: {"type": "string", "minLength": least, "maxLength": least + more},
        st.integers(0, 20),
        st.integers(0, 60),
    ),
    st.builds(
        lambda low, size, kind: {"type": kind, "minimum": low, "maximum": low + size},
        st.integers(-5, 30),
        st.integers(0, 100),
        st.sampled_from(["integer", "number"]),
    ),
    st.sampled_from(
        [{"type": "boolean"}, {"type": "null"}, {"type": ["string", "null"]}, {"const": "x"}, {}, True]
    ),
    st.builds(
        lambda words, least: {
            "type": "array",
            "items": {"enum": words},
            "minItems": least,
            "uniqueItems": True,
        },
        st.lists(_WORDS, min_size=1, max_size=4, unique=True),
        st.integers(0, 3),
    ),
    st.builds(
        lambda most: {"type": "array", "items": {"type": "string"}, "maxItems": most}, st.integers(0, 4)
    ),
)
_NAMES = st.sampled_from(["answer", "summary", "quote", "price", "language", "opinion", "is_red"])


def _objects(parts: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.dictionaries(_NAMES, parts, max_size=4).flatmap(
        lambda properties: st.sets(st.sampled_from(sorted(properties)) if properties else st.nothing()).map(
            lambda required: {"type": "object", "properties": properties, "required": sorted(required)}
        )
    )


@given(
    _objects(
        st.one_of(_LEAVES, _objects(_LEAVES), _LEAVES.map(lambda leaf: {"anyOf": [leaf, {"type": "null"}]}))
    )
)
@settings(max_examples=60, deadline=None)
def test_whatever_is_filled_is_valid(embedder: Embedder, schema: Any) -> None:
    prompt = "<context>The red boat costs 12 euros. It is wonderful!</context>\nHow much is the boat?"
    try:
        value = _fill(embedder, schema, prompt)
    except CannotFill:
        return

    assert _valid(value, schema), (value, schema)


def _valid(value: Any, schema: Any) -> bool:
    """A validator of its own, of the keywords that these tests use."""
    if schema is True:
        return True
    if "anyOf" in schema:
        return any(_valid(value, option) for option in schema["anyOf"])
    if "enum" in schema and not any(value == e and type(value) is type(e) for e in schema["enum"]):
        return False
    if "const" in schema and value != schema["const"]:
        return False
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    python: dict[str, Any] = {
        "object": dict, "array": list, "string": str, "integer": int, "number": (int, float), "boolean": bool,
        "null": type(None),
    }  # fmt: skip
    fits = [
        k for k in kinds if isinstance(value, python[k]) and not (k != "boolean" and isinstance(value, bool))
    ]
    if kinds and not fits:
        return False
    if isinstance(value, str):
        return bool(schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", 10**9))
    if isinstance(value, list):
        fewest, most = schema.get("minItems", 0), schema.get("maxItems", 10**9)
        unique = not schema.get("uniqueItems") or len(set(value)) == len(value)
        return (
            fewest <= len(value) <= most
            and unique
            and all(_valid(v, schema.get("items", True)) for v in value)
        )
    if isinstance(value, dict):
        return set(schema.get("required", [])) <= set(value) and all(
            _valid(v, schema.get("properties", {}).get(k, True)) for k, v in value.items()
        )
    if isinstance(value, int | float) and not isinstance(value, bool):
        return bool(schema.get("minimum", -1e18) <= value <= schema.get("maximum", 1e18))
    return True
