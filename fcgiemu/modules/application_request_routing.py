"""ApplicationRequestRouting: a rewrite to another host, forwarded where the proxy is enabled, or to
a web farm of that name.

``<proxy>`` of the host configuration says how; no web.config may have it. Where it says nothing of
``enabled``, the settings of the emulator do. Farms need no ``<proxy enabled>`` (inferred): see
web_farms.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from urllib.parse import urlsplit, urlunsplit

from .. import catalogue
from ..config.merge import Node
from ..config.tree import Effective
from ..decision import Action, Decision, Proxy, Respond, configuration_error
from ..hosting import Hosting
from ..http.numbers import bounded
from ..http.request import Request
from ..http.response import Header
from ..trace import Trace
from . import web_farms
from .context import CORE, Context
from .web_farms import Choice, Farm

SECTION = "system.webServer/proxy"
MODULE = "ApplicationRequestRouting"
_DOMAIN = re.compile(r"(;\s*domain=)[^;]*", re.IGNORECASE)
#: What arrResponseHeader adds (the text is inferred).
_POWERED = ("X-Powered-By", "ARR/3.0")
#: A larger Max-Forwards of a client is not taken for a number.
_MAX_FORWARDS = 1 << 31


@dataclass(frozen=True, slots=True, kw_only=True)
class Forwarding:
    """<proxy>, or the <protocol> of a farm; ``timeout`` in seconds. A header's name that is "" is
    not sent.
    """

    #: None where the configuration does not say it.
    enabled: bool | None
    keeps_host: bool
    #: The Host that the other server gets where the client's is not kept; "" = its address.
    other_host: str
    #: reverseRewriteHostInResponseHeaders.
    names_front: bool
    #: Whether the configuration says so itself.
    says_front: bool
    timeout: float
    #: The header that gets the client's address.
    client_header: str
    with_port: bool
    #: xForwardedByHeader with its name.
    forwarded_by: Header
    ssl_header: str
    certificate_header: str
    log_id_header: str
    max_forwards: int
    #: Whether answers say X-Powered-By: ARR/3.0.
    names_itself: bool
    #: Bytes of an answer that are collected before the first ones leave.
    buffer: int
    #: Bytes that the headers of an answer may have.
    max_head: int
    #: Replace, Remove or PassThrough.
    server_header: str


def compiled(effective: Effective) -> Forwarding:
    """What <proxy> says. A view: see Effective.view."""
    return _forwarding(effective.section(SECTION))


def _of_farms(effective: Effective) -> dict[str, Forwarding]:
    """What the <protocol> of each farm says, by the farm's name in lower case. A view: see
    Effective.view.
    """
    return {
        node.text("name").lower(): _forwarding(
            node.child("applicationRequestRouting").child("protocol")
        )
        for node in effective.section(web_farms.SECTION).items
    }


def forwarding(effective: Effective, action: Proxy) -> Forwarding:
    """How a request is forwarded."""
    if action.farm:
        return effective.view(_of_farms)[action.farm.lower()]
    return effective.view(compiled)


def _forwarding(section: Node) -> Forwarding:
    of_farm = "enabled" not in section.schema.attributes
    return Forwarding(
        enabled=None if of_farm or not section.has("enabled") else section.flag("enabled"),
        keeps_host=section.flag("preserveHostHeader"),
        other_host=section.text("alternateHostName") if of_farm else "",
        names_front=section.flag("reverseRewriteHostInResponseHeaders"),
        says_front=section.has("reverseRewriteHostInResponseHeaders"),
        timeout=section.seconds("timeout"),
        client_header=section.text("xForwardedForHeaderName"),
        with_port=section.flag("includePortInXForwardedFor"),
        forwarded_by=(section.text("xForwardedByHeaderName"), section.text("xForwardedByHeader")),
        ssl_header=section.text("sslHeaderName"),
        certificate_header=section.text("clientCertHeaderName"),
        log_id_header=section.text("logGuidName"),
        max_forwards=section.integer("maxForwards"),
        names_itself=section.flag("arrResponseHeader"),
        buffer=section.integer("minResponseBuffer") * 1024,
        max_head=section.integer("maxResponseHeaderSize"),
        server_header=section.text("passServerHeader"),
    )


def is_enabled(hosting: Hosting, effective: Effective) -> bool:
    """Whether requests are forwarded to other hosts."""
    said = effective.view(compiled).enabled
    return hosting.settings.arr if said is None else said


# -- the way there ---------------------------------------------------------------------------------


def forward(context: Context) -> Proxy | Respond:
    """The request goes to the URL that a rule has made; without ARR no handler exists for it."""
    state, effective = context.state, context.effective
    url = f"{state.path}?{state.query}" if state.query else state.path
    farm = farm_of(effective, url)
    if farm is not None or is_enabled(context.hosting, effective):
        context.module = MODULE
        section = SECTION if farm is None else web_farms.SECTION
        if broken := effective.errors(section):
            return configuration_error(broken[0], "MapRequestHandler")
        if remaining(context.request, forwarding(effective, _proxy(url, farm))) is None:
            return _too_many()
        return Proxy(url) if farm is None else _to_farm(context, farm, url)
    context.module = CORE
    form = "arr" if effective.view(compiled).enabled is None else "off"
    lack = catalogue.finding(f"error-no-proxy/{form}", None)
    context.findings.append(lack)
    return Respond(
        404,
        4,
        "The resource you are looking for does not have a handler associated with it.",
        0x8007007B,
        notification="MapRequestHandler",
        hints=(lack.hint,),
    )


def farm_of(effective: Effective, url: str) -> Farm | None:
    """The enabled farm whose name is the host of a foreign URL, which names no port."""
    host = url.partition("://")[2].partition("/")[0].partition("?")[0]
    return effective.view(web_farms.farms).get(host.lower())


def _proxy(url: str, farm: Farm | None) -> Proxy:
    return Proxy(url, farm.name if farm is not None else "")


def _to_farm(context: Context, farm: Farm, url: str) -> Proxy | Respond:
    """To the server that the first request of a new client gets."""
    asked = web_farms.asked(farm, context.request, context.state)
    choice = web_farms.Balance(farm).choose(asked, farm.servers)
    if choice is None:
        return no_server(farm)
    action = routed(Proxy(url, farm.name), choice)
    if context.trace is not None:
        tell(context.trace, action)
    return action


def routed(action: Proxy, choice: Choice) -> Proxy:
    """The action with the server that has been chosen."""
    scheme = action.url.partition("://")[0]
    return Proxy(action.url, action.farm, choice.server.authority(scheme), choice.why)


def tell(trace: Trace, action: Proxy) -> None:
    """The event of IIS that names the server (documented), with the reason in our words."""
    kind = "Affinity" if action.reason.startswith(web_farms.AFFINITY) else "LoadBalancing"
    trace.add(
        "ARR_SERVER_ROUTED",
        RoutingReason=kind,
        Farm=action.farm,
        Server=action.server,
        Reason=action.reason,
    )


def as_asked(decision: Decision, action: Action, trace: Trace) -> Decision:
    """A decision that is made again, and its trace, with the server that was really asked."""
    again = decision.action
    if not isinstance(action, Proxy) or not isinstance(again, Proxy) or again.url != action.url:
        return decision
    for index, event in enumerate(trace.events):
        if event.name == "ARR_SERVER_ROUTED" and action.server:
            told = Trace()
            tell(told, action)
            trace.events[index : index + 1] = told.events
    return replace(decision, action=action)


def no_server(farm: Farm, unhealthy: str = "") -> Respond:
    """502.4: the farm has no server that may be asked (documented)."""
    form = "unhealthy" if unhealthy else "none"
    return Respond(
        502,
        4,
        f"No server of the web farm '{farm.name}' is usable: {unhealthy or 'none is enabled'}.",
        notification="MapRequestHandler",
        hints=(catalogue.hint(f"error-no-farm-server/{form}", farm=farm.name),),
    )


def remaining(request: Request, settings: Forwarding) -> int | None:
    """The Max-Forwards that the other server gets; None where the client's is used up. A client's
    own is counted down (inferred).
    """
    sent = bounded(request.fields.get("max-forwards", "").strip(), _MAX_FORWARDS)
    if sent is None:
        return settings.max_forwards
    return sent - 1 if sent > 0 else None


def _too_many() -> Respond:
    """400.605: the request has been forwarded too often (documented)."""
    return Respond(
        400,
        605,
        "The request has been forwarded as often as Max-Forwards allows: rules that forward to this"
        " server itself make a loop.",
        notification="MapRequestHandler",
    )


# -- the way back ----------------------------------------------------------------------------------


def front_headers(
    decision: Decision, headers: Iterable[Header], trace: Trace | None = None
) -> list[Header]:
    """The headers of another server's response, as a client gets them.

    With reverseRewriteHostInResponseHeaders, which is on by default for <proxy>, every absolute
    Location and Content-Location gets the front's scheme and host, whatever host it names (four
    reports), and cookies its name (inferred from ANCM).
    """
    assert isinstance(decision.action, Proxy)
    settings = forwarding(decision.effective, decision.action)
    found = [pair for pair in headers if not _is_dropped(settings, pair[0])]
    if settings.names_front:
        found = [(name, _of_front(decision, name, value, trace)) for name, value in found]
    found += _affinity(decision, decision.action) if decision.action.farm else []
    return [*found, _POWERED] if settings.names_itself else found


def _is_dropped(settings: Forwarding, name: str) -> bool:
    return settings.server_header == "Remove" and name.lower() == "server"


def passes_server(decision: Decision) -> bool:
    """Whether the other server has the say over Server: passServerHeader is not Replace."""
    action = decision.action
    return (
        isinstance(action, Proxy)
        and forwarding(decision.effective, action).server_header != "Replace"
    )


def _of_front(decision: Decision, name: str, value: str, trace: Trace | None) -> str:
    request = decision.request
    changed = value
    if name.lower() in ("location", "content-location"):
        changed = _on(f"{request.scheme}://{request.authority}", value)
    elif name.lower() == "set-cookie":
        changed = _DOMAIN.sub(lambda match: match[1] + request.host, value)
    if trace is not None and changed != value:
        trace.add("ARR_RESPONSE_HEADER_REWRITTEN", Name=name, Before=value, After=changed)
    return changed


def _on(front: str, location: str) -> str:
    try:
        parts = urlsplit(location)
    except ValueError:  # an address in brackets that is none
        return location
    if parts.scheme not in ("http", "https") or not parts.netloc:
        return location
    return front + urlunsplit(("", "", parts.path or "/", parts.query, parts.fragment))


def _affinity(decision: Decision, action: Proxy) -> list[Header]:
    """The cookie that binds a client to its server, where it has none that does (its form is that
    of App Service).
    """
    farm = decision.effective.view(web_farms.farms).get(action.farm.lower())
    server = web_farms.server_of(decision.effective, action)
    if farm is None or server is None or not farm.cookie:
        return []
    if action.reason.startswith(web_farms.AFFINITY):
        return []
    value = f"{farm.cookie}={web_farms.digest(farm, server)};Path=/;Domain={decision.request.host}"
    return [("Set-Cookie", value)]
