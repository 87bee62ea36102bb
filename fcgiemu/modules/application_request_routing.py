"""ApplicationRequestRouting: a rewrite to another host, forwarded where the proxy is enabled."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit, urlunsplit

from .. import catalogue
from ..decision import Decision, Proxy, Respond
from ..http.response import Header
from .context import CORE, Context


def front_headers(decision: Decision, headers: Iterable[Header]) -> list[Header]:
    """The headers of another server's response: every absolute Location gets the front's scheme and
    host (reverseRewriteHostInResponseHeaders, on by default; four reports).
    """
    request = decision.request
    front = f"{request.scheme}://{request.authority}"
    return [
        (name, _on(front, value)) if name.lower() == "location" else (name, value)
        for name, value in headers
    ]


def _on(front: str, location: str) -> str:
    parts = urlsplit(location)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        return location
    return front + urlunsplit(("", "", parts.path or "/", parts.query, parts.fragment))


def forward(context: Context) -> Proxy | Respond:
    """The request goes to the URL that a rule has made; without ARR no handler exists for it."""
    state = context.state
    if context.hosting.settings.arr:
        context.module = "ApplicationRequestRouting"
        return Proxy(f"{state.path}?{state.query}" if state.query else state.path)
    context.module = CORE
    return Respond(
        404,
        4,
        "The resource you are looking for does not have a handler associated with it.",
        0x8007007B,
        notification="MapRequestHandler",
        hints=(catalogue.hint("error-no-proxy"),),
    )
