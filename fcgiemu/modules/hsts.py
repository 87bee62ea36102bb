"""<hsts> of a site in the host configuration: HTTP Strict Transport Security, since IIS 10.0
version 1709 (documented; not reachable from web.config).
"""

from __future__ import annotations

from ..decision import Redirect
from ..http.url import encode_location
from .context import Context

#: The status of redirectHttpToHttps is not documented. # inferred
STATUS = 301


def begin(context: Context) -> Redirect | None:
    """redirectHttpToHttps: the same URL over HTTPS; over HTTPS every response says so."""
    hsts, request = context.hosting.layout.hsts, context.request
    if hsts is None:
        return None
    if request.https:
        context.extra_headers.append(("Strict-Transport-Security", hsts.value))
    if request.https or not hsts.redirect_to_https:
        return None
    return Redirect(STATUS, encode_location(f"https://{request.host}{request.target.raw}"))
