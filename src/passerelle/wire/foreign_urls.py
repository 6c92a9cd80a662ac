"""URLs that somebody else wrote, read once: from then on only the parts are used, and the URL is built from them.

Parsers disagree about backslashes, tabs, full-width dots, circled letters and short spellings of IPv4 addresses
(`127.1`, `0x7f000001`); each of these is refused here rather than read one way or the other. Whether an address is
public is not decided here but after resolution, by `wire/public_addresses.py`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import quote, urljoin

import idna

from passerelle.wire.fetched import FetchRefused
from passerelle.wire.public_addresses import Network

LONGEST_URL = 4096  # characters
_DEFAULT_PORTS = {"http": 80, "https": 443}
_NEVER = re.compile(r"[\x00-\x1f\x7f-\x9f\\\ud800-\udfff]")
_URL = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<authority>[^/?#]*)(?P<path>[^?#]*)(\?(?P<query>[^#]*))?(#.*)?"
)
_AUTHORITY = re.compile(r"(\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<host>[^\[\]:%]+))(:(?P<port>[0-9]{1,5}))?")
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_NUMBER = re.compile(
    r"[0-9]+|0x[0-9a-f]*"
)  # as a last label it makes the host an IPv4 address (WHATWG URL, 3.5)
_LOOSE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_SAFE = "/%:@!$&'()*+,;=~-._"
# Names that mean something else on every network (RFC 6761, 6762, 8375 and ICANN's `.internal`).
_INSIDE = ("localhost", "local", "internal", "localdomain", "home.arpa", "lan", "intranet", "corp", "home")


@dataclass(frozen=True, slots=True)
class Rules:
    """Where a tenant's URLs may lead. The defaults: anywhere public, on the two usual ports.

    A host is a name, or `*.` and a name for all below it; None allows every host. Only a name that stands here in
    full may be one of an inner network, and its addresses must be open all the same. `permitted_host` gives names
    the form they have here.
    """

    hosts: frozenset[str] | None = None
    denied: tuple[Network, ...] = ()  # beyond what is never public
    ports: frozenset[int] = frozenset({80, 443})
    plain_http: bool = True  # False: https only. A redirect never leads from https to http


@dataclass(frozen=True, slots=True)
class Target:
    """One URL in parts that no two programs read differently."""

    scheme: str  # http or https
    host: str  # a name in ASCII and lower case without a last dot, or an address without brackets
    port: int
    rest: str  # path and query, percent-encoded, at least "/"

    @property
    def literal(self) -> bool:
        """Is the host an address?"""
        return ":" in self.host or self.host.rpartition(".")[2].isdigit()

    @property
    def url(self) -> str:
        """The URL in its one form; without a fragment, which is never sent."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _DEFAULT_PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}{self.rest}"


def read_url(text: str, rules: Rules) -> Target:
    """The parts of a URL that these rules permit. Raises FetchRefused."""
    if len(text) > LONGEST_URL:
        raise _invalid(f"The URL is longer than {LONGEST_URL} characters.")
    if _NEVER.search(text) or text != text.strip():
        raise _invalid("The URL holds a control character, a backslash, or space at an end.")
    parts = _URL.fullmatch(text)
    if parts is None:
        raise _invalid("The URL is not a whole one.")
    scheme = parts["scheme"].lower()
    if scheme not in _DEFAULT_PORTS or (scheme == "http" and not rules.plain_http):
        cure = "Use https or http." if rules.plain_http else "Use https."
        raise FetchRefused("url_scheme", f"URLs with `{scheme[:20]}:` are not fetched.", cure)
    if "@" in parts["authority"]:
        raise FetchRefused(
            "url_credentials", "The URL holds a user or a password.", "Give a URL that works without."
        )
    where = _AUTHORITY.fullmatch(parts["authority"])
    if where is None:
        raise _invalid("The URL's host or port cannot be read.")
    host = _six(where["six"]) if where["six"] else _host(where["host"])
    port = int(where["port"]) if where["port"] else _DEFAULT_PORTS[scheme]
    target = Target(scheme, host, port, _rest(parts["path"], parts["query"]))
    _permit(target, rules)
    return target


def permitted_host(text: str) -> str:
    """An entry of a tenant's list of hosts in the form of `Rules.hosts`. Raises FetchRefused."""
    star = "*." if text.startswith("*.") else ""
    name = text.removeprefix(star)
    return star + (_six(name.strip("[]")) if ":" in name else _host(name))


def read_redirect(target: Target, location: str | None, rules: Rules) -> Target:
    """Where a redirect leads. Raises FetchRefused, as a redirect's."""
    if not location or len(location) > LONGEST_URL or _NEVER.search(location):
        raise FetchRefused(
            "url_redirect", "A redirect leads to no URL that can be read.", "Give the URL it should lead to."
        )
    try:
        to = read_url(urljoin(target.url, location), rules)
    except FetchRefused as refused:
        raise FetchRefused(refused.code, refused.cause, refused.cure, redirected=True) from None
    except ValueError:  # of `urljoin`, such as for a lone bracket
        raise FetchRefused(
            "url_redirect", "A redirect leads to no URL that can be read.", "Give the URL it should lead to."
        ) from None
    if target.scheme == "https" and to.scheme == "http":
        raise FetchRefused(
            "url_scheme", "From https it leads to http.", "Give a URL that stays on https.", redirected=True
        )
    return to


def _rest(path: str, query: str | None) -> str:
    """Percent-encoded once: what is encoded already stays as it is."""
    encoded = [
        quote(_LOOSE_PERCENT.sub("%25", part), safe=_SAFE + more)
        for part, more in ((path or "/", ""), (query or "", "?"))
    ]
    return encoded[0] if query is None else "?".join(encoded)


def _six(text: str) -> str:
    try:
        address = IPv6Address(text)
    except ValueError:
        raise _invalid("The URL's host is not an IPv6 address.") from None
    return str(address.ipv4_mapped or address)


def _host(text: str) -> str:
    """A name or an IPv4 address in its one form."""
    host = text.lower()
    if not host.isascii():
        host = _ascii(host)
    host = host.removesuffix(".")
    labels = host.split(".")
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise _invalid("The URL's host is not a name that the domain name system knows.")
    if _NUMBER.fullmatch(labels[-1]):
        try:
            return str(IPv4Address(host))
        except ValueError:
            raise _invalid(
                "The URL's host is an address in another form than four decimal numbers."
            ) from None
    return host


def _ascii(host: str) -> str:
    """An international name by IDNA 2008, unmapped: look-alikes of dots and letters are refused, not replaced."""
    try:
        if any(dot in host for dot in "\u3002\uff0e\uff61"):
            raise _invalid("The URL's host holds a character that only looks like a dot.")
        return idna.encode(host).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        raise _invalid("The URL's host is not a valid international name.") from None


def _permit(target: Target, rules: Rules) -> None:
    if target.port not in rules.ports:
        ports = ", ".join(str(port) for port in sorted(rules.ports))
        raise FetchRefused("url_port", f"Port {target.port} is not fetched from.", f"Permitted are: {ports}.")
    named = rules.hosts is not None and target.host in rules.hosts
    if rules.hosts is not None and not named and not _below(target.host, rules.hosts):
        raise FetchRefused(
            "url_host",
            f"The host {target.host} is not among those this tenant fetches from.",
            "Add it to the permitted hosts, or upload the document.",
        )
    inside = "." not in target.host or target.host.endswith(tuple(f".{name}" for name in _INSIDE))
    if inside and not named and not target.literal:
        raise FetchRefused(
            "url_host",
            f"The host {target.host} is a name of an inner network.",
            "Give a public host, or upload the document.",
        )


def _below(host: str, hosts: frozenset[str]) -> bool:
    labels = host.split(".")
    return any("*." + ".".join(labels[count:]) in hosts for count in range(1, len(labels)))


def _invalid(cause: str) -> FetchRefused:
    return FetchRefused("url_invalid", cause, "Give one such as https://example.org/page.")
