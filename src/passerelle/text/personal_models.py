"""Which models of names are installed. Loads nothing, and fetches nothing: what is not here is not used."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec

# spaCy's packages with a recogniser of people (spacy.io/models), the better ones first.
MODELS: Mapping[str, tuple[str, ...]] = {
    "fr": ("fr_core_news_lg", "fr_core_news_md", "fr_core_news_sm"),
    "en": ("en_core_web_lg", "en_core_web_md", "en_core_web_sm"),
}
LIBRARY = "presidio_analyzer"


def installed() -> dict[str, str]:
    """The best model of each language that is installed."""
    found = {}
    for language, names in MODELS.items():
        name = next((name for name in names if find_spec(name) is not None), None)
        if name is not None:
            found[language] = name
    return found


def missing() -> tuple[str, str] | None:
    """Why names cannot be found by a model here, and the cure; None where they can."""
    if find_spec(LIBRARY) is None:
        return "Presidio is not installed here", "Install the extra `presidio`, or say `names: form`."
    if not installed():
        wanted = " or ".join(names[1] for names in MODELS.values())
        return (
            "Presidio has no model of names here, and none is ever fetched at run time",
            f"Install one of spaCy's packages beside it, {wanted}, or say `names: form`.",
        )
    return None
