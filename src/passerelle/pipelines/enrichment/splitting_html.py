"""The blocks of an HTML text: whole elements, and the tags of those that are too long and have to be opened. Pure.

Read by its tags alone, as forgivingly as browsers do: what is never closed ends with what it stands in.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from passerelle.pipelines.enrichment.splitting_spans import Block


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_TOKEN = re.compile(
    r"(?P<far><!--|<!\[CDATA\[)|<![^<>]{0,1000}>|<\?[^<>]{0,1000}>"
    r"|<(?P<close>/)?(?P<name>[A-Za-z][A-Za-z0-9:-]{0,40})"
    r"(?P<rest>(?:\s(?:[^<>\"']|\"[^\"]{0,1000}\"|'[^']{0,1000}')*+)?+/?)>",
)
_DEEPEST = 200  # elements inside of each other; a tag that is deeper is text
_VOID = _set("area base br col embed hr img input link meta param source track wbr")
_RAW = _set("script style textarea title")
# Never opened: half of one is none.
_WHOLE = _set(
    "table pre code script style svg math select textarea title head h1 h2 h3 h4 h5 h6 a button iframe video audio "
    "picture object dl figure"
)
_IMPLIED = {"p": frozenset({"p"}), "li": frozenset({"li"}), "dt": frozenset({"dt", "dd"}),
            "dd": frozenset({"dt", "dd"}), "tr": frozenset({"tr", "td", "th"}), "td": frozenset({"td", "th"}),
            "th": frozenset({"td", "th"}), "option": frozenset({"option"})}  # fmt: skip
_INLINE = _set(
    "a abbr b bdi bdo br cite code data dfn em i img input kbd label mark q s samp small span strong sub sup time u "
    "var wbr font button"
)


@dataclass(slots=True)
class _Node:
    """An element, or a stretch of text where `name` is empty: `[start, end)`, its inside `[inner, outer)`."""

    name: str
    start: int
    inner: int
    outer: int = 0
    end: int = 0
    children: list[_Node] = field(default_factory=list)


def html_blocks(text: str, most: int) -> Iterator[Block]:
    """Its blocks in order; joined, they are the text."""
    root = _read(text)
    yield from _blocks(text, root.children, most)


def _blocks(text: str, nodes: list[_Node], most: int) -> Iterator[Block]:
    run = ""  # text and tags of a line that stand beside each other
    for node in nodes:
        said = text[node.start : node.end]
        if not node.name or (node.name in _INLINE and (node.name in _WHOLE or len(said) <= most)):
            run += said
            continue
        if run:
            yield Block(run)
            run = ""
        if _heading(node.name):
            yield Block(said, level=int(node.name[1]), whole=True)
        elif len(said) <= most or node.name in _WHOLE or not node.children:
            yield Block(said, whole=True)
        else:
            yield Block(text[node.start : node.inner], glue=True)
            yield from _blocks(text, node.children, most)
            if node.outer < node.end:
                yield Block(text[node.outer : node.end], glue=True)
            else:
                yield Block("", glue=True)
    if run:
        yield Block(run)


def _heading(name: str) -> bool:
    return len(name) == 2 and name[0] == "h" and name[1] in "123456"


def _read(text: str) -> _Node:
    """The tree of a text. Every character is in one leaf, or in the tags of one element."""
    root = _Node("", 0, 0)
    stack, far = [root], _Far(text)
    at = 0
    while found := _TOKEN.search(text, at):
        _add_text(stack[-1], at, found.start())
        name = (found["name"] or "").lower()
        at = found.end()
        if not name:
            at = far.behind("-->" if found["far"] == "<!--" else "]]>", at) if found["far"] else at
            _add_text(stack[-1], found.start(), at)
        elif found["close"]:
            _close(stack, name, found)
        elif name in _VOID or found["rest"].endswith("/"):
            stack[-1].children.append(_Node(name, found.start(), at, at, at))
        elif len(stack) > _DEEPEST:
            _add_text(stack[-1], found.start(), at)
        else:
            at = _open(stack, name, found, far)
    _add_text(stack[-1], at, len(text))
    while stack:
        _end(stack.pop(), len(text), len(text))
    return root


class _Far:
    """Where far ends are; one that there is not is looked for once."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._none: set[str] = set()

    def behind(self, mark: str, at: int) -> int:
        """Behind the next such mark; `at` where there is none."""
        place = -1 if mark in self._none else self._text.find(mark, at)
        if place < 0:
            self._none.add(mark)
            return at
        return place + len(mark)

    def closing(self, name: str, at: int) -> re.Match[str] | None:
        """The closing tag of an element that holds nothing but text."""
        if name in self._none:
            return None
        found = re.compile(rf"</{name}\s*>", re.IGNORECASE).search(self._text, at)
        if found is None:
            self._none.add(name)
        return found


def _open(stack: list[_Node], name: str, found: re.Match[str], far: _Far) -> int:
    if stack[-1].name in _IMPLIED.get(name, ()):
        _end(stack.pop(), found.start(), found.start())
    node = _Node(name, found.start(), found.end())
    stack[-1].children.append(node)
    if name not in _RAW:
        stack.append(node)
        return found.end()
    closing = far.closing(name, found.end())
    if closing is None:
        _end(node, node.inner, node.inner)
        return found.end()
    _add_text(node, node.inner, closing.start())
    _end(node, closing.start(), closing.end())
    return closing.end()


def _close(stack: list[_Node], name: str, found: re.Match[str]) -> None:
    depth = next((i for i in range(len(stack) - 1, 0, -1) if stack[i].name == name), None)
    if depth is None:  # it closes nothing
        _add_text(stack[-1], found.start(), found.end())
        return
    while len(stack) - 1 > depth:
        _end(stack.pop(), found.start(), found.start())
    _end(stack.pop(), found.start(), found.end())


def _end(node: _Node, outer: int, end: int) -> None:
    node.outer, node.end = outer, end


def _add_text(node: _Node, start: int, end: int) -> None:
    if start < end:
        node.children.append(_Node("", start, end, end, end))
