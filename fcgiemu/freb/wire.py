"""How traces show headers and bodies, and how many bytes a request and a response have.

Measured: known headers stand first, in the order of HTTP.sys's enumeration, then the others in the
order in which they came; a response's block lacks what HTTP.sys adds later; ``BytesSent`` and
``BytesReceived`` are exact sums.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import NamedTuple

Header = tuple[str, str]

#: Bytes of a body that one Buffer shows.
MAX_BUFFER = 8192

_GENERAL = """Cache-Control Connection Date Keep-Alive Pragma Trailer Transfer-Encoding Upgrade Via
Warning Allow Content-Length Content-Type Content-Encoding Content-Language Content-Location
Content-MD5 Content-Range Expires Last-Modified""".split()
_REQUEST = """Accept Accept-Charset Accept-Encoding Accept-Language Authorization Cookie Expect From
Host If-Match If-Modified-Since If-None-Match If-Range If-Unmodified-Since Max-Forwards
Proxy-Authorization Referer Range TE Translate User-Agent""".split()
_RESPONSE = """Accept-Ranges Age ETag Location Proxy-Authenticate Retry-After Server Set-Cookie Vary
WWW-Authenticate""".split()
_OF_REQUESTS = {name.lower(): (place, name) for place, name in enumerate(_GENERAL + _REQUEST)}
_OF_RESPONSES = {name.lower(): (place, name) for place, name in enumerate(_GENERAL + _RESPONSE)}
_ADDED_LATER = frozenset({"date", "content-length", "connection", "transfer-encoding"})

#: http.client has the same table, and loads ssl and email.
_PHRASES = {status.value: status.phrase for status in HTTPStatus}


def _ordered(headers: Iterable[Header], known: dict[str, tuple[int, str]]) -> list[Header]:
    pairs = list(headers)
    first = sorted(
        ((known[name.lower()], value) for name, value in pairs if name.lower() in known),
        key=lambda entry: entry[0][0],
    )
    rest = [pair for pair in pairs if pair[0].lower() not in known]
    return [(name, value) for (_, name), value in first] + rest


def _block(headers: Iterable[Header]) -> str:
    return "".join(f"{name}: {value}\r\n" for name, value in headers)


def request_block(headers: Iterable[Header]) -> str:
    """Request headers as GENERAL_REQUEST_HEADERS shows them."""
    return _block(_ordered(headers, _OF_REQUESTS))


def response_block(headers: Iterable[Header]) -> str:
    """Response headers as GENERAL_RESPONSE_HEADERS shows them: without those added later."""
    kept = (pair for pair in headers if pair[0].lower() not in _ADDED_LATER)
    return _block(_ordered(kept, _OF_RESPONSES))


def pairs(block: str) -> list[Header]:
    """The headers of a block."""
    found = (line.partition(":") for line in block.splitlines() if ":" in line)
    return [(name.strip(), value.strip()) for name, _, value in found]


def received(verb: str, target: str, protocol: str, block: str) -> int:
    """Bytes of a request: its line as sent, the traced headers, the empty line."""
    return len(f"{verb} {target} {protocol}\r\n{block}\r\n".encode("utf-8", "surrogateescape"))


def sent(status: int, reason: str, block: str, body: int, has_length: bool) -> int:
    """Bytes of a response: status line, traced headers, Date, Content-Length, empty line, body."""
    line = f"HTTP/1.1 {status} {reason or _PHRASES.get(status, '')}\r\n"
    length = len(f"Content-Length: {body}\r\n") if has_length else 0
    return len((line + block).encode("utf-8", "surrogateescape")) + 37 + length + 2 + body


def buffer(data: bytes) -> str:
    """Bytes as a Buffer shows them: up to the first NUL; printable ASCII, CR and LF as they are,
    the rest as ``%XX``; what is longer than MAX_BUFFER is cut.
    """
    shown = data[:MAX_BUFFER].partition(b"\0")[0]
    text = re.sub(rb"[^\x20-\x7e\r\n]", lambda found: b"%%%02X" % found[0][0], shown).decode(
        "ascii"
    )
    return text + ("TRUNCATED..." if len(data) > MAX_BUFFER else "")


def absolute(scheme: str, host: str, port: int, path: str, query: str) -> str:
    """A URL as traces write it: with its port always, the path decoded, the query as sent."""
    shown = f"[{host}]" if ":" in host else host
    return f"{scheme}://{shown}:{port}{path}" + (f"?{query}" if query else "")


class TracedUrl(NamedTuple):
    """The parts of a URL as traces write it. The path is decoded: a ``#`` belongs to it, and a
    ``?`` that was sent as %3F cannot be told from the one before the query.
    """

    scheme: str = ""
    authority: str = ""
    path: str = ""
    query: str = ""

    @property
    def host(self) -> str:
        """The authority without its port."""
        return re.sub(r":\d*$", "", self.authority).strip("[]")


_ADDRESS = re.compile(
    r"(?is)(https?)://(\[[0-9a-f:.%]+\](?::\d{1,5})?|[^/?#\[\]]+)(/[^?]*)?(?:\?(.*))?"
)


def split(url: str) -> TracedUrl:
    """The parts of a URL, absolute or a path with its query; all empty where it is neither."""
    match = _ADDRESS.fullmatch(url)
    if match is not None:
        scheme, authority, path, query = match.groups()
        return TracedUrl(scheme.lower(), authority, path or "/", query or "")
    if url.startswith("/"):
        path, _, query = url.partition("?")
        return TracedUrl(path=path, query=query)
    return TracedUrl()
