"""A request as iisnode writes it to Node (seen in its source)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...decision import CallIisnode, Decision
from ...http.response import Header
from ...modules.iisnode_request import added_headers
from ...rewrite.state import original_url
from ..websocket import are_enabled

#: The headers that http.sys knows, in its order, which is that in which iisnode writes them; the
#: others follow as they came.
_KNOWN = (
    *("Cache-Control", "Connection", "Date", "Keep-Alive", "Pragma", "Trailer"),
    *("Transfer-Encoding", "Upgrade", "Via", "Warning", "Allow", "Content-Length", "Content-Type"),
    *("Content-Encoding", "Content-Language", "Content-Location", "Content-MD5", "Content-Range"),
    *("Expires", "Last-Modified", "Accept", "Accept-Charset", "Accept-Encoding"),
    *("Accept-Language", "Authorization", "Cookie", "Expect", "From", "Host", "If-Match"),
    *("If-Modified-Since", "If-None-Match", "If-Range", "If-Unmodified-Since", "Max-Forwards"),
    *("Proxy-Authorization", "Referer", "Range", "TE", "Translate", "User-Agent"),
)
#: What a rule may have put into a value, and would begin another header.
_LINE_ENDS = re.compile(r"[\r\n\0]")
_PLACES = {name.lower(): place for place, name in enumerate(_KNOWN)}
#: Fields that are written again.
_OWN = frozenset({"connection", "expect", "transfer-encoding", "keep-alive", "proxy-connection"})


def head(decision: Decision, action: CallIisnode, length: int | None, chunked: bool) -> bytes:
    """The head of the request; ``length`` is that of its body, None where it has none. Raises
    ValueError for a URL that cannot stand in a request line.
    """
    request = decision.request
    target = action.target.encode("cp1252", "replace")  # inferred: the server's ANSI code page
    if b"\r" in target or b"\n" in target or b"\0" in target:
        raise ValueError("the URL holds a line end")
    headers = list(_headers(decision, action))
    if chunked:
        headers.append(("Transfer-Encoding", "chunked"))
    elif length is not None:
        headers.append(("Content-Length", str(length)))
    headers.sort(key=lambda pair: _PLACES.get(pair[0].lower(), len(_KNOWN)))
    lines = [b"%b %b %b" % (request.method.encode("latin-1"), target, request.protocol.encode())]
    lines += [
        f"{_name(name)}: {_LINE_ENDS.sub(' ', value)}".encode("latin-1", "replace")
        for name, value in headers
    ]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def asks_for_upgrade(decision: Decision) -> bool:
    """Whether a request names a protocol to upgrade to."""
    return "upgrade" in decision.request.fields


def upgrades(decision: Decision) -> bool:
    """Whether Node sees the request to upgrade: ``Connection`` is exactly ``upgrade``, and IIS's
    own WebSocket module does not take it, which <webSocket enabled="false" /> sees to (measured).
    """
    connection = decision.request.fields.get("connection", "").strip().lower()
    return asks_for_upgrade(decision) and connection == "upgrade" and not are_enabled(decision)


def _headers(decision: Decision, action: CallIisnode) -> Iterator[Header]:
    request, rewrite = decision.request, decision.rewrite
    assigned = {
        name[5:].replace("_", "-").lower(): value
        for name, value in rewrite.assigned.items()
        if name.startswith("HTTP_")
    }
    if rewrite.shows_original:
        assigned.setdefault("x-original-url", original_url(request))
    added = added_headers(decision, action)
    dropped = _OWN | {"content-length", "upgrade" if are_enabled(decision) else ""}
    if any(name == "X-Forwarded-For" for name, _ in added):
        dropped |= {"x-forwarded-for"}
    yield "Connection", "Upgrade" if upgrades(decision) else "keep-alive"
    for name, value in request.headers:
        if name.lower() not in dropped and name.lower() not in assigned:
            yield name, value
    for name, value in assigned.items():
        if value and name not in dropped:
            yield name, value
    yield from added


def _name(name: str) -> str:
    """A header's name as http.sys writes those that it knows."""
    place = _PLACES.get(name.lower())
    return name if place is None else _KNOWN[place]
