"""A request as another server gets it: its target and its headers.

The other server is a process of <httpPlatform> or <aspNetCore> (``local_target``,
``local_headers``), or one that a
rule names and Application Request Routing asks (``request_headers``).
"""

from __future__ import annotations

from urllib.parse import quote, urlsplit

from ..decision import Decision, Proxy
from ..http.request import Request, joined
from ..http.response import Header
from ..modules import application_request_routing, web_farms
from ..modules.application_request_routing import Forwarding
from ..rewrite.state import original_url

#: Headers that concern one connection (RFC 9110, 7.6.1).
HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "proxy-connection",
    }
)
#: Fields that are set again: Proxy would become HTTP_PROXY in the environment of a CGI program. IIS
#: answers Expect itself.  # inferred
_OWN = frozenset({"host", "proxy", "expect"})
#: What stands in the path of a local target as it is: the ``?`` of a decoded %3F begins the query
#: (measured with httpPlatformHandler 1.2), and a ``%`` is not encoded again.
_KEPT = ";/?:@&=+$,%-_.!~*'(){}|^[]`\""


def local_target(decision: Decision, *, keeps_mark: bool = True) -> str:
    """The target for a process: the decoded path, where only what must be is encoded again, so that
    an encoded slash arrives as a slash; the query as the client sent it (measured with
    httpPlatformHandler 1.2). Its successors encode the ``?`` of a path: not ``keeps_mark``.
    """
    query = decision.query
    if not decision.rewrite.shows_original:
        query = decision.request.target.raw.partition("?")[2]
    safe = _KEPT if keeps_mark else _KEPT.replace("?", "")
    path = quote(decision.path, safe=safe, errors="replace")
    mark = "?" if query or decision.request.target.raw.endswith("?") else ""
    return f"{path}{mark}{encode_query(query)}"


def encode_query(query: str) -> str:
    """A query as it may stand in a target; raw bytes of the client's are encoded one by one."""
    data = query.encode("utf-8", "surrogateescape")
    return quote(data, safe="%/?:@&=+$,;!~*()|[]-_.")


def request_headers(decision: Decision, action: Proxy, tls: str = "") -> list[Header]:
    """The client's headers with the ones rules set, the target's Host, and what ARR adds. ``tls``
    is what is said of a connection over TLS: see tls.described. What a client itself says of its
    certificate is dropped (seen: ARR sets these headers to nothing).
    """
    request, rewrite = decision.request, decision.rewrite
    proxy = application_request_routing.forwarding(decision.effective, action)
    headers = _client_headers(decision)
    came = joined(headers)
    replaced = {
        proxy.client_header.lower(),
        proxy.ssl_header.lower(),
        proxy.certificate_header.lower(),
        proxy.log_id_header.lower(),
        "max-forwards",
        "x-original-url",
    }
    client = client_address(request) if proxy.with_port else request.remote_addr
    added = [
        ("Host", rewrite.assigned.get("HTTP_HOST") or _host(decision, action, proxy)),
        ("Max-Forwards", str(application_request_routing.remaining(request, proxy) or 0)),
        ("X-Original-URL", original_url(request)),
        _appended(came, proxy.client_header, client),
        (proxy.ssl_header, tls if request.https else ""),
        proxy.forwarded_by,
        (proxy.log_id_header, action.log_id),
    ]
    kept = [pair for pair in headers if pair[0].lower() not in replaced]
    return kept + [(name, value) for name, value in added if name and value]


def _host(decision: Decision, action: Proxy, proxy: Forwarding) -> str:
    """The Host that the other server gets."""
    if proxy.keeps_host:
        return decision.request.authority
    if not action.farm:
        return urlsplit(action.url).netloc
    return proxy.other_host or web_farms.host_of(decision.effective, action)


def local_headers(decision: Decision, *, connection: str = "Keep-Alive") -> list[Header]:
    """The headers that a process of the site gets: the client's own Host among them."""
    headers = _client_headers(decision)
    came = joined(headers)
    request, rewritten = decision.request, decision.rewrite.shows_original
    replaced = {"x-forwarded-for", "x-forwarded-proto"} | (
        {"x-original-url"} if rewritten else set()
    )
    return [
        ("Connection", connection),
        *(pair for pair in headers if pair[0].lower() not in replaced),
        *((("X-Original-URL", original_url(request)),) if rewritten else ()),
        ("Host", decision.rewrite.assigned.get("HTTP_HOST") or request.authority),
        _appended(came, "X-Forwarded-For", client_address(request)),
        _appended(came, "X-Forwarded-Proto", request.scheme),
    ]


def client_address(request: Request) -> str:
    """Address and port of the client, as X-Forwarded-For has them: ``[::1]:50000``."""
    address = request.remote_addr
    return f"{f'[{address}]' if ':' in address else address}:{request.remote_port}"


def _appended(came: dict[str, str], name: str, value: str) -> Header:
    """A header that each server continues; what came is the client's value, or a rule's."""
    before = came.get(name.lower(), "")
    return name, f"{before}, {value}" if before else value


def _client_headers(decision: Decision) -> list[Header]:
    """The client's end-to-end headers with the values that rules set."""
    request, rewrite = decision.request, decision.rewrite
    assigned = {
        name[5:].replace("_", "-").lower(): value
        for name, value in rewrite.assigned.items()
        if name.startswith("HTTP_")
    }
    dropped = HOP_BY_HOP | _OWN | named(request.fields.get("connection", "")) | assigned.keys()
    headers = [(name, value) for name, value in request.headers if name.lower() not in dropped]
    headers += [(name, value) for name, value in assigned.items() if value and name != "host"]
    return headers


def named(connection: str) -> set[str]:
    """The fields that a Connection field names: they concern this connection alone."""
    return {name.strip(" \t").lower() for name in connection.split(",")}
