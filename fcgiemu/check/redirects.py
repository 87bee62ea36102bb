"""Redirects that lead back to themselves, or to another redirect: followed with ``decide`` from a made-up request."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from ..config.diagnostics import Finding
from ..config.tree import Effective
from ..decision import Redirect
from ..http.request import Request, make_request
from ..http.url import UrlRefused
from ..rewrite.rule import Rule
from ..site import Site
from . import samples
from .codes import finding

#: More redirects than this are a loop for every browser.
MAX_HOPS = 10


def findings(site: Site, effective: Effective, own: Sequence[Rule]) -> list[Finding]:
    """Loops and chains that begin at the redirect rules ``own``."""
    found = []
    for rule in own:
        if rule.action.type == "Redirect":
            for request in samples.requests(rule):
                hops = _follow(site, request, rule)
                if hops is None:
                    continue
                if hops and hops[-1] in hops[:-1]:
                    words = f"Rule '{rule.name}' redirects for ever: {' -> '.join(hops[:4])}"
                    found.append(finding("redirect-loop", words, rule.span,
                                         "Add a condition that the target does not meet, say on {HTTPS} or {HTTP_HOST}."))
                elif len(hops) > 2:
                    words = f"Rule '{rule.name}' needs {len(hops) - 1} redirects: {' -> '.join(hops)}"
                    found.append(finding("redirect-chain", words, rule.span, f"Redirect to {hops[-1]} at once."))
                break
    return found


def _follow(site: Site, request: Request, rule: Rule) -> list[str] | None:
    """The URLs from ``request`` on, the last one twice in a loop; None where it is not ``rule`` that redirects first."""
    hops = [_shown(request)]
    fields = request.headers
    for _ in range(MAX_HOPS):
        decision = site.decide(request)
        if not isinstance(decision.action, Redirect):
            break
        if len(hops) == 1 and (not decision.rules or decision.rules[-1] != rule.name):
            return None
        target = decision.action.location
        parts = urlsplit(target)
        if "sample" in (parts.hostname or "") or not _same_site(parts.hostname or "", request, site):
            return hops + [target]
        hops.append(target)
        if target in hops[:-1]:
            break
        try:
            request = make_request(target, "GET", [pair for pair in fields if pair[0].lower() != "host"])
        except (UrlRefused, ValueError):
            break
    return hops


def _shown(request: Request) -> str:
    return f"{request.scheme}://{request.authority}{request.target.raw}"


def _same_site(host: str, request: Request, site: Site) -> bool:
    """Whether a redirect's host is served by this site: the same one, with or without www."""
    return host.removeprefix("www.") == request.host.removeprefix("www.")
