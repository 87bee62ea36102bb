"""<webFarms>: the servers behind Application Request Routing, and which of them a request gets.

A rewrite whose host is the name of a farm goes to one of its servers (documented). A client whose
affinity cookie names one that is usable gets that; any other request is balanced:

    WeightedRoundRobin   in turn, as often as the weights say: each turn every server gains its
                         weight, the richest is taken and pays the sum of all.
    RequestHash          by a server variable, by parameters of the query, or by the URL: the same
                         value always gets the same server, as long as that is usable.

LeastRequests, LeastResponseTime and WeightedTotalTraffic are accepted and mean WeightedRoundRobin
(documented: the schema of ARR 3 says so).

Which server is usable is not known here: the server watches that (server/web_farm.py). A decision
names the one that the first request of a new client gets.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl

from ..config.merge import Node
from ..config.tree import Effective
from ..decision import Proxy
from ..http.request import Request
from ..rewrite.state import RewriteState

SECTION = "webFarms"
#: How the reason of a choice begins that a client's own choice before has made.
AFFINITY = "affinity"
#: Host names whose server is remembered (useHostName).  # our own
MAX_HOSTS = 4096
_ALL = 999


@dataclass(frozen=True, slots=True)
class Codes:
    """Status codes as ``200-399``, ``500-`` or ``404`` say, separated by commas."""

    ranges: tuple[tuple[int, int], ...]

    def __contains__(self, status: int) -> bool:
        return any(low <= status <= high for low, high in self.ranges)


@dataclass(frozen=True, slots=True, kw_only=True)
class FarmServer:
    """An enabled <server>."""

    address: str
    weight: int
    http_port: int
    https_port: int
    #: The name that it is asked by in place of its address; "" = none.
    host_name: str
    #: Host and port of health tests; "" and 0 = those of requests.
    test_host: str
    test_port: int

    def authority(self, scheme: str) -> str:
        """``address:port`` for http or https; an IPv6 address in brackets."""
        port = self.https_port if scheme == "https" else self.http_port
        address = self.address
        return f"{f'[{address}]' if ':' in address and address[0] != '[' else address}:{port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthCheck:
    """When a server is usable; times in seconds. ``url`` "" = no tests, ``period`` 0 = answers to
    requests do not count.
    """

    url: str
    interval: float
    timeout: float
    codes: Codes
    #: A text that the answer must have; "" = any.
    text: str
    failures: Codes
    max_failures: int
    period: float
    #: With fewer healthy servers than these, unhealthy ones are asked as well.  # inferred
    min_servers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Farm:
    """An enabled <webFarm> with its enabled servers."""

    name: str
    servers: tuple[FarmServer, ...]
    algorithm: str
    hash_variable: str
    query_names: tuple[str, ...]
    #: The name of the affinity cookie; "" = no affinity by cookie.
    cookie: str
    by_host: bool
    health: HealthCheck


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request says that a choice may depend on."""

    cookies: tuple[str, ...]
    host: str
    hashed: str


@dataclass(frozen=True, slots=True)
class Choice:
    """A server, and why it is the one."""

    server: FarmServer
    why: str


def farms(effective: Effective) -> dict[str, Farm]:
    """The enabled farms by their names in lower case. A view: see Effective.view."""
    found = (_farm(node) for node in effective.section(SECTION).items if node.flag("enabled"))
    return {farm.name.lower(): farm for farm in found}


def _farm(node: Node) -> Farm:
    routing = node.child("applicationRequestRouting")
    balancing, affinity = routing.child("loadBalancing"), routing.child("affinity")
    names = balancing.text("queryStringNames").replace(";", ",").split(",")
    return Farm(
        name=node.text("name"),
        servers=tuple(_server(item) for item in node.items if item.flag("enabled")),
        algorithm=balancing.text("algorithm"),
        hash_variable=balancing.text("hashServerVariable").strip("{} ").upper(),
        query_names=tuple(name.strip().lower() for name in names if name.strip()),
        cookie=affinity.text("cookieName") if affinity.flag("useCookie") else "",
        by_host=affinity.flag("useHostName"),
        health=_health(routing.child("healthCheck")),
    )


def _server(node: Node) -> FarmServer:
    routing = node.child("applicationRequestRouting")
    return FarmServer(
        address=node.text("address").strip(),
        weight=max(1, routing.integer("weight")),
        http_port=routing.integer("httpPort"),
        https_port=routing.integer("httpsPort"),
        host_name=routing.text("hostName"),
        test_host=routing.text("healthCheckAlternateHostName"),
        test_port=routing.integer("healthCheckAlternatePort"),
    )


def _health(node: Node) -> HealthCheck:
    return HealthCheck(
        url=node.text("url"),
        interval=node.seconds("interval"),
        timeout=node.seconds("timeout"),
        codes=codes(node.text("statusCodeMatch")),
        text=node.text("responseMatch"),
        failures=codes(node.text("liveTrafficFailureCodes")),
        max_failures=node.integer("maxLiveTrafficFailures"),
        period=node.seconds("liveTrafficFailurePeriod"),
        min_servers=node.integer("minServers"),
    )


def codes(text: str) -> Codes:
    """Status codes from a text; what is not a number or a range is passed over."""
    found = []
    for part in text.split(","):
        low, dash, high = (word.strip() for word in part.partition("-"))
        if low.isdecimal() and len(low) < 4:
            end = int(high) if high.isdecimal() and len(high) < 4 else _ALL if dash else int(low)
            found.append((int(low), end))
    return Codes(tuple(found))


def server_of(effective: Effective, action: Proxy) -> FarmServer | None:
    """The server of a farm that an action names."""
    farm = effective.view(farms).get(action.farm.lower())
    scheme = action.url.partition("://")[0]
    servers = farm.servers if farm is not None else ()
    return next((one for one in servers if one.authority(scheme) == action.server), None)


def host_of(effective: Effective, action: Proxy) -> str:
    """The Host that the chosen server of a farm gets, where the client's is not kept: its hostName,
    else its address, with the port where that is not the scheme's own.
    """
    server = server_of(effective, action)
    if server is not None and server.host_name:
        return server.host_name
    return action.server.removesuffix(":443" if action.url.startswith("https:") else ":80")


def digest(farm: Farm, server: FarmServer) -> str:
    """The value of the affinity cookie: 64 hexadecimal digits that name a server (inferred)."""
    return hashlib.sha256(f"{farm.name.lower()}/{server.address.lower()}".encode()).hexdigest()


def asked(farm: Farm, request: Request, state: RewriteState) -> Asked:
    """What a request says to a farm."""
    cookies: tuple[str, ...] = ()
    if farm.cookie:
        pairs = (
            part.strip().partition("=") for part in request.fields.get("cookie", "").split(";")
        )
        cookies = tuple(value.lower() for name, _, value in pairs if name == farm.cookie)
    return Asked(cookies, request.host.lower(), _hashed(farm, request, state))


def _hashed(farm: Farm, request: Request, state: RewriteState) -> str:
    """The text whose hash chooses the server; "" where nothing is hashed."""
    if farm.algorithm != "RequestHash":
        return ""
    if farm.hash_variable:
        return state.variable(farm.hash_variable)
    if farm.query_names:
        query = parse_qsl(request.target.query, keep_blank_values=True)
        return "&".join(f"{k.lower()}={v}" for k, v in query if k.lower() in farm.query_names)
    return request.target.raw  # inferred


class Balance:
    """Whose turn it is in one farm; only ``choose`` changes it."""

    def __init__(self, farm: Farm) -> None:
        self.farm = farm
        self._gained = dict.fromkeys((server.address for server in farm.servers), 0)
        self._hosts: dict[str, str] = {}

    def choose(self, asked: Asked, usable: Sequence[FarmServer]) -> Choice | None:
        """The server that a request gets, of those that are usable; None where none is."""
        if not usable:
            return None
        farm = self.farm
        for server in usable:
            if asked.cookies and digest(farm, server) in asked.cookies:
                return Choice(server, f"{AFFINITY}: the cookie {farm.cookie} names it")
        if farm.by_host:
            return self._of_host(asked.host, usable)
        if farm.algorithm == "RequestHash":
            return self._by_hash(asked.hashed, usable)
        return self._in_turn(usable)

    def _in_turn(self, usable: Sequence[FarmServer]) -> Choice:
        gained = self._gained
        for server in usable:
            gained[server.address] += server.weight
        chosen = max(usable, key=lambda server: gained[server.address])
        gained[chosen.address] -= sum(server.weight for server in usable)
        return Choice(chosen, self._words(chosen, usable))

    def _words(self, chosen: FarmServer, usable: Sequence[FarmServer]) -> str:
        farm = self.farm
        words = f"weight {chosen.weight} of {sum(server.weight for server in usable)}"
        if len(usable) < len(farm.servers):
            words += f", {len(usable)} of {len(farm.servers)} servers are usable"
        if farm.algorithm == "WeightedRoundRobin":
            return f"{farm.algorithm}, {words}"
        return f"WeightedRoundRobin, which {farm.algorithm} means in ARR 3, {words}"

    def _by_hash(self, text: str, usable: Sequence[FarmServer]) -> Choice:
        """Each server has its own hash with the text, and the highest wins: where one leaves, only
        its own requests move.
        """
        hashed = text.encode("utf-8", "replace")
        chosen = max(
            usable,
            key=lambda server: hashlib.sha256(server.address.encode() + b"\0" + hashed).digest(),
        )
        farm = self.farm
        what = farm.hash_variable or ", ".join(farm.query_names) or "the URL"
        return Choice(chosen, f"RequestHash of {what}, '{text}'")

    def _of_host(self, host: str, usable: Sequence[FarmServer]) -> Choice:
        kept = self._hosts.get(host)
        for server in usable:
            if server.address == kept:
                return Choice(server, f"{AFFINITY}: it has the host name {host}")
        choice = self._in_turn(usable)
        if len(self._hosts) >= MAX_HOSTS:
            del self._hosts[next(iter(self._hosts))]
        self._hosts[host] = choice.server.address
        return Choice(choice.server, f"the first request for the host name {host}")
