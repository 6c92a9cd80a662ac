"""Answers lead nowhere but where they may: links, images and addresses to other hosts become plain text without them.

Whatever a document had a model write, an answer shows no address outside the hosts that are named, in whatever form:
Markdown, HTML, bare, by reference, without a scheme, in escapes. HTML is taken out. Pure.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from functools import partial
from urllib.parse import urlsplit

MOST_PASSES = 6  # links in links in links

_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_LINK = re.compile(
    r"!?\[(?P<label>[^\[\]]*)\]\(\s*(?P<to><[^<>]*>|[^\s()]*(?:\([^\s()]*\)[^\s()]*)*)"
    r"(?:\s+(?:\"[^\"]*\"|'[^']*'|\([^()]*\)))?\s*\)"
)
_REFERRED = re.compile(r"!?\[(?P<label>[^\[\]]+)\][ \t]?\[[^\[\]]*\]")
_AUTOLINK = re.compile(r"<(?P<to>[A-Za-z][A-Za-z0-9+.\-]{1,31}:[^\s<>]*)>")
_HTML = re.compile(r"<[A-Za-z/!?][^<>]*>")
_OPENED = re.compile(r"<(?=[A-Za-z/!?])")
_DOT = r"[.。．｡]"
_HOST = rf"(?:[^\W_](?:[\w-]{{0,61}}[^\W_])?{_DOT}){{1,20}}(?:xn--[\w-]{{1,59}}|[^\W\d_]{{2,24}})"
_END = r"[^\s.,;:!?)\]}»\"'”’…|*<>]"  # what an address may end with; what stands after it is the sentence's
_MAIL = re.compile(rf"(?<![\w.+%-])[\w.+%-]{{1,200}}@(?P<host>{_HOST})(?![\w-])")
_ADDRESS = re.compile(
    rf"(?<![\w.+-])[A-Za-z][A-Za-z0-9+.\-]*:[/\\]{{1,}}(?:\S*{_END})?|(?:(?<=[^:\w])|^)[/\\]{{2,}}(?:\S*{_END})?"
)
_SCHEME = re.compile(
    rf"\b(?:javascript|vbscript|livescript|data|file|blob|filesystem|about|mailto|tel|sms|view-source|intent|ms-\w+|https?|"
    rf"ftps?|wss?|ssh|git|ldap|dict|gopher):(?:\S*{_END})",
    re.IGNORECASE,
)
_BARE = re.compile(rf"(?<![\w@.\-]){_HOST}(?P<more>(?::\d{{1,5}})?(?:[/?#](?:\S*{_END})?)?)(?![\w-])")
_NUMERIC = re.compile(rf"(?<![\w.])(?:\d{{1,3}}\.){{3}}\d{{1,3}}(?::\d{{1,5}})?/(?:\S*{_END})?")
_KEPT = re.compile("\x02(\\d+)\x03")


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


# Ends of names of files, which are no hosts unless something more says so.
_FILES = _set("""pdf docx doc xlsx xls pptx ppt odt ods txt csv tsv json xml html htm png jpg jpeg gif svg webp mp3 mp4 js ts css yaml
    yml toml ini log exe dll py sh md pl ps so rs ex bak tmp etc""")
# Beginnings of sentences that somebody forgot the space before are no hosts: `fin.Le`, `end.In`.
_COUNTRIES = _set("""ac ad ae af ag ai al am ao aq ar as at au aw ax az ba bb bd be bf bg bh bi bj bm bn bo br bs bt bw by bz ca cc cd cf
    cg ch ci ck cl cm cn co cr cu cv cw cx cy cz de dj dk dm do dz ec ee eg er es et eu fi fj fk fm fo fr ga gb gd ge gf gg
    gh gi gl gm gn gp gq gr gs gt gu gw gy hk hm hn hr ht hu id ie il im in io iq ir is it je jm jo jp ke kg kh ki km kn kp
    kr kw ky kz la lb lc li lk lr ls lt lu lv ly ma mc md me mg mh mk ml mm mn mo mp mq mr ms mt mu mv mw mx my mz na nc ne
    nf ng ni nl no np nr nu nz om pa pe pf pg ph pk pl pm pn pr ps pt pw py qa re ro rs ru rw sa sb sc sd se sg sh si sk sl
    sm sn so sr ss st su sv sx sy sz tc td tf tg th tj tk tl tm tn to tr tt tv tw tz ua ug uk us uy uz va vc ve vg vi vn vu
    wf ws ye yt za zm zw""")
_GENERIC = _set(
    "com org net edu gov info biz example test invalid localhost local internal dev app cloud site"
)


def host_of(url: str | None) -> str | None:
    """The host of a plain address on the web, as it is compared; None for anything else, and for any trick in it."""
    if (
        not url
        or len(url) > 4_000
        or any(sign.isspace() or ord(sign) < 33 or sign in '\\<>"`' for sign in url)
    ):
        return None
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if (
        parts.scheme.lower() not in ("http", "https")
        or "@" in parts.netloc
        or "%" in parts.netloc
        or port == 0
    ):
        return None
    return _compared(parts.hostname or "")


def without_links(
    text: str, hosts: AbstractSet[str], removed: str, *, pages: AbstractSet[str] = frozenset()
) -> str:
    """A text whose addresses lead to these hosts only; others leave `removed`, or the words they were put behind.

    `pages` may be led to as they are written here, and their hosts be named: nothing can be told to whoever owns them.
    """
    if not any(sign in text for sign in ".:<&[/\\@。．｡"):
        return text
    kept: list[str] = []

    def keep(whole: str) -> str:
        kept.append(whole)
        return f"\x02{len(kept) - 1}\x03"

    pages = frozenset(_page(page) for page in pages)
    named = hosts | {host for page in pages if (host := host_of(page)) is not None}

    def may(address: str) -> bool:
        host = host_of(address)
        return host is not None and (host in hosts or _page(address) in pages)

    text = _plain(text)
    for _ in range(MOST_PASSES):
        before = text
        text = _LINK.sub(partial(_link, may=may, keep=keep), text)
        text = _REFERRED.sub(lambda found: found["label"], text)
        if text == before:
            break
    text = _AUTOLINK.sub(lambda found: keep(found["to"]) if may(found["to"]) else removed, text)
    text = _HTML.sub("", text)
    text = _OPENED.sub("‹", text)
    text = _MAIL.sub(lambda found: keep(found[0]) if _within(found["host"], named) else removed, text)
    for form in (_ADDRESS, _SCHEME, _NUMERIC):
        text = form.sub(lambda found: keep(found[0]) if may(found[0]) else removed, text)
    text = _BARE.sub(partial(_bare, hosts=hosts, removed=removed, named=named, may=may), text)
    text = text.replace("](", "] (")
    while _KEPT.search(text):
        text = _KEPT.sub(lambda found: kept[int(found[1])], text)
    return text


def _plain(text: str) -> str:
    """Without escapes that a reader's program would undo."""
    for _ in range(MOST_PASSES):
        before = text
        text = _ENTITY.sub(lambda found: html.unescape(found[0]), text)
        if text == before:
            break
    return text.replace("\x02", "").replace("\x03", "")


def _link(found: re.Match[str], may: Callable[[str], bool], keep: Callable[[str], str]) -> str:
    to = found["to"].strip("<>")
    label = found["label"]
    if not may(to):
        return label
    sign = "!" if found[0].startswith("!") else ""
    return keep(f"{sign}[") + label + keep(f"]({to})")


def _page(address: str) -> str:
    return address.rstrip("/")


def _bare(
    found: re.Match[str],
    hosts: AbstractSet[str],
    removed: str,
    *,
    named: AbstractSet[str],
    may: Callable[[str], bool],
) -> str:
    whole = found[0]
    more = found["more"]
    host = whole[: len(whole) - len(more)] if more else whole
    *labels, last = re.split(_DOT, host)
    end = last.lower()
    sure = bool(more) or labels[0].lower() == "www" or end.startswith("xn--")
    if not sure:
        if end in _FILES or (len(end) == 2 and end not in _COUNTRIES and end.isascii()):
            return whole
        if last[0].isupper() and not labels[-1][:1].isupper() and end not in _GENERIC:
            return whole  # a sentence begins there
    if _compared(host) in (hosts if more else named) or (
        more and (may(f"https://{whole}") or may(f"http://{whole}"))
    ):
        return whole
    return removed


def _within(host: str, hosts: AbstractSet[str]) -> bool:
    """Is it one of the hosts, or the domain that one of them is in?"""
    compared = _compared(host)
    return compared is not None and any(one == compared or one.endswith(f".{compared}") for one in hosts)


def _compared(host: str) -> str | None:
    plain = unicodedata.normalize("NFKC", host).lower().rstrip(".")
    if not plain.isascii():
        try:
            plain = plain.encode("idna").decode("ascii")
        except UnicodeError:
            return None
    return plain or None
