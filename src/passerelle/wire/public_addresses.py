"""Which addresses lie on the public Internet, by the special-purpose registries of IANA (RFC 6890, RFC 8190).

The standard library's `is_global` alone is not enough: it calls global what clouds answer their own machines on
(168.63.129.16), multicast, and private IPv4 addresses that are wrapped in IPv6 ones. So IPv6 is allowed by the one
block from which addresses are given out, and whatever wraps an IPv4 address is judged by that too, or refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address

# No exception opens these: what answers there hands out the credentials of the machine.
_NEVER: tuple[Network, ...] = (
    IPv4Network("0.0.0.0/8"),
    IPv4Network("100.100.100.200/32"),  # Alibaba Cloud
    IPv4Network("168.63.129.16/32"),  # Azure, from every node
    IPv4Network("169.254.0.0/16"),  # link-local: AWS, Azure, Google, OpenStack and others
    IPv4Network("192.0.0.192/32"),  # Oracle Cloud
    IPv6Network("fd00:ec2::/32"),  # AWS
    IPv6Network("fd20:ce::254/128"),  # Google
    IPv6Network("fe80::/10"),
)
_SPECIAL: tuple[Network, ...] = (
    IPv4Network("10.0.0.0/8"),
    IPv4Network("100.64.0.0/10"),  # behind a carrier's NAT (RFC 6598)
    IPv4Network("127.0.0.0/8"),
    IPv4Network("172.16.0.0/12"),
    IPv4Network("192.0.0.0/24"),
    IPv4Network("192.0.2.0/24"),
    IPv4Network("192.88.99.0/24"),  # relays of 6to4 (RFC 7526)
    IPv4Network("192.168.0.0/16"),
    IPv4Network("198.18.0.0/15"),
    IPv4Network("198.51.100.0/24"),
    IPv4Network("203.0.113.0/24"),
    IPv4Network("224.0.0.0/3"),  # multicast, reserved and broadcast
    IPv6Network("2001::/23"),  # protocol assignments, Teredo among them
    IPv6Network("2001:db8::/32"),
    IPv6Network("2002::/16"),  # 6to4: wraps an IPv4 address
    IPv6Network("3fff::/20"),
)
_GIVEN_OUT = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052; its private sister 64:ff9b:1::/48 is refused with the rest
_ISATAP = (0x0000_5EFE, 0x0200_5EFE)  # the upper half of an interface identifier that wraps IPv4 (RFC 5214)


def reachable_as(
    text: str, *, denied: Sequence[Network] = (), exceptions: Sequence[Network] = ()
) -> str | None:
    """The address to connect to, in its canonical form; None when it must not be connected to.

    `denied` closes networks beyond those that are never public, and `exceptions` opens some of these; what is
    denied stays so. An IPv4 address that is mapped into IPv6 counts, and is connected to, as what it maps.
    """
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            return None
        address = address.ipv4_mapped or address
    return str(address) if _open(address, denied, exceptions) else None


def _open(address: Address, denied: Sequence[Network], exceptions: Sequence[Network]) -> bool:
    if _within(address, _NEVER) or address.is_multicast or _within(address, denied):
        return False
    return _within(address, exceptions) or _public(address, denied)


def _public(address: Address, denied: Sequence[Network]) -> bool:
    if isinstance(address, IPv4Address):
        return address.is_global and not _within(address, _SPECIAL)
    if address in _NAT64:
        return _open(IPv4Address(int(address) & 0xFFFF_FFFF), denied, ())
    if int(address) >> 32 & 0xFFFF_FFFF in _ISATAP:
        return False
    return address in _GIVEN_OUT and address.is_global and not _within(address, _SPECIAL)


def _within(address: Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)  # one of another version holds no address of this
