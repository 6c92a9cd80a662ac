"""A report as one page of HTML: self-contained, in French or English, for screens of any width and for A4.

No script, nothing fetched: the page's own policy forbids both. What is in the report is text to it, never markup.
"""

from __future__ import annotations

import re
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from passerelle.reports.build_amounts import rounded_slices
from passerelle.reports.document import SCHEMA, Report
from passerelle.reports.formats import Formats, Language, printable
from passerelle.reports.html_closing import corrections, energy, methods, prices, total
from passerelle.reports.html_opening import answer, budgets, figures, letterhead, notices, progress
from passerelle.reports.html_page import Page, Rounding
from passerelle.reports.html_tables import break_even, breakdowns, capacity, elsewhere, used_share
from passerelle.reports.texts import Texts

_CODE = re.compile(r"`([^`]+)`")


def to_html(report: Report, *, language: Language, rounded: Rounding | None = None) -> str:
    """The page. `rounded` rounds the lines of a table; without it, by largest remainder to the currency's decimals.

    Raises ValueError where the lines of a dimension cannot be made to add up to the total.
    """
    texts = Texts(language)
    page = Page(
        report,
        Formats(language, report.currency, ZoneInfo(report.time_zone)),
        texts,
        rounded or rounded_slices,
    )
    energy_figures, energy_said = energy(page)
    month = page.formats.month(report.month)
    return environment().get_template("report.html.j2").render(
        t=texts,
        language=language,
        schema=SCHEMA,
        month=month,
        who=page.owner(),
        operator=printable(report.operator),
        footer=" · ".join(filter(None, (printable(report.operator), page.owner(), month))),
        letterhead=letterhead(page),
        answer=answer(page),
        notices=notices(page),
        figures=figures(page),
        progress=progress(page),
        budgets=budgets(page),
        breakdowns=breakdowns(page),
        capacity=capacity(page),
        used_share=used_share(page),
        elsewhere=elsewhere(page),
        break_even=break_even(page),
        energy_figures=energy_figures,
        energy_said=energy_said,
        total=total(page),
        corrections=corrections(page),
        prices=prices(page),
        methods=methods(page),
    )  # fmt: skip


def environment() -> Environment:
    """Templates of this room: everything is escaped, and a name that is missing is an error."""
    environment = Environment(
        loader=PackageLoader("passerelle.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["prose"] = _prose
    environment.filters["quoted"] = _quoted
    return environment


def _prose(text: str) -> Markup:
    """Escaped, with what stands between backticks set as code."""
    return Markup("").join(
        Markup("<code>{}</code>").format(_unbroken(part)) if index % 2 else escape(part)
        for index, part in enumerate(_CODE.split(text))
    )


def _unbroken(command: str) -> Markup:
    """A command that is broken between its words alone, so that it can be typed as it is read."""
    return Markup(" ").join(Markup("<span>{}</span>").format(word) for word in command.split(" "))


def _quoted(text: str) -> Markup:
    """As a string of a style sheet: everything but letters and figures is written as its code point."""
    return Markup('"{}"').format(
        "".join(each if each.isalnum() and each.isascii() else f"\\{ord(each):06x}" for each in text)
    )
