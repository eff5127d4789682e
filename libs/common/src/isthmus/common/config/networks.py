"""IP addresses and networks: of callers, of clients."""

from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Annotated

from pydantic import AfterValidator


def _network(text: str) -> str:
    try:
        ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"{text!r} is no IP address or network") from None
    return text


Network = Annotated[str, AfterValidator(_network)]
"""An IP address, or a network as `10.1.0.0/16`."""


def written_out(network: str) -> str:
    """Give an address or a network as others read it too, `10.1.0.0/16`: Python takes more forms."""
    return str(ip_network(network, strict=False))


def is_in(address: str, network: str) -> bool:
    """Tell whether an IP address is one of a network's; what is no address is in none.

    A link-local IPv6 address may name its interface; an IPv4 address may be mapped into IPv6.
    """
    try:
        known = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(known, IPv6Address) and known.ipv4_mapped is not None:
        known = known.ipv4_mapped
    return known in ip_network(network, strict=False)


@lru_cache(maxsize=4096)
def counted_as(address: str) -> str:
    """Give by what the address of a client is counted, where each has a share.

    That is the address; of IPv6 its network of 64 bits, all addresses of which one machine can have (RFC 4291
    2.5.4), but for those of a link, whose network all its machines share. What is no address is as it is.
    """
    text, _, interface = address.partition("%")
    try:
        known = ip_address(text)
    except ValueError:
        return address
    if not isinstance(known, IPv6Address):
        return str(known)
    if known.ipv4_mapped is not None:
        return str(known.ipv4_mapped)
    if interface or known.is_link_local or known.is_loopback:
        return address
    return str(ip_network((known, 64), strict=False))
