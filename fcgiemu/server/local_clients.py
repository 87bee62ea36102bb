"""Who sees detailed pages: clients of this machine that have asked for it by one of its names.

Without a look at the name, any page on the Web could have a browser of this machine ask the server
by a name of its own that resolves to 127.0.0.1, and read what the detailed pages say (DNS
rebinding).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from ..site import Site

_LOOPBACK_NAME = "localhost"


def trusted_names(site: Site, given: Iterable[str] = ()) -> frozenset[str]:
    """The names of --local-host and of the bindings of the host configuration, in lower case."""
    return frozenset(
        name.lower() for name in (*given, *site.layout.host_names) if name and name != "*"
    )


def is_trusted(host: str, names: frozenset[str]) -> bool:
    """Whether a host, as a request names it (without port and brackets), is a name of this
    machine's own.
    """
    lower = host.lower().rstrip(".")
    if not lower:  # HTTP/1.0: no browser asks like that
        return True
    if lower == _LOOPBACK_NAME or lower.endswith("." + _LOOPBACK_NAME) or lower in names:
        return True
    try:
        return ipaddress.ip_address(lower).is_loopback
    except ValueError:
        return False
