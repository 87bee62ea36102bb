"""IpRestrictionModule, UrlAuthorizationModule and access flags: who may ask at all."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from ..config.tree import Effective
from ..decision import Abort, Respond
from ..http.request import Request

_SECURITY = "system.webServer/security/"
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


def addresses(effective: Effective) -> Addresses | None:
    """None where everybody may ask. A view: see Effective.view."""
    section = effective.section(_SECURITY + "ipSecurity")
    entries = []
    for item in section.items:
        if not item["ipAddress"]:
            continue  # domain names need reverse look-ups, which are not made here
        try:
            mask = _prefix(item["ipAddress"], item["subnetMask"])
            network = ipaddress.ip_network(f"{item['ipAddress']}/{mask}", strict=False)
        except ValueError:
            continue
        entries.append((network, bool(item["allowed"])))
    if not entries and section["allowUnlisted"]:
        return None
    return Addresses(
        tuple(entries),
        section["allowUnlisted"],
        section["denyAction"],
        section.has("denyAction"),
        section["enableProxyMode"],
    )


def _prefix(address: str, mask: str) -> str:
    return "128" if ":" in address and mask == "255.255.255.255" else mask


def _forwarded(text: str) -> Address:
    """An address of X-Forwarded-For, with or without port. Raises ValueError."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    return ipaddress.ip_address(text)


def refuse_address(compiled: Addresses, request: Request) -> Respond | Abort | None:
    """The refusal of the client's address, or None."""
    try:
        clients = [ipaddress.ip_address(request.remote_addr)]
    except ValueError:
        return None
    if compiled.proxy_mode:
        try:
            clients += [
                _forwarded(text)
                for text in request.fields.get("x-forwarded-for", "").split(",")
                if text.strip()
            ]
        except ValueError:
            return Respond(
                400, 10, "The X-Forwarded-For header holds something that is no address."
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


@dataclass(frozen=True, slots=True)
class AuthorizationRule:
    """An authorization rule: ``users`` and ``verbs`` as sets, empty verbs = all."""

    allow: bool
    users: frozenset[str]
    verbs: frozenset[str]

    def covers_anonymous(self, method: str) -> bool:
        return bool(self.users & {"*", "?"}) and (not self.verbs or method in self.verbs)


@dataclass(frozen=True, slots=True)
class Authorization:
    """sslFlags and the authorization rules."""

    ssl_flags: frozenset[str]
    rules: tuple[AuthorizationRule, ...]


def authorization(effective: Effective) -> Authorization | None:
    """The compiled <access> and <authorization>; None where everybody may ask. A view: see
    Effective.view.
    """
    flags = effective.section(_SECURITY + "access")["sslFlags"]
    rules = tuple(
        AuthorizationRule(
            item["accessType"] == "Allow", _names(item["users"]), _names(item["verbs"])
        )
        for item in effective.section(_SECURITY + "authorization").items
    )
    if (
        not flags
        and rules
        and all(rule.allow and rule.users >= {"*"} and not rule.verbs for rule in rules)
    ):
        return None
    return Authorization(flags, rules)


def _names(text: str) -> frozenset[str]:
    return frozenset(part.strip() for part in text.split(",") if part.strip())


def deny(gate: Authorization, request: Request) -> Respond | None:
    """403.4 without the TLS that sslFlags wants, 403.7 without the client certificate, 401.2 where
    rules deny anonymous users.

    Deny rules go first.
    """
    flags = gate.ssl_flags
    if "SslRequireCert" in flags and request.https:  # client certificates are not asked for here
        return Respond(
            403,
            7,
            "The page you are trying to access requires your browser to have a client certificate.",
            notification="BeginRequest",
        )
    if flags & {"Ssl", "SslRequireCert", "Ssl128"} and not request.https:
        return Respond(
            403,
            4,
            "The page you are trying to access is secured with Secure Sockets Layer (SSL).",
            notification="BeginRequest",
        )
    covering = [rule for rule in gate.rules if rule.covers_anonymous(request.method)]
    if covering and all(rule.allow for rule in covering):
        return None
    return Respond(
        401,
        2,
        "You are not authorized to view this page due to invalid authentication headers.",
        notification="AuthorizeRequest",
    )
