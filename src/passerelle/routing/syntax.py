"""What the YAML parser says, in words for the person who edits the file. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import yaml


@dataclass(frozen=True, slots=True)
class Told:
    """A syntax error: where (from 1), why, and the way out."""

    cause: str
    cure: str
    line: int | None = None
    column: int | None = None


# What stands in the parser's sentence (libyaml's or PyYAML's own), the cause, the cure, and whether the error is
# where something began rather than where the parser gave up.
_SAID = (
    ("mapping values are not allowed", "A `key: value` stands where none can.", "Indent the line like its neighbours, and quote a value that holds a colon and a space.", False),
    ("expected ',' or '}'", "The { that opens here is not closed, or a comma is missing in it.", "Close it with }, and part its entries with commas.", True),
    ("expected ',' or ']'", "The [ that opens here is not closed, or a comma is missing in it.", "Close it with ], and part its entries with commas.", True),
    ("unexpected end of stream", "The quote that opens here is never closed.", "Close it on the same line.", True),
    ("unexpected document separator", "The quote that opens here is never closed.", "Close it on the same line.", True),
    ("escape", "A backslash in double quotes begins something YAML does not know.", "Use single quotes, in which a backslash is only a backslash.", False),
    ("cannot start any token", "The character {character} cannot begin a value.", "Quote the value.", False),
    ("expected ':'", "The line is neither `key: value` nor an entry of a list.", "Give it a colon and a value, or remove it.", False),
    ("incompatible yaml document", "The file asks for another version of YAML.", "Remove the line that begins with %YAML.", False),
    ("expected node content", "A value is missing before {character}.", "Write the value, or quote {character} if it is one.", False),
    ("expected the node content", "A value is missing before {character}.", "Write the value, or quote {character} if it is one.", False),
    ("expected <block end>", "The line does not fit the block that it stands in.", "Indent it like its neighbours; every line of a list begins with -.", False),
    ("expected key", "The line does not fit the block that it stands in.", "Indent it like its neighbours; every line of a list begins with -.", False),
    ("expected '-' indicator", "The line does not fit the block that it stands in.", "Indent it like its neighbours; every line of a list begins with -.", False),
)  # fmt: skip


def explain_syntax(error: yaml.MarkedYAMLError, text: str) -> Told:
    """Cause and cure of a syntax error."""
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return Told("This is not YAML.", "Compare it with the example file.")
    lines = text.splitlines() or [""]
    row = min(mark.line, len(lines) - 1)
    indent = lines[row][: len(lines[row]) - len(lines[row].lstrip())]
    if "\t" in indent:
        return Told("The line is indented with a tab.", "Use spaces.", row + 1, indent.index("\t") + 1)
    said = (error.problem or "").lower()
    for words, cause, cure, where_it_began in _SAID:
        if words in said:
            begun = error.context_mark if where_it_began and error.context_mark else mark
            character = repr(lines[row][mark.column : mark.column + 1] or "the end of the line")
            return Told(
                cause.replace("{character}", character),
                cure.replace("{character}", character),
                min(begun.line, len(lines) - 1) + 1,
                begun.column + 1,
            )
    return Told(
        f"This is not YAML: {said or 'it cannot be read'}.",
        "Look at the indentation, colons, quotes and brackets of this line and the one above it.",
        row + 1,
        mark.column + 1,
    )
