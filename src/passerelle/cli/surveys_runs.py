"""`passerelle surveys run`, `comments`, `queue`, `correct`, `themes`: comments are read, looked at, corrected and read again."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any

import click

from passerelle.cli.operator import Operator, operating, order
from passerelle.cli.options import as_json, with_settings
from passerelle.cli.paths import with_tenant
from passerelle.cli.progress import plain
from passerelle.cli.shown import say, show_card, show_list, show_page
from passerelle.cli.surveys_codebook import correction_line, written_lines
from passerelle.cli.surveys_paths import listed, percent, survey_path, watch
from passerelle.domain.errors import CannotRun
from passerelle.settings import Settings

_LATEST = "latest"
_SHOWN = 160  # characters of a comment
_REVIEWS = click.Choice(["uncertain", "disagreeing", "out_of_codebook"])
_POLARITIES = click.Choice(["positive", "negative", "neutral", "mixed"])

_run = click.option("--run", default=_LATEST, show_default=True, help="Its id.")


@click.command("run")
@click.argument("survey")
@with_tenant
@click.option("--codebook", help="The survey's own, if unsaid.")
@click.option("--version", type=click.IntRange(1), help="Of the codebook; the one in use, if unsaid.")
@click.option("--model", help="That reads; the tenant's own, if unsaid.")
@click.option("--wait/--no-wait", default=True, help="Watch until all are read.", show_default=True)
@as_json
@with_settings
def run(
    settings: Settings,
    survey: str,
    tenant: str,
    codebook: str | None,
    version: int | None,
    model: str | None,
    wait: bool,
    json_: bool,
) -> None:
    """Read all comments of a survey by a codebook.

    Exit status: 0 all are read, 1 some are not.
    """
    with operating(settings) as operator:
        card = start(operator, tenant, survey, codebook=codebook, version=version, model=model)
        if wait:
            card = finish(operator, tenant, card, quiet=json_)
    waits = [] if wait else [f"It is done by {card['job']}: passerelle jobs follow."]
    show_card(card, [run_line(card), *waits], json_=json_)
    if wait and unread(card):
        sys.exit(1)


@click.command("runs")
@click.argument("survey")
@with_tenant
@as_json
@with_settings
def runs(settings: Settings, survey: str, tenant: str, json_: bool) -> None:
    """A survey's runs, the newest first."""
    found = order(settings, "GET", survey_path(survey, "runs", tenant=tenant))["data"]
    show_list(found, lambda card: [run_line(card)], json_=json_, none="There are no runs.")


@click.command("comments")
@click.argument("survey")
@with_tenant
@_run
@click.option("--review", type=_REVIEWS, help="That should be looked at for this reason.")
@click.option("--to-review", is_flag=True, help="That should be looked at, and nobody has.")
@click.option("--category", help="Its id.")
@click.option("--polarity", type=_POLARITIES)
@click.option("--language", help="Such as fr.")
@click.option("--text", help="That the comment holds.")
@click.option("--after", metavar="COMMENT", help="Those after that one.")
@click.option("--limit", type=click.IntRange(1, 500), default=100, show_default=True)
@as_json
@with_settings
def comments(
    settings: Settings, survey: str, tenant: str, run: str, to_review: bool, json_: bool, **asked: Any
) -> None:
    """Comments with what was read in them, in the file's order."""
    wanted = {**asked, "to_review": "true" if to_review else None}
    page = order(settings, "GET", survey_path(survey, "runs", run, "comments", tenant=tenant, **wanted))
    none, onward = "There are no such comments.", ("--after", "comment")
    show_page(page, reading_lines, json_=json_, none=none, onward=onward)


@click.command("queue")
@click.argument("survey")
@with_tenant
@_run
@click.option("--limit", type=click.IntRange(1, 200), default=20, show_default=True)
@click.option("--reviewed", "looked", multiple=True, metavar="COMMENT", help="Looked at, and right as it is.")
@as_json
@with_settings
def queue(
    settings: Settings, survey: str, tenant: str, run: str, limit: int, looked: tuple[str, ...], json_: bool
) -> None:
    """What people should look at next: different things, the most doubtful of each first.

    Exit status: 2 where --reviewed names comments that the survey does not have; the others are looked at.
    """
    unknown: list[str] = []
    with operating(settings) as operator:
        if looked:
            path = survey_path(survey, "runs", run, "reviewed", tenant=tenant)
            unknown = operator.order("POST", path, {"comments": list(looked)})["unknown"]
        found = operator.order("GET", survey_path(survey, "runs", run, "queue", tenant=tenant, limit=limit))[
            "data"
        ]
    show_list(found, reading_lines, json_=json_, none="Nothing waits to be looked at.")
    if unknown:
        raise CannotRun(
            f"The survey has no such comments: {plain(', '.join(unknown))}.", "Look at their ids again."
        )


@click.command("correct")
@click.argument("survey")
@click.argument("comment")
@with_tenant
@click.option("--right", metavar="A,B", help="Ids of its categories; '' for none that fits.")
@click.option("--polarity", type=_POLARITIES)
@click.option("--confirm", is_flag=True, help="It is right as it was read.")
@click.option("--run", help="That was wrong; the newest, if unsaid.")
@as_json
@with_settings
def correct(  # noqa: PLR0913, PLR0917 - one option each
    settings: Settings,
    survey: str,
    comment: str,
    tenant: str,
    right: str | None,
    polarity: str | None,
    confirm: bool,
    run: str | None,
    json_: bool,
) -> None:
    """Say what is right of a comment; it teaches the runs after."""
    if confirm == (right is not None or polarity is not None):
        wrong = (
            "It cannot be right as it was read and something else."
            if confirm
            else "Nothing says what is right."
        )
        raise CannotRun(wrong, "Give --right or --polarity or both, or --confirm alone.")
    said = {"right": listed(right), "polarity": polarity, "run": run}
    body = {name: value for name, value in said.items() if value is not None}
    card = order(
        settings, "POST", survey_path(survey, "comments", comment, "correction", tenant=tenant), body
    )
    show_card(card, [correction_line(card)], json_=json_)


@click.command("revoke")
@click.argument("corrections", nargs=-1, required=True, metavar="CORRECTION...")
@with_tenant
@with_settings
def revoke(settings: Settings, corrections: tuple[str, ...], tenant: str) -> None:
    """Take corrections back: they teach no run that starts from now on."""
    with operating(settings) as operator:
        for each in corrections:
            card = operator.order("DELETE", survey_path("corrections", each, tenant=tenant))
            say([correction_line(card)])


@click.command("difference")
@click.argument("survey")
@click.argument("before")
@click.argument("after")
@with_tenant
@as_json
@with_settings
def difference(settings: Settings, survey: str, before: str, after: str, tenant: str, json_: bool) -> None:
    """What changed from one run to another."""
    path = survey_path(survey, "runs", after, "difference", tenant=tenant, with_=before)
    card = order(settings, "GET", path)
    show_card(card, _difference(card), json_=json_)


@click.command("themes")
@click.argument("survey")
@with_tenant
@click.option("--discover", is_flag=True, help="Look for them anew, first.")
@click.option("--themes", "number", type=click.IntRange(2, 25), help="How many; found out, if unsaid.")
@as_json
@with_settings
def themes(
    settings: Settings, survey: str, tenant: str, discover: bool, number: int | None, json_: bool
) -> None:
    """What comments speak of, found without a codebook, the largest theme first."""
    if number is not None and not discover:
        raise CannotRun("A number of themes is for looking.", "Give --discover with it.")
    path = survey_path(survey, "themes", tenant=tenant)
    state = "done"
    with operating(settings) as operator:
        if discover:
            body = None if number is None else {"themes": number}
            job = operator.order("POST", path, body)["job"]
            state = watch(operator, tenant, job, quiet=json_).state
        found = operator.order("GET", path)["data"]
    show_card(found, _themes(found), json_=json_)
    if state != "done":
        sys.exit(1)


@click.command("merge")
@click.argument("survey")
@click.argument("theme")
@with_tenant
@click.option("--codebook", required=True, help="Whose next version it goes into.")
@click.option("--category", required=True, help="The id of one that is there, or of a new one with --name.")
@click.option("--name", help="Of a new category.")
@click.option("--definition", default="", help="Of a new category.")
@as_json
@with_settings
def merge(  # noqa: PLR0913, PLR0917 - one option each
    settings: Settings,
    survey: str,
    theme: str,
    tenant: str,
    codebook: str,
    category: str,
    name: str | None,
    definition: str,
    json_: bool,
) -> None:
    """Take a theme up into a codebook, as a new category or as examples of one that is there."""
    into: Any = category if name is None else {"id": category, "name": name, "definition": definition}
    path = survey_path(survey, "themes", theme, "merge", tenant=tenant)
    card = order(settings, "POST", path, {"codebook": codebook, "category": into})
    show_card(card, written_lines(card, tenant), json_=json_)


def start(operator: Operator, tenant: str, survey: str, **said: Any) -> dict[str, Any]:
    """A run that begins. Raises CannotRun."""
    body = {name: value for name, value in said.items() if value is not None}
    card: dict[str, Any] = operator.order("POST", survey_path(survey, "runs", tenant=tenant), body or None)
    return card


def finish(operator: Operator, tenant: str, card: Mapping[str, Any], *, quiet: bool) -> dict[str, Any]:
    """A run once its job is over."""
    watch(operator, tenant, card["job"], quiet=quiet)
    path = survey_path(card["survey"], "runs", card["id"], tenant=tenant)
    found: dict[str, Any] = operator.order("GET", path)
    return found


def unread(card: Mapping[str, Any]) -> bool:
    """Are there comments that a run that is over has not read?"""
    return bool(card["failed"]) or card["read"] < card["comments"]


def run_line(card: Mapping[str, Any]) -> str:
    """A run as a line."""
    failed = f", {card['failed']} failed" if card["failed"] else ""
    review = f", {card['review']} to look at" if card["review"] else ""
    offline = "without a language model" if card["offline"] else card["engine"]
    line = f"{card['id']}  {card['state']:<9}  {card['codebook']} v{card['version']}, revision {card['revision']}"
    return f"{line}  {card['read']}/{card['comments']} comments{failed}{review}  {offline}  {'' if card['cost'] == '0' else card['cost']}".rstrip()


def reading_lines(card: Mapping[str, Any]) -> Iterator[str]:
    """A comment with what was read in it."""
    text = " ".join(card["text"].split())
    yield f"{card['comment']}  row {card['row']}  {text if len(text) <= _SHOWN else text[: _SHOWN - 1] + '…'}"
    if card["error"]:
        yield f"    not read: {card['error']['message']} ({card['error']['code']})"
        return
    labels = ", ".join(f"{each['category']} {percent(each['confidence'])}" for each in card["labels"])
    polarity = card["polarity"] or "nothing said"
    review = f"  look at it: {', '.join(card['review'])}" if card["review"] and not card["reviewed"] else ""
    yield f"    {polarity}; {labels or 'no category'}{review}"
    if card["correction"]:
        yield f"    corrected: {correction_line({**card['correction'], 'text': ''})}".rstrip()


def _difference(card: Mapping[str, Any]) -> Iterator[str]:
    share = percent(card["changed"] / card["comments"]) if card["comments"] else "none"
    yield f"{card['comments']} comments: {card['changed']} read differently ({share})"
    yield f"{card['polarity_changed']} of another polarity"
    for each in card["counts"]:
        change = each["after"] - each["before"]
        yield f"  {each['category'] or '(none)':<20}  {each['before']:>6} -> {each['after']:>6}  {change:+d}"
    for each in card["moved"]:
        yield f"  {each['before'] or '(none)'} -> {each['after'] or '(none)'}: {each['comments']}"
    for each in card["changes"]:
        said = f"{', '.join(each['before']) or '(none)'} -> {', '.join(each['after']) or '(none)'}"
        yield f"{each['comment']}  {said}  {' '.join(each['text'].split())[:_SHOWN]}"


def _themes(found: list[dict[str, Any]]) -> Iterator[str]:
    if not found:
        yield "There are no themes; look for them with --discover."
    for card in found:
        into = card["merged_into"]
        taken = f"  (in {into['codebook']} v{into['version']} as {into['category']})" if into else ""
        words = ", ".join(card["keywords"])
        yield f"{card['id']}  {card['size']:>5} comments  {card['name']}  [{words}]{taken}"
        for quote in card["quotes"]:
            yield f"    {quote['comment']}  “{' '.join(quote['text'].split())[:_SHOWN]}”"
