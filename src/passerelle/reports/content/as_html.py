"""A job's pieces as one page of HTML, piece by piece: what each field was and what it became, word by word.

Self-contained, in French or English. No script, nothing fetched: the page's own policy forbids both. What is in a text is
text to the page, never markup.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from jinja2 import Environment
from markupsafe import Markup, escape

from passerelle.domain.content import LISTS, ContentJob, Decision, Flaw, Standing, Value, Worked, lined
from passerelle.domain.money import NO_CURRENCY
from passerelle.reports.as_html import environment
from passerelle.reports.content.diffing import Op, changed, diff
from passerelle.reports.content.standing import EVERY, Only, fields_of, source_of, stands, written_of
from passerelle.reports.formats import Formats, Language, printable
from passerelle.reports.html_page import Figure
from passerelle.reports.texts import Texts

SHORT = 90  # characters of a title that is made of a text


@dataclass(frozen=True, slots=True)
class Shown:
    """A field as the page shows it: one of `marked`, `entries` and `text`."""

    name: str
    label: str
    marked: Markup | None
    entries: tuple[tuple[str, str], ...] | None  # ins, del or nothing; and the entry
    text: str
    changes: str
    decision: str
    decided: str
    flaws: tuple[Flaw, ...]
    before: str = ""


class Page:
    """The page of a job in one language; its parts make it whole in the order `head`, every `piece`, `foot`."""

    def __init__(self, language: Language, *, currency: str = "", zone: str = "UTC") -> None:
        self._texts = Texts(language)
        self._language = language
        self._formats = Formats(language, currency or NO_CURRENCY, ZoneInfo(zone))
        self._templates: Environment = environment()

    def head(self, job: ContentJob | None, *, title: str = "", only: Only = "all") -> str:
        """The page up to its first piece. Without a job it is the page of one piece, and `title` is its name."""
        t, f = self._texts, self._formats
        name = printable(title or (job.recipe if job else ""))
        return self._render(
            "content_head.html.j2",
            title=name,
            footer=name,
            lead=t(f"content.lead.{only}"),
            letterhead=self._letterhead(job) if job else [],
            figures=[
                Figure(t(f"content.standing.{standing}"), f.number(job.counts.get(standing, 0)))
                for standing in Standing
                if job.counts.get(standing)
            ]
            if job
            else [],
        )

    def piece(
        self, worked: Worked, *, only: Only = "all", fields: Sequence[str] = EVERY, level: int = 2
    ) -> str:
        """A piece's section, which can stand in a page of somebody else's too."""
        named = (
            fields if only == "all" else [name for name in fields if name == "text" or name in worked.choices]
        )
        there = fields_of(worked, fields)
        shown = [
            self._field(worked, name, only=only)
            for name in named
            if name in there or (only != "all" and name == "text")
        ]
        loose = [
            flaw for flaw in self._flaws(worked, only) if flaw.field not in {each.name for each in shown}
        ]
        return self._render(
            "content_piece.html.j2",
            level=level,
            number=worked.number,
            key=printable(worked.piece.key),
            title=printable(worked.piece.title or _begins(worked.piece.text)),
            standing=worked.standing,
            standing_said=self._texts(f"content.piece.{worked.standing}"),
            engine=printable(worked.written.engine) if worked.written else "",
            offline=bool(worked.written and worked.written.offline),
            fields=shown,
            loose=loose,
            trouble=worked.trouble,
        )

    def foot(self) -> str:
        """The end of the page."""
        return "</main>\n</body>\n</html>\n"

    def _render(self, template: str, **values: object) -> str:
        return self._templates.get_template(template).render(t=self._texts, language=self._language, **values)

    def _letterhead(self, job: ContentJob) -> list[tuple[str, str]]:
        t, f = self._texts, self._formats
        lines = [
            (
                t("content.head.recipe"),
                t("content.head.version", name=printable(job.recipe), version=str(job.version)),
            ),
            (t("content.head.model"), printable(job.model)),
            (t("content.head.made"), f.moment(job.created_at)),
        ]
        if job.currency and job.currency != NO_CURRENCY:
            lines.append((t("content.head.spent"), f.pico(job.spent)))
        if job.budget is not None:
            lines.append((t("content.head.budget"), f.pico(job.budget)))
        return lines

    def _flaws(self, worked: Worked, only: Only) -> tuple[Flaw, ...]:
        return worked.written.flaws if worked.written and only == "all" else ()

    def _field(self, worked: Worked, name: str, *, only: Only) -> Shown:
        t = self._texts
        choice = worked.choices.get(name)
        edited = choice is not None and choice.decision is Decision.EDITED
        value = stands(worked, name) if only == "accepted" or edited else written_of(worked, name)
        before = source_of(worked, name) if only == "all" else None
        if before is None and edited and only == "all":
            before = written_of(worked, name)  # what a person made of what was written
        decision = str(choice.decision) if choice else ""
        marked, changes = None, ""
        entries = None
        if name in LISTS:
            entries = _entries(before, value)
        elif before is not None:
            ops = diff(lined(before), lined(value))
            marked, changes = fragment(ops), self._changes(ops)
        flaws = tuple(flaw for flaw in self._flaws(worked, only) if flaw.field == name)
        text = lined(value)
        if name == "level" and f"content.level.{text}" in t:
            text = t(f"content.level.{text}")
        return Shown(
            name=name,
            label=t(f"content.field.{name}"),
            marked=marked,
            entries=entries,
            text=text,
            changes=changes,
            decision=decision,
            decided=t(f"content.decision.{decision or 'none'}") if only == "all" else "",
            flaws=flaws,
        )

    def _changes(self, ops: Sequence[Op]) -> str:
        gone, new = changed(ops)
        if not gone and not new:
            return self._texts("content.unchanged")
        f = self._formats
        return self._texts("content.changes", new=f.number(new), gone=f.number(gone))


def to_html(
    job: ContentJob,
    pieces: Iterable[Worked],
    *,
    language: Language,
    only: Only = "all",
    fields: Sequence[str] = EVERY,
    zone: str = "UTC",
) -> Iterator[str]:
    """The page of a job in parts."""
    page = Page(language, currency=job.currency, zone=zone)
    yield page.head(job, only=only)
    for worked in pieces:
        yield page.piece(worked, only=only, fields=fields)
    yield page.foot()


def piece_to_html(worked: Worked, *, language: Language, fields: Sequence[str] = EVERY) -> str:
    """The page of one piece."""
    page = Page(language)
    title = worked.piece.title or worked.piece.key
    return page.head(None, title=title) + page.piece(worked, fields=fields) + page.foot()


def fragment(ops: Sequence[Op]) -> Markup:
    """A difference as markup: what is gone in `<del>`, what is new in `<ins>`, all of it escaped."""
    parts: list[Markup] = []
    for op in ops:
        if op.kind == "equal":
            parts.append(escape(op.old))
            continue
        if op.old:
            parts.append(Markup("<del>{}</del>").format(_ends(op.old)))
        if op.new:
            parts.append(Markup("<ins>{}</ins>").format(_ends(op.new)))
    return Markup("").join(parts)


def _ends(text: str) -> str:
    """Where nothing but the end of a line is gone or new, it is seen."""
    return text.replace("\n", "↵\n") if not text.strip() and "\n" in text else text


def _entries(before: Value | None, value: Value | None) -> tuple[tuple[str, str], ...]:
    old, new = _listed(before), _listed(value)
    if before is None:
        return tuple(("", entry) for entry in new)
    gone = tuple(("del", entry) for entry in old if entry not in new)
    return (*(("" if entry in old else "ins", entry) for entry in new), *gone)


def _listed(value: Value | None) -> tuple[str, ...]:
    return () if value is None else (value,) if isinstance(value, str) else value


def _begins(text: str) -> str:
    line = " ".join(text.lstrip("#* \t\n").split("\n", 1)[0].split())
    return line if len(line) <= SHORT else f"{line[: SHORT - 1].rstrip()}…"
