"""The shape of a text: headings, lists, tables, tags and what does not belong into a text."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from passerelle.domain.content import Form
from passerelle.pipelines.enrichment.checks_reading import FENCE, PLACEHOLDER, TAG

_HEADING = re.compile(r"^[ \t]{0,3}(#{1,6})[ \t]+\S", re.MULTILINE)
_UNDERLINED = re.compile(r"^[ \t]{0,3}[^\s#>|*+-][^\n]{0,300}\n[ \t]{0,3}(={3,}|-{3,})[ \t]*$", re.MULTILINE)
_ITEM = re.compile(r"^[ \t]*(?:[-*+•–]|\d{1,3}[.)])[ \t]+\S", re.MULTILINE)
_ROW = re.compile(r"^[ \t]*\|.{0,2000}\|[ \t]*$", re.MULTILINE)
_RULE = re.compile(r"^[ \t]*\|(?:[ \t]*:?-+:?[ \t]*\|)+[ \t]*$")
_BOLD = re.compile(
    r"\*\*[^*\n]{1,300}\*\*|(?<!\w)__[^_\n]{1,300}__(?!\w)|^```|^#{1,6} +\S[^\n]{0,60}|\[[^\[\]\n]{1,100}\]\([^()\s]{1,300}\)",
    re.MULTILINE,
)
_MARKED_UP = re.compile(
    r"</?(?:p|b|i|strong|em|ul|ol|li|h[1-6]|div|span|br|a|table|tr|td)\b[^<>]{0,300}>", re.IGNORECASE
)
_VOID = frozenset(
    ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"]
)
_LOOSE = frozenset(
    ["p", "li", "td", "th", "tr", "thead", "tbody", "tfoot", "option", "dt", "dd", "colgroup"]
)  # may be left open
_UNSAFE_TAG = re.compile(
    r"<\s*/?\s*(?:script|iframe|object|embed|form|meta|link|base|style|applet|frame|frameset)\b[^<>]{0,100}>?",
    re.IGNORECASE,
)
_UNSAFE = re.compile(
    r"(?<![\w-])on[a-z]{3,20}\s*=\s*(?=[\"'\w])[\"']?[^\"'<>\s]{0,40}|javascript\s*:|vbscript\s*:|data\s*:\s*text/html|srcdoc\s*=",
    re.IGNORECASE,
)


def headings(text: str, form: Form) -> list[int]:
    """The levels of the headings, in order."""
    if form is Form.HTML:
        return [
            int(found[1][1])
            for found in TAG.findall(text)
            if not found[0] and re.fullmatch(r"[hH][1-6]", found[1])
        ]
    if form is Form.PLAIN:
        return []
    text = FENCE.sub("\n", text)
    found = [(each.start(), len(each.group(1))) for each in _HEADING.finditer(text)]
    found += [(each.start(), 1 if each.group(1)[0] == "=" else 2) for each in _UNDERLINED.finditer(text)]
    return [level for _, level in sorted(found)]


def items(text: str, form: Form) -> int:
    """How many list items there are."""
    if form is Form.HTML:
        return sum(not close and name.lower() == "li" for close, name, _ in TAG.findall(text))
    return len(_ITEM.findall(FENCE.sub("\n", text)))


def tables(text: str, form: Form) -> list[tuple[int, int]]:
    """Rows and columns of each table, its headings counted as a row."""
    if form is Form.HTML:
        return _html_tables(text)
    found: list[tuple[int, int]] = []
    rows, columns, end = 0, 0, -1
    for row in _ROW.finditer(FENCE.sub("\n", text)) if form is Form.MARKDOWN else ():
        if row.start() != end + 1 and rows:
            found.append((rows, columns))
            rows = columns = 0
        end = row.end()
        if not _RULE.fullmatch(row.group()):
            rows += 1
            columns = max(
                columns, len(re.sub(r"\\\||`[^`]*`", "", row.group()).strip().strip("|").split("|"))
            )
    return [*found, (rows, columns)] if rows else found


def _html_tables(text: str) -> list[tuple[int, int]]:
    found: list[list[int]] = []
    cells = 0
    for close, name, _ in TAG.findall(text):
        tag = name.lower()
        if tag == "table" and not close:
            found.append([0, 0])
        elif found and tag == "tr" and not close:
            found[-1][0] += 1
            cells = 0
        elif found and tag in {"td", "th"} and not close:
            cells += 1
            found[-1][1] = max(found[-1][1], cells)
    return [(rows, columns) for rows, columns in found]


def unbalanced(text: str) -> list[str]:
    """Tags that are opened and not closed, or closed and not opened."""
    open_now: list[str] = []
    wrong: list[str] = []
    for close, name, rest in TAG.findall(text):
        tag = name.lower()
        if tag in _VOID or rest.rstrip().endswith("/"):
            continue
        if not close:
            open_now.append(tag)
        elif tag in open_now:
            while (last := open_now.pop()) != tag:
                if last not in _LOOSE:
                    wrong.append(f"<{last}>")
        else:
            wrong.append(f"</{tag}>")
    return [*wrong, *(f"<{tag}>" for tag in open_now if tag not in _LOOSE)]


def unsafe(text: str) -> Counter[str]:
    """What runs when a page is opened."""
    found = Counter(re.sub(r"\s+", " ", each.lower()) for each in _UNSAFE_TAG.findall(text))
    for each in TAG.findall(text):
        found.update(one.lower() for one in _UNSAFE.findall(each[2]))
    found.update(
        one.lower()
        for one in re.findall(r"\]\(\s*(?:javascript|vbscript|data):[^)\s]{0,40}", text, re.IGNORECASE)
    )
    return found


def markup(text: str) -> list[str]:
    """Marks of Markdown and HTML in a text that is to have none."""
    return [
        *_BOLD.findall(text),
        *(each for each in _MARKED_UP.findall(text) if not PLACEHOLDER.fullmatch(each)),
    ]


def more(one: Counter[str], other: Counter[str]) -> list[str]:
    """What there is more of in the one than in the other."""
    return list(one - other)


def shown(levels: Iterable[object]) -> str:
    """A list of figures for a sentence; a dash for none."""
    written = [f"{each[0]}×{each[1]}" if isinstance(each, tuple) else str(each) for each in levels]
    return (", ".join(written[:20]) + (" …" if len(written) > 20 else "")) or "–"
