"""<hsts> of a site in the host configuration: HTTP Strict Transport Security, since IIS 10.0
version 1709 (documented; not reachable from web.config).
"""

from __future__ import annotations

from ..decision import Redirect
from ..http.url import encode_location
from .context import Context

#: The status of redirectHttpToHttps is not documented. # inferred
STATUS = 301


def redirect(context: Context) -> Redirect | None:
    """redirectHttpToHttps: the same URL over HTTPS."""
    hsts, request = context.hosting.layout.hsts, context.request
    if hsts is None or not hsts.redirect_to_https or request.https:
        return None
    return Redirect(STATUS, encode_location(f"https://{request.host}{request.target.raw}"))
