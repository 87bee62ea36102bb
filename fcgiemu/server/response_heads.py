"""Heads of responses on the wire, and repeated ones: most answers of an application begin
with the same few headers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache, partial
from typing import NamedTuple

from ..config.tree import Effective
from ..fastcgi import cgi
from ..http.numbers import MAX_LENGTH, bounded
from ..http.response import Header
from ..modules import rewrite_outbound, sending

#: Heads that are remembered for one configuration, the latest ones, and the bytes that the
#: application's may have.
KEPT = 512
LONGEST = 512
_FRAMING = frozenset({"content-length", "connection", "transfer-encoding", "keep-alive"})
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
#: What no value may hold (RFC 9110, 5.5), folds among it.
_CONTROL = re.compile(r"[\r\n]+[ \t]*|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


class KnownHead(NamedTuple):
    """The head of a response whose body goes out as it is. ``data`` ends where the date follows."""

    status: int
    data: bytes


def framed(
    headers: Iterable[Header], status: int, version: str, has_body: bool, keep_alive: bool
) -> tuple[list[Header], int | None, bool, bool]:
    """The headers of a response with those that frame it, which is settled here: a
    Transfer-Encoding that somebody else sets is dropped, and so is every Content-Length but the
    first, and that of a response that has no body at all. With them come the bytes of the body
    (None = not known before its end), whether it is chunked, and whether the connection stays open.

    ``version`` is that of the request; ``has_body`` is false for HEAD, 204 and 304.
    """
    length: int | None = None
    found = []
    for pair in headers:
        lower = pair[0].lower()
        if lower not in _FRAMING:
            found.append(pair)
        elif lower == "content-length":
            if length is None and status != 204:
                length = bounded(pair[1], MAX_LENGTH)
                if length is not None:
                    found.append((pair[0], str(length)))
        elif lower == "connection" and "close" in pair[1].lower():
            keep_alive = False
    chunked = has_body and length is None and version == "1.1"
    if chunked:
        found.append(("Transfer-Encoding", "chunked"))
    elif has_body and length is None:
        keep_alive = False
    if not keep_alive:
        found.append(("Connection", "close"))
    return found, length if has_body else None, chunked, keep_alive


def encoded(status: int, reason: str, headers: Iterable[Header]) -> bytes:
    """A head up to the value of Date, which is its last header: the one place that writes one.

    No header can start another one: control characters in a value become blanks, as http.sys makes
    of a fold, and a header whose name is not a token is left out.  # inferred
    """
    lines = [f"HTTP/1.1 {status} {_CONTROL.sub(' ', reason)}\r\n"]
    for name, value in headers:
        if _TOKEN.fullmatch(name):
            text = value if value.isprintable() else _printable(value)
            lines.append(f"{name}: {text}\r\n")
    return "".join(lines).encode("latin-1", "replace") + b"Date: "


def find(effective: Effective, block: bytes, length: int, keep_alive: bool) -> KnownHead | None:
    """The head for an application's header block and the length of its body; None where more than a
    head is to be made.

    Raises BadHeaders.
    """
    heads = effective.view(ConfigurationHeads)
    make = heads.remembered if len(block) <= LONGEST else heads.make
    return make(block, length, keep_alive)


class ConfigurationHeads:
    """``_made`` for a configuration, with and without a memory. A view: see Effective.view."""

    def __init__(self, effective: Effective) -> None:
        self.make = partial(_made, effective)
        self.remembered = lru_cache(KEPT)(self.make)


def _made(effective: Effective, block: bytes, length: int, keep_alive: bool) -> KnownHead | None:
    head = cgi.parse(block)
    if (
        head.status >= 400
        or head.status in (204, 304)
        or rewrite_outbound.active_rules(effective) is not None
    ):
        return None
    return with_length(
        head.status,
        head.reason,
        sending.decorate(head.headers, effective),
        length,
        keep_alive,
    )


def with_length(
    status: int, reason: str, headers: list[Header], length: int, keep_alive: bool
) -> KnownHead | None:
    """The head of a response with a body of so many bytes; None where its headers say something
    else about that.
    """
    framing = [(name.lower(), value) for name, value in headers if name.lower() in _FRAMING]
    if not framing:
        headers.append(("Content-Length", str(length)))
    elif framing != [("content-length", str(length))]:
        return None
    if not keep_alive:
        headers.append(("Connection", "close"))
    return KnownHead(status, encoded(status, reason, headers))


def _printable(value: str) -> str:
    return _CONTROL.sub(" ", value).strip(" ")
