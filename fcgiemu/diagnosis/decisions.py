"""What a URL of the site comes to, for findings."""

from __future__ import annotations

from urllib.parse import urlsplit

from ..decision import Decision, Redirect
from ..http.request import make_request
from ..http.url import UrlRefused, encode_path
from ..site import Site

#: Redirects to the same path that are followed: to HTTPS, and to the host of the site.
_MAX_HOPS = 3


def decided(site: Site, path: str, method: str = "GET") -> Decision | None:
    """The decision for a URL path; None where http.sys refuses it."""
    try:
        return site.decide(make_request(encode_path(path), method))
    except (UrlRefused, ValueError):
        return None


def decided_at_last(site: Site, path: str) -> Decision | None:
    """The decision for a URL path under the scheme and the host that the site redirects to."""
    url = encode_path(path)
    try:
        decision = site.decide(make_request(url))
        for _ in range(_MAX_HOPS):
            if not isinstance(decision.action, Redirect):
                break
            target = urlsplit(decision.action.location)
            if not target.netloc or target.path != encode_path(path):
                break
            decision = site.decide(make_request(decision.action.location))
    except (UrlRefused, ValueError):
        return None
    return decision
