"""Fetching from a foreign site: where the socket goes, what is sent, and which redirects are followed."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from ipaddress import ip_network

import pytest

from passerelle.wire.fetched import Fetched, FetchFailed, FetchLimits, FetchRefused, NotModified, Seen
from passerelle.wire.fetcher import Fetcher
from passerelle.wire.foreign_urls import Rules
from tests.fakes.site import Site, moved, reply, running

LOOPBACK = (ip_network("127.0.0.1/32"),)
Named = Callable[[str], Awaitable[Sequence[str]]]


def names(**addresses: list[str]) -> Named:
    """A resolver that knows `<name>.test`, and gives the next of its addresses at every lookup."""
    asked = {name: iter(given) for name, given in addresses.items()}

    async def resolve(host: str) -> Sequence[str]:
        given = next(asked[host.removesuffix(".test")], None)
        if given is None:
            raise AssertionError(f"{host} was resolved once more")
        return given.split()

    return resolve


def always(*addresses: str) -> Named:
    async def resolve(host: str) -> Sequence[str]:
        return addresses

    return resolve


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with running() as site:
        yield site


def rules(*sites: Site) -> Rules:
    return Rules(ports=frozenset(site.port for site in sites))


def fetcher(resolver: Named, **limits: float) -> Fetcher:
    return Fetcher(FetchLimits(**limits), resolver=resolver, exceptions=LOOPBACK)  # type: ignore[arg-type]


async def fetched(site: Site, path: str = "/", *, resolver: Named | None = None) -> Fetched:
    got = await fetcher(resolver or always("127.0.0.1")).fetch(
        f"http://site.test:{site.port}{path}", rules=rules(site)
    )
    assert isinstance(got, Fetched)
    return got


async def test_a_document_comes_with_what_is_said_of_it(site: Site) -> None:
    site.answers["/a?b=%C3%BC"] = reply(
        "<p>é".encode("latin-1"),
        kind="Text/HTML; charset=ISO-8859-1",
        etag='W/"1"',
        last_modified="Sat, 21 Nov 2026 12:00:00 GMT",
    )
    url = f"http://Site.test:{site.port}/a?b=ü#part"
    got = await fetcher(always("127.0.0.1")).fetch(url, rules=rules(site))
    assert got == Fetched(
        url=url,
        final_url=f"http://site.test:{site.port}/a?b=%C3%BC",
        content="<p>é".encode("latin-1"),
        content_type="text/html",
        charset="iso-8859-1",
        etag='W/"1"',
        last_modified="Sat, 21 Nov 2026 12:00:00 GMT",
    )


async def test_the_socket_goes_to_the_address_and_the_host_header_keeps_the_name(site: Site) -> None:
    site.answers["/"] = reply(b"x")
    await fetched(site)
    assert site.header("Host") == f"site.test:{site.port}"


async def test_a_request_carries_nothing_of_ours(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    site.answers["/"] = moved("/next").replace(b"Location", b"Set-Cookie: a=b\r\nLocation")
    site.answers["/next"] = reply(b"x", set_cookie="c=d")
    one = fetcher(always("127.0.0.1"))
    for _ in range(2):
        await one.fetch(f"http://site.test:{site.port}/", rules=rules(site))
    sent = {line.partition(":")[0].lower() for head in site.asked for line in head.split("\r\n")[1:] if line}
    assert sent == {"host", "accept", "accept-encoding", "user-agent", "connection"}
    assert site.connections == len(site.asked) == 4


async def test_a_name_is_resolved_once_so_that_a_second_answer_cannot_lead_inside(site: Site) -> None:
    site.answers["/"] = reply(b"x")
    rebinding = names(site=["127.0.0.1", "169.254.169.254"])
    assert (await fetched(site, resolver=rebinding)).content == b"x"
    with pytest.raises(FetchRefused) as refused:
        await fetched(site, resolver=rebinding)
    assert refused.value.code == "url_address"
    assert site.connections == 1


async def test_a_redirect_to_the_same_name_is_resolved_and_judged_again(site: Site) -> None:
    site.answers["/"] = moved("/inside")
    with pytest.raises(FetchRefused) as refused:
        await fetched(site, resolver=names(site=["127.0.0.1", "10.0.0.1"]))
    assert (refused.value.code, refused.value.redirected) == ("url_address", True)
    assert site.paths == ["/"]


@pytest.mark.parametrize(
    ("location", "code"),
    [
        ("http://169.254.169.254/latest/meta-data/", "url_address"),
        ("http://[::ffff:169.254.169.254]/", "url_address"),
        ("http://[64:ff9b::a9fe:a9fe]/", "url_address"),
        ("http://[::1]/", "url_address"),
        ("http://inside.test/", "url_address"),
        ("//127.1/", "url_invalid"),
        ("http://localhost/", "url_host"),
        ("file:///etc/passwd", "url_scheme"),
        ("http://user@site.test/", "url_credentials"),
        ("http://site.test:22/", "url_port"),
        ("http://site.test\\@127.0.0.1/", "url_redirect"),
    ],
)
async def test_a_redirect_leads_nowhere_that_a_url_could_not(site: Site, location: str, code: str) -> None:
    site.answers["/"] = moved(location)
    permitted = Rules(ports=frozenset({80, site.port}))
    with pytest.raises(FetchRefused) as refused:
        await fetcher(names(site=["127.0.0.1"], inside=["10.0.0.1"])).fetch(
            f"http://site.test:{site.port}/", rules=permitted
        )
    assert refused.value.code == code
    assert site.paths == ["/"]


async def test_a_redirect_leaves_no_list_of_hosts(site: Site) -> None:
    site.answers["/"] = moved(f"http://other.test:{site.port}/")
    only = Rules(hosts=frozenset({"site.test"}), ports=frozenset({site.port}))
    with pytest.raises(FetchRefused) as refused:
        await fetcher(always("127.0.0.1")).fetch(f"http://site.test:{site.port}/", rules=only)
    assert refused.value.code == "url_host"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_three_redirects_are_followed_and_not_a_fourth(site: Site, status: int) -> None:
    for step in range(4):
        site.answers[f"/{step}"] = moved(f"/{step + 1}", status=status)
    site.answers["/4"] = reply(b"here")
    got = await fetched(site, "/1")
    assert (got.content, got.final_url) == (b"here", f"http://site.test:{site.port}/4")
    with pytest.raises(FetchRefused) as refused:
        await fetched(site, "/0")
    assert refused.value.code == "url_redirect"


async def test_a_circle_of_redirects_ends(site: Site) -> None:
    site.answers["/"] = moved("/")
    with pytest.raises(FetchRefused) as refused:
        await fetched(site)
    assert refused.value.code == "url_redirect"
    assert len(site.asked) == 4


async def test_a_tenants_denied_network_stays_closed(site: Site) -> None:
    closed = Rules(ports=frozenset({site.port}), denied=(ip_network("127.0.0.0/8"),))
    with pytest.raises(FetchRefused) as refused:
        await fetcher(always("127.0.0.1")).fetch(f"http://site.test:{site.port}/", rules=closed)
    assert refused.value.code == "url_address"
    assert site.connections == 0


async def test_without_the_exception_loopback_is_refused(site: Site) -> None:
    with pytest.raises(FetchRefused) as refused:
        await Fetcher(resolver=always("127.0.0.1")).fetch(f"http://site.test:{site.port}/", rules=rules(site))
    assert refused.value.code == "url_address"
    assert site.connections == 0


async def test_a_second_address_is_tried_when_the_first_refuses(site: Site) -> None:
    site.answers["/"] = reply(b"x")
    two = Fetcher(
        resolver=always("127.0.0.2", "127.0.0.1"), exceptions=(ip_network("127.0.0.0/8"),)
    )  # nothing listens on the first
    got = await two.fetch(f"http://site.test:{site.port}/", rules=rules(site))
    assert isinstance(got, Fetched)


async def test_a_document_that_was_seen_is_asked_for_with_its_validators(site: Site) -> None:
    when = "Sat, 21 Nov 2026 12:00:00 GMT"
    site.answers["/old"] = moved("/")
    site.answers["/"] = reply(b"x", etag='"1"', last_modified=when)
    seen = (await fetched(site, "/old")).seen
    site.answers["/"] = reply(status=304, kind=None, etag='"2"')
    url = f"http://site.test:{site.port}/old"
    one = fetcher(always("127.0.0.1"))
    again = await one.fetch(url, rules=rules(site), seen=seen)
    assert again == NotModified(url, Seen(seen.final_url, '"2"', when))
    assert (site.header("If-None-Match"), site.header("If-Modified-Since")) == ('"1"', when)
    assert site.header("If-None-Match", request=-2) is None  # the redirect is no version of the document


async def test_validators_that_could_forge_a_header_are_not_sent(site: Site) -> None:
    site.answers["/"] = reply(b"x")
    url = f"http://site.test:{site.port}/"
    seen = Seen(url, etag='"1"\r\nX-Forged: 1', last_modified="é")
    await fetcher(always("127.0.0.1")).fetch(url, rules=rules(site), seen=seen)
    assert "forged" not in site.asked[0].lower()
    assert site.header("If-Modified-Since") is None


async def test_not_modified_counts_only_when_it_was_asked(site: Site) -> None:
    site.answers["/"] = reply(status=304, kind=None)
    with pytest.raises(FetchRefused) as refused:
        await fetched(site)
    assert (refused.value.code, refused.value.status) == ("url_status", 304)


@pytest.mark.parametrize("status", [401, 403, 404, 410, 204, 206])
async def test_a_final_answer_is_a_refusal(site: Site, status: int) -> None:
    site.answers["/"] = reply(b"", status=status)
    with pytest.raises(FetchRefused) as refused:
        await fetched(site)
    assert (refused.value.code, refused.value.status) == ("url_status", status)


async def test_a_passing_answer_says_when_to_come_back(site: Site) -> None:
    site.answers["/"] = reply(b"", status=503, retry_after="7")
    with pytest.raises(FetchFailed) as failed:
        await fetched(site)
    assert (failed.value.code, failed.value.status, failed.value.retry_after) == ("url_status", 503, 7.0)


async def test_errors_say_the_host_and_nothing_else_of_the_url(site: Site) -> None:
    with pytest.raises(FetchRefused) as refused:
        await fetched(site, "/private?token=sesame")
    assert "site.test" in refused.value.message
    assert "private" not in refused.value.message
    assert "sesame" not in refused.value.message


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (socket.gaierror(socket.EAI_NONAME, "no"), "url_unknown_host"),
        (socket.gaierror(socket.EAI_AGAIN, "later"), "url_unresolved"),
        (TimeoutError(), "url_unresolved"),
    ],
)
async def test_a_name_that_has_no_address_is_refused_and_one_not_known_now_is_not(
    error: OSError, code: str
) -> None:
    async def resolve(host: str) -> Sequence[str]:
        raise error

    with pytest.raises((FetchRefused, FetchFailed)) as ended:
        await Fetcher(resolver=resolve).fetch("https://site.test/")
    assert ended.value.code == code


async def test_a_resolver_that_hangs_is_not_waited_for() -> None:
    async def resolve(host: str) -> Sequence[str]:
        await asyncio.Event().wait()
        return ()

    with pytest.raises(FetchFailed) as failed:
        await Fetcher(FetchLimits(connect=0.05), resolver=resolve).fetch("https://site.test/")
    assert failed.value.code == "url_unresolved"


async def test_a_port_where_nobody_listens_is_unreachable() -> None:
    async with running() as gone:
        pass
    with pytest.raises(FetchFailed) as failed:
        await fetched(gone)
    assert failed.value.code == "url_unreachable"


async def test_the_machines_own_resolver_is_asked_for_the_absolute_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[object] = []

    def getaddrinfo(host: object, port: object, **kwargs: object) -> list[object]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.1", 0))]

    monkeypatch.setattr("passerelle.wire.fetcher.socket.getaddrinfo", getaddrinfo)
    with pytest.raises(FetchRefused) as refused:
        await Fetcher().fetch("https://site.test/")
    assert refused.value.code == "url_address"
    assert asked == ["site.test."]


async def test_a_socket_to_another_address_than_the_checked_ones_is_never_made(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def resolve(self: object, host: str, port: int, family: int) -> list[dict[str, object]]:
        return [{"hostname": host, "host": "127.0.0.1", "port": port, "family": 2, "proto": 6, "flags": 0}]

    monkeypatch.setattr("passerelle.wire.fetcher._Checked.resolve", resolve)  # as if the client went astray
    with pytest.raises(FetchFailed) as failed:
        await fetcher(always("8.8.8.8")).fetch(f"http://site.test:{site.port}/", rules=rules(site))
    assert failed.value.code == "url_unreachable"
    assert site.connections == 0


async def test_addresses_of_either_version_may_stand_in_the_url(site: Site) -> None:
    site.answers["/"] = reply(b"four")
    one = Fetcher(exceptions=(*LOOPBACK, ip_network("::1/128")))
    for host in ("127.0.0.1", "[::ffff:127.0.0.1]"):
        got = await one.fetch(f"http://{host}:{site.port}/", rules=rules(site))
        assert isinstance(got, Fetched)
        assert (got.content, site.header("Host")) == (b"four", f"127.0.0.1:{site.port}")
    if not _has_six():
        pytest.skip("this machine has no IPv6")
    async with running(host="::1") as six:
        six.answers["/"] = reply(b"six")
        got = await one.fetch(f"http://[0:0::1]:{six.port}/", rules=rules(six))
        assert isinstance(got, Fetched)
        assert (got.content, six.header("Host")) == (b"six", f"[::1]:{six.port}")


def _has_six() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as one:
            one.bind(("::1", 0))
    except OSError:
        return False
    return True
