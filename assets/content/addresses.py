"""Which network addresses a stranger's text may make this machine connect to."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

UNICAST = IPv6Network("2000::/3")
"""The part of IPv6 that is handed out to the public network."""

TRANSLATED = IPv6Network("64:ff9b::/96")
"""NAT64: the last 32 bits are an IPv4 address."""

RESERVED = (IPv4Network("192.0.0.0/24"), IPv4Network("168.63.129.16/32"))
"""Addresses of protocols, which not every Python knows, and the one by which Azure's machines reach their host."""


def is_public(address: str) -> bool:
    """Whether `address` is one of the public network: not private, loopback, link-local, multicast or reserved.

    An IPv6 address that stands for an IPv4 one is judged by that one.

    Raises:
        ValueError: this is not an address.
    """
    plain = _unwrapped(ip_address(address.partition("%")[0]))
    usable = plain in UNICAST if isinstance(plain, IPv6Address) else not any(plain in network for network in RESERVED)
    return usable and plain.is_global and not (plain.is_multicast or plain.is_reserved)


def _unwrapped(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    if isinstance(address, IPv4Address):
        return address
    if address in TRANSLATED:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address
