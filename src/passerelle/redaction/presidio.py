"""Names of people by a model: Presidio over spaCy's models that are installed. Imported when a tenant needs it.

Nothing is fetched at run time: models are loaded by name from what is installed, and of Presidio's recognisers only the
one that reads the model's own findings is used. Every text is read by the model of each language.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import Any

from passerelle.domain.errors import Unavailable
from passerelle.domain.privacy import Datum
from passerelle.text.personal import Found
from passerelle.text.personal_models import installed, missing
from passerelle.text.personal_reading import joined

WINDOW, OVERLAP = 20_000, 400  # characters: models need memory by the length of a text
_PERSON = "PERSON"
_PARTS = ("parser", "lemmatizer", "senter")  # of a model, that find no names

Analyse = Callable[[str, str], list[tuple[int, int]]]  # of a text in a language: where people are named


def open_names(models: Mapping[str, str] | None = None) -> Callable[[str], list[Found]]:
    """Finds people in a text of any length. `models`: spaCy's package or folder for each language.

    Raises Unavailable where there is none.
    """
    lacking = missing() if models is None else None
    if lacking is not None:
        raise Unavailable(f"{lacking[0]}. {lacking[1]}", code="redaction_failed")
    chosen = dict(models if models is not None else installed())
    analyse = _engine(chosen)
    turn = threading.Lock()  # a model's parts are not said to be safe for two threads at once

    def find(text: str) -> list[Found]:
        spans: list[Found] = []
        for begin, window in windows(text):
            for language in chosen:
                with turn:
                    people = analyse(window, language)
                spans += [
                    Found(Datum.NAME, begin + start, begin + end)
                    for first, last in people
                    for start, end in _lines(window, first, last)
                ]
        return joined(spans)

    return find


def windows(text: str) -> Iterator[tuple[int, str]]:
    """Pieces of a text and where each begins; what stands across an end stands whole in the next one."""
    for begin in range(0, max(1, len(text) - OVERLAP), WINDOW - OVERLAP):
        yield begin, text[begin : begin + WINDOW]


def _lines(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """A name line by line, without space around it: models take a line's end for a space in a name."""
    for line in text[start:end].splitlines(keepends=True):
        stripped = line.strip()
        if stripped:
            begin = start + line.index(stripped)
            yield begin, begin + len(stripped)
        start += len(line)


def _engine(models: Mapping[str, str]) -> Analyse:
    # The extra `presidio`: seconds to import, and its types are there only where it is.
    spacy: Any = import_module("spacy")
    presidio: Any = import_module("presidio_analyzer")
    engines: Any = import_module("presidio_analyzer.nlp_engine")
    recognizers: Any = import_module("presidio_analyzer.predefined_recognizers")
    languages = list(models)
    engine = engines.SpacyNlpEngine([{"lang_code": each, "model_name": models[each]} for each in languages])
    # Loaded by us: its own way fetches a model that is not there.
    engine.nlp = {each: spacy.load(models[each], exclude=list(_PARTS)) for each in languages}
    registry = presidio.RecognizerRegistry(
        recognizers=[
            recognizers.SpacyRecognizer(supported_language=each, supported_entities=[_PERSON])
            for each in languages
        ],
        supported_languages=languages,
    )
    analyzer = presidio.AnalyzerEngine(registry=registry, nlp_engine=engine, supported_languages=languages)

    def analyse(text: str, language: str) -> list[tuple[int, int]]:
        return [(each.start, each.end) for each in analyzer.analyze(text, language, entities=[_PERSON])]

    return analyse
