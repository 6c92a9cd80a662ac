"""A text as the checks read it: what it says to people, apart from its markup, addresses, code and placeholders."""

from __future__ import annotations

import html
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass

from passerelle.domain.content import Form

_SPACES = str.maketrans(
    {"\u00a0": " ", "\u202f": " ", "\u2009": " ", "’": "'", "ʼ": "'", "\u2011": "-", "−": "-"}
)
_FLAT = str.maketrans(
    {
        chr(code): (unicodedata.normalize("NFKD", chr(code).lower())[:1] or " ")
        for code in (*range(0x41, 0x5B), *range(0xC0, 0x180))
        if chr(code).isalpha()
    }
    | {"œ": "o", "Œ": "o", "æ": "a", "Æ": "a", "ø": "o", "Ø": "o", "ß": "s", "ł": "l", "Ł": "l"}
)

FENCE = re.compile(
    r"^[ \t]{0,3}(`{3,}+|~{3,}+)[^\n]*+\n(.*?)(?:^[ \t]{0,3}\1[`~]*[ \t]*$|\Z)", re.MULTILINE | re.DOTALL
)
INLINE = re.compile(r"(?<!`)(`{1,2})(?!`)([^`\n]{1,300})\1(?!`)")
CODE = re.compile(r"<(pre|code)\b[^<>]{0,500}>(.*?)</\1\s*>", re.IGNORECASE | re.DOTALL)
TAG = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9-]{0,40})((?:\s[^<>]{0,4000})?)>")
_UNSEEN = re.compile(r"<(script|style)\b[^<>]{0,500}>.*?</\1\s*>", re.IGNORECASE | re.DOTALL)
_FLOWING = frozenset(
    [
        "a",
        "abbr",
        "b",
        "bdi",
        "cite",
        "code",
        "em",
        "i",
        "kbd",
        "mark",
        "q",
        "s",
        "small",
        "span",
        "strong",
        "sub",
        "sup",
        "time",
        "u",
        "var",
    ]
)
PLACEHOLDER = re.compile(
    r"\{\{[^{}\n]{1,80}\}\}|\$\{[^{}\n]{1,80}\}|\{[A-Za-z_][\w.]{0,60}\}|\{\d{1,2}\}"
    r"|(?<!\d)%\(\w{1,40}\)[sdif]|(?<![\d%])%[sd](?!\w)|<[A-Za-z][\w.-]{0,40} ?/>"
)
_VOID = frozenset(
    ["br", "hr", "img", "input", "wbr", "source", "track", "col", "area", "embed", "meta", "link"]
)
URL = re.compile(r"(?:https?://|ftp://|(?<![\w.@/])www\.)[^\s<>\"'`\\^{}|\[\]]{2,2000}", re.IGNORECASE)
MAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,4}")
TARGET = re.compile(
    r"(!?)\[([^\[\]\n]{0,500})\]\(<?([^\s()<>]{1,2000}(?:\([^\s()<>]{0,200}\))?)>?(?:\s+[\"'][^\"'\n]{0,300}[\"'])?\)"
)
ATTRIBUTE = re.compile(r"\b(href|src)\s*=\s*(?:\"([^\"<>]{0,2000})\"|'([^'<>]{0,2000})')", re.IGNORECASE)
_EMPHASIS = re.compile(
    r"\*{1,3}|(?<!\w)_{1,2}(?=\w)|(?<=\w)_{1,2}(?!\w)|^[ \t]{0,3}#{1,6}[ \t]|^[ \t]{0,3}>[ \t]?|\|",
    re.MULTILINE,
)
NUMBERED = re.compile(r"^[ \t]*(\d{1,3})[.)](?=[ \t])", re.MULTILINE)


def flat(text: str) -> str:
    """Lower case, without accents, each character in its place."""
    return text.lower().translate(_FLAT) if len(text.lower()) == len(text) else text.translate(_FLAT)


def evened(text: str) -> str:
    """With plain spaces and apostrophes, each character in its place."""
    return text.translate(_SPACES)


@dataclass(frozen=True, slots=True)
class Reading:
    """A text, read once. `plain` has neither markup nor anything that is not language; `flat` is it, folded."""

    raw: str
    plain: str
    flat: str
    urls: frozenset[str]
    mails: frozenset[str]
    links: Counter[str]  # targets of links that are no addresses: paths, anchors
    images: Counter[str]
    placeholders: Counter[str]
    code: tuple[str, ...]  # blocks, in order
    spans: Counter[str]  # code within a line
    numbered: tuple[int, ...]  # the numbers of a list's items


def read(text: str, form: Form) -> Reading:
    """A text in its form."""
    rest = text
    code: list[str] = []
    spans: Counter[str] = Counter()
    links: Counter[str] = Counter()
    images: Counter[str] = Counter()
    if form is Form.MARKDOWN:
        code += [found[1].strip() for found in FENCE.findall(rest)]
        rest = FENCE.sub("\n", rest)
        spans.update(found[1].strip() for found in INLINE.findall(rest))
        rest = INLINE.sub(" ", rest)
        for mark, _, target in TARGET.findall(rest):
            (images if mark else links)[target] += 1
        rest = TARGET.sub(lambda found: f" {found.group(2)} ", rest)
    elif form is Form.HTML:
        rest = _UNSEEN.sub(" ", _uncommented(rest))
        code += [html.unescape(found[1]).strip() for found in CODE.findall(rest)]
        rest = CODE.sub(" ", rest)
    if form is not Form.PLAIN:
        for name, one, other in ATTRIBUTE.findall(rest):
            (images if name.lower() == "src" else links)[html.unescape(one or other)] += 1
    placeholders = Counter(
        re.sub(r"\s+", " ", found) for found in PLACEHOLDER.findall(rest) if not _void(found)
    )
    rest = PLACEHOLDER.sub(" ", rest)
    if form is not Form.PLAIN:
        rest = TAG.sub(lambda found: " " if found.group(2).lower() in _FLOWING else "\n", rest)
        rest = html.unescape(rest)
    urls = {_clean(found) for found in URL.findall(rest)} | {one for one in links if "://" in one}
    rest = URL.sub(" ", rest)
    found_mails = MAIL.findall(rest) if "@" in rest else []
    mails = {found.rstrip(".").lower() for found in found_mails}
    mails |= {one[7:].partition("?")[0].lower() for one in links if one.lower().startswith("mailto:")}
    rest = MAIL.sub(" ", rest) if found_mails else rest
    links = Counter(
        {
            one: count
            for one, count in links.items()
            if "://" not in one and not one.lower().startswith("mailto:")
        }
    )
    numbered = tuple(int(found) for found in NUMBERED.findall(rest))
    rest = NUMBERED.sub(" ", rest)
    plain = evened(_EMPHASIS.sub(_gap, rest) if form is Form.MARKDOWN else rest)
    return Reading(
        raw=text, plain=plain, flat=flat(plain), urls=frozenset(urls), mails=frozenset(mails), links=links,
        images=images, placeholders=placeholders, code=tuple(code), spans=spans, numbered=numbered,
    )  # fmt: skip


def _void(found: str) -> bool:
    name = re.match(r"<([A-Za-z]+)", found)
    return name is not None and name.group(1).lower() in _VOID


def _uncommented(text: str) -> str:
    """Without comments; in one pass, however many are begun."""
    kept: list[str] = []
    at = 0
    while (start := text.find("<!--", at)) >= 0 and (end := text.find("-->", start)) >= 0:
        kept.append(text[at:start])
        at = end + 3
    return " ".join([*kept, text[at:]])


def _clean(url: str) -> str:
    url = url.rstrip(".,;:!?…»*_")
    while url.endswith(")") and url.count(")") > url.count("("):
        url = url[:-1].rstrip(".,;:!?…»")
    return url


def _gap(found: re.Match[str]) -> str:
    return "\n" if found.group().strip(" \t").startswith(("#", ">", "|")) else ""
