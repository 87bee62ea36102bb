"""IpRestrictionModule: <ipSecurity>, which client addresses may ask at all."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from functools import partial

from ..config.tree import Effective
from ..decision import Abort, Respond
from .context import Context, Step

SECTION = "system.webServer/security/ipSecurity"
_DENY_STATUS = {"Unauthorized": (401, 503), "Forbidden": (403, 503), "NotFound": (404, 503)}

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Addresses:
    """The compiled <ipSecurity>: entries in order, first match decides."""

    entries: tuple[tuple[Network, bool], ...]
    allow_unlisted: bool
    action: str
    explicit_action: bool
    proxy_mode: bool

    def allows(self, address: Address) -> bool:
        return next(
            (verdict for network, verdict in self.entries if address in network),
            self.allow_unlisted,
        )


def plan(effective: Effective) -> Step | None:
    """The refusal of the client's address. A plan: see context.py."""
    compiled = effective.view(addresses)
    return None if compiled is None else partial(_refuse, compiled)


def addresses(effective: Effective) -> Addresses | None:
    """None where everybody may ask. A view: see Effective.view."""
    section = effective.section(SECTION)
    entries = []
    for item in section.items:
        if not item.text("ipAddress"):
            continue  # domain names need reverse look-ups, which are not made here
        try:
            mask = _prefix(item.text("ipAddress"), item.text("subnetMask"))
            network = ipaddress.ip_network(f"{item.text('ipAddress')}/{mask}", strict=False)
        except ValueError:
            continue
        entries.append((network, item.flag("allowed")))
    if not entries and section.flag("allowUnlisted"):
        return None
    return Addresses(
        tuple(entries),
        section.flag("allowUnlisted"),
        section.text("denyAction"),
        section.has("denyAction"),
        section.flag("enableProxyMode"),
    )


def _prefix(address: str, mask: str) -> str:
    return "128" if ":" in address and mask == "255.255.255.255" else mask


def forwarded(text: str) -> Address:
    """An address of X-Forwarded-For, with or without port. Raises ValueError."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    return ipaddress.ip_address(text)


def _refuse(compiled: Addresses, context: Context) -> Respond | Abort | None:
    request = context.request
    try:
        clients = [ipaddress.ip_address(request.remote_addr)]
    except ValueError:
        return None
    if compiled.proxy_mode:
        try:
            clients += [
                forwarded(text)
                for text in request.fields.get("x-forwarded-for", "").split(",")
                if text.strip()
            ]
        except ValueError:
            return Respond(
                400, 10, "The X-Forwarded-For header holds something that is not an address."
            )
    if all(compiled.allows(client) for client in clients):
        return None
    if compiled.action == "AbortRequest":
        return Abort()
    status, substatus = _DENY_STATUS[compiled.action]
    if compiled.action == "Forbidden" and not compiled.explicit_action:
        substatus = 6  # inferred: the classic code unless denyAction is set
    return Respond(
        status,
        substatus,
        f"The client address {request.remote_addr} is on the deny list of ipSecurity.",
    )
