"""<access>: the TLS that sslFlags requires, and the access that a handler requires (403.1 to
403.7).

IIS Web Core checks both; no module can be removed to lift them.
"""

from __future__ import annotations

from functools import partial

from ..config.tree import Effective
from ..decision import Handler, Respond
from .context import Context, Step

SECTION = "system.webServer/security/access"
_TLS = frozenset({"Ssl", "SslRequireCert", "Ssl128"})


def tls(effective: Effective) -> Step | None:
    """403.4 without the TLS that sslFlags requires, 403.7 without the client certificate. A plan:
    see context.py.
    """
    flags = effective.section(SECTION).names("sslFlags")
    return partial(_require_tls, flags) if flags & _TLS else None


def _require_tls(flags: frozenset[str], context: Context) -> Respond | None:
    https = context.request.https
    if "SslRequireCert" in flags and https:  # client certificates are not asked for here
        return Respond(
            403,
            7,
            "The page you are trying to access requires your browser to have a client certificate.",
        )
    if https:
        return None
    return Respond(
        403,
        4,
        "The page you are trying to access is secured with Secure Sockets Layer (SSL).",
    )


def missing(handler: Handler, granted: frozenset[str]) -> Respond | None:
    """403.1, 403.2 or 403.3 where accessPolicy lacks what the handler requires, else None."""
    required = handler.require_access
    if required == "None" or required in granted:
        return None
    return Respond(
        403,
        {"Read": 2, "Write": 3}.get(required, 1),
        f"The handler '{handler.name}' requires {required} access, which accessPolicy does not"
        " grant.",
        notification="MapRequestHandler",
    )
