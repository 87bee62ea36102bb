"""Redirects that lead to other redirects: the requests that meet most of them, and what each rule
should say to arrive at once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from urllib.parse import urlsplit

from ..catalogue import filled
from ..catalogue.findings import Finding
from ..config.tree import Effective
from ..http.request import Request, make_request
from ..http.url import UrlRefused, encode_path
from ..rewrite.compiler import SECTION, inbound
from ..rewrite.rule import Rule
from ..site import Site
from .condition_remedies import attributes
from .tried_remedies import Remedy, first_that_works

#: The maps that are asked for the path.
_LOOK_UP = re.compile(r"\{([\w .-]+):/?(?:\{ToLower:)?\{(?:URL|REQUEST_URI|PATH_INFO|R:[01])\}")
#: Requests for the keys of a map, at most.
_MOST_KEYS = 16
#: So many redirects are more than a host, a scheme and what is left for them.
_LONG = 3


# -- requests --------------------------------------------------------------------------------------


def variants(effective: Effective, requests: Iterable[Request]) -> Iterator[Request]:
    """The requests with capitals and with a slash at their end, where rules of the configuration
    redirect such URLs.
    """
    targets = [
        (rule.pattern or "", rule.action.url.source)
        for rule in effective.view(inbound).rules
        if rule.action.type == "Redirect" and rule.action.url is not None
    ]
    case = any("{ToLower:" in url for _, url in targets)
    slash = any(pattern.endswith(("/$", "/+$")) for pattern, _ in targets)
    for request in requests if case or slash else ():
        path, _, query = request.target.raw.partition("?")
        if slash and not path.endswith("/"):
            path = f"{path}/"
        if case:
            path = re.sub(r"/([a-z])", lambda found: found[0].upper(), path)
        url = f"{request.scheme}://{request.authority}{path}{'?' * bool(query)}{query}"
        try:
            yield make_request(url, request.method, list(request.headers))
        except (UrlRefused, ValueError):
            continue


def of_maps(rule: Rule, effective: Effective) -> Iterator[Request]:
    """Requests for the keys of a map that a rule asks for the path, whose values are keys too."""
    for name in _asked(rule):
        _, chained = effective.view(_chained_keys).get(name, ("", {}))
        for key in islice(chained, _MOST_KEYS):
            try:
                yield make_request(f"http://localhost{encode_path('/' + _bare(key))}")
            except (UrlRefused, ValueError):
                continue


def _asked(rule: Rule) -> dict[str, None]:
    """The maps that a rule asks for the path."""
    texts = [condition.input.source for condition in rule.conditions]
    texts += [rule.action.url.source] if rule.action.url is not None else []
    return {name.lower(): None for text in texts for name in _LOOK_UP.findall(text)}


def _chained_keys(effective: Effective) -> dict[str, tuple[str, dict[str, str]]]:
    """Map name in lower case -> the name, and its keys whose values are keys too, each with the
    value at the end. A view: Effective.view.
    """
    found = {}
    for node in effective.section(SECTION + "/rewriteMaps").items:
        pairs = {_bare(item.text("key")): item.text("value") for item in node.items}
        chained = {}
        for item in node.items:
            value, seen = item.text("value"), {_bare(item.text("key"))}
            while _bare(value) in pairs and _bare(value) not in seen:
                seen.add(_bare(value))
                value = pairs[_bare(value)]
            if len(seen) > 1 or _bare(value) in seen:
                chained[item.text("key")] = value
        found[node.text("name").lower()] = node.text("name"), chained
    return found


def _bare(path: str) -> str:
    """A path as keys and values are compared: without its first slash, and without case."""
    return path.lstrip("/").lower()


# -- findings --------------------------------------------------------------------------------------


def found(
    site: Site,
    effective: Effective,
    rule: Rule,
    hops: Sequence[str],
    follow: Callable[[Site], tuple[list[str], bool]],
) -> Finding:
    """That a rule leads along the URLs ``hops``; ``follow`` goes the same way with a changed
    site.
    """
    values = {"rule": rule.name, "count": len(hops) - 1, "last": hops[-1]}
    values["hops"] = " -> ".join(hops[:5]) + (" -> ..." if len(hops) > 5 else "")
    if of_map := _of_map(effective, rule, hops):
        name, key, value, more = of_map
        values |= {"map": name, "key": key, "meant": attributes(value=value), "more": more}
        return filled("redirect-chain/map", values, rule.span, severity="warning")

    def arrives(changed: Site) -> bool:
        now, loops = follow(changed)
        return not loops and len(now) == 2 and now[-1] == hops[-1]

    known = [
        Remedy(
            "redirect-chain/target",
            {"meant": attributes(url=url)},
            ((f"action/@url={url}", rule.span),),
        )
        for url in _targets(effective, rule, hops)
    ]
    chosen = first_that_works(site, [*known, Remedy("redirect-chain")], arrives)
    severity = "warning" if len(hops) - 1 >= _LONG else ""
    return filled(chosen.form, {**values, **chosen.values}, rule.span, severity=severity)


def _of_map(
    effective: Effective, rule: Rule, hops: Sequence[str]
) -> tuple[str, str, str, str] | None:
    """The map whose key leads along ``hops``, the key, the value that it should have, and how many
    others there are; None where it is not a map.
    """
    first, last = urlsplit(hops[0]).path, urlsplit(hops[-1])
    for asked in _asked(rule):
        name, chained = effective.view(_chained_keys).get(asked, ("", {}))
        for key, value in chained.items():
            meant = urlsplit(value)
            if encode_path(f"/{_bare(key)}") == f"/{_bare(first)}" and (
                _bare(encode_path(meant.path)) == _bare(last.path)
            ):
                others = len(chained) - 1
                more = f"; {others} other keys of it lead to keys too" if others else ""
                return name, key, value, more
    return None


#: A target on a host, up to its path.
_ON_HOST = re.compile(r"(?i)https?://([^/{?]*(?:\{(?:HTTP_HOST|SERVER_NAME)\})?[^/{?]*)")


def _hosts(effective: Effective) -> set[str]:
    """The hosts that the redirects of a configuration name."""
    urls = (rule.action.url for rule in effective.view(inbound).rules)
    matches = (_ON_HOST.match(url.source) for url in urls if url is not None)
    return {match[1].lower() for match in matches if match and "{" not in match[1]}


def _targets(effective: Effective, rule: Rule, hops: Sequence[str]) -> Iterator[str]:
    """What the target of a rule may be whose redirects go along ``hops``."""
    url = rule.action.url.source if rule.action.url is not None else ""
    last, first = urlsplit(hops[-1]), urlsplit(hops[0])
    same = (last.scheme, last.netloc) == (first.scheme, first.netloc)
    host = "" if same else f"{last.scheme}://{last.netloc}"
    if host and last.netloc == first.netloc:
        host = f"{last.scheme}://{{HTTP_HOST}}"
    elif host and _hosts(effective) != {last.netloc.lower()}:
        return  # it depends on the host of the request
    written = _ON_HOST.match(url)
    rest = url[written.end() :] if written else url
    if "{" not in rest:
        yield f"{host}{last.path}{'?' * bool(last.query)}{last.query}"
        return
    rest = rest if rest.startswith(("/", "{URL}", "{REQUEST_URI}", "{PATH_INFO}")) else f"/{rest}"
    host = host or (written[0] if written else "")
    yield f"{host}{rest}"
    yield host + re.sub(r"\{(?:[RC]:\d|URL|REQUEST_URI|PATH_INFO)\}", r"{ToLower:\g<0>}", rest)
