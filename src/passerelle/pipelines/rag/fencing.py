"""Texts that others wrote, set apart in a prompt: nothing in them can end their fence, hide, or pass for an order.

The mark of a fence is an HMAC-SHA256 under the installation's secret, of the tenant, the collection and the texts
themselves: whoever writes a document cannot know it, and equal texts have the same, so that kept answers are found
again. Beside that, what looks like a fence inside a text is made to look like none. Pure.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import cache

from passerelle.domain.rag import Found, Turn
from passerelle.pipelines.rag.prompts_text import NO_ANSWER, prompt
from passerelle.text.words import Language

TAG = "source"
MARK = 24  # hexadecimal digits: 96 bits
LONGEST_TITLE = 70  # characters; a tag with its attributes stays below two hundred
LONGEST_DOCUMENT = 36
LONGEST_TURN = 1_500  # characters of an earlier turn that a rewriting model is shown
MOST_TURNS = 6

# Seen by nobody though Unicode calls them letters or marks: fillers, joiners, selectors of variants.
_UNSEEN = frozenset(
    (
        0x034F,
        0x115F,
        0x1160,
        0x17B4,
        0x17B5,
        0x2800,
        0x3164,
        0xFFA0,
        *range(0x180B, 0x1810),
        *range(0xFE00, 0xFE10),
    )
)
_UNSEEN_CATEGORIES = frozenset({"Cf", "Cc", "Cs", "Co", "Cn"})
_PLANE_14 = range(0xE0000, 0xF0000)  # tags and further selectors of variants
_FORM = re.compile(rf"[<＜‹〈⟨](?=\s*[/\\]?\s*{TAG}\b)", re.IGNORECASE)
_SPECIAL = re.compile(
    r"<(?=\|)|(?<=\|)>|\[(?=/?INST\])|<(?=</?SYS>>)"
)  # by which chat templates part their turns
_IN_ATTRIBUTE = re.compile(r"[<>\"\n\r\t]+")
_STAND_INS = {"<": "‹", ">": "›", "[": "("}


def visible(text: str) -> str:
    """A text without what a reader does not see: controls, bidi marks, tags, selectors of variants, soft hyphens."""
    if text.isascii() and text.isprintable():
        return text
    return "".join([sign for sign in text if sign in "\n\t" or not unseen(sign)])


@cache
def unseen(sign: str) -> bool:
    """Is a character invisible, or none that texts are written with?"""
    code = ord(sign)
    return code in _UNSEEN or code in _PLANE_14 or unicodedata.category(sign) in _UNSEEN_CATEGORIES


def defused(text: str) -> str:
    """A visible text in which nothing has the form of a fence or of a chat template's marks."""
    text = _FORM.sub("‹", visible(text))
    return _SPECIAL.sub(lambda found: _STAND_INS[found[0]], text)


def mark_of(secret: bytes, parts: Iterable[str]) -> str:
    """The mark of a fence around texts; `parts` begin with whose they are."""
    code = hmac.new(secret, b"rag fence\0", hashlib.sha256)
    for part in parts:
        said = part.encode("utf-8", "replace")
        code.update(len(said).to_bytes(8, "big") + said)
    return code.hexdigest()[:MARK]


def fenced(passages: Sequence[Found], mark: str) -> str:
    """Passages numbered from 1, each with where it comes from, between two lines with the mark."""
    shown = [_element(number, found, mark) for number, found in enumerate(passages, 1)]
    return "\n".join([f"=== {mark} ===", *shown, f"=== {mark} ==="])


def system_of(
    passages: Sequence[Found],
    *,
    secret: bytes,
    tenant: str,
    collection: str,
    language: Language,
    system: str = "",
) -> str:
    """The whole system message: the application's own words first, then the rules, then the passages."""
    parts = [tenant, collection]
    for found in passages:
        chunk = found.chunk
        parts += [chunk.id, chunk.document, chunk.title, str(chunk.page), chunk.text]
    mark = mark_of(secret, parts)
    rules = prompt("answer", language, mark=mark, refusal=NO_ANSWER[language])
    return "\n\n".join(part for part in (system.strip(), rules, fenced(passages, mark)) if part)


def fenced_turns(turns: Sequence[Turn], mark: str) -> str:
    """A conversation as data, the last turns of it, each beginning with who speaks."""
    lines = [f"=== {mark} ==="]
    for turn in turns[-MOST_TURNS:]:
        text = " ".join(defused(turn.text).split())[:LONGEST_TURN].replace(mark, "")
        lines.append(f"{'user' if turn.role == 'user' else 'assistant'} - {text}")
    return "\n".join([*lines, f"=== {mark} ==="])


def _element(number: int, found: Found, mark: str) -> str:
    chunk = found.chunk
    title = _attribute(
        " / ".join(dict.fromkeys(part for part in (chunk.title, *chunk.headings) if part)), LONGEST_TITLE
    )
    page = f' page="{chunk.page}"' if chunk.page is not None else ""
    document = _attribute(chunk.document, LONGEST_DOCUMENT)
    head = f'<{TAG} n="{number}" mark="{mark}" title="{title}"{page} document="{document}">'
    return f"{head}\n{defused(chunk.text).replace(mark, '')}\n</{TAG}>"


def _attribute(text: str, most: int) -> str:
    return " ".join(_IN_ATTRIBUTE.sub(" ", visible(text)).split())[:most]
