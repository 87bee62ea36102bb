"""Redirects that lead to themselves behind a proxy: it tells the client's scheme in a header."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from ..catalogue import filled
from ..catalogue.findings import Finding
from ..decision import Redirect
from ..http.request import Request, make_request
from ..rewrite.rule import Rule
from ..site import Site
from . import loop_remedies, sample_requests
from .tried_remedies import Remedy, first_that_works

#: Headers by which proxies tell the scheme of the client, as variables.
_SCHEME_HEADER = re.compile(
    r"(?i)\{(HTTP_(?:X_FORWARDED_(?:PROTO(?:COL)?|SCHEME)|X_(?:URL_)?SCHEME|CLOUDFRONT_FORWARDED_PROTO))\}"
)


def findings(site: Site, rule: Rule) -> Iterator[Finding]:
    """A redirect to the scheme that the client has, as the header of a proxy tells: the proxy asks
    over HTTP in any case, and tells the same again.
    """
    url = rule.action.url.source if rule.action.url is not None else ""
    scheme = urlsplit(url.partition("{")[0]).scheme.lower()
    told = [one for one in rule.conditions if _SCHEME_HEADER.fullmatch(one.input.source.strip())]
    if scheme not in ("http", "https") or not told or rule.match_any:
        return
    other = "http" if scheme == "https" else "https"
    for request in sample_requests.requests(rule):
        if not _comes_back(site, rule, request, scheme):
            continue

        def works(changed: Site, request: Request = request) -> bool:
            sent = _through_proxy(changed, rule, request, other)
            return not _comes_back(changed, rule, request, scheme) and sent is not None

        url = f"{scheme}://{request.authority}{request.target.raw}"
        known = [remedy for one in told for remedy in loop_remedies.of_proxy(rule, one, other)]
        chosen = first_that_works(site, [*known, Remedy("redirect-loop", {"target": url})], works)
        header = told[0].input.source.strip("{} ").upper()[5:].replace("_", "-").title()
        values = {"rule": rule.name, "hops": f"{url} -> {url}", "told": f"{header}: {scheme}"}
        yield filled(chosen.form, {**values, **chosen.values}, rule.span)
        return


def _comes_back(site: Site, rule: Rule, request: Request, scheme: str) -> bool:
    """Whether a client that asks for the URL of ``request`` with a scheme is sent to it again."""
    return _through_proxy(site, rule, request, scheme) == (
        f"{scheme}://{request.authority}{request.target.raw}"
    )


def _through_proxy(site: Site, rule: Rule, request: Request, scheme: str) -> str | None:
    """Where a rule redirects a request that a proxy passes on over HTTP; None for nowhere."""
    told = {
        found[1].upper()[5:].replace("_", "-"): scheme
        for condition in rule.conditions
        if (found := _SCHEME_HEADER.fullmatch(condition.input.source.strip()))
    }
    headers = [pair for pair in request.headers if pair[0].upper() not in {"HOST", *told}]
    url = f"http://{request.authority}{request.target.raw}"
    decision = site.decide(make_request(url, request.method, [*headers, *told.items()]))
    is_ours = isinstance(decision.action, Redirect) and decision.rules[-1:] == (rule.name,)
    return decision.action.location if is_ours and isinstance(decision.action, Redirect) else None
