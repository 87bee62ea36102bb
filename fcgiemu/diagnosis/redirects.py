"""Redirects that lead back to themselves, or to another redirect: followed with ``decide`` from a
made-up request.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import partial
from urllib.parse import urlsplit

from ..catalogue import filled, finding
from ..catalogue.findings import Finding
from ..config.tree import Effective
from ..decision import Redirect
from ..http.request import Request, make_request
from ..http.url import UrlRefused
from ..rewrite.compiler import inbound
from ..rewrite.rule import Condition, Rule
from ..site import Site
from . import loop_remedies, proxied_redirects, redirect_chains, sample_requests
from .condition_remedies import attributes, written
from .configuration_files import holds_files
from .rule_kinds import is_universal
from .tried_remedies import first_that_works

#: Headers that a proxy in front sets, and sets otherwise after the redirect.
_PROXY = re.compile(r"(?i)forwarded|_ssl|proto|scheme|visitor|front_end")
#: More redirects than this are a loop for every browser.
MAX_HOPS = 10


def findings(site: Site, effective: Effective, own: Sequence[Rule]) -> list[Finding]:
    """Loops and chains that begin at the redirect rules ``own``."""
    found: list[Finding] = []
    hosts = [
        condition
        for rule in effective.view(inbound).rules
        for condition in rule.conditions
        if condition.input.source.strip().upper() == "{HTTP_HOST}" and condition.matcher is not None
    ]
    for rule in own:
        if rule.action.type != "Redirect":
            continue
        if any(_PROXY.search(condition.input.source) for condition in rule.conditions):
            found += proxied_redirects.findings(site, rule)
            continue
        request, (hops, loops) = _worst(site, effective, rule, hosts)
        if not loops:
            found += _at_its_target(site, rule, hosts)
            found += [*_to_http(rule), *_over_http(site, effective, rule, hosts)]
        if hops:
            if loops and request is not None:
                if not _comes_again(site, request, rule, hops):
                    continue  # it leads into the loop of others
                loop = partial(_loop, hops=hops, hosts=hosts, earlier=len(found))
                found.append(loop(site, effective, rule, request))
            elif len(hops) > 2:
                assert request is not None
                follow = partial(_follow, request=request, rule=rule, hosts=hosts)
                found.append(redirect_chains.found(site, effective, rule, hops, follow))
    return found


def _listed(hops: Sequence[str]) -> str:
    return " -> ".join(hops[:4]) + (" -> ..." if len(hops) > 4 else "")


def _loop(
    site: Site,
    effective: Effective,
    rule: Rule,
    request: Request,
    hops: Sequence[str],
    hosts: Sequence[Condition],
    earlier: int,
) -> Finding:
    """A loop that begins with ``request``, with a remedy that ends it; ``earlier`` is how many
    findings there were before.
    """

    def ends(changed: Site) -> bool:
        now, loops = _follow(changed, request, rule, hosts)
        return not loops and (len(now) > 1 or bool(now) and hops[0] in hops[1:])

    def leaves(changed: Site) -> bool:
        return not _follow(changed, request, rule, hosts)[1]

    others = _rules_of(site, rule, hops)
    known = loop_remedies.remedies(rule, hops, others, _is_of_case(rule))
    of_maps = loop_remedies.of_maps(effective, rule, hops)
    chosen = first_that_works(site, [*of_maps, known[-1]], leaves, earlier)
    if chosen is known[-1]:
        chosen = first_that_works(site, known, ends, earlier)
    values = {"rule": rule.name, "hops": _listed(hops), **chosen.values}
    return filled(chosen.form, values, rule.span)


def _comes_again(site: Site, request: Request, rule: Rule, hops: Sequence[str]) -> bool:
    """Whether a rule is asked again in the loop that it leads into."""
    headers = [pair for pair in request.headers if pair[0].lower() != "host"]
    for hop in hops[1:]:
        try:
            decision = site.decide(make_request(hop, request.method, headers))
        except (UrlRefused, ValueError):
            return True
        if rule.name in decision.rules[-1:]:
            return True
    return False


def _rules_of(site: Site, rule: Rule, hops: Sequence[str]) -> list[Rule]:
    """The rules that redirect back to ``rule`` in a loop."""
    names = set[str]()
    for hop in hops[1:3]:
        try:
            decision = site.decide(make_request(hop))
        except (UrlRefused, ValueError):
            continue
        names.update(decision.rules[-1:] if isinstance(decision.action, Redirect) else ())
    effective = site.effective(urlsplit(hops[0]).path)
    return [
        other
        for other in effective.view(inbound).rules
        if rule.name in names and other.name in names - {rule.name}
    ]


#: A target on a host that it names: scheme, host.
_NAMED_HOST = re.compile(r"(?i)(https?)://((?:[\w-]+\.)+[\w-]+)(?=[/{?]|$)")
#: Names of rules for the site's own hosts, and of those for another site.
_OWN = re.compile(r"(?i)https|ssl|tls|www|secure|canon|force|root")
_MOVED = re.compile(r"(?i)new|mov|migrat|old|archive|retire|legacy")


def _at_its_target(site: Site, rule: Rule, hosts: Sequence[Condition]) -> Iterator[Finding]:
    """A redirect to a host on which the rule applies again: a loop where the site answers there.

    The rule's name, and files that lie here, tell that from a site that has moved.
    """
    named = _NAMED_HOST.match(rule.action.url.source if rule.action.url else "")
    if named is None:
        return
    scheme, host = named[1].lower(), named[2].lower()
    is_bare = not rule.conditions and named.string[named.end() :].startswith(("{", "/{"))
    is_sure = not _MOVED.search(rule.name) and bool(
        _OWN.search(rule.name) or is_universal(rule) and is_bare and holds_files(site.path)
    )
    if not is_sure and not (is_universal(rule) and is_bare):
        return
    for request in sample_requests.requests(rule):
        try:
            request = make_request(f"{scheme}://{host}{request.target.raw}", request.method)
        except (UrlRefused, ValueError):
            return
        hops, loops = _follow(site, request, rule, hosts)
        if loops:
            yield finding(
                "redirect-loop/host",
                rule.span,
                severity="" if is_sure else "info",
                rule=rule.name,
                host=host,
                pattern=re.escape(host).replace("\\-", "-"),
                hops=" -> ".join(hops[:3]),
            )
            return


#: Names of rules that say what they do: "Redirect to HTTP", "no ssl".
_ON_PURPOSE = re.compile(r"(?i)\b(?:to|force|only|non?)[\W_]*(?:http\b|ssl\b)|http[\W_]*only")


def _to_http(rule: Rule) -> Iterator[Finding]:
    """A redirect of every URL from HTTPS to HTTP."""
    url = rule.action.url.source if rule.action.url is not None else ""
    tested = [one for one in rule.conditions if one.input.source.strip().upper() == "{HTTPS}"]
    if not (is_universal(rule) and len(tested) == 1 == len(rule.conditions)):
        return
    matcher, negate = tested[0].matcher, tested[0].negate
    is_of_https = matcher is not None and [
        (matcher(value) is not None) != negate for value in ("on", "off")
    ] == [True, False]
    if is_of_https and re.match(r"(?i)http://\{(?:HTTP_HOST|SERVER_NAME)\}", url):
        word = "on" if negate else "off"
        pattern = f"^{word}$" if rule.pattern_syntax == "ECMAScript" else word
        yield finding(
            "redirect-to-http",
            rule.span,
            severity="info" if _ON_PURPOSE.search(rule.name) else "",
            rule=rule.name,
            target=attributes(url=f"https{url[4:]}"),
            pattern=attributes(pattern=pattern),
            tested=written(tested[0]),
        )


def _over_http(
    site: Site, effective: Effective, rule: Rule, hosts: Sequence[Condition]
) -> Iterator[Finding]:
    """A redirect to HTTP, which another rule redirects to HTTPS again."""
    url = rule.action.url.source if rule.action.url is not None else ""
    if not url.lower().startswith("http://"):
        return
    for request in sample_requests.requests(rule):
        secure = _at(request, request.authority, "https")
        hops, _ = _follow(site, secure, rule, hosts) if secure is not None else ([], False)
        if len(hops) > 2 and hops[2] == f"https{hops[1][4:]}":
            order = effective.view(inbound).rules
            names = site.decide(make_request(hops[1])).rules
            other = next(one for one in order if one.name == names[-1])
            is_behind = rule.span.file == other.span.file and order.index(other) < order.index(rule)
            yield finding(
                f"redirect-to-http/{'behind' if is_behind else 'again'}",
                rule.span,
                rule=rule.name,
                hops=_listed(hops),
                other=other.name,
                meant=f"https{url[4:]}",
                target=attributes(url=f"https{url[4:]}"),
            )
            return


def _is_of_case(rule: Rule) -> bool:
    """Whether a rule looks for capitals with a pattern that takes small letters too."""
    url = rule.action.url.source if rule.action.url is not None else ""
    return rule.ignore_case and "[A-Z]" in (rule.pattern or "") and "{ToLower:" in url


#: Requests that a rule's redirects are followed from, at most.
MAX_REQUESTS = 16


def _worst(
    site: Site, effective: Effective, rule: Rule, hosts: Sequence[Condition]
) -> tuple[Request | None, tuple[list[str], bool]]:
    """The way of ``_follow`` that is longest, and the request at its start: one made up for the
    rule, the same for the hosts that other rules ask for, or one for a key of its maps.
    """
    own = (
        (request, _follow(site, request, rule, hosts)) for request in sample_requests.requests(rule)
    )
    first = next(((request, way) for request, way in own if way[0]), None)
    others = list(redirect_chains.of_maps(rule, effective))
    if first is not None and not any(
        "HTTP_HOST" in condition.input.source for condition in rule.conditions
    ):
        others += filter(None, (_at(first[0], name) for name in _names(hosts)))
    own_hosts = [first[0], *others] if first is not None else others
    others += redirect_chains.variants(effective, own_hosts[: MAX_REQUESTS // 2])
    ways = [(request, _follow(site, request, rule, hosts)) for request in others[:MAX_REQUESTS]]
    ways += [first] if first is not None else []
    return max(ways, key=lambda way: (way[1][1], len(way[1][0])), default=(None, ([], False)))


def _names(hosts: Sequence[Condition]) -> dict[str, None]:
    """Host names that conditions ask for."""
    names = (
        sample_requests.example(condition.pattern, "sample") for condition in hosts[:MAX_REQUESTS]
    )
    return {name: None for name in names if name and "." in name}


def _at(request: Request, host: str, scheme: str = "") -> Request | None:
    """A request for another host, or with another scheme."""
    try:
        url = f"{scheme or request.scheme}://{host}{request.target.raw}"
        return make_request(url, request.method)
    except (UrlRefused, ValueError):
        return None


def _follow(
    site: Site, request: Request, rule: Rule, hosts: Sequence[Condition]
) -> tuple[list[str], bool]:
    """The URLs from ``request`` on, and whether they never end; none where it is not ``rule`` that
    redirects first.
    """
    hops = [_shown(request)]
    seen = {(request.method, hops[0])}
    for _ in range(MAX_HOPS):
        decision = site.decide(request)
        if not isinstance(decision.action, Redirect):
            return hops, False
        if len(hops) == 1 and (not decision.rules or decision.rules[-1] != rule.name):
            return [], False
        target = decision.action.location
        hops.append(target)
        try:
            if not _same_site(urlsplit(target).hostname or "", request, hosts):
                return hops, False
            keeps_method = decision.action.status in (307, 308) or request.method == "HEAD"
            request = make_request(
                target,
                request.method if keeps_method else "GET",
                [pair for pair in request.headers if pair[0].lower() != "host"],
            )
        except (UrlRefused, ValueError):
            return hops, False
        if (request.method, _shown(request)) in seen:
            return hops, True
        seen.add((request.method, _shown(request)))
    return hops, True


def _shown(request: Request) -> str:
    return f"{request.scheme}://{request.authority}{request.target.raw}"


def _same_site(host: str, request: Request, hosts: Sequence[Condition]) -> bool:
    """Whether a redirect's host is served by this site: the same one, or one that its rules ask
    for, with or without www.
    """
    bare = host.removeprefix("www.")
    return bare == request.host.removeprefix("www.") or any(
        condition.matcher is not None and condition.matcher(name) is not None
        for condition in hosts
        for name in (host, bare, f"www.{bare}")
        if condition.pattern.strip("^$.*()")
    )
