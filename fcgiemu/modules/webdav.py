"""WebDAVModule, where it is installed and its authoring is off: it answers the methods of WebDAV
with 405, whatever handler a site has for them.

Measured for PUT and DELETE: the module itself refuses them, so the order of handlers does not
matter, and only <modules><remove name="WebDAVModule" /> helps. The other methods are inferred.
"""

from __future__ import annotations

from ..config.tree import Effective
from ..decision import Respond
from .context import Context, Step

MODULE = "WebDAVModule"
METHODS = frozenset(
    {"PROPFIND", "PROPPATCH", "MKCOL", "PUT", "COPY", "DELETE", "MOVE", "LOCK", "UNLOCK"}
)
_ALLOWED = "GET, HEAD, OPTIONS, TRACE"


def plan(_effective: Effective) -> Step | None:
    """405 for the methods of WebDAV. A plan: see context.py."""
    return _refuse


def _refuse(context: Context) -> Respond | None:
    if context.request.method not in METHODS:
        return None
    return Respond(
        405,
        0,
        "The page you are looking for cannot be displayed because an invalid method (HTTP verb) is"
        " being used.",
        notification="MapRequestHandler",
        headers=(("Allow", _ALLOWED),),
        hints=('Write <modules><remove name="WebDAVModule" /></modules> into web.config.',),
    )
