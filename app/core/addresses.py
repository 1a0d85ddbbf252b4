"""Who is behind an address."""

from ipaddress import IPv4Address, IPv6Network, ip_address
from typing import Final

_IPV6_NETWORK_BITS: Final = 64


def caller_network(address: str) -> str:
    """Return what one caller cannot choose freely: an IPv4 address, the network of an IPv6 address.

    What is no address, such as a name that a proxy gives, is returned as it is.
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv4Address):
        return str(parsed)
    return str(parsed.ipv4_mapped or IPv6Network((parsed, _IPV6_NETWORK_BITS), strict=False))
