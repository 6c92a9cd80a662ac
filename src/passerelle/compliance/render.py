"""Templates as Markdown. What comes from files is text to it, never markup; what is missing is an error or a visible gap."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from jinja2 import FileSystemLoader, StrictUndefined, TemplateError
from jinja2.sandbox import SandboxedEnvironment

from passerelle.compliance.estate_processors import Processor
from passerelle.compliance.words import Words
from passerelle.domain.errors import CannotRun

_SPECIAL: Final = re.compile(r"[\\|*\[\]`#]|(?<!\w)_|_(?!\w)")
_UNFIT: Final = re.compile(r"[^a-z0-9]+")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]+")


class Raw(str):
    """Markdown that we made ourselves: put out as it is."""

    __slots__ = ()


def escaped(value: Any) -> str:
    """A value inside a line or a cell: one line, and nothing in it is markup."""
    if isinstance(value, Raw):
        return value
    text = _CONTROL.sub(" ", str(value))
    text = text.replace("&", "&amp;").replace("<", "&lt;")
    return _SPECIAL.sub(lambda found: f"\\{found[0]}", text)


def code(value: Any) -> Raw:
    """Set as code; a tick would end it."""
    text = _CONTROL.sub(" ", str(value)).replace("`", "'").replace("|", "\\|")
    return Raw(f"`{text}`")


def address(value: str) -> Raw:
    """An address on the web."""
    return Raw("<" + re.sub(r"[<>|\s]", "", value) + ">")


def slug(text: str) -> Raw:
    """As the name of a kept block; two texts have never the same."""
    plain = text.lower()
    fit = _UNFIT.sub("-", plain).strip("-")
    return Raw(fit if fit == plain else f"{fit}-{hashlib.sha256(text.encode()).hexdigest()[:6]}")


class Templates:
    """The templates of one language. Folders that come first go before the others, file by file."""

    def __init__(self, folders: Sequence[Path], words: Words) -> None:
        self._words = words
        environment = SandboxedEnvironment(
            loader=FileSystemLoader([folder / words.language for folder in folders]),
            autoescape=False,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
            finalize=escaped,
        )
        environment.filters |= _filters(words)
        self._environment = environment

    def render(self, name: str, values: Mapping[str, Any]) -> str:
        """A document, typeset, with one line break at its end. Raises CannotRun for a template that is wrong."""
        try:
            text = self._environment.get_template(name).render(values)
        except TemplateError as error:
            line = getattr(error, "lineno", None)
            where = f"{self._words.language}/{name}" + (f":{line}" if line else "")
            cure = "Mend it, or remove it so that the shipped one is taken."
            raise CannotRun(f"The template {where} cannot be rendered: {error.message}.", cure) from error
        text = re.sub(r"\n{3,}", "\n\n", re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE))
        return self._words.typeset(text).strip() + "\n"


@lru_cache(maxsize=8)
def templates_of(folders: tuple[Path, ...], language: str) -> Templates:
    """Those of some folders, compiled once; a file that changes is read again."""
    return Templates(folders, Words(language))


def _filters(words: Words) -> dict[str, Any]:
    def filled(value: Any, what: str) -> Any:
        return value or Raw(f"**{words.gap(what)}**")

    def known(value: Any) -> Any:
        return value or words.known["unknown"]

    def said(value: Mapping[str, Any]) -> Any:
        """What is said by language: in this one, else in the other."""
        return value.get(words.language) or next(iter(value.values()), "")

    def called(party: Processor) -> Any:
        """Its name; of one that somebody else chooses, that."""
        return words.called(party.name, unnamed=party.unnamed)

    def several(ids: Sequence[str], group: str) -> str:
        """Words for each of them; whole clauses are parted by semicolons."""
        parted = {"fr": " ; ", "en": "; "}[words.language] if group == "open" else ", "
        return parted.join(words.word(group, each) for each in ids)

    def measure(id: str) -> Raw:  # noqa: A002
        return Raw(words.word("measures", id))

    return {
        "capitalized": lambda text: type(text)(text[:1].upper() + text[1:]),
        "slug": slug,
        "code": code,
        "address": address,
        "filled": filled,
        "known": known,
        "said": said,
        "measure": measure,
        "country": words.country,
        "day": words.day,
        "days": words.days,
        "months": lambda number: words.count(int(number), "month"),
        "hours": lambda number: words.count(int(number), "hour"),
        "span": words.span,
        "label": words.label,
        "kept": lambda each: Raw(words.kept(each)),
        "ends": lambda each: Raw(words.ends(each)),
        "truth": words.truth,
        "word": lambda each, group: words.word(group, each),
        "words": several,
        "called": called,
    }
