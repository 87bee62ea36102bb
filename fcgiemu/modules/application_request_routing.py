"""ApplicationRequestRouting: a rewrite to another host, forwarded where the proxy is enabled.

``<proxy>`` of the host configuration says how; no web.config may have it. Where it says nothing of
``enabled``, the settings of the emulator do.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from .. import catalogue
from ..config.tree import Effective
from ..decision import Decision, Proxy, Respond
from ..hosting import Hosting
from ..http.response import Header
from .context import CORE, Context

SECTION = "system.webServer/proxy"
_DOMAIN = re.compile(r"(;\s*domain=)[^;]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Forwarding:
    """The compiled section; ``timeout`` in seconds."""

    #: None where the configuration does not say it.
    enabled: bool | None
    keeps_host: bool
    #: reverseRewriteHostInResponseHeaders.
    names_front: bool
    timeout: float
    #: The header that gets the client's address; "" = none does.
    client_header: str
    with_port: bool


def compiled(effective: Effective) -> Forwarding:
    """A view: see Effective.view."""
    section = effective.section(SECTION)
    return Forwarding(
        enabled=section.flag("enabled") if section.has("enabled") else None,
        keeps_host=section.flag("preserveHostHeader"),
        names_front=section.flag("reverseRewriteHostInResponseHeaders"),
        timeout=section.seconds("timeout"),
        client_header=section.text("xForwardedForHeaderName"),
        with_port=section.flag("includePortInXForwardedFor"),
    )


def is_enabled(hosting: Hosting, effective: Effective) -> bool:
    """Whether requests are forwarded to other hosts."""
    said = effective.view(compiled).enabled
    return hosting.settings.arr if said is None else said


def front_headers(decision: Decision, headers: Iterable[Header]) -> list[Header]:
    """The headers of another server's response. With reverseRewriteHostInResponseHeaders, which is
    on by default, every absolute Location and Content-Location gets the front's scheme and host,
    whatever host it names (four reports), and cookies its name (inferred from ANCM).
    """
    if not decision.effective.view(compiled).names_front:
        return list(headers)
    return [(name, _of_front(decision, name.lower(), value)) for name, value in headers]


def _of_front(decision: Decision, name: str, value: str) -> str:
    request = decision.request
    if name in ("location", "content-location"):
        return _on(f"{request.scheme}://{request.authority}", value)
    if name == "set-cookie":
        return _DOMAIN.sub(lambda match: match[1] + request.host, value)
    return value


def _on(front: str, location: str) -> str:
    parts = urlsplit(location)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        return location
    return front + urlunsplit(("", "", parts.path or "/", parts.query, parts.fragment))


def forward(context: Context) -> Proxy | Respond:
    """The request goes to the URL that a rule has made; without ARR no handler exists for it."""
    state = context.state
    if is_enabled(context.hosting, context.effective):
        context.module = "ApplicationRequestRouting"
        return Proxy(f"{state.path}?{state.query}" if state.query else state.path)
    context.module = CORE
    said = context.effective.view(compiled).enabled
    return Respond(
        404,
        4,
        "The resource you are looking for does not have a handler associated with it.",
        0x8007007B,
        notification="MapRequestHandler",
        hints=(catalogue.hint(f"error-no-proxy/{'arr' if said is None else 'off'}"),),
    )
