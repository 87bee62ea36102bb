"""What a URL of the site comes to, for findings."""

from __future__ import annotations

from ..decision import Decision
from ..http.request import make_request
from ..http.url import UrlRefused, encode_path
from ..site import Site


def decided(site: Site, path: str, method: str = "GET") -> Decision | None:
    """The decision for a URL path; None where http.sys refuses it."""
    try:
        return site.decide(make_request(encode_path(path), method))
    except (UrlRefused, ValueError):
        return None
