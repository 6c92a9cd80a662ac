"""Which addresses the fetcher connects to, and which never."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.domain.errors import PasserelleError
from passerelle.wire.fetched import FetchRefused
from passerelle.wire.fetcher import Fetcher
from passerelle.wire.public_addresses import reachable_as

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))

CLOSED = [
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.255.255.254",
    "169.254.169.254", "169.254.170.2", "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.0.192", "192.0.2.1",
    "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255",
    "240.0.0.1", "255.255.255.255", "168.63.129.16", "100.100.100.200",
    "::", "::1", "::127.0.0.1", "::8.8.8.8", "::ffff:127.0.0.1", "::ffff:a9fe:a9fe", "::ffff:0:8.8.8.8",
    "64:ff9b::a9fe:a9fe", "64:ff9b::7f00:1", "64:ff9b::a00:1", "64:ff9b::a83f:8110", "64:ff9b:1::808:808",
    "2002:a9fe:a9fe::", "2002:7f00:1::1", "2002:808:808::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:db8::1", "3fff::1", "100::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fd20:ce::254", "fe80::1",
    "fe80::1%eth0", "fe80::a9fe:a9fe", "fec0::1", "ff02::1", "ff0e::1", "2606:4700::5efe:7f00:1",
    "2606:4700::200:5efe:a00:1", "2606:4700::1111%lo", "4000::1", "not an address", "", "127.1", "0177.0.0.1",
]  # fmt: skip
OPEN = {
    "1.1.1.1": "1.1.1.1",
    "8.8.8.8": "8.8.8.8",
    "172.32.0.1": "172.32.0.1",
    "100.128.0.1": "100.128.0.1",
    "2606:4700:4700:0::1111": "2606:4700:4700::1111",
    "::ffff:8.8.8.8": "8.8.8.8",
    "64:ff9b::808:808": "64:ff9b::808:808",
}


@pytest.mark.parametrize("address", CLOSED)
def test_what_is_not_on_the_public_internet_is_closed(address: str) -> None:
    assert reachable_as(address) is None


@pytest.mark.parametrize(("address", "connected"), OPEN.items())
def test_what_is_public_is_connected_to_in_its_one_form(address: str, connected: str) -> None:
    assert reachable_as(address) == connected


@given(st.ip_addresses(v=4))
def test_no_form_of_an_address_in_ipv6_is_open_when_the_address_is_closed(address: IPv4Address) -> None:
    number = int(address)
    wrapped = [
        IPv6Address(number),
        IPv6Address((0xFFFF << 32) | number),
        IPv6Address((0xFFFF << 48) | number),
        IPv6Address((0x64_FF9B << 96) | number),
        IPv6Address((0x2002 << 112) | (number << 80)),
        IPv6Address((0x2606_4700 << 96) | (0x5EFE << 32) | number),
    ]
    if reachable_as(str(address)) is None:
        assert {reachable_as(str(form)) for form in wrapped} == {None}


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "168.63.129.16",
        "100.100.100.200",
        "192.0.0.192",
        "fe80::1",
        "0.0.0.0",
        "fd00:ec2::254",
        "224.0.0.1",
        "ff02::1",
    ],
)
def test_no_exception_opens_a_machines_metadata_or_multicast(address: str) -> None:
    everything = (ip_network("0.0.0.0/0"), ip_network("::/0"))
    assert reachable_as(address, exceptions=everything) is None
    assert reachable_as("10.0.0.1", exceptions=everything) == "10.0.0.1"


def test_what_is_denied_stays_closed_whatever_opens_it() -> None:
    office = (ip_network("10.1.0.0/16"),)
    assert reachable_as("10.1.2.3", denied=office, exceptions=(ip_network("10.0.0.0/8"),)) is None
    assert reachable_as("8.8.8.8", denied=(ip_network("8.8.8.0/24"),)) is None
    assert reachable_as("::ffff:8.8.8.8", denied=(ip_network("8.8.8.0/24"),)) is None
    assert reachable_as("64:ff9b::808:808", denied=(ip_network("8.8.8.0/24"),)) is None
    assert reachable_as("2606:4700::1", denied=(ip_network("2606:4700::/32"),)) is None


@pytest.mark.parametrize("address", [address for address in CLOSED if address])
async def test_a_name_with_one_closed_address_is_refused_whole_and_the_address_is_not_told(
    address: str,
) -> None:
    async def resolve(host: str) -> list[str]:
        return ["1.1.1.1", address]

    with pytest.raises(FetchRefused) as refused:
        await Fetcher(resolver=resolve).fetch("https://site.test/")
    assert refused.value.code == "url_address"
    assert address not in refused.value.message


LITERALS = [
    "http://127.0.0.1/", "http://169.254.169.254/latest/meta-data/", "http://168.63.129.16/", "http://0.0.0.0/",
    "http://[::]/", "http://[::1]/", "http://[::ffff:127.0.0.1]/", "http://[::ffff:7f00:1]/", "http://[::127.0.0.1]/",
    "http://[64:ff9b::a9fe:a9fe]/", "http://[2002:a9fe:a9fe::]/", "http://[fe80::1]/", "http://[fd00:ec2::254]/",
    "http://[ff02::1]/", "http://100.64.0.1/", "http://224.0.0.1/", "http://127.0.0.1./",
]  # fmt: skip


@pytest.mark.parametrize("url", LITERALS)
async def test_an_address_in_the_url_is_judged_like_that_of_a_name(url: str) -> None:
    async def resolve(host: str) -> list[str]:
        raise AssertionError("an address is not resolved")

    with pytest.raises(PasserelleError) as refused:
        await Fetcher(resolver=resolve).fetch(url)
    assert isinstance(refused.value, FetchRefused)
    assert refused.value.code == "url_address"
