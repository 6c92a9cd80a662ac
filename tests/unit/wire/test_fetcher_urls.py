"""How a foreign URL is read: in one way only, or not at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from passerelle.wire.fetched import FetchRefused
from passerelle.wire.foreign_urls import LONGEST_URL, Rules, permitted_host, read_redirect, read_url

ANY = Rules()

REFUSED = {
    "url_invalid": [
        "", "example.org", "//example.org/", "https:example.org", "https:/example.org", "https://", "https:///x",
        "http://good.com\\@127.0.0.1/", "http://good.com\\.evil.com/", "http://good.com/\\x", "http://a.com/\tb",
        "http://a.com/\r\nHost: b", "http://a.com\n/", " http://a.com/", "http://a.com/ ", "http://a.com/\x00",
        "http://a.com/\x7f", "http://a.com/\x85", "http://a.com/\ud800", "http://a b.com/", "http://a.com:/",
        "http://a.com:80:80/", "http://a.com:8o/", "http://a.com:+80/", "http://a.com:\u0668\u0660/",
        "http://127.1/", "http://127.0.1/", "http://2130706433/", "http://0x7f000001/", "http://0x7f.0.0.1/",
        "http://0177.0.0.1/", "http://017700000001/", "http://127.0.0.01/", "http://256.0.0.1/", "http://1.2.3.4.5/",
        "http://a.com.0x7f/", "http://a.0x/", "http://\uff11\uff12\uff17.0.0.1/", "http://127\u30020.0.1/",
        "http://a\uff0ecom/", "http://a\uff61com/", "http://\u24d4xample.com/", "http://\u24db\u24de\u24d2/",
        "http://exa\u00admple.com/", "http://exam\u200bple.com/", "http://\u202eexample.com/", "http://-a.com/",
        "http://a-.com/", "http://a..com/", "http://.a.com/", "http://a.com../", "http://a_b.com/", "http://a%2ecom/",
        "http://%6c%6fcalhost/", "http://a%00.com/", "http://a,b.com/", "http://a;b.com/", "http://*.com/",
        "http://a'.com/", f"http://{'a' * 64}.com/", f"http://{'a.' * 130}com/", "http://[::1/", "http://::1/",
        "http://[::1]x/", "http://[1.2.3.4]/", "http://[fe80::1%25eth0]/", "http://[fe80::1%eth0]/", "http://[]/",
        "http://[::ffff:127.1]/", "http://[v1.x]/", f"http://a.com/{'x' * LONGEST_URL}",
    ],
    "url_scheme": ["file://a/etc/passwd", "ftp://a.com/", "gopher://a.com/", "dict://a.com/", "ws://a.com/",
                   "jar+http://a.com/", "data://a.com/,x"],
    "url_credentials": ["http://user@a.com/", "http://user:word@a.com/", "http://@a.com/", "http://a.com@127.0.0.1/",
                        "http://a.com:80@127.0.0.1/", "http://a.com%40b@c.com/"],
    "url_port": ["http://a.com:22/", "http://a.com:6379/", "https://a.com:8443/", "http://a.com:0/",
                 "http://a.com:65536/", "http://a.com:99999/"],
    "url_host": ["http://localhost/", "http://LOCALHOST./", "http://a.localhost/", "http://metadata.google.internal/",
                 "http://redis/", "http://printer.local/", "http://api.default.svc.cluster.local/", "http://nas.lan/",
                 "http://router.home.arpa/"],
}  # fmt: skip


@pytest.mark.parametrize(
    ("code", "url"), [(code, url) for code, urls in REFUSED.items() for url in urls], ids=ascii
)
def test_what_can_be_read_in_two_ways_or_leads_inside_is_refused(code: str, url: str) -> None:
    with pytest.raises(FetchRefused) as refused:
        read_url(url, ANY)
    assert refused.value.code == code
    assert refused.value.param == "url"
    assert refused.value.cause
    assert refused.value.cure


@pytest.mark.parametrize(
    ("url", "sent"),
    [
        ("https://example.org", "https://example.org/"),
        ("HTTPS://Example.ORG:443/A?b#c", "https://example.org/A?b"),
        ("http://example.org.:80/", "http://example.org/"),
        ("https://example.org:80/", "https://example.org:80/"),
        ("https://example.org?q=1", "https://example.org/?q=1"),
        ("https://example.org/?", "https://example.org/?"),
        ("https://example.org/a b/é?q=ü&x=%C3%A9", "https://example.org/a%20b/%C3%A9?q=%C3%BC&x=%C3%A9"),
        ("https://example.org/100%/%2f/%zz", "https://example.org/100%25/%2f/%25zz"),
        ("https://example.org/a?b?c/@d", "https://example.org/a?b?c/@d"),
        ("https://example.org/x@y:z", "https://example.org/x@y:z"),
        ("https://example.org#@127.0.0.1/", "https://example.org/"),
        ("https://example.org/../../etc", "https://example.org/../../etc"),
        ("https://Bücher.example/", "https://xn--bcher-kva.example/"),
        ("https://faß.example/", "https://xn--fa-hia.example/"),
        ("https://xn--bcher-kva.example/", "https://xn--bcher-kva.example/"),
        ("https://例え.jp/", "https://xn--r8jz45g.jp/"),
        ("http://8.8.8.8/", "http://8.8.8.8/"),
        ("http://[2606:4700:4700:0::1111]/", "http://[2606:4700:4700::1111]/"),
    ],
)
def test_a_url_is_sent_in_its_one_form(url: str, sent: str) -> None:
    target = read_url(url, ANY)
    assert target.url == sent
    assert read_url(sent, ANY) == target
    assert URL(sent, encoded=True).raw_host == target.host


@given(
    st.text("ab.c@:/\\?#[]%0127x-\t \u3002\uff0e\u24d4é", max_size=40),
    st.sampled_from(["http://", "https://", "http://good.com", "http://127.0.0.1"]),
)
def test_the_http_client_reads_the_host_and_port_that_were_judged(tail: str, head: str) -> None:
    try:
        target = read_url(head + tail, ANY)
    except FetchRefused:
        return
    url = URL(target.url, encoded=True)
    assert (url.scheme, url.raw_host, url.port) == (target.scheme, target.host, target.port)
    assert url.user is None


def test_a_list_of_hosts_permits_these_and_what_is_below_a_star() -> None:
    rules = Rules(hosts=frozenset({"example.org", "*.example.com", "wiki.internal"}))
    for host in ("example.org", "EXAMPLE.org.", "a.example.com", "a.b.example.com", "wiki.internal"):
        assert read_url(f"https://{host}/", rules)
    for host in (
        "www.example.org",
        "example.com",
        "evilexample.com",
        "example.org.evil.com",
        "8.8.8.8",
        "a.internal",
    ):
        with pytest.raises(FetchRefused) as refused:
            read_url(f"https://{host}/", rules)
        assert refused.value.code == "url_host"


def test_a_host_on_the_list_has_the_form_it_has_in_a_url() -> None:
    written = ("Example.ORG.", "*.Bücher.example", "8.8.8.8", "[2606:4700:0::1111]")
    assert [permitted_host(text) for text in written] == [
        "example.org",
        "*.xn--bcher-kva.example",
        "8.8.8.8",
        "2606:4700::1111",
    ]
    for wrong in ("", "*", "*.", "a.*.com", "https://a.com", "a.com:80", "127.1", "a com"):
        with pytest.raises(FetchRefused):
            permitted_host(wrong)


def test_a_star_over_an_inner_suffix_opens_no_inner_name() -> None:
    with pytest.raises(FetchRefused) as refused:
        read_url("https://a.internal/", Rules(hosts=frozenset({"*.internal"})))
    assert refused.value.code == "url_host"


def test_ports_and_plain_http_are_the_rules_to_give() -> None:
    assert read_url("https://a.com:8443/", Rules(ports=frozenset({8443}))).port == 8443
    with pytest.raises(FetchRefused) as refused:
        read_url("http://a.com/", Rules(plain_http=False))
    assert refused.value.code == "url_scheme"


@pytest.mark.parametrize(
    ("location", "sent"),
    [
        ("/b", "https://a.com/b"),
        ("c?d", "https://a.com/x/c?d"),
        ("//b.com/", "https://b.com/"),
        ("https://b.com", "https://b.com/"),
        ("?q", "https://a.com/x/y?q"),
    ],
)
def test_a_redirect_is_read_from_where_it_stands(location: str, sent: str) -> None:
    assert read_redirect(read_url("https://a.com/x/y", ANY), location, ANY).url == sent


@pytest.mark.parametrize(
    ("location", "code"),
    [
        (None, "url_redirect"),
        ("", "url_redirect"),
        ("\\\\127.0.0.1/", "url_redirect"),
        ("/\t/127.0.0.1/", "url_redirect"),
        ("//[", "url_redirect"),
        ("http://a.com/", "url_scheme"),
        ("file:///etc/passwd", "url_scheme"),
        ("javascript:alert(1)", "url_invalid"),
        ("//user@a.com/", "url_credentials"),
        ("//127.1/", "url_invalid"),
        ("//localhost/", "url_host"),
        ("//a.com:22/", "url_port"),
    ],
)
def test_a_redirect_is_judged_like_a_url(location: str | None, code: str) -> None:
    with pytest.raises(FetchRefused) as refused:
        read_redirect(read_url("https://a.com/x/y", ANY), location, ANY)
    assert refused.value.code == code
