"""Where somebody comes from, as far as that tells one from another."""

import ipaddress
from functools import lru_cache


@lru_cache(maxsize=10_000)
def network(address: str) -> str:
    """Whose address it is: of IPv6 a household or a server has as many as it wants, all in one /64."""
    if ":" not in address:
        return address
    try:
        found = ipaddress.IPv6Address(address)
    except ValueError:
        return address
    return str(found.ipv4_mapped or ipaddress.ip_network((int(found), 64), strict=False))
