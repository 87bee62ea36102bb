"""ProtocolSupportModule: OPTIONS and TRACE, and the headers that <httpProtocol> adds to every
response.
"""

from __future__ import annotations

from ..config.tree import Effective
from ..decision import Respond
from . import loaded_modules
from .context import Context

SECTION = "system.webServer/httpProtocol"
_METHODS = "OPTIONS, TRACE, GET, HEAD, POST"


#: Headers that say where a message ends.
_FRAMING = frozenset({"content-length", "transfer-encoding"})


def handle(context: Context) -> Respond | None:
    """The module's own answers (measured): OPTIONS lists the methods, TRACE is off by a registry
    default.
    """
    method = context.request.method
    if method == "OPTIONS":
        return Respond(
            200,
            0,
            notification="ExecuteRequestHandler",
            headers=(("Allow", _METHODS), ("Public", _METHODS)),
        )
    if method == "TRACE":
        return Respond(
            501,
            0,
            "Header values specify a method that is not implemented.",
            notification="ExecuteRequestHandler",
        )
    return None


def keeps_alive(effective: Effective) -> bool:
    """allowKeepAlive. A view: see Effective.view."""
    return effective.section(SECTION).flag("allowKeepAlive")


def redirect_headers(effective: Effective) -> tuple[tuple[str, str], ...]:
    """redirectHeaders: sent with what HttpRedirectionModule answers. A view: see Effective.view."""
    section = effective.section(SECTION)
    return tuple(
        (item.text("name"), item.text("value"))
        for item in section.child("redirectHeaders").items
        if item.text("value") and item.text("name").lower() not in _FRAMING
    )


def custom_headers(effective: Effective) -> tuple[tuple[str, str], ...]:
    """customHeaders in document order; an empty value sends nothing. How a message ends is
    http.sys's to say, not theirs (inferred). A view: see Effective.view.
    """
    if "ProtocolSupportModule" in effective.view(loaded_modules.modules_not_loaded):
        return ()
    section = effective.section(SECTION)
    return tuple(
        (item.text("name"), item.text("value"))
        for item in section.child("customHeaders").items
        if item.text("value") and item.text("name").lower() not in _FRAMING
    )
