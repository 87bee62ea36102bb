"""ApplicationRequestRouting: a rewrite to another host, forwarded where the proxy is enabled."""

from __future__ import annotations

from ..decision import Proxy, Respond
from .context import CORE, Context

_NEEDS_ARR = (
    "The rule rewrites to another host, which needs Application Request Routing with its proxy"
    " enabled: start with --arr."
)


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
        hints=(_NEEDS_ARR,),
    )
