"""DynamicIpRestrictionModule: <dynamicIpSecurity>, how many requests a client may have in progress
and how many it may send within an interval.

What it refuses depends on the requests before, so it is not a part of ``decide``: the server keeps
a ``Clients`` and asks it first, as the module works in PRE_BEGIN_REQUEST before all others.
"""

from __future__ import annotations

import ipaddress
from collections import deque
from dataclasses import dataclass, field

from ..config.tree import Effective
from ..decision import Abort, Respond
from ..http.request import Request
from . import ip_restriction, loaded_modules

MODULE = "DynamicIpRestrictionModule"
SECTION = "system.webServer/security/dynamicIpSecurity"
_STATUS = {"Unauthorized": 401, "Forbidden": 403, "NotFound": 404}
_CONCURRENT, _RATE = 501, 502
#: Clients that are remembered; the one that has been quiet for longest is forgotten first.
KEPT = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimits:
    """The compiled section; 0 means no limit, ``interval`` in seconds."""

    action: str
    concurrent: int
    requests: int
    interval: float
    proxy_mode: bool
    logging_only: bool


def limits(effective: Effective) -> RateLimits | None:
    """None where nothing is limited. A view: see Effective.view."""
    if MODULE in effective.view(loaded_modules.modules_not_loaded):
        return None
    section = effective.section(SECTION)
    at_once, rate = section.child("denyByConcurrentRequests"), section.child("denyByRequestRate")
    found = RateLimits(
        action=section.text("denyAction"),
        concurrent=at_once.integer("maxConcurrentRequests") * at_once.flag("enabled"),
        requests=rate.integer("maxRequests") * rate.flag("enabled"),
        interval=rate.integer("requestIntervalInMilliseconds") / 1000,
        proxy_mode=section.flag("enableProxyMode"),
        logging_only=section.flag("enableLoggingOnlyMode"),
    )
    return found if found.concurrent or found.requests else None


@dataclass(slots=True)
class _Client:
    in_progress: int = 0
    #: When the latest requests came, refused ones among them.
    times: deque[float] = field(default_factory=deque)


@dataclass(frozen=True, slots=True)
class RateVerdict:
    """What the module says of a request: ``key`` is to be given to ``leave`` when it has ended.

    ``action`` refuses it; ``substatus`` is logged, also where it passes (logging only).
    """

    key: str
    action: Respond | Abort | None = None
    substatus: int = 0


class Clients:
    """The requests of each client. ``now`` is a time in seconds of any clock."""

    def __init__(self) -> None:
        self._clients: dict[str, _Client] = {}

    def enter(self, effective: Effective, request: Request, now: float) -> RateVerdict | None:
        """A request comes; None where nothing limits it."""
        given = effective.view(limits)
        if given is None:
            return None
        try:
            key = _address(given, request)
        except ValueError:
            text = "The X-Forwarded-For header holds something that is not an address."
            return RateVerdict("", Respond(400, 10, text))
        if key is None or _is_listed(effective, key):
            return None
        client = self._clients.pop(key, None) or _Client()
        self._clients[key] = client
        self._forget()
        substatus = _counted(client, given, now)
        client.in_progress += 1
        if not substatus or given.logging_only:
            return RateVerdict(key, None, substatus)
        return RateVerdict(key, _refusal(given, key, substatus), substatus)

    def leave(self, verdict: RateVerdict) -> None:
        """A request that came with this verdict has ended."""
        client = self._clients.get(verdict.key)
        if client is not None:
            client.in_progress -= 1

    def _forget(self) -> None:
        while len(self._clients) > KEPT:
            del self._clients[next(iter(self._clients))]


def _counted(client: _Client, given: RateLimits, now: float) -> int:
    """Count a request; the substatus of what refuses it, else 0."""
    if given.requests:
        times = client.times
        while times and times[0] <= now - given.interval:
            times.popleft()
        times.append(now)
        if len(times) > given.requests + 1:
            times.popleft()  # more of them than count would change nothing
    if given.concurrent and client.in_progress >= given.concurrent:
        return _CONCURRENT
    return _RATE if given.requests and len(client.times) > given.requests else 0


def _address(given: RateLimits, request: Request) -> str | None:
    """Who the client is: its address, or with proxy mode the first of X-Forwarded-For (inferred).

    Raises ValueError for a header that holds something else.
    """
    forwarded = request.fields.get("x-forwarded-for", "") if given.proxy_mode else ""
    if forwarded.strip():
        return str(ip_restriction.forwarded(forwarded.split(",")[0]))
    try:
        return str(ipaddress.ip_address(request.remote_addr))
    except ValueError:
        return None


def _is_listed(effective: Effective, key: str) -> bool:
    """Whether <ipSecurity> has an entry that allows the address: such a client is not limited."""
    static = effective.view(ip_restriction.addresses)
    if static is None:
        return False
    address = ipaddress.ip_address(key)
    return next((verdict for network, verdict in static.entries if address in network), False)


def _refusal(given: RateLimits, key: str, substatus: int) -> Respond | Abort:
    if given.action == "AbortRequest":
        return Abort()
    why = (
        f"has {given.concurrent} requests in progress"
        if substatus == _CONCURRENT
        else f"has sent more than {given.requests} requests in {given.interval * 1000:g} ms"
    )
    return Respond(
        _STATUS[given.action], substatus, f"The client {key} {why}: dynamicIpSecurity refuses it."
    )
